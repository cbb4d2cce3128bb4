/** Around every screen: where one can go, whether the service is heard, who one is, and how much one has looked at today. */
import { ActionIcon, AppShell, Burger, Button, Group, Menu, ScrollArea, Stack, Text, Tooltip, UnstyledButton, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useDisclosure, useHotkeys } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, type ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { client, take } from '../api/client';
import { queuesQuery } from '../api/queries';
import { calledOf, changeSession, useSession } from '../api/session';
import { useStream } from '../api/stream';
import { offered } from '../domain/access';
import { Icon } from '../parts/Icon';
import { Chip, Key } from '../parts/small';
import { useTell } from '../parts/told';
import { text } from '../text/en';
import { Palette } from './Palette';
import { Mark } from './SignIn';
import { Tenant } from './Tenant';

const GROUPS = ['work', 'look', 'steer', 'you'] as const;

export function useSignOut() {
  const queries = useQueryClient();
  const tell = useTell();
  return useMutation({
    mutationFn: () => take(client.DELETE('/v1/session')),
    onSuccess: () => {
      changeSession(queries, null);
    },
    onError: tell.refused,
  });
}

function Navigation({ onGo }: { onGo: () => void }) {
  const { permissions } = useSession();
  const [path] = useLocation();
  const queues = useQuery(queuesQuery).data;
  const waiting = queues?.reduce((sum, { open }) => sum + open, 0) ?? 0;
  const screens = offered(permissions);
  return (
    <Stack gap="md" component="nav" aria-label={text.shell.navigation}>
      {GROUPS.map((group) => (
        <div key={group}>
          <Text size="xs" fw={600} c="dimmed" px={10} pb={4}>
            {text.groups[group]}
          </Text>
          {screens
            .filter((screen) => screen.group === group)
            .map(({ id, path: to }) => {
              const here = to === '/' ? path === '/' : path.startsWith(to) || (id === 'queues' && /^\/(cases|review)/.test(path));
              return (
                <Link key={id} href={to} className="nav" aria-current={here ? 'page' : undefined} onClick={onGo}>
                  <Icon name={id} />
                  <span style={{ flex: 1 }}>{text.screens[id]}</span>
                  {id === 'queues' && waiting > 0 && <Chip tone={here ? 'info' : 'neutral'}>{waiting}</Chip>}
                </Link>
              );
            })}
        </div>
      ))}
    </Stack>
  );
}

/** Proposes a break when the day's budget is used up. Nothing is locked. */
function Exposure() {
  const { exposure } = useSession();
  if (exposure.advice === 'fine') return null;
  const over = exposure.advice === 'over';
  return (
    <Tooltip label={text.wellness.today(exposure.items, exposure.budget.items)}>
      <Link href="/wellness" style={{ textDecoration: 'none' }}>
        <Chip tone={over ? 'bad' : 'warn'}>
          <Icon name="wellness" size={14} />
          {over ? text.wellness.over : text.wellness.near}
        </Chip>
      </Link>
    </Tooltip>
  );
}

export function Shell({ children }: { children: ReactNode }) {
  const session = useSession();
  const queries = useQueryClient();
  const connection = useStream();
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme('light') === 'dark';
  const [menu, { toggle, close }] = useDisclosure();
  const [palette, { open: openPalette, close: closePalette }] = useDisclosure();
  const signOut = useSignOut();
  useHotkeys([['mod+K', openPalette]], []);
  // What one has looked at grows while one works.
  useEffect(() => {
    const timer = setInterval(() => void queries.invalidateQueries({ queryKey: ['session'] }), 60_000);
    return () => clearInterval(timer);
  }, [queries]);
  const tone = ({ live: 'good', connecting: 'warn', lost: 'bad' } as const)[connection];
  return (
    <AppShell header={{ height: 56 }} navbar={{ width: 220, breakpoint: 'md', collapsed: { mobile: !menu } }} padding="md">
      <a href="#content" className="skip">
        {text.shell.skip}
      </a>
      <AppShell.Header px="md" style={{ background: 'var(--surface)', borderColor: 'var(--line)' }}>
        <Group h="100%" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={menu} onClick={toggle} hiddenFrom="md" size="sm" aria-label={text.shell.navigation} />
            <Mark size={28} />
            <Text fw={700} visibleFrom="xs">
              Chaperone
            </Text>
            <Tenant />
          </Group>
          <UnstyledButton className="surface" onClick={openPalette} px="sm" py={5} w={340} visibleFrom="sm">
            <Group justify="space-between" wrap="nowrap" gap="xs">
              <Group gap={6} wrap="nowrap" c="dimmed">
                <Icon name="search" size={16} />
                <Text size="sm">{text.palette.open}</Text>
              </Group>
              <Key>Ctrl K</Key>
            </Group>
          </UnstyledButton>
          <Group gap="sm" wrap="nowrap">
            <Exposure />
            <Tooltip label={text.connection[connection]}>
              <span role="img" aria-label={text.connection[connection]} className="dot" data-tone={tone} />
            </Tooltip>
            <Tooltip label={dark ? text.shell.light : text.shell.dark}>
              <ActionIcon variant="subtle" color="gray" aria-label={dark ? text.shell.light : text.shell.dark} onClick={() => setColorScheme(dark ? 'light' : 'dark')}>
                <Icon name={dark ? 'sun' : 'moon'} />
              </ActionIcon>
            </Tooltip>
            <Menu position="bottom-end">
              <Menu.Target>
                <Button variant="default" size="xs" leftSection={<Icon name="account" size={16} />}>
                  {calledOf(session)}
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Label>{text.roles[session.role as keyof typeof text.roles] ?? session.role}</Menu.Label>
                <Menu.Item component={Link} href="/account">
                  {text.screens.account}
                </Menu.Item>
                <Menu.Item component={Link} href="/wellness">
                  {text.screens.wellness}
                </Menu.Item>
                <Menu.Divider />
                {session.csrf ? (
                  <Menu.Item onClick={() => signOut.mutate()}>{text.shell.signOut}</Menu.Item>
                ) : (
                  <Menu.Item component={Link} href="/sign-in">
                    {text.shell.signInAs}
                  </Menu.Item>
                )}
              </Menu.Dropdown>
            </Menu>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" style={{ background: 'var(--surface)', borderColor: 'var(--line)' }}>
        <AppShell.Section grow component={ScrollArea} type="auto">
          <Navigation onGo={close} />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        {children}
      </AppShell.Main>
      <Palette opened={palette} onClose={closePalette} />
    </AppShell>
  );
}
