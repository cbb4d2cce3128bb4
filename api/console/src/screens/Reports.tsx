/** What people report of each other, and who is believed. */
import { Button, Group, Menu, SegmentedControl, Stack, Table, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../api/client';
import { reporterQuery, reportsQuery } from '../api/queries';
import { useMay } from '../api/session';
import type { Report } from '../api/types';
import { Ago, CaseLink, Chip, Pages, Person, percent } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { useTell } from '../parts/told';
import { text } from '../text/en';

const STATES = ['all', 'open', 'queued', 'assigned', 'escalated', 'closed'] as const;
const DAY = 86_400_000;

/** One reporter: how far they are believed, and muting them. */
function Reporter({ actor, onClose }: { actor: string; onClose: () => void }) {
  const may = useMay();
  const tell = useTell();
  const queries = useQueryClient();
  const reporter = useQuery(reporterQuery(actor));
  const mute = useMutation({
    mutationFn: (until: string | null) => take(client.PUT('/v1/reporters/{actor}', { params: { path: { actor } }, body: { until } })),
    onSuccess: (changed) => {
      queries.setQueryData(['reporter', actor], changed);
      tell.done(changed.muted_until ? text.reports.muted(actor) : text.reports.unmuted(actor));
    },
    onError: tell.refused,
  });
  return (
    <Panel
      title={text.reports.reporter(actor)}
      aside={
        <Button size="compact-sm" variant="subtle" onClick={onClose}>
          {text.close}
        </Button>
      }
    >
      <Shown of={reporter} rows={2}>
        {({ credibility, upheld, dismissed, muted_until }) => (
          <Group justify="space-between">
            <Stack gap={2}>
              <Group gap={6}>
                <Chip tone={credibility < 0.3 ? 'bad' : credibility < 0.5 ? 'warn' : 'good'}>{text.reports.believed(percent(credibility))}</Chip>
                {muted_until && <Chip tone="warn">{text.reports.mutedUntil(new Date(muted_until).toLocaleString())}</Chip>}
              </Group>
              <Text size="sm" c="dimmed">
                {text.reports.past(upheld.toFixed(1), dismissed.toFixed(1))}
              </Text>
            </Stack>
            {may('manage_reports') && (
              <Group gap={6}>
                {[7, 30].map((days) => (
                  <Button key={days} size="xs" variant="default" onClick={() => mute.mutate(new Date(Date.now() + days * DAY).toISOString())}>
                    {text.reports.mute(days)}
                  </Button>
                ))}
                {muted_until && (
                  <Button size="xs" variant="default" onClick={() => mute.mutate(null)}>
                    {text.reports.unmute}
                  </Button>
                )}
              </Group>
            )}
          </Group>
        )}
      </Shown>
    </Panel>
  );
}

function Close({ of }: { of: Report }) {
  const tell = useTell();
  const queries = useQueryClient();
  const move = useMutation({
    mutationFn: (body: { state: string; upheld?: boolean }) => take(client.POST('/v1/reports/{id}/state', { params: { path: { id: of.id } }, body })),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ['reports'] }),
    onError: tell.refused,
  });
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button size="xs" variant="default" loading={move.isPending} aria-label={text.reports.moveOf(of.subject)}>
          {text.reports.move}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {of.state === 'closed' ? (
          <Menu.Item onClick={() => move.mutate({ state: 'open' })}>{text.reports.reopen}</Menu.Item>
        ) : (
          <>
            <Menu.Item onClick={() => move.mutate({ state: 'closed', upheld: true })}>{text.reports.closeUpheld}</Menu.Item>
            <Menu.Item onClick={() => move.mutate({ state: 'closed', upheld: false })}>{text.reports.closeDismissed}</Menu.Item>
            {of.state !== 'escalated' && of.state !== 'queued' && <Menu.Item onClick={() => move.mutate({ state: 'escalated' })}>{text.case.escalate}</Menu.Item>}
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

export function ReportsScreen() {
  const may = useMay();
  const [state, setState] = useState<string>('all');
  const [subject, setSubject] = useState('');
  const [cursor, setCursor] = useState<string>();
  const [reporter, setReporter] = useState<string>();
  const reports = useQuery(reportsQuery({ ...(state === 'all' ? {} : { state }), ...(subject ? { subject } : {}), ...(cursor === undefined ? {} : { cursor }) }));
  return (
    <Screen title={text.screens.reports} about={text.reports.about}>
      <Group>
        <SegmentedControl
          aria-label={text.cases.state}
          value={state}
          onChange={(value) => {
            setState(value);
            setCursor(undefined);
          }}
          data={STATES.map((value) => ({ value, label: text.reports.states[value] }))}
        />
        <TextInput aria-label={text.reports.subject} placeholder={text.reports.subject} value={subject} onChange={(event) => setSubject(event.currentTarget.value.trim())} />
      </Group>
      {reporter !== undefined && <Reporter key={reporter} actor={reporter} onClose={() => setReporter(undefined)} />}
      <Panel flush>
        <Shown of={reports} isEmpty={({ items }) => items.length === 0} empty={<Empty title={text.reports.none}>{text.reports.noneHint}</Empty>}>
          {({ items, next }) => (
            <>
              <Table.ScrollContainer minWidth={760}>
                <Table>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>{text.reports.when}</Table.Th>
                      <Table.Th>{text.reports.about2}</Table.Th>
                      <Table.Th>{text.reports.by}</Table.Th>
                      <Table.Th>{text.reports.reason}</Table.Th>
                      <Table.Th>{text.cases.state}</Table.Th>
                      <Table.Th>{text.cases.case}</Table.Th>
                      {may('manage_reports') && (
                        <Table.Th>
                          <span className="hidden">{text.reports.move}</span>
                        </Table.Th>
                      )}
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {items.map((report) => (
                      <Table.Tr key={report.id}>
                        <Table.Td>
                          <Ago at={report.at} />
                        </Table.Td>
                        <Table.Td>
                          <Person id={report.subject} />
                        </Table.Td>
                        <Table.Td>
                          <Button variant="transparent" size="compact-sm" px={0} onClick={() => setReporter(report.reporter)} aria-label={text.reports.reporter(report.reporter)}>
                            {report.reporter}
                          </Button>
                        </Table.Td>
                        <Table.Td maw={320}>
                          <Text size="sm">{report.reason}</Text>
                          {report.note && (
                            <Text size="xs" c="dimmed" lineClamp={2}>
                              {report.note}
                            </Text>
                          )}
                        </Table.Td>
                        <Table.Td>
                          <Group gap={4}>
                            <Chip tone={report.state === 'closed' ? 'good' : report.state === 'escalated' ? 'warn' : 'neutral'}>{text.reports.states[report.state as 'open'] ?? report.state}</Chip>
                            {report.outcome && <Chip>{text.reports.outcomes[report.outcome as 'upheld'] ?? report.outcome}</Chip>}
                          </Group>
                        </Table.Td>
                        <Table.Td>{report.case && <CaseLink id={report.case} />}</Table.Td>
                        {may('manage_reports') && (
                          <Table.Td ta="right">
                            <Close of={report} />
                          </Table.Td>
                        )}
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
              <Pages next={next} first={cursor === undefined} onNext={setCursor} onFirst={() => setCursor(undefined)} />
            </>
          )}
        </Shown>
      </Panel>
    </Screen>
  );
}
