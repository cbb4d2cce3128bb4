/** Counts by day summed up by name. Pure. */
import type { DayCount } from './series';

export interface Total {
  readonly name: string;
  readonly count: number;
  /** Of all in the list, 0 to 1. */
  readonly share: number;
}

/** The sum of each name, the largest first. */
export function totals(rows: readonly DayCount[]): Total[] {
  const sums = new Map<string, number>();
  for (const { name, count } of rows) sums.set(name, (sums.get(name) ?? 0) + count);
  const all = [...sums.values()].reduce((sum, count) => sum + count, 0);
  return [...sums].map(([name, count]) => ({ name, count, share: count / all })).sort((a, b) => b.count - a.count || a.name.localeCompare(b.name));
}
