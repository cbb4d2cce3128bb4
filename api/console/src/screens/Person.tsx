/** All that is known of one person; export, hold, erasure. */
import { Alert, Button, Group, Stack, Table, Text, TextInput, Textarea } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../api/client';
import { actionsQuery, personQuery } from '../api/queries';
import { useMay } from '../api/session';
import { CaseTable } from '../parts/CaseTable';
import { Act, Ago, Chip, percent } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { Sure } from '../parts/Sure';
import { useTell } from '../parts/told';
import { text } from '../text/en';
import { Line, StandingOf } from './case/PersonSide';

/** What was done to somebody, with what takes it back. */
function Actions({ actor }: { actor: string }) {
  const may = useMay();
  const tell = useTell();
  const queries = useQueryClient();
  const actions = useQuery(actionsQuery(actor));
  const [undoing, ask] = useState<string>();
  const [reason, say] = useState('');
  const undo = useMutation({
    mutationFn: (id: string) => take(client.POST('/v1/actions/{id}/undo', { params: { path: { id } }, body: { reason } })),
    onSuccess: () => {
      tell.done(text.person.undone);
      ask(undefined);
      say('');
      for (const key of ['actions', 'standing']) void queries.invalidateQueries({ queryKey: [key, actor] });
    },
    onError: tell.refused,
  });
  // Where they may not be read there is nothing to show: decisions are below.
  if (actions.error) return null;
  return (
    <Panel title={text.person.actions} flush>
      <Shown of={actions} isEmpty={({ actions }) => actions.length === 0} empty={<Empty title={text.person.noActions} />}>
        {({ actions: all }) => (
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{text.reports.when}</Table.Th>
                <Table.Th>{text.history.what}</Table.Th>
                <Table.Th>{text.case.rule}</Table.Th>
                <Table.Th>{text.history.who}</Table.Th>
                <Table.Th>{text.person.strikesShort}</Table.Th>
                <Table.Th>{text.person.receipt}</Table.Th>
                <Table.Th>
                  <span className="hidden">{text.case.undo}</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {all.map((action) => (
                <Table.Tr key={action.id}>
                  <Table.Td>
                    <Ago at={action.at} />
                  </Table.Td>
                  <Table.Td>
                    <Act of={action.action} /> {action.reversed_by && <Chip tone="warn">{text.history.overturned}</Chip>}
                  </Table.Td>
                  <Table.Td title={action.reason}>{action.rule}</Table.Td>
                  <Table.Td>{action.by}</Table.Td>
                  <Table.Td className="numbers">{action.strikes}</Table.Td>
                  <Table.Td>{action.receipt}</Table.Td>
                  <Table.Td ta="right">
                    {may('edit_policy') && !action.reversed_by && !action.reverses && (
                      <Button size="xs" variant="default" onClick={() => ask(action.id)}>
                        {text.case.undo}
                      </Button>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Shown>
      <Sure opened={undoing !== undefined} title={text.history.undoTitle} confirm={text.history.undoSure} busy={undo.isPending} onClose={() => ask(undefined)} onSure={() => undoing !== undefined && undo.mutate(undoing)}>
        <TextInput label={text.case.reason} description={text.case.reasonHint} value={reason} onChange={(event) => say(event.currentTarget.value)} data-autofocus />
      </Sure>
    </Panel>
  );
}

/** Opening a case about somebody by hand. */
function OpenCase({ actor }: { actor: string }) {
  const tell = useTell();
  const queries = useQueryClient();
  const [note, say] = useState('');
  const open = useMutation({
    mutationFn: () => take(client.POST('/v1/cases', { body: { subject: actor, note } })),
    onSuccess: () => {
      say('');
      tell.done(text.person.caseOpened);
      void queries.invalidateQueries({ queryKey: ['person', actor] });
    },
    onError: tell.refused,
  });
  return (
    <Panel title={text.person.openCase}>
      <Stack gap="sm" align="flex-start">
        <Textarea w="100%" label={text.person.openWhy} autosize minRows={2} value={note} onChange={(event) => say(event.currentTarget.value)} />
        <Button variant="default" disabled={note.trim() === ''} loading={open.isPending} onClick={() => open.mutate()}>
          {text.person.openCase}
        </Button>
      </Stack>
    </Panel>
  );
}

/** What a law asks for: all of it as a file, keeping it, removing it. */
function Law({ actor, held }: { actor: string; held: boolean }) {
  const may = useMay();
  const tell = useTell();
  const queries = useQueryClient();
  const [erasing, askErase] = useState(false);
  const [holding, askHold] = useState(false);
  const [reason, say] = useState('');
  const [receipt, keep] = useState<string>();
  const path = { params: { path: { actor } } };
  const again = () => void queries.invalidateQueries({ queryKey: ['person', actor] });
  const hold = useMutation({ mutationFn: () => take(client.PUT('/v1/people/{actor}/hold', { ...path, body: { reason } })), onSuccess: () => (askHold(false), say(''), again()), onError: tell.refused });
  const lift = useMutation({ mutationFn: () => take(client.DELETE('/v1/people/{actor}/hold', path)), onSuccess: again, onError: tell.refused });
  const erase = useMutation({
    mutationFn: () => take(client.DELETE('/v1/people/{actor}', path)),
    onSuccess: (erased) => {
      askErase(false);
      keep(text.person.receiptOf(erased.id, Object.entries(erased.rows).map(([kind, count]) => `${count} ${kind}`).join(', ')));
      void queries.invalidateQueries();
    },
    onError: tell.refused,
  });
  if (!may('export_people')) return null;
  return (
    <Panel title={text.person.law}>
      <Group>
        <Button variant="default" component="a" href={`/v1/people/${encodeURIComponent(actor)}/export`} download={`${actor}.json`}>
          {text.person.export}
        </Button>
        {may('erase_people') && (
          <>
            <Button variant="default" onClick={() => (held ? lift.mutate() : askHold(true))}>
              {held ? text.person.lift : text.person.hold}
            </Button>
            <Button color="red" variant="outline" disabled={held} onClick={() => askErase(true)}>
              {text.person.erase}
            </Button>
          </>
        )}
      </Group>
      {receipt && (
        <Alert variant="default" mt="sm" title={text.person.erased}>
          {receipt}
        </Alert>
      )}
      <Sure opened={holding} title={text.person.hold} confirm={text.person.hold} busy={hold.isPending} onClose={() => askHold(false)} onSure={() => hold.mutate()}>
        <Stack gap="xs">
          {text.person.holdHint}
          <TextInput label={text.person.holdReason} value={reason} onChange={(event) => say(event.currentTarget.value)} data-autofocus />
        </Stack>
      </Sure>
      <Sure opened={erasing} title={text.person.eraseTitle(actor)} confirm={text.person.erase} danger word={actor} busy={erase.isPending} onClose={() => askErase(false)} onSure={() => erase.mutate()}>
        {text.person.eraseHint}
      </Sure>
    </Panel>
  );
}

export function PersonScreen({ actor }: { actor: string }) {
  const person = useQuery(personQuery(actor));
  return (
    <Screen title={actor} about={text.person.about}>
      <Shown of={person} rows={8}>
        {({ cases, decisions, reporter, hold, connected }) => (
          <Stack gap="md">
            <Group gap={6}>
              {connected != null && <Chip tone={connected ? 'good' : 'neutral'}>{connected ? text.person.connected : text.person.away}</Chip>}
              {hold && <Chip tone="warn">{text.person.held(hold.reason)}</Chip>}
              <Chip>{text.person.reporter(percent(reporter.credibility), Math.round(reporter.upheld), Math.round(reporter.dismissed))}</Chip>
              <StandingOf actor={actor} />
            </Group>
            <Panel title={text.case.history(cases.length)} flush>
              {cases.length === 0 ? <Empty title={text.case.noHistory} /> : <CaseTable cases={cases} />}
            </Panel>
            <div className="grid-2">
              <Panel title={text.case.decisions(decisions.length)}>
                {decisions.length === 0 ? (
                  <Text size="sm" c="dimmed">
                    {text.case.noDecisions}
                  </Text>
                ) : (
                  <Stack gap={8}>
                    {decisions.map((decision) => (
                      <Line key={decision.id} of={decision} />
                    ))}
                  </Stack>
                )}
              </Panel>
              <Stack gap="md">
                <OpenCase actor={actor} />
                <Law actor={actor} held={hold != null} />
              </Stack>
            </div>
            <Actions actor={actor} />
          </Stack>
        )}
      </Shown>
    </Screen>
  );
}
