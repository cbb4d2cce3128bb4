/** The EU's statements of reasons: what was drafted, what a person let go, what the database said. */
import { Button, Group, SegmentedControl, Stack, Table, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../api/client';
import { statementsQuery } from '../api/queries';
import { Ago, Chip, Pages, type Tone } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { useTell } from '../parts/told';
import { text } from '../text/en';
import { Statement } from './case/Statement';

const STATES = ['all', 'draft', 'queued', 'sent', 'failed', 'withdrawn'] as const;
const TONES: Readonly<Record<string, Tone>> = { draft: 'warn', queued: 'info', sent: 'good', failed: 'bad', withdrawn: 'neutral' };

export function StatementsScreen() {
  const tell = useTell();
  const queries = useQueryClient();
  const [state, setState] = useState<string>('all');
  const [cursor, go] = useState<string>();
  const [read, show] = useState<string>();
  const statements = useQuery(statementsQuery({ ...(state === 'all' ? {} : { state }), ...(cursor === undefined ? {} : { cursor }) }));
  const withdraw = useMutation({
    mutationFn: (id: string) => take(client.DELETE('/v1/statements/{id}', { params: { path: { id } } })),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['statements'] });
      tell.done(text.statements.withdrawn);
    },
    onError: tell.refused,
  });
  return (
    <Screen title={text.screens.statements} about={text.statements.about}>
      <Stack gap="md">
        <Group justify="space-between">
          <SegmentedControl aria-label={text.cases.state} value={state} onChange={(value) => (setState(value), go(undefined))} data={STATES.map((value) => ({ value, label: text.statements.states[value] }))} />
          <Button component="a" variant="default" href="/v1/statements/export" download>
            {text.statements.take}
          </Button>
        </Group>
        <Panel flush>
          <Shown of={statements} isEmpty={({ items }) => items.length === 0} empty={<Empty title={text.statements.none}>{text.statements.noneHint}</Empty>}>
            {({ items, next }) => (
              <>
                <Table.ScrollContainer minWidth={700}>
                  <Table>
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th>{text.statements.decided}</Table.Th>
                        <Table.Th>{text.cases.state}</Table.Th>
                        <Table.Th>{text.statements.restricts}</Table.Th>
                        <Table.Th>{text.statements.said}</Table.Th>
                        <Table.Th>
                          <span className="hidden">{text.statements.read}</span>
                        </Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {items.map(({ decision, at, state: where, statement, error, remote, by, tries }) => (
                        <Table.Tr key={decision}>
                          <Table.Td>
                            <Ago at={at} />
                          </Table.Td>
                          <Table.Td>
                            <Chip tone={TONES[where] ?? 'neutral'} {...(by == null ? {} : { title: text.statements.by(by) })}>
                              {text.statements.states[where as 'draft'] ?? where}
                            </Chip>
                          </Table.Td>
                          <Table.Td style={{ overflowWrap: 'anywhere' }}>
                            <Text size="xs">{statement ? [statement.category, statement.decision_account, statement.decision_provision, ...(statement.decision_visibility ?? [])].filter((value) => value != null).join(' · ') : text.statements.unread}</Text>
                          </Table.Td>
                          <Table.Td style={{ overflowWrap: 'anywhere' }}>
                            <Text size="xs">{remote ?? (error ? text.statements.error(error, tries) : '')}</Text>
                          </Table.Td>
                          <Table.Td>
                            <Group gap={6} justify="flex-end" wrap="nowrap">
                              <Button size="xs" variant="default" aria-label={text.statements.readOf(decision.slice(-8))} onClick={() => show(decision)}>
                                {text.statements.read}
                              </Button>
                              {where !== 'sent' && where !== 'withdrawn' && (
                                <Button size="xs" variant="default" aria-label={text.statements.withdrawOf(decision.slice(-8))} onClick={() => withdraw.mutate(decision)}>
                                  {text.statements.withdraw}
                                </Button>
                              )}
                            </Group>
                          </Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                </Table.ScrollContainer>
                <Pages next={next} first={cursor === undefined} onNext={go} onFirst={() => go(undefined)} />
              </>
            )}
          </Shown>
        </Panel>
      </Stack>
      <Statement opened={read !== undefined} onClose={() => show(undefined)} decision={read} />
    </Screen>
  );
}
