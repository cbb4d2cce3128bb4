/** Strikes and ladders of the policy in force, and what they would lead to. */
import { Group, NumberInput, SimpleGrid, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { currentPolicyQuery } from '../api/queries';
import { consequences, simulate, type Ladder, type Strikes } from '../domain/strikes';
import { duration } from '../domain/time';
import { Act, Chip } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { text } from '../text/en';

const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;

function Simulate({ of }: { of: Strikes }) {
  const [counts, count] = useState<Readonly<Record<string, number>>>({ medium: 2 });
  const { strikes, reached } = simulate(of, counts);
  return (
    <Panel title={text.strikes.simulate}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {text.strikes.simulateHint(of.days)}
        </Text>
        <SimpleGrid cols={4}>
          {SEVERITIES.map((severity) => (
            <NumberInput key={severity} label={text.strikes.severities[severity]} description={text.strikes.worth(of.weights[severity] ?? 0)} min={0} max={99} value={counts[severity] ?? 0} onChange={(value) => count({ ...counts, [severity]: Number(value) || 0 })} />
          ))}
        </SimpleGrid>
        <Group gap={6} role="status">
          <Text fw={600}>{text.strikes.total(strikes)}</Text>
          {reached.length === 0 ? (
            <Chip tone="good">{text.strikes.nothing}</Chip>
          ) : (
            reached.map((step) => (
              <Group key={step.strikes} gap={4}>
                <Act of={step.action} />
                <Text size="xs">{step.hours === undefined ? text.case.forGood : duration(step.hours * 3_600_000)}</Text>
              </Group>
            ))
          )}
        </Group>
      </Stack>
    </Panel>
  );
}

function Steps({ of }: { of: Strikes }) {
  return (
    <Panel title={text.strikes.steps} flush>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{text.strikes.from}</Table.Th>
            <Table.Th>{text.strikes.action}</Table.Th>
            <Table.Th>{text.strikes.long}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {of.steps.map((step) => (
            <Table.Tr key={step.strikes}>
              <Table.Td className="numbers">{step.strikes}</Table.Td>
              <Table.Td>
                <Act of={step.action} />
              </Table.Td>
              <Table.Td>{step.hours === undefined ? text.case.forGood : duration(step.hours * 3_600_000)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Panel>
  );
}

function LadderPanel({ of }: { of: Ladder }) {
  return (
    <Panel title={text.strikes.ladder(of.name)}>
      <Stack gap="xs">
        <Text size="sm" c="dimmed">
          {text.strikes.ladderHint(duration(of.window_seconds * 1000), of.scope === 'person')}
          {of.cooldown_seconds ? ` ${text.strikes.cooldown(duration(of.cooldown_seconds * 1000))}` : ''}
          {of.calm_seconds ? ` ${text.strikes.calm(duration(of.calm_seconds * 1000))}` : ''}
        </Text>
        <Group gap={8}>
          {of.steps.map(({ violations, action }) => (
            <Group key={violations} gap={4}>
              <Text size="sm" className="numbers">
                {violations}×
              </Text>
              <Act of={action} />
            </Group>
          ))}
        </Group>
      </Stack>
    </Panel>
  );
}

export function StrikesScreen() {
  const current = useQuery(currentPolicyQuery);
  const policy = current.data?.policy.text;
  const read = useMemo(() => (policy == null ? undefined : consequences(policy)), [policy]);
  return (
    <Screen title={text.screens.strikes} about={text.strikes.about}>
      <Shown of={current}>
        {() => (
          <Stack gap="md">
            {read?.strikes ? (
              <div className="grid-2">
                <Steps of={read.strikes} />
                <Simulate of={read.strikes} />
              </div>
            ) : (
              <Panel>
                <Empty title={text.strikes.none}>{text.strikes.noneHint}</Empty>
              </Panel>
            )}
            {read?.ladders.map((ladder) => <LadderPanel key={ladder.name} of={ladder} />)}
          </Stack>
        )}
      </Shown>
    </Screen>
  );
}
