/** How review works here, who works here, and what else has access. */
import { Tabs } from '@mantine/core';
import { useLocation } from 'wouter';
import { useMay } from '../../api/session';
import { Screen } from '../../parts/state';
import { text } from '../../text/en';
import { Keys } from './Keys';
import { Review } from './Review';
import { Users } from './Users';
import { Webhooks } from './Webhooks';

export function SettingsScreen({ tab }: { tab: string | undefined }) {
  const may = useMay();
  const [, go] = useLocation();
  return (
    <Screen title={text.screens.settings} about={text.settings.about}>
      <Tabs value={tab ?? 'review'} onChange={(to) => go(`/settings/${to ?? 'review'}`)} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="review">{text.settings.review}</Tabs.Tab>
          <Tabs.Tab value="people">{text.settings.people}</Tabs.Tab>
          {may('manage_keys') && <Tabs.Tab value="keys">{text.settings.keys}</Tabs.Tab>}
          {may('manage_keys') && <Tabs.Tab value="webhooks">{text.settings.webhooks}</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="review">
          <Review />
        </Tabs.Panel>
        <Tabs.Panel value="people">
          <Users />
        </Tabs.Panel>
        {may('manage_keys') && (
          <Tabs.Panel value="keys">
            <Keys />
          </Tabs.Panel>
        )}
        {may('manage_keys') && (
          <Tabs.Panel value="webhooks">
            <Webhooks />
          </Tabs.Panel>
        )}
      </Tabs>
    </Screen>
  );
}
