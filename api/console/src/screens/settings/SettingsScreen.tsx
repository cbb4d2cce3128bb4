/** How review works here, who works here, and what else has access. */
import { Tabs } from '@mantine/core';
import { useLocation } from 'wouter';
import { Screen } from '../../parts/state';
import { text } from '../../text/en';
import { Review } from './Review';
import { Users } from './Users';

export function SettingsScreen({ tab }: { tab: string | undefined }) {
  const [, go] = useLocation();
  return (
    <Screen title={text.screens.settings} about={text.settings.about}>
      <Tabs value={tab ?? 'review'} onChange={(to) => go(`/settings/${to ?? 'review'}`)} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="review">{text.settings.review}</Tabs.Tab>
          <Tabs.Tab value="people">{text.settings.people}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="review">
          <Review />
        </Tabs.Panel>
        <Tabs.Panel value="people">
          <Users />
        </Tabs.Panel>
      </Tabs>
    </Screen>
  );
}
