/** What the service tells without being asked, put where the screens read it. */
import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { QueueCount } from './types';

/** Is the stream open? */
export type Connection = 'connecting' | 'live' | 'lost';

/** The numbers that come every three seconds. */
interface Numbers {
  readonly at: string;
  readonly open: number;
  readonly overdue: number;
  readonly queues: QueueCount[];
}

/** Points of the live chart: [milliseconds, open, overdue]. */
export type LivePoint = readonly [number, number, number];
const POINTS = 400;

/** What has to be read again after an event of this kind. */
const STALE: Readonly<Record<string, readonly string[]>> = {
  'case.opened': ['cases', 'queues', 'person'],
  'case.changed': ['cases', 'case', 'queues'],
  'case.decided': ['cases', 'case', 'queues', 'decisions', 'stats'],
  'report.submitted': ['reports'],
  'report.resolved': ['reports'],
  'appeal.submitted': ['appeals'],
  'appeal.resolved': ['appeals', 'decisions'],
  'moderation.action': ['actions', 'standing', 'breakers', 'wall'],
  'policy.changed': ['policy'],
};
/** Events may come by the hundred: queries are read again at most this often. */
const SETTLE = 700;

function follow(queries: QueryClient, connected: (state: Connection) => void): () => void {
  const source = new EventSource('/v1/review/events');
  const stale = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const settle = () => {
    timer = undefined;
    for (const key of stale) void queries.invalidateQueries({ queryKey: [key] });
    stale.clear();
  };
  source.onopen = () => connected('live');
  source.onerror = () => connected(source.readyState === EventSource.CLOSED ? 'lost' : 'connecting');
  source.addEventListener('numbers', (event: MessageEvent<string>) => {
    const numbers = JSON.parse(event.data) as Numbers;
    queries.setQueryData(['queues'], numbers.queues);
    queries.setQueryData(['live'], (points: LivePoint[] | undefined) => [
      ...(points ?? []).slice(-POINTS),
      [Date.parse(numbers.at), numbers.open, numbers.overdue] as const,
    ]);
  });
  for (const [kind, keys] of Object.entries(STALE)) {
    source.addEventListener(kind, () => {
      keys.forEach((key) => stale.add(key));
      timer ??= setTimeout(settle, SETTLE);
    });
  }
  return () => {
    source.close();
    clearTimeout(timer);
  };
}

/** Follows the stream while mounted; opens it anew when it was closed for good. */
export function useStream(): Connection {
  const queries = useQueryClient();
  const [connection, connected] = useState<Connection>('connecting');
  const [round, again] = useState(0);
  useEffect(() => follow(queries, connected), [queries, round]);
  useEffect(() => {
    if (connection !== 'lost') return undefined;
    const timer = setTimeout(() => again((count) => count + 1), 5000);
    return () => clearTimeout(timer);
  }, [connection, round]);
  return connection;
}
