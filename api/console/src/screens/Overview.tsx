/** How it goes: live numbers, what machines and people did, whether everything runs. */
import { Anchor, Group, SegmentedControl, SimpleGrid, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { Link } from 'wouter';
import { breakersQuery, metricsQuery, queuesQuery, readyQuery, statsQuery } from '../api/queries';
import { useMay, useSession } from '../api/session';
import type { LivePoint } from '../api/stream';
import type { QueueCount } from '../api/types';
import { quantile, samples, total } from '../domain/quantile';
import { series, summed } from '../domain/series';
import { duration } from '../domain/time';
import { Chart } from '../parts/Chart';
import { Ago, Chip, Tile, percent } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { text } from '../text/en';

const HTTP = 'chaperone_http_requests_total';
const ITEM = 'chaperone_item_seconds';
const FRAME = 'chaperone_frame_age_seconds';

const milliseconds = (seconds: number | undefined) => (seconds === undefined ? '–' : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);

/** Waiting cases, as they were while this page was open. */
function Live() {
  const points = useQuery<LivePoint[]>({ queryKey: ['live'], queryFn: () => [], staleTime: Infinity, gcTime: Infinity }).data ?? [];
  const at = useMemo(() => points.map(([when]) => when / 1000), [points]);
  const lines = useMemo(
    () => [
      { name: text.overview.open, values: points.map(([, open]) => open) },
      { name: text.overview.overdue, values: points.map(([, , overdue]) => overdue) },
    ],
    [points],
  );
  return (
    <Panel title={text.overview.live} aside={<Chip tone="good">{text.overview.liveNow}</Chip>}>
      {points.length < 2 ? <Empty title={text.overview.liveSoon}>{text.overview.liveSoonHint}</Empty> : <Chart label={text.overview.live} at={at} lines={lines} />}
    </Panel>
  );
}

function Queues({ of }: { of: readonly QueueCount[] }) {
  const some = of.filter(({ open }) => open > 0);
  if (some.length === 0) return <Empty title={text.overview.calm}>{text.overview.calmHint}</Empty>;
  return (
    <Table>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{text.queues.queue}</Table.Th>
          <Table.Th>{text.queues.open}</Table.Th>
          <Table.Th>{text.queues.oldest}</Table.Th>
          <Table.Th>{text.queues.due}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {some.map(({ queue, open, oldest_at, overdue }) => (
          <Table.Tr key={queue}>
            <Table.Td>
              <Anchor component={Link} href={`/queues/${encodeURIComponent(queue)}`} size="sm">
                {queue}
              </Anchor>
            </Table.Td>
            <Table.Td className="numbers">{open}</Table.Td>
            <Table.Td>{oldest_at && <Ago at={oldest_at} />}</Table.Td>
            <Table.Td>{overdue > 0 ? <Chip tone="bad">{text.queues.overdue(overdue)}</Chip> : <Chip tone="good">{text.overview.inTime}</Chip>}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** By day: what rules did, what people decided. */
function Days({ days }: { days: number }) {
  const stats = useQuery(statsQuery(days));
  const shown = useMemo(() => {
    if (!stats.data) return undefined;
    const today = new Date().toISOString().slice(0, 10);
    const [machine, people] = [series(stats.data.actions, today, days), series(stats.data.decisions, today, days)];
    const seconds = (list: readonly string[]) => list.map((day) => Date.parse(day) / 1000);
    const lines = (of: typeof machine) => of.lines.slice(0, 6).map(({ name, counts }) => ({ name: text.actions[name as keyof typeof text.actions] ?? name, values: counts }));
    const automatic = summed(machine).reduce((sum, count) => sum + count, 0);
    return { machine: { at: seconds(machine.days), lines: lines(machine) }, people: { at: seconds(people.days), lines: lines(people) }, automatic };
  }, [stats.data, days]);
  return (
    <Shown of={stats} rows={6}>
      {(data) => (
        <Stack gap="md">
          <SimpleGrid cols={{ base: 2, md: 5 }}>
            <Tile name={text.overview.automatic} value={(shown?.automatic ?? 0).toLocaleString()} about={text.overview.automaticHint} />
            <Tile name={text.overview.decided} value={data.decided.toLocaleString()} about={text.overview.share(percent(data.decided / Math.max(1, data.decided + (shown?.automatic ?? 0))))} />
            <Tile name={text.overview.overturned} value={percent(data.overturn_rate, 1)} about={text.overview.overturnedOf(data.overturned)} />
            <Tile name={text.overview.waited} value={duration(data.mean_waited_seconds * 1000)} about={text.overview.mean} />
            <Tile name={text.overview.looked} value={duration(data.mean_looked_seconds * 1000)} about={text.overview.mean} />
          </SimpleGrid>
          <div className="grid-2">
            <Panel title={text.overview.machine}>
              {shown && shown.machine.lines.length > 0 ? <Chart label={text.overview.machine} at={shown.machine.at} lines={shown.machine.lines} /> : <Empty title={text.overview.noneYet}>{text.overview.noActions}</Empty>}
            </Panel>
            <Panel title={text.overview.people}>
              {shown && shown.people.lines.length > 0 ? <Chart label={text.overview.people} at={shown.people.at} lines={shown.people.lines} /> : <Empty title={text.overview.noneYet}>{text.overview.noDecisions}</Empty>}
            </Panel>
          </div>
        </Stack>
      )}
    </Shown>
  );
}

/** Requests per second, out of two readings of a counter. */
function useRate(count: number | undefined, at: number): number | undefined {
  const before = useRef<{ count: number; at: number }>(undefined);
  const [rate, setRate] = useState<number>();
  useEffect(() => {
    const last = before.current;
    if (count === undefined || at === 0) return;
    if (last && at > last.at && count >= last.count) setRate(((count - last.count) * 1000) / (at - last.at));
    before.current = { count, at };
  }, [count, at]);
  return rate;
}

function Service() {
  const may = useMay();
  const ready = useQuery(readyQuery);
  const metrics = useQuery(metricsQuery);
  const breakers = useQuery({ ...breakersQuery, enabled: may('edit_policy') }).data?.breakers ?? [];
  const found = useMemo(() => (metrics.data ? samples(metrics.data) : undefined), [metrics.data]);
  const rate = useRate(found && total(found, HTTP), metrics.dataUpdatedAt);
  const open = breakers.filter(({ open }) => open);
  return (
    <Panel title={text.overview.service} aside={ready.data && <Chip tone={ready.data.ready ? 'good' : 'bad'}>{ready.data.ready ? text.overview.ready : text.overview.notReady}</Chip>}>
      <Stack gap="sm">
        <Group gap={6}>
          {Object.entries(ready.data?.parts ?? {}).map(([name, part]) => (
            <Chip key={name} tone={part.state === 'up' ? 'good' : part.required ? 'bad' : 'warn'} title={`${part.latency_ms.toFixed(1)} ms`}>
              {name} {part.state}
            </Chip>
          ))}
          {open.map(({ action, count, cap }) => (
            <Chip key={action} tone="bad">
              {text.overview.breaker(action, count, cap ?? 0)}
            </Chip>
          ))}
          {may('edit_policy') && open.length === 0 && <Chip tone="good">{text.overview.noBreaker}</Chip>}
        </Group>
        <Table>
          <Table.Tbody>
            {ready.data?.lanes.map(({ lane, waiting, in_flight, capacity }) => (
              <Table.Tr key={lane}>
                <Table.Th scope="row">{text.overview.lane(lane)}</Table.Th>
                <Table.Td className="numbers">{text.overview.laneState(waiting, in_flight, capacity)}</Table.Td>
              </Table.Tr>
            ))}
            {ready.data?.models.map(({ name, version, waiting, backend, ready: up }) => (
              <Table.Tr key={name + version}>
                <Table.Th scope="row">{name}</Table.Th>
                <Table.Td>
                  <Group gap={6}>
                    <Chip tone={up ? 'good' : 'bad'}>{backend}</Chip>
                    <span className="numbers">{text.overview.modelWaiting(waiting)}</span>
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
            {found && (
              <>
                <Table.Tr>
                  <Table.Th scope="row">{text.overview.requests}</Table.Th>
                  <Table.Td className="numbers">{rate === undefined ? '–' : text.overview.perSecond(rate.toFixed(1))}</Table.Td>
                </Table.Tr>
                {[
                  [text.overview.judging, ITEM] as const,
                  [text.overview.frameToAction, FRAME] as const,
                ].map(([name, metric]) => (
                  <Table.Tr key={metric}>
                    <Table.Th scope="row">{name}</Table.Th>
                    <Table.Td className="numbers">{[0.5, 0.95, 0.99].map((share) => milliseconds(quantile(found, metric, share))).join(' · ')}</Table.Td>
                  </Table.Tr>
                ))}
              </>
            )}
          </Table.Tbody>
        </Table>
        {!metrics.isPending && !found && (
          <Text size="xs" c="dimmed">
            {text.overview.noMetrics}
          </Text>
        )}
      </Stack>
    </Panel>
  );
}

export function OverviewScreen() {
  const may = useMay();
  const session = useSession();
  const { exposure } = session;
  const queues = useQuery(queuesQuery);
  const [days, setDays] = useState('14');
  const sum = (of: (queue: QueueCount) => number) => queues.data?.reduce((all, queue) => all + of(queue), 0) ?? 0;
  const overdue = sum((queue) => queue.overdue);
  return (
    <Screen
      title={text.overview.hello(session.csrf ? session.name : '')}
      about={text.overview.about}
      actions={may('view_stats') && <SegmentedControl aria-label={text.overview.period} value={days} onChange={setDays} data={['7', '14', '30', '90'].map((value) => ({ value, label: text.overview.days(value) }))} />}
    >
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Tile name={text.overview.open} value={<span data-testid="open">{sum((queue) => queue.open)}</span>} about={text.overview.claimed(sum((queue) => queue.claimed))} />
        <Tile name={text.overview.overdue} value={overdue} tone={overdue > 0 ? 'bad' : 'good'} about={overdue > 0 ? text.overview.overdueHint : text.overview.inTime} />
        <Tile name={text.overview.urgent} value={sum(({ by_priority: [urgent] }) => urgent ?? 0)} />
        <Tile name={text.overview.seen} value={exposure.items} about={text.wellness.today(exposure.items, exposure.budget.items)} tone={exposure.advice === 'fine' ? 'neutral' : 'warn'} />
      </SimpleGrid>
      <div className="grid-2">
        <Live />
        <Panel title={text.overview.byQueue} flush>
          <Shown of={queues}>{(all) => <Queues of={all} />}</Shown>
        </Panel>
      </div>
      {may('view_stats') && <Days days={Number(days)} />}
      <Service />
    </Screen>
  );
}
