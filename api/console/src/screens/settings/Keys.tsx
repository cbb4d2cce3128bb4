/** API keys: made, shown once, revoked. */
import { Alert, Button, Code, CopyButton, Group, Modal, MultiSelect, Select, Stack, Switch, Table, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../../api/client';
import { keysQuery } from '../../api/queries';
import type { components } from '../../api/schema';
import { Ago, Chip } from '../../parts/small';
import { Empty, Panel, Shown } from '../../parts/state';
import { Sure } from '../../parts/Sure';
import { useTell } from '../../parts/told';
import { text } from '../../text/en';

type NewKey = components['schemas']['NewKey'];
const SCOPES = ['check', 'items', 'profiles', 'search', 'review', 'lead', 'admin'];
const DAY = 86_400_000;
const TONES = { active: 'good', expired: 'warn', revoked: 'neutral' } as const;

function Make({ onClose }: { onClose: () => void }) {
  const tell = useTell();
  const queries = useQueryClient();
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<string[]>(['items']);
  const [days, setDays] = useState<string | null>('365');
  const [signed, sign] = useState(false);
  const make = useMutation({
    mutationFn: () =>
      take(
        client.POST('/v1/keys', {
          body: {
            name,
            scopes: scopes as NewKey['scopes'],
            require_signature: signed,
            limits: {},
            ...(days === null || days === 'never' ? {} : { expires_at: new Date(Date.now() + Number(days) * DAY).toISOString() }),
          },
        }),
      ),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ['keys'] }),
    onError: tell.refused,
  });
  const made = make.data;
  return (
    <Modal opened onClose={onClose} title={text.keysOf.add}>
      {made ? (
        <Stack>
          <Alert variant="default" title={text.keysOf.once}>
            <Stack gap="xs">
              <Code block data-testid="key">
                {made.key}
              </Code>
              {made.signing_secret && (
                <>
                  <Text size="sm">{text.keysOf.secret}</Text>
                  <Code block>{made.signing_secret}</Code>
                </>
              )}
            </Stack>
          </Alert>
          <Group justify="flex-end">
            <CopyButton value={made.key}>
              {({ copied, copy }) => (
                <Button variant="default" onClick={copy}>
                  {copied ? text.keysOf.copied : text.keysOf.copy}
                </Button>
              )}
            </CopyButton>
            <Button onClick={onClose}>{text.close}</Button>
          </Group>
        </Stack>
      ) : (
        <Stack>
          <TextInput label={text.keysOf.name} placeholder={text.keysOf.nameHint} value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
          <MultiSelect label={text.keysOf.scopes} data={SCOPES} value={scopes} onChange={setScopes} />
          <Select label={text.keysOf.expires} value={days} onChange={setDays} allowDeselect={false} data={[{ value: '30', label: text.keysOf.days(30) }, { value: '90', label: text.keysOf.days(90) }, { value: '365', label: text.keysOf.days(365) }, { value: 'never', label: text.keysOf.never }]} />
          <Switch label={text.keysOf.signed} checked={signed} onChange={(event) => sign(event.currentTarget.checked)} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {text.cancel}
            </Button>
            <Button disabled={name.trim() === '' || scopes.length === 0} loading={make.isPending} onClick={() => make.mutate()}>
              {text.keysOf.make}
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}

export function Keys() {
  const tell = useTell();
  const queries = useQueryClient();
  const keys = useQuery(keysQuery);
  const [making, make] = useState(false);
  const [revoking, ask] = useState<{ id: string; name: string }>();
  const revoke = useMutation({
    mutationFn: (id: string) => take(client.DELETE('/v1/keys/{id}', { params: { path: { id } } })),
    onSuccess: () => {
      ask(undefined);
      void queries.invalidateQueries({ queryKey: ['keys'] });
    },
    onError: tell.refused,
  });
  return (
    <Panel
      title={text.settings.keys}
      flush
      aside={
        <Button size="xs" onClick={() => make(true)}>
          {text.keysOf.add}
        </Button>
      }
    >
      <Shown of={keys} isEmpty={({ keys }) => keys.length === 0} empty={<Empty title={text.keysOf.none}>{text.keysOf.noneHint}</Empty>}>
        {({ keys: all }) => (
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{text.keysOf.name}</Table.Th>
                <Table.Th>{text.keysOf.scopes}</Table.Th>
                <Table.Th>{text.cases.state}</Table.Th>
                <Table.Th>{text.keysOf.used}</Table.Th>
                <Table.Th>{text.keysOf.expires}</Table.Th>
                <Table.Th>
                  <span className="hidden">{text.keysOf.revoke}</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {all.map((key) => (
                <Table.Tr key={key.id}>
                  <Table.Td>
                    <Text size="sm" fw={600}>
                      {key.name}
                    </Text>
                    <Text size="xs" c="dimmed" ff="monospace">
                      …{key.hint}
                    </Text>
                  </Table.Td>
                  <Table.Td>
                    <Group gap={4}>
                      {key.scopes.map((scope) => (
                        <Chip key={scope}>{scope}</Chip>
                      ))}
                    </Group>
                  </Table.Td>
                  <Table.Td>
                    <Chip tone={TONES[key.state as 'active'] ?? 'neutral'}>{key.state}</Chip>
                  </Table.Td>
                  <Table.Td>{key.last_used_at ? <Ago at={key.last_used_at} /> : text.keysOf.unused}</Table.Td>
                  <Table.Td>{key.expires_at ? <Ago at={key.expires_at} /> : text.keysOf.never}</Table.Td>
                  <Table.Td ta="right">
                    {key.state === 'active' && (
                      <Button size="xs" variant="default" onClick={() => ask(key)} aria-label={text.keysOf.revokeOf(key.name)}>
                        {text.keysOf.revoke}
                      </Button>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Shown>
      {making && <Make onClose={() => make(false)} />}
      <Sure opened={revoking !== undefined} title={text.keysOf.revokeOf(revoking?.name ?? '')} confirm={text.keysOf.revoke} danger busy={revoke.isPending} onClose={() => ask(undefined)} onSure={() => revoking && revoke.mutate(revoking.id)}>
        {text.keysOf.revokeHint}
      </Sure>
    </Panel>
  );
}
