/** What waits where, how long, and who works on it. */
import { ActionIcon, Button, Group, Table, Text } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link, useLocation } from 'wouter';
import { Anchor } from '@mantine/core';
import { queuesQuery } from '../api/queries';
import { useMay } from '../api/session';
import type { QueueCount } from '../api/types';
import { relative } from '../domain/time';
import { Icon } from '../parts/Icon';
import { Ago, Chip, useNow } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { text } from '../text/en';

function DueIn({ of }: { of: QueueCount }) {
  const now = useNow();
  if (!of.next_due_at) return <Text c="dimmed">–</Text>;
  const due = Date.parse(of.next_due_at);
  return (
    <Group gap={6}>
      {of.overdue > 0 ? <Chip tone="bad">{text.queues.overdue(of.overdue)}</Chip> : <Chip tone={due - now < 15 * 60_000 ? 'warn' : 'neutral'}>{relative(due, now)}</Chip>}
    </Group>
  );
}

const PRIORITIES = ['urgent', 'high', 'normal', 'low'] as const;
const TONES = ['bad', 'warn', 'info', 'neutral'] as const;

export function QueuesScreen() {
  const queues = useQuery(queuesQuery);
  const may = useMay();
  const [, go] = useLocation();
  const [starred, star] = useLocalStorage<string[]>({ key: 'chaperone.starred', defaultValue: [] });
  const first = (a: QueueCount, b: QueueCount) => Number(starred.includes(b.queue)) - Number(starred.includes(a.queue));
  return (
    <Screen
      title={text.screens.queues}
      about={text.queues.about}
      actions={
        <Button leftSection={<Icon name="play" size={15} filled />} onClick={() => go('/review')}>
          {text.queues.start}
        </Button>
      }
    >
      <Panel flush>
        <Shown of={queues} isEmpty={(all) => all.length === 0} empty={<Empty title={text.queues.none}>{text.queues.noneHint}</Empty>}>
          {(all) => (
            <Table.ScrollContainer minWidth={820}>
              <Table>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th w={44}>
                      <span className="hidden">{text.queues.star}</span>
                    </Table.Th>
                    <Table.Th>{text.queues.queue}</Table.Th>
                    <Table.Th>{text.queues.open}</Table.Th>
                    <Table.Th>{text.queues.priorities}</Table.Th>
                    <Table.Th>{text.queues.oldest}</Table.Th>
                    <Table.Th>{text.queues.due}</Table.Th>
                    <Table.Th>{text.queues.claimed}</Table.Th>
                    <Table.Th>
                      <span className="hidden">{text.queues.review}</span>
                    </Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {[...all].sort(first).map((queue) => (
                    <Table.Tr key={queue.queue}>
                      <Table.Td>
                        <ActionIcon
                          variant="subtle"
                          color={starred.includes(queue.queue) ? 'yellow.7' : 'gray'}
                          aria-label={text.queues.starOf(queue.queue)}
                          aria-pressed={starred.includes(queue.queue)}
                          onClick={() => star(starred.includes(queue.queue) ? starred.filter((name) => name !== queue.queue) : [...starred, queue.queue])}
                        >
                          <Icon name="star" size={17} filled={starred.includes(queue.queue)} />
                        </ActionIcon>
                      </Table.Td>
                      <Table.Td>
                        <Anchor component={Link} href={`/queues/${encodeURIComponent(queue.queue)}`} fw={600} size="sm">
                          {queue.queue}
                        </Anchor>
                        <Text size="xs" c="dimmed">
                          {queue.description}
                        </Text>
                      </Table.Td>
                      <Table.Td className="numbers" fw={600}>
                        {queue.open}
                      </Table.Td>
                      <Table.Td>
                        <Group gap={4}>
                          {queue.by_priority.map((count, rank) =>
                            count > 0 ? (
                              <Chip key={rank} tone={TONES[rank] ?? 'neutral'}>
                                {count} {PRIORITIES[rank]}
                              </Chip>
                            ) : null,
                          )}
                        </Group>
                      </Table.Td>
                      <Table.Td>{queue.oldest_at ? <Ago at={queue.oldest_at} /> : <Text c="dimmed">–</Text>}</Table.Td>
                      <Table.Td>
                        <DueIn of={queue} />
                      </Table.Td>
                      <Table.Td className="numbers">
                        {queue.claimed}
                        {queue.mine > 0 && <Text span size="xs" c="dimmed">{` ${text.queues.mine(queue.mine)}`}</Text>}
                      </Table.Td>
                      <Table.Td>
                        <Group gap={6} justify="flex-end" wrap="nowrap">
                          {queue.skill && <Chip title={text.queues.skill}>{queue.skill}</Chip>}
                          {queue.paused ? (
                            <Chip tone="warn">{text.queues.paused}</Chip>
                          ) : queue.leads_only && !may('decide_escalated') ? (
                            <Chip>{text.queues.leadsOnly}</Chip>
                          ) : (
                            <Button size="xs" variant="default" disabled={queue.open === 0} onClick={() => go(`/review/${encodeURIComponent(queue.queue)}`)} aria-label={text.queues.reviewOf(queue.queue)}>
                              {text.queues.review}
                            </Button>
                          )}
                        </Group>
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )}
        </Shown>
      </Panel>
    </Screen>
  );
}
