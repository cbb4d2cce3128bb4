/** Many cases decided the same way: counted first, typed above a number, taken back as one. */
import { Button, Progress, Select, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ServiceError, client, take } from '../api/client';
import type { Case, NewDecision } from '../api/types';
import { CHOICES, choiceName } from '../domain/keys';
import { Sure } from '../parts/Sure';
import { useTell } from '../parts/told';
import { text } from '../text/en';
import { timed } from './case/Decide';
import { newKey } from './case/work';

/** Above so many the number has to be typed. */
const TYPED = 5;

/** Restrictions made in bulk end by themselves. */
const DAY_SECONDS = 86_400;
/** A ban is for one case at a time. */
const OFFERED = CHOICES.filter((choice) => choiceName(choice) !== 'ban');

/** What is decided about each: the same, under the rule that its case names, if it is one. */
function decisionOn({ rules, version }: Case, name: string, told: string, note: string): NewDecision {
  const choice = OFFERED.find((offered) => choiceName(offered) === name) ?? { ruling: 'dismiss' as const };
  const rule = choice.ruling !== 'dismiss' && rules.length === 1 ? rules[0] : undefined;
  return {
    key: newKey(),
    ruling: choice.ruling,
    ...(choice.ruling === 'act' ? { action: choice.action, ...(told ? { reason: told } : {}), ...(timed(choice) ? { seconds: DAY_SECONDS } : {}) } : {}),
    ...(rule === undefined ? {} : { rule }),
    note,
    seen: version,
    looked_seconds: 0,
    all_reports: false,
  };
}

/** Claims and decides one case after the other; those that somebody else has are left out. Answers the decisions' ids. */
async function decideAll(cases: readonly Case[], of: (about: Case) => NewDecision, progress: (done: number) => void): Promise<{ decisions: string[]; left: number }> {
  const decisions: string[] = [];
  for (const [index, about] of cases.entries()) {
    const path = { params: { path: { id: about.id } } };
    try {
      await take(client.POST('/v1/cases/{id}/claim', path));
      decisions.push((await take(client.POST('/v1/cases/{id}/decision', { ...path, body: of(about) }))).decision.id);
    } catch (error) {
      // Somebody else has it, or it changed: it stays for them. Anything else would meet the next ones, too.
      if (!(error instanceof ServiceError && (error.status === 409 || error.status === 404))) throw error;
      if (error.code === 'case_changed') await take(client.POST('/v1/cases/{id}/steps', { ...path, body: { step: 'release' } })).catch(() => undefined);
    }
    progress(index + 1);
  }
  return { decisions, left: cases.length - decisions.length };
}

export function Bulk({ cases, onDone }: { cases: readonly Case[]; onDone: () => void }) {
  const [asked, ask] = useState(false);
  const [choice, choose] = useState('dismiss');
  const [told, tellThem] = useState('');
  const [reason, say] = useState('');
  const [done, progress] = useState<number>();
  const queries = useQueryClient();
  const tell = useTell();
  const reload = () => {
    for (const key of ['cases', 'queues', 'decisions']) void queries.invalidateQueries({ queryKey: [key] });
  };
  const undoAll = async (decisions: readonly string[]) => {
    try {
      for (const id of decisions) await take(client.POST('/v1/decisions/{id}/undo', { params: { path: { id } } }));
      tell.done(text.bulk.undone(decisions.length));
    } catch (error) {
      tell.refused(error);
    }
    reload();
  };
  const run = async () => {
    progress(0);
    const batch = newKey().slice(0, 8);
    try {
      const { decisions, left } = await decideAll(cases, (about) => decisionOn(about, choice, told.trim(), text.bulk.note(batch, reason)), progress);
      tell.done(text.bulk.done(decisions.length, left, batch), { name: text.bulk.undo, run: () => void undoAll(decisions) });
      onDone();
    } catch (error) {
      tell.refused(error);
    }
    progress(undefined);
    ask(false);
    reload();
  };
  const acts = choice !== 'dismiss' && choice !== 'uphold';
  const severe = choice === 'suspend' || choice === 'disconnect';
  const people = new Set(cases.map(({ subject }) => subject)).size;
  return (
    <>
      <Button size="xs" variant="default" onClick={() => ask(true)}>
        {text.bulk.decide}
      </Button>
      <Sure opened={asked} title={text.bulk.title} confirm={text.bulk.sure(text.choices[choice as 'dismiss'], cases.length)} danger={severe} word={severe || cases.length > TYPED ? String(cases.length) : undefined} busy={done !== undefined} onClose={() => ask(false)} onSure={() => void run()}>
        <Stack gap="sm">
          <Text size="sm">{text.bulk.preview(cases.length, people, cases.reduce((sum, { evidence }) => sum + evidence, 0))}</Text>
          <Select
            label={text.case.decision}
            allowDeselect={false}
            value={choice}
            onChange={(value) => choose(value ?? 'dismiss')}
            data={OFFERED.map((offered) => ({ value: choiceName(offered), label: text.choices[choiceName(offered) as 'dismiss'] + (timed(offered) ? `, ${text.bulk.day}` : '') }))}
          />
          {acts && <TextInput label={text.case.reason} description={text.case.reasonHint} maxLength={500} value={told} onChange={(event) => tellThem(event.currentTarget.value)} />}
          <TextInput label={text.bulk.why} value={reason} onChange={(event) => say(event.currentTarget.value)} />
          {done !== undefined && <Progress value={(done / Math.max(cases.length, 1)) * 100} aria-label={text.waiting} />}
        </Stack>
      </Sure>
    </>
  );
}
