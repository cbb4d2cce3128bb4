/** The rules: what is in force, drafts, trials, what a draft would have done, and the way back. */
import { Anchor, Button, Group, SimpleGrid, Stack, Table, Tabs, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../../api/client';
import { breakersQuery, currentPolicyQuery, policiesQuery, rolloutsQuery } from '../../api/queries';
import { Ago, Chip, Tile, percent } from '../../parts/small';
import { Empty, Panel, Screen, Shown } from '../../parts/state';
import { Sure } from '../../parts/Sure';
import { useTell } from '../../parts/told';
import { text } from '../../text/en';
import { Backtests } from './Backtests';
import { Editor, type Proposal } from './Editor';
import { Tuner } from './Tuner';

const TONES = { live: 'good', canary: 'warn', draft: 'neutral' } as const;

function Current({ onRollBack }: { onRollBack: () => void }) {
  const current = useQuery(currentPolicyQuery);
  return (
    <Shown of={current} rows={3}>
      {(policy) => (
        <SimpleGrid cols={{ base: 2, md: 4 }}>
          <Tile name={text.policy.inForce} value={text.policy.number(policy.live)} about={policy.policy.version} />
          <Tile name={text.policy.passRate} value={policy.tally.judged === 0 ? '–' : percent(policy.tally.pass_rate, 1)} about={text.policy.judged(policy.tally.judged)} />
          {policy.canary ? (
            <Tile name={text.policy.trial} value={text.policy.number(policy.canary.version)} about={text.policy.trialOf(policy.canary.percent, percent(policy.canary_tally.pass_rate, 1), policy.canary_tally.judged)} tone="warn" />
          ) : (
            <Tile name={text.policy.trial} value="–" about={text.policy.noTrial} />
          )}
          <div className="surface tile">
            <Text size="sm" c="dimmed">
              {text.policy.lastChange}
            </Text>
            <Text size="sm" fw={600}>
              {policy.revision > 0 ? `${text.policy.changes[policy.change as 'live'] ?? policy.change} · ${policy.by}` : text.policy.never}
            </Text>
            <Text size="xs" c="dimmed" mb={6}>
              {policy.revision > 0 && <Ago at={policy.at} />} {policy.note}
            </Text>
            <Button size="compact-sm" variant="default" disabled={policy.before == null && policy.canary == null} onClick={onRollBack}>
              {policy.canary ? text.policy.endTrial : text.policy.rollBack}
            </Button>
          </div>
        </SimpleGrid>
      )}
    </Shown>
  );
}

function Breakers() {
  const breakers = useQuery(breakersQuery);
  const tell = useTell();
  const queries = useQueryClient();
  const close = useMutation({
    mutationFn: (action: string) => take(client.POST('/v1/breakers/{action}/close', { params: { path: { action } } })),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ['breakers'] }),
    onError: tell.refused,
  });
  return (
    <Panel title={text.policy.breaker} flush>
      <Text size="sm" c="dimmed" px="md">
        {text.policy.breakerHint}
      </Text>
      <Shown of={breakers} rows={2} isEmpty={({ breakers }) => breakers.length === 0} empty={<Empty title={text.policy.noBreakers}>{text.policy.noBreakersHint}</Empty>}>
        {({ breakers: all }) => (
          <Table>
            <Table.Tbody>
              {all.map(({ action, count, cap, open, opened_at }) => (
                <Table.Tr key={action}>
                  <Table.Th scope="row">{text.actions[action as 'ban'] ?? action}</Table.Th>
                  <Table.Td className="numbers">{cap == null ? text.policy.noCap(count) : text.policy.cap(count, cap)}</Table.Td>
                  <Table.Td>
                    <Chip tone={open ? 'bad' : 'good'}>{open ? text.policy.opened : text.policy.closed}</Chip> {opened_at && <Ago at={opened_at} />}
                  </Table.Td>
                  <Table.Td ta="right">
                    {open && (
                      <Button size="xs" variant="default" onClick={() => close.mutate(action)}>
                        {text.policy.closeBreaker}
                      </Button>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Shown>
    </Panel>
  );
}

function Versions({ onOpen }: { onOpen: (number: number) => void }) {
  const versions = useQuery(policiesQuery);
  return (
    <Panel title={text.policy.versions} flush>
      <Shown of={versions} isEmpty={({ versions }) => versions.length === 0} empty={<Empty title={text.policy.noVersions}>{text.policy.noVersionsHint}</Empty>}>
        {({ versions: all }) => (
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{text.policy.version}</Table.Th>
                <Table.Th>{text.cases.state}</Table.Th>
                <Table.Th>{text.policy.author}</Table.Th>
                <Table.Th>{text.policy.note}</Table.Th>
                <Table.Th>{text.reports.when}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {all.map((version) => (
                <Table.Tr key={version.number}>
                  <Table.Td>
                    <Anchor component="button" type="button" onClick={() => onOpen(version.number)}>
                      {text.policy.number(version.number)}
                    </Anchor>{' '}
                    <Text span size="xs" c="dimmed">
                      {version.version}
                    </Text>
                  </Table.Td>
                  <Table.Td>
                    <Chip tone={TONES[version.state as 'live'] ?? 'neutral'}>{text.policy.states[version.state as 'live'] ?? version.state}</Chip>
                  </Table.Td>
                  <Table.Td>{version.author}</Table.Td>
                  <Table.Td>{version.note}</Table.Td>
                  <Table.Td>
                    <Ago at={version.created_at} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Shown>
    </Panel>
  );
}

function Changes() {
  const rollouts = useQuery(rolloutsQuery);
  return (
    <Panel title={text.policy.history} flush>
      <Shown of={rollouts} isEmpty={({ rollouts }) => rollouts.length === 0} empty={<Empty title={text.policy.never}>{text.policy.neverHint}</Empty>}>
        {({ rollouts: all }) => (
          <Table>
            <Table.Tbody>
              {all.map((rollout) => (
                <Table.Tr key={rollout.revision}>
                  <Table.Td>
                    <Ago at={rollout.at} />
                  </Table.Td>
                  <Table.Td>
                    <Chip tone={rollout.change === 'alarm' ? 'bad' : rollout.change === 'live' ? 'good' : 'warn'}>{text.policy.changes[rollout.change as 'live'] ?? rollout.change}</Chip>
                  </Table.Td>
                  <Table.Td>
                    {text.policy.number(rollout.live)}
                    {rollout.canary && ` · ${text.policy.trialShort(rollout.canary.version, rollout.canary.percent)}`}
                  </Table.Td>
                  <Table.Td>{rollout.by}</Table.Td>
                  <Table.Td>{rollout.note}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Shown>
    </Panel>
  );
}

export function PolicyScreen() {
  const tell = useTell();
  const queries = useQueryClient();
  const [tab, open] = useState<string | null>('edit');
  const [number, choose] = useState<number>();
  const [proposal, propose] = useState<Proposal>();
  const [rolling, askBack] = useState(false);
  const turn = (to: number) => {
    choose(to);
    propose(undefined);
  };
  const rollBack = useMutation({
    mutationFn: () => take(client.POST('/v1/policies/rollback', { body: { note: '' } })),
    onSuccess: (now) => {
      askBack(false);
      tell.done(text.policy.rolledBack(now.live));
      void queries.invalidateQueries({ queryKey: ['policy'] });
    },
    onError: tell.refused,
  });
  return (
    <Screen title={text.screens.policy} about={text.policy.about}>
      <Current onRollBack={() => askBack(true)} />
      <Tabs value={tab} onChange={open} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="edit">{text.policy.edit}</Tabs.Tab>
          <Tabs.Tab value="versions">{text.policy.versions}</Tabs.Tab>
          <Tabs.Tab value="backtests">{text.policy.backtests}</Tabs.Tab>
          <Tabs.Tab value="tune">{text.policy.tune}</Tabs.Tab>
          <Tabs.Tab value="breaker">{text.policy.breaker}</Tabs.Tab>
        </Tabs.List>
        {/* A draft stays while its backtest is looked at. */}
        <Tabs.Panel value="edit" keepMounted>
          <Editor key={`${number ?? 'live'} ${proposal?.threshold ?? ''} ${proposal?.cut ?? ''}`} number={number} proposal={proposal} onBacktest={() => open('backtests')} onVersion={turn} />
        </Tabs.Panel>
        <Tabs.Panel value="versions">
          <Stack>
            <Versions
              onOpen={(chosen) => {
                turn(chosen);
                open('edit');
              }}
            />
            <Changes />
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="backtests">
          <Backtests />
        </Tabs.Panel>
        <Tabs.Panel value="tune">
          <Tuner
            onTake={(threshold, cut) => {
              choose(undefined);
              propose({ threshold, cut });
              open('edit');
            }}
          />
        </Tabs.Panel>
        <Tabs.Panel value="breaker">
          <Breakers />
        </Tabs.Panel>
      </Tabs>
      <Sure opened={rolling} title={text.policy.rollBack} confirm={text.policy.rollBack} busy={rollBack.isPending} onClose={() => askBack(false)} onSure={() => rollBack.mutate()}>
        <Group>{text.policy.rollBackHint}</Group>
      </Sure>
    </Screen>
  );
}
