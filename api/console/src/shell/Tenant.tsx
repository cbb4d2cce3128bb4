/** Whose rows one sees; for admins of several tenants, going to another one. */
import { Button, Menu, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { client, take } from '../api/client';
import { changeSession, useSession } from '../api/session';
import { Chip } from '../parts/small';
import { useTell } from '../parts/told';
import { text } from '../text/en';

export function Tenant() {
  const { tenant, tenants, home } = useSession();
  const queries = useQueryClient();
  const tell = useTell();
  const [, go] = useLocation();
  const move = useMutation({
    mutationFn: (to: string) => take(client.PUT('/v1/session/tenant', { body: { tenant: to } })),
    onSuccess: (session) => {
      // What was read of the other tenant is forgotten, and what it was on is left.
      changeSession(queries, session);
      sessionStorage.clear();
      go('/');
      tell.done(text.tenant.now(session.tenant));
    },
    onError: tell.refused,
  });
  if (tenants.length < 2) {
    return (
      <Text size="sm" c="dimmed" visibleFrom="md">
        {tenant}
      </Text>
    );
  }
  return (
    <Menu position="bottom-start">
      <Menu.Target>
        <Button size="compact-sm" variant="default" loading={move.isPending} aria-label={text.tenant.change(tenant)}>
          {tenant}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{text.tenant.title}</Menu.Label>
        {tenants.map((each) => (
          <Menu.Item key={each} disabled={each === tenant} onClick={() => move.mutate(each)} rightSection={each === home ? <Chip>{text.tenant.home}</Chip> : undefined}>
            {each}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
