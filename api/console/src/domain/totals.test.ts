import { expect, test } from 'vitest';
import { totals } from './totals';

test('c7 names are summed over days, the largest first', () => {
  const rows = [
    { day: '2026-01-30', name: 'warn', count: 1 },
    { day: '2026-01-31', name: 'ban', count: 3 },
    { day: '2026-01-31', name: 'warn', count: 4 },
  ];
  expect(totals(rows)).toEqual([
    { name: 'warn', count: 5, share: 0.625 },
    { name: 'ban', count: 3, share: 0.375 },
  ]);
  expect(totals([])).toEqual([]);
});
