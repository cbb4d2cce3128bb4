/** What was done in a period, to be counted and published. */
import { Button, SegmentedControl, SimpleGrid, Stack, Table } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState, type ReactNode } from 'react';
import { statsQuery } from '../api/queries';
import type { DayCount } from '../domain/series';
import { duration } from '../domain/time';
import { totals } from '../domain/totals';
import { Tile, percent } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { text } from '../text/en';

const word = (name: string) => text.actions[name as keyof typeof text.actions] ?? name;

function Totals({ of, name, plain = false }: { of: readonly DayCount[]; name: string; plain?: boolean }) {
  const rows = useMemo(() => totals(of), [of]);
  if (rows.length === 0) return null;
  return (
    <Table layout="fixed" mb="sm">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{name}</Table.Th>
          <Table.Th ta="right" w={110}>{text.numbers.count}</Table.Th>
          <Table.Th ta="right" w={90}>{text.numbers.share}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map((row) => (
          <Table.Tr key={row.name}>
            <Table.Td>{plain ? row.name : word(row.name)}</Table.Td>
            <Table.Td ta="right" className="numbers">
              {row.count.toLocaleString()}
            </Table.Td>
            <Table.Td ta="right" className="numbers">
              {percent(row.share)}
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Part({ title, empty, children }: { title: string; empty: boolean; children: ReactNode }) {
  return (
    <Panel title={title} flush>
      {empty ? <Empty title={text.numbers.none}>{text.numbers.noneHint}</Empty> : children}
    </Panel>
  );
}

/** Counts of states as rows without days. */
const states = (of: Readonly<Record<string, number>>, names: Readonly<Record<string, string>>): DayCount[] =>
  Object.entries(of).map(([name, count]) => ({ day: '', name: names[name] ?? name, count }));

export function NumbersScreen() {
  const [days, setDays] = useState('30');
  const stats = useQuery(statsQuery(Number(days)));
  const from = useMemo(() => new Date(Date.now() - Number(days) * 86_400_000).toISOString(), [days]);
  return (
    <Screen
      title={text.screens.numbers}
      about={text.numbers.about}
      actions={
        <>
          <SegmentedControl aria-label={text.overview.period} value={days} onChange={setDays} data={['7', '30', '90', '365'].map((value) => ({ value, label: text.overview.days(value) }))} />
          <Button variant="default" component="a" href={`/v1/stats/export?from=${encodeURIComponent(from)}`} download="chaperone-numbers.csv">
            {text.numbers.export}
          </Button>
        </>
      }
    >
      <Shown of={stats} rows={10}>
        {(data) => {
          const machine = data.actions.reduce((sum, { count }) => sum + count, 0);
          return (
            <Stack gap="md">
              <SimpleGrid cols={{ base: 2, md: 4 }}>
                <Tile name={text.numbers.automaticShare} value={percent(machine + data.decided === 0 ? null : machine / (machine + data.decided))} about={text.numbers.ofAll} />
                <Tile name={text.numbers.decided} value={data.decided.toLocaleString()} />
                <Tile name={text.numbers.overturned} value={percent(data.overturn_rate, 1)} about={text.overview.overturnedOf(data.overturned)} />
                <Tile name={text.numbers.waited} value={duration(data.mean_waited_seconds * 1000)} about={text.overview.mean} />
              </SimpleGrid>
              <div className="grid-2">
                <Part title={text.numbers.automatic} empty={data.actions.length === 0}>
                  <Totals of={data.actions} name={text.numbers.automaticBy.action} />
                  <Totals of={data.actions_by_rule} name={text.numbers.automaticBy.rule} plain />
                  <Totals of={data.actions_by_label} name={text.numbers.automaticBy.label} plain />
                </Part>
                <Part title={text.numbers.people} empty={data.decisions.length === 0}>
                  <Totals of={data.decisions} name={text.numbers.peopleBy.ruling} />
                  <Totals of={data.measures} name={text.numbers.peopleBy.action} />
                  <Totals of={data.rules} name={text.numbers.peopleBy.rule} plain />
                  <Totals of={data.queues} name={text.numbers.peopleBy.queue} plain />
                </Part>
                <Part title={text.numbers.outcome} empty={Object.keys({ ...data.reports, ...data.appeals }).length === 0}>
                  <Totals of={states(data.reports, text.reports.states)} name={text.numbers.reports} plain />
                  <Totals of={states(data.appeals, text.appeals.states)} name={text.numbers.appeals} plain />
                </Part>
              </div>
            </Stack>
          );
        }}
      </Shown>
    </Screen>
  );
}
