/** What the ladder suggests for somebody. Pure. A suggestion for a human: it decides nothing. */

import type { ActionName } from './keys';

/** The rungs, mildest first. `remove` stands beside them: it is about an item, not a person. */
export const LADDER = ['warn', 'blur', 'mute', 'disconnect', 'suspend', 'ban'] as const satisfies readonly ActionName[];
type Rung = (typeof LADDER)[number];

const DAY = 86_400;
/** Days of the first, second and later suspensions. */
const SUSPENSIONS = [1, 7, 30] as const;
/** What happened longer ago no longer counts. */
const MEMORY = 90 * DAY * 1000;

/** Something that was done to the person. */
export interface PastAction {
  readonly action?: string | null;
  /** Milliseconds. */
  readonly at: number;
  readonly overturned: boolean;
}

export interface Suggestion {
  readonly action: Rung;
  /** For how long; for good when absent. */
  readonly seconds?: number;
  /** The last step that still counts, if there is one. */
  readonly after?: Rung;
}

const rungOf = (action: string | null | undefined): number => LADDER.findIndex((rung) => rung === action);

/**
 * One rung above the severest thing that was done within 90 days and still stands. Calls have rungs (blur, mute, disconnect) that a text does
 * not: outside calls they are passed over. Suspensions grow (1, 7, 30 days) before a ban is suggested.
 */
export function suggest(past: readonly PastAction[], now: number, inCall: boolean): Suggestion {
  const counted = past.filter(({ action, at, overturned }) => !overturned && now - at <= MEMORY && rungOf(action) >= 0);
  const highest = Math.max(-1, ...counted.map(({ action }) => rungOf(action)));
  const after = LADDER[highest];
  const suspensions = counted.filter(({ action }) => action === 'suspend').length;
  const climbed = after === 'suspend' && suspensions < SUSPENSIONS.length ? 'suspend' : LADDER[Math.min(highest + 1, LADDER.length - 1)] ?? 'warn';
  const onlyInCalls = climbed === 'blur' || climbed === 'mute' || climbed === 'disconnect';
  const action = onlyInCalls && !inCall ? 'suspend' : climbed;
  const days = SUSPENSIONS[Math.min(suspensions, SUSPENSIONS.length - 1)];
  return {
    action,
    ...(action === 'suspend' && days !== undefined ? { seconds: days * DAY } : {}),
    ...(after === undefined ? {} : { after }),
  };
}
