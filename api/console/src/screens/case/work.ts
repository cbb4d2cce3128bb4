/** Claiming, keeping, deciding, taking back: what the case page does with the service. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useLocation } from 'wouter';
import { ServiceError, client, take } from '../../api/client';
import type { Case, CasePage, Decision, NewDecision, Step } from '../../api/types';
import { useTell } from '../../parts/told';
import { text } from '../../text/en';

const HEARTBEAT = 30_000;
/** One may take one's own decision back for so long. */
const UNDO = 15 * 60_000;
const LAST = 'chaperone.last-decision';
const QUEUE = 'chaperone.queue';

/** The queue that is being worked on in this tab; any, when absent. */
export const workedQueue = (): string | undefined => sessionStorage.getItem(QUEUE) ?? undefined;
export const workOn = (queue: string | undefined): void =>
  queue === undefined ? sessionStorage.removeItem(QUEUE) : sessionStorage.setItem(QUEUE, queue);

interface Last {
  readonly id: string;
  readonly at: number;
}

/** The last decision made in this tab that can still be taken back. */
export function lastDecision(now: number): Last | undefined {
  const kept = sessionStorage.getItem(LAST);
  if (kept === null) return undefined;
  const last = JSON.parse(kept) as Last;
  return now - last.at < UNDO ? last : undefined;
}

/** `crypto.randomUUID` is only there on HTTPS and on one's own machine. */
export function newKey(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Claims the next case and goes to it; `nothing` when none waits. */
export function useNext(nothing?: () => void) {
  const queries = useQueryClient();
  const tell = useTell();
  const [, go] = useLocation();
  return useMutation({
    mutationFn: async () => {
      // 204, nothing waits, has no data.
      return (await take(client.POST('/v1/review/next', { body: { queue: workedQueue() ?? null, skipped: [] } }))) as Case | undefined;
    },
    onSuccess: (next) => {
      void queries.invalidateQueries({ queryKey: ['queues'] });
      if (next) go(`/cases/${next.id}`);
      else if (nothing) nothing();
      else go('/review');
    },
    onError: tell.refused,
  });
}

/** Puts a changed case where the page reads it. */
export function useCaseChanged() {
  const queries = useQueryClient();
  return (changed: Case) => {
    queries.setQueryData<CasePage>(['case', changed.id], (page) => page && { ...page, case: changed });
    void queries.invalidateQueries({ queryKey: ['queues'] });
    void queries.invalidateQueries({ queryKey: ['cases'] });
  };
}

/** Makes a case one's own. */
export function useClaim(id: string) {
  const tell = useTell();
  const changed = useCaseChanged();
  return useMutation({
    mutationFn: () => take(client.POST('/v1/cases/{id}/claim', { params: { path: { id } } })),
    onSuccess: changed,
    onError: tell.refused,
  });
}

/** Does something with a case short of deciding it. */
export function useStep(id: string) {
  const tell = useTell();
  const changed = useCaseChanged();
  return useMutation({
    mutationFn: (step: Step) => take(client.POST('/v1/cases/{id}/steps', { params: { path: { id } }, body: step })),
    onSuccess: changed,
    onError: tell.refused,
  });
}

/** Keeps the claim while the page is looked at, and counts the seconds of looking. */
export function useLease(id: string, mine: boolean): () => number {
  const changed = useCaseChanged();
  const latest = useRef(changed);
  latest.current = changed;
  const looked = useRef(0);
  useEffect(() => {
    if (!mine) return undefined;
    const looks = () => document.visibilityState === 'visible' && document.hasFocus();
    const counting = setInterval(() => {
      if (looks()) looked.current += 1;
    }, 1000);
    const beating = setInterval(() => {
      if (!looks()) return;
      take(client.POST('/v1/cases/{id}/steps', { params: { path: { id } }, body: { step: 'heartbeat' } })).then(
        (kept) => latest.current(kept),
        // The countdown shows that it was not prolonged, and what is done next says why.
        () => undefined,
      );
    }, HEARTBEAT);
    return () => {
      clearInterval(counting);
      clearInterval(beating);
    };
  }, [id, mine]);
  return () => looked.current;
}

/** Decides; `then` is called with what was decided. */
export function useDecide(id: string, then: (decision: Decision) => void) {
  const queries = useQueryClient();
  const tell = useTell();
  const changed = useCaseChanged();
  return useMutation({
    mutationFn: (body: NewDecision) => take(client.POST('/v1/cases/{id}/decision', { params: { path: { id } }, body })),
    onSuccess: (decided) => {
      sessionStorage.setItem(LAST, JSON.stringify({ id: decided.decision.id, at: Date.now() } satisfies Last));
      changed(decided.case);
      void queries.invalidateQueries({ queryKey: ['session'] });
      then(decided.decision);
    },
    onError: (error) => {
      tell.refused(error);
      if (error instanceof ServiceError && error.status === 409) void queries.invalidateQueries({ queryKey: ['case', id] });
    },
  });
}

/** Takes a decision back, and claims its case again. */
export function useUndo() {
  const queries = useQueryClient();
  const tell = useTell();
  const [, go] = useLocation();
  return useMutation({
    mutationFn: async (decision: string) => {
      const undone = await take(client.POST('/v1/decisions/{id}/undo', { params: { path: { id: decision } } }));
      // Somebody else may have been quicker: then the page says who has it.
      await take(client.POST('/v1/cases/{id}/claim', { params: { path: { id: undone.case } } })).catch(() => undefined);
      return undone;
    },
    onSuccess: (undone) => {
      if (lastDecision(Date.now())?.id === undone.id) sessionStorage.removeItem(LAST);
      for (const key of ['case', 'cases', 'decisions', 'queues', 'person']) void queries.invalidateQueries({ queryKey: [key] });
      tell.done(text.case.undone);
      go(`/cases/${undone.case}`);
    },
    onError: tell.refused,
  });
}
