/** Counts by day made into lines of a chart. Pure. */

export interface DayCount {
  /** `2026-11-26`. */
  readonly day: string;
  readonly name: string;
  readonly count: number;
}

export interface Series {
  /** Every day of the period, in order. */
  readonly days: readonly string[];
  /** A line per name, the largest first; a zero for every day without a row. */
  readonly lines: readonly { readonly name: string; readonly total: number; readonly counts: readonly number[] }[];
}

const DAY = 86_400_000;

/** Fills the holes: days between the first and `until` (a day) that have no row. At least `least` days. */
export function series(rows: readonly DayCount[], until: string, least = 14): Series {
  const end = Date.parse(until);
  const first = Math.min(end - (least - 1) * DAY, ...rows.map(({ day }) => Date.parse(day)));
  const days: string[] = [];
  for (let at = first; at <= end; at += DAY) days.push(new Date(at).toISOString().slice(0, 10));
  const index = new Map(days.map((day, position) => [day, position]));
  const lines = new Map<string, number[]>();
  for (const { day, name, count } of rows) {
    const position = index.get(day);
    if (position === undefined) continue;
    const counts = lines.get(name) ?? new Array<number>(days.length).fill(0);
    counts[position] = (counts[position] ?? 0) + count;
    lines.set(name, counts);
  }
  const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);
  const named = [...lines].map(([name, counts]) => ({ name, counts, total: total(counts) }));
  return { days, lines: named.sort((a, b) => b.total - a.total || a.name.localeCompare(b.name)) };
}

/** Several lines added up: their sum by day. */
export const summed = ({ days, lines }: Series): number[] =>
  days.map((_, index) => lines.reduce((sum, { counts }) => sum + (counts[index] ?? 0), 0));
