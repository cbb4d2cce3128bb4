/** A judged item on a case page: its words with what offends marked, its scores against their cuts, why it is here. */
import { Anchor, Group, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMemo } from 'react';
import type { Done, Envelope, Exhibit, Reason } from '../../api/types';
import { bars } from '../../domain/scores';
import { pieces } from '../../domain/spans';
import { Chip, percent } from '../../parts/small';
import { text } from '../../text/en';

export const envelopeOf = (exhibit: Exhibit): Envelope | undefined => exhibit.envelope as unknown as Envelope | undefined;
export const reasonsOf = (exhibit: Exhibit): readonly Reason[] => (exhibit.reasons ?? []) as unknown as readonly Reason[];
const doneOf = (exhibit: Exhibit): readonly Done[] => (exhibit.actions ?? []) as unknown as readonly Done[];

export function Words({ of }: { of: Exhibit }) {
  const parts = useMemo(() => pieces(of.text ?? '', of.spans ?? []), [of]);
  return (
    <div className="words" data-testid="words">
      {parts.map(({ text: words, labels }, index) =>
        labels.length === 0 ? (
          <span key={index}>{words}</span>
        ) : (
          <mark key={index} className="mark" data-strong={(labels[0]?.score ?? 0) >= 0.8} title={labels.map(({ label, score }) => `${label} ${percent(score)}`).join(', ')}>
            {words}
          </mark>
        ),
      )}
    </div>
  );
}

export function Scores({ of, most = 4 }: { of: Exhibit; most?: number }) {
  const [all, { toggle }] = useDisclosure(false);
  const found = useMemo(() => bars(of.signals ?? [], of.thresholds ?? {}), [of]);
  const shown = all ? found : found.filter(({ over }, index) => over || index < most);
  if (found.length === 0) return null;
  return (
    <Stack gap={6}>
      {shown.map(({ label, score, threshold, over, model, version }) => (
        <div key={label} title={`${model} ${version}`}>
          <Group justify="space-between" gap="xs" wrap="nowrap">
            <Text size="sm" fw={over ? 600 : 400}>
              {label}
            </Text>
            <Text size="sm" className="numbers">
              {score.toFixed(2)}
              {threshold !== undefined && (
                <Text span size="xs" c="dimmed">
                  {' '}
                  {text.case.cut(threshold)}
                </Text>
              )}
            </Text>
          </Group>
          <div className="bar" role="img" aria-label={text.case.scoreLabel(label, score, threshold)}>
            <div className="bar-fill" data-over={over} style={{ width: `${Math.min(score, 1) * 100}%` }} />
            {threshold !== undefined && <div className="bar-cut" style={{ left: `${Math.min(threshold, 1) * 100}%` }} />}
          </div>
        </div>
      ))}
      {found.length > shown.length || all ? (
        <Anchor component="button" type="button" size="xs" onClick={toggle} ta="left">
          {all ? text.case.fewerScores : text.case.allScores(found.length)}
        </Anchor>
      ) : null}
    </Stack>
  );
}

export function Why({ of }: { of: Exhibit }) {
  const [reasons, done] = [reasonsOf(of), doneOf(of)];
  return (
    <Group gap={6}>
      {reasons.map(({ rule, label, score }) => (
        <Chip key={rule} tone="warn" title={`${label} ${percent(score)}`}>
          {rule}
        </Chip>
      ))}
      {done.map(({ id, kind, reason }) => (
        <Chip key={id} title={reason}>
          {text.case.done(text.actions[kind as keyof typeof text.actions] ?? kind)}
        </Chip>
      ))}
      {of.policy && (
        <Text size="xs" c="dimmed">
          {of.policy}
        </Text>
      )}
    </Group>
  );
}
