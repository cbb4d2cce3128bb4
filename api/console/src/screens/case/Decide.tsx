/** The right side of a case: what is decided. Every part has a key. */
import { Button, Checkbox, Group, Select, Stack, Text, TextInput, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { copiesQuery, settingsQuery } from '../../api/queries';
import type { Case } from '../../api/types';
import { CHOICES, choiceName, type Choice } from '../../domain/keys';
import type { Suggestion } from '../../domain/ladder';
import { duration, forHowLong } from '../../domain/time';
import { Icon } from '../../parts/Icon';
import { Key, Keyed } from '../../parts/small';
import { text } from '../../text/en';

/** What will be sent. */
export interface Draft {
  readonly choice?: Choice;
  readonly rule?: string;
  readonly seconds?: number;
  readonly reason: string;
  readonly note: string;
  readonly allReports: boolean;
  /** Of a removal: with the copies of its pictures. */
  readonly copies: boolean;
}

export const EMPTY: Draft = { reason: '', note: '', allReports: false, copies: true };
export const removes = (choice: Choice | undefined): boolean => choice?.ruling === 'act' && choice.action === 'remove';
/** Actions that can have an end. */
const TIMED = ['blur', 'mute', 'suspend', 'ban'];
const SPANS = [3600, 86_400, 7 * 86_400, 30 * 86_400];

export const timed = (choice: Choice | undefined): boolean => choice?.ruling === 'act' && TIMED.includes(choice.action);

interface Props {
  readonly about: Case;
  readonly draft: Draft;
  readonly change: (draft: Draft) => void;
  readonly letters: ReadonlyMap<string, string>;
  readonly suggestion: Suggestion;
  readonly reports: number;
  readonly busy: boolean;
  readonly onChoose: (choice: Choice) => void;
  readonly onRule: (rule: string) => void;
  readonly onSubmit: (next: boolean) => void;
}

/** Sentences that are ready for this rule. */
function Ready({ rule, onPick }: { rule: string | undefined; onPick: (words: string) => void }) {
  const templates = useQuery(settingsQuery).data?.settings.templates;
  const fitting = useMemo(() => (templates ?? []).filter(({ rules }) => !rules?.length || (rule !== undefined && rules.includes(rule))), [templates, rule]);
  if (fitting.length === 0) return null;
  return <Select aria-label={text.case.ready} placeholder={text.case.ready} size="xs" mb={4} searchable value={null} data={fitting.map(({ name }) => name)} onChange={(name) => onPick(fitting.find((template) => template.name === name)?.text ?? '')} />;
}

export function Decide({ about, draft, change, letters, suggestion, reports, busy, onChoose, onRule, onSubmit }: Props) {
  const appeal = about.source === 'appeal';
  const chosen = draft.choice && choiceName(draft.choice);
  const copies = useQuery(copiesQuery(about.id)).data?.copies.length ?? 0;
  const name = (choice: Choice) => {
    const known = choiceName(choice) as keyof typeof text.actions;
    return appeal && known in text.onAppeal ? text.onAppeal[known as keyof typeof text.onAppeal] : text.choices[known as keyof typeof text.choices];
  };
  return (
    <Stack gap="sm">
      <div className="choices" role="group" aria-label={text.case.decision}>
        {CHOICES.map((choice, index) => {
          const suggested = choiceName(choice) === suggestion.action && !appeal;
          return (
            <button key={choiceName(choice)} type="button" className="choice" aria-pressed={chosen === choiceName(choice)} onClick={() => onChoose(choice)}>
              <Key>{index + 1}</Key>
              <span style={{ flex: 1 }}>{name(choice)}</span>
              {suggested && (
                <span title={text.case.suggested}>
                  <Icon name="star" size={13} filled />
                  <span className="hidden">{text.case.suggested}</span>
                </span>
              )}
            </button>
          );
        })}
      </div>
      {!appeal && (
        <Text size="xs" c="dimmed">
          {suggestion.after ? text.case.after(text.actions[suggestion.after], text.actions[suggestion.action], suggestion.seconds ? duration(suggestion.seconds * 1000) : '') : text.case.first}
        </Text>
      )}
      {letters.size > 0 && (
        <div>
          <Text size="sm" fw={500} mb={4}>
            {text.case.rule}
          </Text>
          <Group gap={6} role="group" aria-label={text.case.rule}>
            {[...letters].map(([letter, rule]) => (
              <button key={rule} type="button" className="choice" style={{ width: 'auto' }} aria-pressed={draft.rule === rule} onClick={() => onRule(rule)}>
                <Key>{letter.toUpperCase()}</Key>
                {rule}
              </button>
            ))}
          </Group>
        </div>
      )}
      {timed(draft.choice) && (
        <Select
          label={text.case.howLong}
          value={draft.seconds === undefined ? 'good' : String(draft.seconds)}
          data={[...SPANS.map((span) => ({ value: String(span), label: forHowLong(span) })), { value: 'good', label: text.case.forGood }]}
          onChange={(value) => {
            const { seconds: _, ...rest } = draft;
            change(value === null || value === 'good' ? rest : { ...rest, seconds: Number(value) });
          }}
          allowDeselect={false}
        />
      )}
      {draft.choice?.ruling === 'act' && (
        <div>
          <Ready rule={draft.rule} onPick={(reason) => change({ ...draft, reason })} />
          <TextInput label={text.case.reason} description={text.case.reasonHint} value={draft.reason} maxLength={500} onChange={(event) => change({ ...draft, reason: event.currentTarget.value })} />
        </div>
      )}
      <Textarea label={text.case.note} autosize minRows={1} maxRows={4} value={draft.note} onChange={(event) => change({ ...draft, note: event.currentTarget.value })} />
      {reports > 0 && <Checkbox label={text.case.allReports} checked={draft.allReports} onChange={(event) => change({ ...draft, allReports: event.currentTarget.checked })} />}
      {removes(draft.choice) && copies > 0 && <Checkbox label={text.copies.remove(copies)} checked={draft.copies} onChange={(event) => change({ ...draft, copies: event.currentTarget.checked })} />}
      <div className="submit">
        <Button px="xs" onClick={() => onSubmit(true)} disabled={!draft.choice} loading={busy}>
          <Keyed name={text.case.submitNext} letter="N" />
        </Button>
        <Button px="xs" variant="default" onClick={() => onSubmit(false)} disabled={!draft.choice} loading={busy}>
          <Keyed name={text.case.submit} letter="S" />
        </Button>
      </div>
    </Stack>
  );
}
