/** Decisions, newest first; each can be taken back. */
import { Button, Group, SegmentedControl, Table, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { decisionsQuery } from '../api/queries';
import { useMay, useSession } from '../api/session';
import type { Decision } from '../api/types';
import { forHowLong } from '../domain/time';
import { Act, Ago, CaseLink, Chip, Pages, Person, useNow } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { Sure } from '../parts/Sure';
import { text } from '../text/en';
import { useUndo } from './case/work';

const MINE = 15 * 60_000;

function Undo({ of }: { of: Decision }) {
  const { login } = useSession();
  const may = useMay();
  const now = useNow();
  const undo = useUndo();
  const [asked, ask] = useState(false);
  const allowed = of.overturned_at == null && (may('decide_escalated') || (of.reviewer === login && now - Date.parse(of.at) < MINE));
  if (!allowed) return null;
  return (
    <>
      <Button size="xs" variant="default" onClick={() => ask(true)} aria-label={text.history.undoOf(of.subject)}>
        {text.case.undo}
      </Button>
      <Sure opened={asked} title={text.history.undoTitle} confirm={text.history.undoSure} busy={undo.isPending} onClose={() => ask(false)} onSure={() => undo.mutate(of.id)}>
        {text.history.undoHint}
      </Sure>
    </>
  );
}

export function HistoryScreen() {
  const may = useMay();
  const [whose, setWhose] = useState('me');
  const [ruling, setRuling] = useState('all');
  const [subject, setSubject] = useState('');
  const [cursor, setCursor] = useState<string>();
  const reset = () => setCursor(undefined);
  const decisions = useQuery(
    decisionsQuery({
      ...(whose === 'me' ? { reviewer: 'me' } : {}),
      ...(ruling === 'all' ? {} : { ruling }),
      ...(subject ? { subject } : {}),
      ...(cursor === undefined ? {} : { cursor }),
    }),
  );
  return (
    <Screen title={text.screens.history} about={text.history.about}>
      <Group>
        <SegmentedControl aria-label={text.history.whose} value={whose} onChange={(value) => (setWhose(value), reset())} data={[{ value: 'me', label: text.history.mine }, { value: 'all', label: text.history.everybody }]} />
        <SegmentedControl aria-label={text.history.ruling} value={ruling} onChange={(value) => (setRuling(value), reset())} data={['all', 'act', 'uphold', 'dismiss'].map((value) => ({ value, label: text.history.rulings[value as 'all'] }))} />
        <TextInput aria-label={text.reports.subject} placeholder={text.reports.subject} value={subject} onChange={(event) => (setSubject(event.currentTarget.value.trim()), reset())} />
      </Group>
      <Panel flush>
        <Shown of={decisions} isEmpty={({ items }) => items.length === 0} empty={<Empty title={text.history.none}>{text.history.noneHint}</Empty>}>
          {({ items, next }) => (
            <>
              <Table.ScrollContainer minWidth={820}>
                <Table>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>{text.reports.when}</Table.Th>
                      <Table.Th>{text.history.what}</Table.Th>
                      <Table.Th>{text.history.whom}</Table.Th>
                      <Table.Th>{text.case.rule}</Table.Th>
                      <Table.Th>{text.history.who}</Table.Th>
                      <Table.Th>{text.history.policy}</Table.Th>
                      <Table.Th>{text.cases.case}</Table.Th>
                      <Table.Th>
                        <span className="hidden">{text.case.undo}</span>
                      </Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {items.map((decision) => (
                      <Table.Tr key={decision.id}>
                        <Table.Td>
                          <Ago at={decision.at} />
                        </Table.Td>
                        <Table.Td>
                          <Group gap={4}>
                            <Act of={decision.action ?? decision.ruling} />
                            {decision.action && <Text size="xs">{forHowLong(decision.seconds)}</Text>}
                            {decision.overturned_at && <Chip tone="warn">{text.history.overturned}</Chip>}
                          </Group>
                        </Table.Td>
                        <Table.Td>{decision.subject.startsWith('item:') ? text.cases.item : <Person id={decision.subject} />}</Table.Td>
                        <Table.Td>{decision.rule ?? '–'}</Table.Td>
                        <Table.Td>{decision.reviewer}</Table.Td>
                        <Table.Td>
                          <Text size="xs" c="dimmed" title={decision.models.join(', ')}>
                            {decision.policy}
                          </Text>
                        </Table.Td>
                        <Table.Td>
                          <CaseLink id={decision.case} />
                        </Table.Td>
                        <Table.Td ta="right">{(whose === 'me' || may('decide_escalated')) && <Undo of={decision} />}</Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
              <Pages next={next} first={cursor === undefined} onNext={setCursor} onFirst={reset} />
            </>
          )}
        </Shown>
      </Panel>
    </Screen>
  );
}
