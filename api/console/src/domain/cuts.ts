/** Thresholds of a policy's text: which label each cuts, and one of them changed. Pure. */
import type { Consequences } from './strikes';

/** A label that can be tuned, and the threshold that it is held against. */
export interface Tunable {
  readonly label: string;
  readonly threshold: string;
  readonly cut: number;
}

/** Every label that a threshold of the policy cuts; of a set, each member. */
export function tunables({ thresholds, labels }: Pick<Consequences, 'thresholds' | 'labels'>): Tunable[] {
  return Object.entries(thresholds).flatMap(([threshold, cut]) => (labels[threshold] ?? [threshold]).map((label) => ({ label, threshold, cut })));
}

/** The text with another number for a threshold, all else as it was; `undefined` when its table does not hold it. */
export function withThreshold(policy: string, name: string, cut: number): string | undefined {
  const lines = policy.split('\n');
  const start = lines.findIndex((line) => /^\s*\[thresholds\]\s*(#.*)?$/.test(line));
  if (start < 0) return undefined;
  const end = lines.findIndex((line, index) => index > start && /^\s*\[/.test(line));
  const place = lines.findIndex((line, index) => index > start && (end < 0 || index < end) && line.split('=')[0]?.trim().replace(/^"(.*)"$/, '$1') === name);
  if (place < 0) return undefined;
  lines[place] = (lines[place] ?? '').replace(/=\s*[-+\d._eE]+/, `= ${Number(cut.toFixed(3))}`);
  return lines.join('\n');
}
