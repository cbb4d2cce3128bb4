/** Scores against the thresholds that they were held against. Pure. */

export interface Signal {
  readonly model: string;
  readonly version: string;
  readonly label: string;
  readonly score: number;
}

export interface Bar extends Signal {
  /** The policy's number, when it has one for this label. */
  readonly threshold?: number;
  readonly over: boolean;
}

/** Labels that the built-in policy cuts by one number for the whole set (`labels.nudity`). */
const SHARED: Readonly<Record<string, string>> = { porn: 'nudity', hentai: 'nudity', sexy: 'nudity' };

/** One bar per label, the highest score of each; those over their threshold first, then by score. */
export function bars(signals: readonly Signal[], thresholds: Readonly<Record<string, number>>): Bar[] {
  const highest = new Map<string, Signal>();
  for (const signal of signals) {
    const known = highest.get(signal.label);
    if (!known || known.score < signal.score) highest.set(signal.label, signal);
  }
  const found = [...highest.values()].map((signal): Bar => {
    const name = signal.label.startsWith('context.') ? 'context' : (SHARED[signal.label] ?? signal.label);
    const threshold = thresholds[signal.label] ?? thresholds[name];
    return threshold === undefined
      ? { ...signal, over: false }
      : { ...signal, threshold, over: signal.score >= threshold };
  });
  return found.sort((a, b) => Number(b.over) - Number(a.over) || b.score - a.score);
}
