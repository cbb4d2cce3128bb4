import { describe, expect, it } from 'vitest';
import { SCREENS, offered } from './access';

describe('c3 screens by role', () => {
  it('offers a reviewer no policy, audit, quality or settings', () => {
    const ids = offered(['view_cases', 'decide']).map(({ id }) => id);
    expect(ids).toEqual(['overview', 'queues', 'wall', 'reports', 'appeals', 'search', 'history', 'wellness', 'account']);
  });

  it('has a path of its own for every screen', () => {
    expect(new Set(SCREENS.map(({ path }) => path)).size).toBe(SCREENS.length);
  });
});
