/** What a draft would have done with what is recorded. */
import { Group, SimpleGrid, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { backtestsQuery } from '../../api/queries';
import type { Backtest, BacktestReport, Sample } from '../../api/types';
import { Act, Ago, Chip, Person, Tile, percent } from '../../parts/small';
import { Empty, Panel, Shown } from '../../parts/state';
import { text } from '../../text/en';

const signed = (count: number) => (count > 0 ? `+${count}` : String(count));

function Samples({ of, title }: { of: readonly Sample[]; title: string }) {
  if (of.length === 0) return null;
  return (
    <div>
      <Text size="sm" fw={600} mb={4}>
        {title}
      </Text>
      <Table>
        <Table.Tbody>
          {of.slice(0, 8).map((sample) => (
            <Table.Tr key={sample.item}>
              <Table.Td>
                <Text size="xs" ff="monospace" title={sample.item}>
                  {sample.item.slice(-8)}
                </Text>
              </Table.Td>
              <Table.Td>{sample.actor && <Person id={sample.actor} />}</Table.Td>
              <Table.Td>
                <Act of={sample.before} /> → <Act of={sample.after} />
              </Table.Td>
              <Table.Td>{sample.rules.join(', ')}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Report({ of }: { of: BacktestReport }) {
  const share = (passed: number) => percent(of.items === 0 ? null : passed / of.items, 1);
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Tile name={text.backtest.items} value={of.items.toLocaleString()} about={of.unjudged > 0 ? text.backtest.unjudged(of.unjudged) : undefined} />
        <Tile name={text.backtest.passed} value={`${share(of.passed_before)} → ${share(of.passed_after)}`} />
        <Tile name={text.backtest.repeated} value={of.overturned_repeated} about={text.backtest.repeatedOf(of.overturned)} tone={of.overturned_repeated > 0 ? 'warn' : 'good'} />
        <Tile name={text.backtest.differ} value={of.harder.length + of.milder.length} about={text.backtest.differHint} />
      </SimpleGrid>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{text.strikes.action}</Table.Th>
            <Table.Th>{text.backtest.before}</Table.Th>
            <Table.Th>{text.backtest.after}</Table.Th>
            <Table.Th>{text.backtest.change}</Table.Th>
            <Table.Th>{text.backtest.people}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {Object.entries(of.actions).map(([action, row]) => (
            <Table.Tr key={action}>
              <Table.Td>
                <Act of={action} />
              </Table.Td>
              <Table.Td className="numbers">{row.before}</Table.Td>
              <Table.Td className="numbers">{row.after}</Table.Td>
              <Table.Td>
                <Chip tone={row.after > row.before ? 'warn' : row.after < row.before ? 'info' : 'neutral'}>{signed(row.after - row.before)}</Chip>
              </Table.Td>
              <Table.Td className="numbers">{text.backtest.peopleOf(row.people_before, row.people_after, row.people_gained, row.people_lost)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <div className="grid-2">
        <Samples of={of.harder} title={text.backtest.harder} />
        <Samples of={of.milder} title={text.backtest.milder} />
      </div>
    </Stack>
  );
}

function One({ of }: { of: Backtest }) {
  return (
    <Panel
      title={of.number == null ? text.backtest.unnamed : text.policy.number(of.number)}
      aside={
        <Group gap={6}>
          <Chip tone={of.state === 'done' ? 'good' : of.state === 'running' ? 'info' : 'bad'}>{text.backtest.states[of.state as 'done'] ?? of.state}</Chip>
          <Text size="xs" c="dimmed">
            {of.by} · <Ago at={of.started_at} />
          </Text>
        </Group>
      }
    >
      <Text size="sm" c="dimmed" mb="sm">
        {text.backtest.period(new Date(of.from).toLocaleString(), new Date(of.to).toLocaleString())}
      </Text>
      {of.error && <Text size="sm">{of.error}</Text>}
      {of.state === 'running' && <Text size="sm">{text.backtest.soFar(of.items)}</Text>}
      {of.report ? <Report of={of.report as unknown as BacktestReport} /> : null}
    </Panel>
  );
}

export function Backtests() {
  const backtests = useQuery(backtestsQuery);
  return (
    <Shown of={backtests} isEmpty={({ backtests }) => backtests.length === 0} empty={<Panel><Empty title={text.backtest.none}>{text.backtest.noneHint}</Empty></Panel>}>
      {({ backtests: all }) => (
        <Stack>
          {all.slice(0, 10).map((backtest) => (
            <One key={backtest.id} of={backtest} />
          ))}
        </Stack>
      )}
    </Shown>
  );
}
