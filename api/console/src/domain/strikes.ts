/** The strikes and ladders of a policy's text, and what they would lead to. Pure. */
import { parse } from 'smol-toml';

export interface StrikeStep {
  readonly strikes: number;
  readonly action: string;
  readonly hours?: number;
}

export interface Strikes {
  readonly days: number;
  readonly weights: Readonly<Record<string, number>>;
  readonly steps: readonly StrikeStep[];
}

export interface Ladder {
  readonly name: string;
  readonly window_seconds: number;
  readonly scope?: string;
  readonly cooldown_seconds?: number;
  readonly calm_seconds?: number;
  readonly steps: readonly { readonly violations: number; readonly action: string }[];
}

export interface Consequences {
  readonly strikes?: Strikes;
  readonly ladders: readonly Ladder[];
  readonly breaker: Readonly<Record<string, number>>;
  readonly thresholds: Readonly<Record<string, number>>;
  /** Sets of labels. A threshold with the name of one is held against each of them. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

/** What a policy's text says of them; `undefined` when it is no TOML. */
export function consequences(policy: string): Consequences | undefined {
  try {
    const read = parse(policy) as { strikes?: Strikes; ladder?: Ladder[]; breaker?: Record<string, number>; thresholds?: Record<string, number>; labels?: Record<string, string[]> };
    const strikes = read.strikes && { days: read.strikes.days, weights: read.strikes.weights ?? {}, steps: read.strikes.steps ?? [] };
    return { ...(strikes ? { strikes } : {}), ladders: read.ladder ?? [], breaker: read.breaker ?? {}, thresholds: read.thresholds ?? {}, labels: read.labels ?? {} };
  } catch {
    return undefined;
  }
}

/** Strikes that so many violations of each severity give, and the steps that they reach on the way, in order. */
export function simulate({ weights, steps }: Strikes, violations: Readonly<Record<string, number>>): { strikes: number; reached: StrikeStep[] } {
  const strikes = Object.entries(violations).reduce((sum, [severity, count]) => sum + count * (weights[severity] ?? 0), 0);
  return { strikes, reached: steps.filter((step) => step.strikes <= strikes).sort((a, b) => a.strikes - b.strikes) };
}
