import { describe, expect, it } from 'vitest';
import { suggest, type PastAction } from './ladder';

const NOW = 1e12;
const DAY = 86_400_000;
const done = (action: string, days: number, overturned = false): PastAction => ({ action, at: NOW - days * DAY, overturned });

describe('f4 ladder suggestion', () => {
  it('warns who did nothing so far', () => {
    expect(suggest([], NOW, true)).toEqual({ action: 'warn' });
  });

  it('goes one rung up in calls', () => {
    expect(suggest([done('warn', 1)], NOW, true)).toEqual({ action: 'blur', after: 'warn' });
    expect(suggest([done('warn', 1), done('mute', 2)], NOW, true)).toEqual({ action: 'disconnect', after: 'mute' });
  });

  it('passes over the rungs of calls elsewhere', () => {
    expect(suggest([done('warn', 1)], NOW, false)).toEqual({ action: 'suspend', seconds: 86_400, after: 'warn' });
  });

  it('suspends longer each time, then bans', () => {
    const times = (count: number) => Array.from({ length: count }, (_, index) => done('suspend', index + 1));
    expect(suggest(times(1), NOW, false)).toMatchObject({ action: 'suspend', seconds: 7 * 86_400 });
    expect(suggest(times(2), NOW, false)).toMatchObject({ action: 'suspend', seconds: 30 * 86_400 });
    expect(suggest(times(3), NOW, false)).toEqual({ action: 'ban', after: 'suspend' });
    expect(suggest([done('ban', 1)], NOW, false)).toEqual({ action: 'ban', after: 'ban' });
  });

  it('forgets what is old, was overturned, or is no rung', () => {
    expect(suggest([done('ban', 91), done('suspend', 1, true), done('remove', 1)], NOW, true)).toEqual({ action: 'warn' });
  });
});
