import { describe, expect, it } from 'vitest';
import { series, summed } from './series';

describe('c4 series', () => {
  it('fills days without rows and sorts by total', () => {
    const found = series(
      [
        { day: '2026-11-24', name: 'act', count: 2 },
        { day: '2026-11-26', name: 'dismiss', count: 5 },
      ],
      '2026-11-26',
      3,
    );
    expect(found.days).toEqual(['2026-11-24', '2026-11-25', '2026-11-26']);
    expect(found.lines).toEqual([
      { name: 'dismiss', total: 5, counts: [0, 0, 5] },
      { name: 'act', total: 2, counts: [2, 0, 0] },
    ]);
    expect(summed(found)).toEqual([2, 0, 5]);
  });

  it('has days even when nothing happened', () => {
    expect(series([], '2026-03-01', 2)).toEqual({ days: ['2026-02-28', '2026-03-01'], lines: [] });
  });
});
