/** One case: evidence, person, decision; made to be worked without a mouse. */
import { Alert, Button, Group, Menu, Stack, Text, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { client, take } from '../../api/client';
import { caseQuery, decisionQuery } from '../../api/queries';
import { useMay, useSession } from '../../api/session';
import type { CasePage, Decision } from '../../api/types';
import { choiceName, command, letters as lettersFor, takesText, type Choice, type Command } from '../../domain/keys';
import { suggest } from '../../domain/ladder';
import { countdown } from '../../domain/time';
import { Icon } from '../../parts/Icon';
import { Ago, Chip, Due, Key, Keyed, Priority, setServiceTime, useNow } from '../../parts/small';
import { Panel, Shown } from '../../parts/state';
import { useTell } from '../../parts/told';
import { text } from '../../text/en';
import { Decide, EMPTY, removes, timed, type Draft } from './Decide';
import { Evidence, type Veil } from './Evidence';
import { envelopeOf, reasonsOf } from './judged';
import { Line, PersonSide } from './PersonSide';
import { Statement } from './Statement';
import { Assign, Escalate, Help, Hold, Move } from './dialogs';
import { lastDecision, newKey, useClaim, useDecide, useLease, useNext, useStep, useUndo } from './work';

export function CaseScreen({ id }: { id: string }) {
  const page = useQuery(caseQuery(id));
  const now = page.data?.now;
  useEffect(() => {
    if (now !== undefined) setServiceTime(now);
  }, [now]);
  return (
    <Shown of={page} rows={10}>
      {(data) => <Loaded page={data} />}
    </Shown>
  );
}

/** The time that is left of one's claim. */
function Lease({ until }: { until: string }) {
  const left = Date.parse(until) - useNow();
  return (
    <Chip tone={left < 30_000 ? 'bad' : 'neutral'} title={text.case.leaseHint}>
      <Icon name="clock" size={13} />
      <span className="numbers" data-testid="lease">
        {countdown(left, 0)}
      </span>
    </Chip>
  );
}

function Head({ page, mine, held }: { page: CasePage; mine: boolean; held: boolean }) {
  const { case: about, viewers } = page;
  return (
    <Group justify="space-between" align="flex-start" gap="sm">
      <div>
        <Title order={1}>{about.summary || text.case.about(about.subject)}</Title>
        <Group gap={6} mt={4}>
          <Priority of={about.priority} />
          <Chip>{about.queue}</Chip>
          <Chip>{text.sources[about.source]}</Chip>
          <Due of={about} />
          {about.escalated && <Chip tone="warn">{text.case.escalated}</Chip>}
          {about.graphic && <Chip tone="warn">{text.case.graphic}</Chip>}
          <Text size="sm" c="dimmed">
            {text.case.came} <Ago at={about.opened_at} />
          </Text>
        </Group>
      </div>
      <Group gap={6}>
        {viewers.length > 0 && (
          <Chip tone="info" title={viewers.join(', ')}>
            <Icon name="eye" size={13} />
            {text.case.viewers(viewers)}
          </Chip>
        )}
        {mine && about.lease && <Lease until={about.lease.until} />}
        {!mine && held && <Chip tone="warn">{text.case.heldBy(about.lease?.holder ?? '')}</Chip>}
      </Group>
    </Group>
  );
}

/** What somebody objected to, beside their objection. */
function Original({ id }: { id: string }) {
  const decision = useQuery(decisionQuery(id)).data;
  if (!decision) return null;
  return (
    <Panel title={text.case.original}>
      <Stack gap={6}>
        <Line of={decision} />
        {decision.rule && <Text size="sm">{text.case.forRule(decision.rule)}</Text>}
        {decision.reason && <Text size="sm">“{decision.reason}”</Text>}
        {decision.note && (
          <Text size="sm" c="dimmed">
            {decision.note}
          </Text>
        )}
      </Stack>
    </Panel>
  );
}

function Loaded({ page }: { page: CasePage }) {
  const { case: about } = page;
  const session = useSession();
  const may = useMay();
  const tell = useTell();
  const queries = useQueryClient();
  const [, go] = useLocation();
  const now = useNow();

  const held = about.state === 'open' && about.lease != null && Date.parse(about.lease.until) > now;
  const mine = held && about.lease?.holder === session.login;
  const decided = about.state === 'decided';

  const [draft, change] = useState<Draft>(EMPTY);
  const [veil, setVeil] = useState<Veil>({ blur: session.comfort.blur, pixels: session.comfort.blur_pixels, grey: session.comfort.grey });
  const [escalating, escalate] = useDisclosure();
  const [holding, hold] = useDisclosure();
  const [assigning, assign] = useDisclosure();
  const [moving, move] = useDisclosure();
  const [helping, help] = useDisclosure();
  const [stating, state] = useDisclosure();

  const reasons = useMemo(() => page.evidence.flatMap(({ exhibit }) => (exhibit ? reasonsOf(exhibit) : [])), [page.evidence]);
  const letters = useMemo(() => lettersFor([...new Set([...about.rules, ...reasons.map(({ rule }) => rule)])]), [about.rules, reasons]);
  const inCall = page.evidence.some(({ exhibit }) => exhibit && envelopeOf(exhibit)?.call !== undefined);
  const suggestion = useMemo(
    () => suggest(page.decisions.map(({ action, at, overturned_at }) => ({ action: action ?? null, at: Date.parse(at), overturned: overturned_at != null })), Date.parse(page.now), inCall),
    [page, inCall],
  );

  const looked = useLease(about.id, mine);
  const claim = useClaim(about.id);
  const step = useStep(about.id);
  const next = useNext();
  const undo = useUndo();
  const key = useRef(newKey());
  const goOn = useRef(false);
  const decide = useDecide(about.id, (decision: Decision) => {
    key.current = newKey();
    tell.done(text.case.decided(text.actions[(decision.action ?? decision.ruling) as keyof typeof text.actions] ?? decision.ruling, decision.subject), {
      name: text.case.undo,
      run: () => undo.mutate(decision.id),
    });
    if (goOn.current) next.mutate();
    else void queries.invalidateQueries({ queryKey: ['case', about.id] });
  });
  const write = useMutation({
    mutationFn: (note: string) => take(client.POST('/v1/cases/{id}/notes', { params: { path: { id: about.id } }, body: { text: note } })),
    onSuccess: () => {
      change({ ...draft, note: '' });
      void queries.invalidateQueries({ queryKey: ['case', about.id] });
    },
    onError: tell.refused,
  });

  const choose = (choice: Choice) => {
    const { seconds: _, ...rest } = draft;
    const seconds = choice.ruling === 'act' && choice.action === suggestion.action ? suggestion.seconds : choice.ruling === 'act' && choice.action === 'suspend' ? 86_400 : undefined;
    const reason = draft.reason || reasons.find(({ rule }) => rule === draft.rule)?.text || (letters.size === 1 ? (reasons[0]?.text ?? '') : '');
    const rule = draft.rule ?? (letters.size === 1 ? [...letters.values()][0] : undefined);
    change({ ...rest, choice, reason, ...(rule === undefined ? {} : { rule }), ...(timed(choice) && seconds !== undefined ? { seconds } : {}) });
  };
  const pickRule = (rule: string) => {
    const known = reasons.map(({ text: words }) => words);
    // Words that somebody wrote stay; those that came with another rule change with it.
    const reason = draft.reason === '' || known.includes(draft.reason) ? (reasons.find((reason) => reason.rule === rule)?.text ?? '') : draft.reason;
    if (draft.rule === rule) {
      const { rule: _, ...rest } = draft;
      change(rest);
    } else change({ ...draft, rule, reason });
  };
  const submit = (onwards: boolean) => {
    if (!mine) return tell.wrong(text.case.claimFirst);
    const { choice } = draft;
    if (!choice) return tell.wrong(text.case.chooseFirst);
    if (decide.isPending) return undefined;
    goOn.current = onwards;
    return decide.mutate({
      key: key.current,
      ruling: choice.ruling,
      ...(choice.ruling === 'act' ? { action: choice.action, ...(draft.reason ? { reason: draft.reason } : {}), ...(timed(choice) && draft.seconds !== undefined ? { seconds: draft.seconds } : {}) } : {}),
      ...(draft.rule !== undefined && choice.ruling !== 'dismiss' ? { rule: draft.rule } : {}),
      ...(draft.note ? { note: draft.note } : {}),
      seen: about.version,
      looked_seconds: looked(),
      all_reports: draft.allReports,
      copies: draft.copies && removes(choice),
    });
  };
  const skip = () => (mine ? step.mutate({ step: 'skip' }, { onSuccess: () => next.mutate() }) : next.mutate());
  const undoLast = () => {
    const last = lastDecision(Date.now());
    if (last) undo.mutate(last.id);
    else tell.wrong(text.case.nothingToUndo);
  };

  const run = (given: Command) => {
    switch (given.kind) {
      case 'choose':
        return mine ? choose(given.choice) : undefined;
      case 'rule':
        return mine ? pickRule(given.rule) : undefined;
      case 'submit':
        return submit(false);
      case 'submitNext':
        return submit(true);
      case 'skip':
        return skip();
      case 'escalate':
        return mine ? escalate.open() : undefined;
      case 'hold':
        return mine ? hold.open() : undefined;
      case 'blur':
        return setVeil({ ...veil, blur: !veil.blur });
      case 'grey':
        return setVeil({ ...veil, grey: !veil.grey });
      case 'undo':
        return undoLast();
      case 'help':
        return help.open();
    }
  };
  const running = useRef(run);
  running.current = run;
  // Before the case is painted: a key that is pressed as soon as it is seen counts.
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const typing = takesText(document.activeElement as HTMLElement | null);
      const dialog = document.querySelector('[role="dialog"]') !== null;
      const given = command({ key: event.key, ctrlKey: event.ctrlKey, metaKey: event.metaKey, altKey: event.altKey, repeat: event.repeat, typing, dialog }, letters);
      // Esc gives the keys back after typing.
      if (event.key === 'Escape' && typing && !dialog) (document.activeElement as HTMLElement).blur();
      if (!given) return;
      event.preventDefault();
      running.current(given);
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, [letters]);

  const back = () => go('/queues');
  return (
    <Stack gap="md">
      <Head page={page} mine={mine} held={held} />
      <div className="case">
        <div>
          <Evidence page={page} veil={veil} onBlur={() => run({ kind: 'blur' })} onGrey={() => run({ kind: 'grey' })} />
        </div>
        <div className="case-person">
          <Stack gap="md">
            {about.about && <Original id={about.about} />}
            <PersonSide page={page} />
          </Stack>
        </div>
        <div className="case-decision">
          <Panel
            title={text.case.decision}
            aside={
              <Button variant="subtle" size="compact-sm" onClick={help.open} leftSection={<Icon name="keyboard" size={16} />}>
                <Keyed name={text.keys.short} letter="?" />
              </Button>
            }
          >
            {decided ? (
              <Stack gap="sm">
                <Text size="sm">{text.case.isDecided}</Text>
                {page.decisions
                  .filter((decision) => decision.case === about.id)
                  .map((decision) => (
                    <Line key={decision.id} of={decision} />
                  ))}
                <Button onClick={() => next.mutate()} loading={next.isPending}>
                  {text.case.next}
                </Button>
                {lastDecision(now) && (
                  <Button variant="default" onClick={undoLast} loading={undo.isPending}>
                    <Keyed name={text.case.undoLast} letter="Z" />
                  </Button>
                )}
                {may('export_people') && (
                  <Button variant="default" onClick={state.open}>
                    {text.statement.draft}
                  </Button>
                )}
              </Stack>
            ) : mine ? (
              <Stack gap="sm">
                <Decide about={about} draft={draft} change={change} letters={letters} suggestion={suggestion} reports={about.reports} busy={decide.isPending || next.isPending} onChoose={choose} onRule={pickRule} onSubmit={submit} />
                <Group gap={6}>
                  <Button variant="default" size="xs" onClick={skip}>
                    <Keyed name={text.case.skip} letter="K" />
                  </Button>
                  <Button variant="default" size="xs" onClick={escalate.open}>
                    <Keyed name={text.case.escalate} letter="E" />
                  </Button>
                  <Button variant="default" size="xs" onClick={hold.open}>
                    <Keyed name={text.case.hold} letter="H" />
                  </Button>
                  <Menu position="bottom-end">
                    <Menu.Target>
                      <Button variant="default" size="xs">
                        {text.case.more}
                      </Button>
                    </Menu.Target>
                    <Menu.Dropdown>
                      <Menu.Item onClick={() => step.mutate({ step: 'release' }, { onSuccess: back })}>{text.case.release}</Menu.Item>
                      <Menu.Item disabled={draft.note.trim() === ''} onClick={() => write.mutate(draft.note)}>
                        {text.case.writeNote}
                      </Menu.Item>
                      {may('assign') && <Menu.Item onClick={assign.open}>{text.case.assign}</Menu.Item>}
                      {may('assign') && <Menu.Item onClick={move.open}>{text.case.move}</Menu.Item>}
                    </Menu.Dropdown>
                  </Menu>
                </Group>
              </Stack>
            ) : (
              <Stack gap="sm">
                {held ? (
                  <Alert variant="default" title={text.case.heldBy(about.lease?.holder ?? '')}>
                    {text.case.heldHint}
                  </Alert>
                ) : (
                  <Text size="sm">{about.state === 'held' ? text.case.onHold : text.case.free}</Text>
                )}
                <Button autoFocus onClick={() => claim.mutate()} loading={claim.isPending} disabled={held}>
                  {text.case.claim}
                </Button>
                {may('assign') && (
                  <Button variant="default" onClick={assign.open}>
                    {text.case.assign}
                  </Button>
                )}
                <Button variant="default" onClick={() => next.mutate()} loading={next.isPending}>
                  {text.case.next}
                </Button>
              </Stack>
            )}
          </Panel>
          <Text size="xs" c="dimmed" mt="xs" component="div">
            <Key>Z</Key> {text.case.undoLast}
          </Text>
        </div>
      </div>
      <div className="hidden" role="status" aria-live="polite">
        {draft.choice ? text.case.chosen(choiceName(draft.choice), draft.rule) : ''}
      </div>
      <Escalate opened={escalating} onClose={escalate.close} onDone={(why) => (escalate.close(), step.mutate({ step: 'escalate', why }, { onSuccess: () => next.mutate() }))} />
      <Hold opened={holding} onClose={hold.close} onDone={(until) => (hold.close(), step.mutate({ step: 'hold', until }, { onSuccess: () => next.mutate() }))} />
      <Assign opened={assigning} onClose={assign.close} onDone={(to) => (assign.close(), step.mutate({ step: 'assign', to }, { onSuccess: back }))} />
      <Move opened={moving} onClose={move.close} onDone={(queue) => (move.close(), step.mutate({ step: 'move', queue }, { onSuccess: back }))} />
      <Help opened={helping} onClose={help.close} letters={letters} />
      {decided && <Statement opened={stating} onClose={state.close} decision={page.decisions.find((decision) => decision.case === about.id)?.id} />}
    </Stack>
  );
}
