/** Small things that many screens show. */
import { Anchor, Button, Group, Text, Tooltip } from '@mantine/core';
import { useSyncExternalStore, type ReactNode } from 'react';
import { Link } from 'wouter';
import type { Case } from '../api/types';
import { relative, urgency } from '../domain/time';
import { text } from '../text/en';

export type Tone = 'neutral' | 'info' | 'good' | 'warn' | 'bad';

export function Chip({ tone = 'neutral', children, title }: { tone?: Tone; children: ReactNode; title?: string }) {
  return (
    <span className="chip" data-tone={tone} title={title}>
      {children}
    </span>
  );
}

export const Key = ({ children }: { children: ReactNode }) => <kbd className="key">{children}</kbd>;

let skew = 0;
/** The service's time tells how far this computer's clock is off. */
export const setServiceTime = (now: string): void => {
  skew = Date.parse(now) - Date.now();
};

const listeners = new Set<() => void>();
let present = Date.now();
let ticking: ReturnType<typeof setInterval> | undefined;
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  ticking ??= setInterval(() => {
    present = Date.now() + skew;
    listeners.forEach((each) => each());
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(ticking);
      ticking = undefined;
    }
  };
}

/** The service's present, second by second, in milliseconds. One clock for all. */
export const useNow = (): number => useSyncExternalStore(subscribe, () => present);

/** How long ago, with the exact time on hover. */
export function Ago({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()} className="numbers" style={{ whiteSpace: 'nowrap' }}>
      {relative(Date.parse(at), now)}
    </time>
  );
}

/** When a case is due, coloured by what is left. */
export function Due({ of }: { of: Pick<Case, 'opened_at' | 'due_at' | 'state' | 'clock'> }) {
  const now = useNow();
  if (of.state === 'decided') return null;
  const due = Date.parse(of.due_at);
  const tone = ({ calm: 'neutral', soon: 'warn', late: 'bad' } as const)[urgency(Date.parse(of.opened_at), due, now)];
  return (
    <Chip tone={tone} title={text.case.due(new Date(of.due_at).toLocaleString())}>
      {of.clock ? `${text.case.law} · ` : ''}
      {due < now ? text.case.overdue(relative(due, now)) : relative(due, now)}
    </Chip>
  );
}

const PRIORITY: Readonly<Record<string, Tone>> = { urgent: 'bad', high: 'warn', normal: 'info', low: 'neutral' };

export const Priority = ({ of }: { of: string }) => <Chip tone={PRIORITY[of] ?? 'neutral'}>{of}</Chip>;

const ACTION: Readonly<Record<string, Tone>> = {
  dismiss: 'good', uphold: 'info', warn: 'info', blur: 'info', mute: 'warn', remove: 'warn', disconnect: 'warn', review: 'info', suspend: 'bad', ban: 'bad',
};

/** An action or ruling by its name. */
export const Act = ({ of }: { of: string }) => <Chip tone={ACTION[of] ?? 'neutral'}>{text.actions[of as keyof typeof text.actions] ?? of}</Chip>;

/** A person of the platform. */
export const Person = ({ id }: { id: string }) => (
  <Anchor component={Link} href={`/people/${encodeURIComponent(id)}`} inherit className="link">
    {id}
  </Anchor>
);

/** A case by the beginning of its id. */
export const CaseLink = ({ id, children }: { id: string; children?: ReactNode }) => (
  <Anchor component={Link} href={`/cases/${id}`} inherit className="link" ff={children ? undefined : 'monospace'}>
    {children ?? id.slice(-8)}
  </Anchor>
);

/** Forward through a list whose pages have cursors. */
export function Pages({ next, onNext, onFirst, first }: { next: string | null | undefined; onNext: (cursor: string) => void; onFirst: () => void; first: boolean }) {
  if (first && !next) return null;
  return (
    <Group justify="flex-end" gap="xs" p="sm">
      {!first && (
        <Button variant="default" size="xs" onClick={onFirst}>
          {text.pages.first}
        </Button>
      )}
      {next && (
        <Button variant="default" size="xs" onClick={() => onNext(next)}>
          {text.pages.next}
        </Button>
      )}
    </Group>
  );
}

/** A figure with its name. */
export function Tile({ name, value, about, tone }: { name: string; value: ReactNode; about?: ReactNode; tone?: Tone }) {
  return (
    <div className="surface tile">
      <Text size="sm" c="dimmed">
        {name}
      </Text>
      <div className="tile-value">
        {value}
        {tone && tone !== 'neutral' && <span className="dot" data-tone={tone} style={{ display: 'inline-block', marginLeft: 8, verticalAlign: 'middle' }} />}
      </div>
      {about && (
        <Text size="xs" c="dimmed">
          {about}
        </Text>
      )}
    </div>
  );
}

/** A button's name with its key. */
export function Keyed({ name, letter }: { name: string; letter: string }) {
  return (
    <Tooltip label={text.keys.press(letter)}>
      <Group gap={6} wrap="nowrap" component="span">
        {name}
        <Key>{letter}</Key>
      </Group>
    </Tooltip>
  );
}

export const percent = (share: number | null | undefined, digits = 0): string => (share == null ? '–' : `${(share * 100).toFixed(digits)} %`);
