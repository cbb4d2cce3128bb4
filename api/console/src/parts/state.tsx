/** What every screen shows when it has nothing, waits, or was refused. */
import { Alert, Button, Center, Group, Paper, Skeleton, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { ServiceError } from '../api/client';
import { text } from '../text/en';

/** The service's own words, and what to do about it. */
export function Refused({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const known = error instanceof ServiceError ? error : undefined;
  const hints: Readonly<Record<string, string>> = text.errors.hints;
  const hint = known && (hints[known.code] ?? (known.status >= 500 ? text.errors.server : undefined));
  return (
    <Alert color="red" variant="default" title={known ? known.message : text.errors.unknown} role="alert">
      <Stack gap="xs" align="flex-start">
        {hint && <Text size="sm">{hint}</Text>}
        {known?.requestId && (
          <Text size="xs" c="dimmed">
            {text.errors.code(known.code, known.requestId)}
          </Text>
        )}
        {retry && (
          <Button variant="default" size="xs" onClick={retry}>
            {text.errors.retry}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** Nothing there: says why, and what would change it. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <Center py="xl" px="md">
      <Stack align="center" gap={6} maw={460}>
        <Text fw={600}>{title}</Text>
        {children && (
          <Text c="dimmed" size="sm" ta="center">
            {children}
          </Text>
        )}
        {action}
      </Stack>
    </Center>
  );
}

/** In place of rows that are on their way. */
export function Waiting({ rows = 5 }: { rows?: number }) {
  return (
    <Stack gap="sm" aria-busy="true" aria-label={text.waiting} role="status" p="md">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={18} width={`${94 - ((row * 17) % 40)}%`} radius="sm" />
      ))}
    </Stack>
  );
}

interface Read<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly isPending: boolean;
  readonly refetch: () => unknown;
}

/** Shows a query: waiting, refused, empty, or what it read. What was read stays when a later read fails. */
export function Shown<T>({ of, empty, isEmpty, rows, children }: {
  of: Read<T>;
  empty?: ReactNode;
  isEmpty?: (data: T) => boolean;
  rows?: number;
  children: (data: T) => ReactNode;
}) {
  if (of.data === undefined) {
    if (of.error) return <Refused error={of.error} retry={() => void of.refetch()} />;
    return <Waiting {...(rows === undefined ? {} : { rows })} />;
  }
  return <>{isEmpty?.(of.data) ? empty : children(of.data)}</>;
}

/** A screen: its title, what it is for, its actions. */
export function Screen({ title, about, actions, children }: { title: string; about?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-start" wrap="wrap" gap="sm">
        <div style={{ flex: '1 1 320px', minWidth: 0 }}>
          <Title order={1} style={{ overflowWrap: 'anywhere' }}>
            {title}
          </Title>
          {about && (
            <Text c="dimmed" size="sm" mt={2} maw={820}>
              {about}
            </Text>
          )}
        </div>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}

/** A surface with a heading. */
export function Panel({ title, aside, children, flush = false }: { title?: ReactNode; aside?: ReactNode; children: ReactNode; flush?: boolean }) {
  return (
    <Paper className="surface" p={flush ? 0 : 'md'} component="section" style={flush ? { overflowX: 'auto' } : undefined}>
      {(title || aside) && (
        <Group justify="space-between" mb={flush ? 0 : 'sm'} p={flush ? 'md' : 0} pb={flush ? 'xs' : 0} wrap="nowrap">
          <Title order={2}>{title}</Title>
          {aside}
        </Group>
      )}
      {children}
    </Paper>
  );
}
