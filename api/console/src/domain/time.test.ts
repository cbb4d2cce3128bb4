import { describe, expect, it } from 'vitest';
import { countdown, duration, forHowLong, relative, urgency } from './time';

describe('c1 times', () => {
  it.each([
    [0, '0 s'],
    [41_400, '41 s'],
    [65_000, '1 min 5 s'],
    [59 * 60_000 + 59_900, '1 h'],
    [12 * 60_000 + 5000, '12 min'],
    [125 * 60_000, '2 h 5 min'],
    [76 * 3_600_000, '3 d 4 h'],
    [-5, '0 s'],
  ])('%d ms is %s', (given, expected) => expect(duration(given)).toBe(expected));

  it.each([
    [-3000, 'just now'],
    [-30_000, '30 s ago'],
    [-5 * 60_000, '5 min ago'],
    [2 * 3_600_000 + 1, 'in 2 h'],
    [-50 * 3_600_000, '2 d ago'],
  ])('%d from now reads %s', (offset, expected) => expect(relative(1e12 + offset, 1e12)).toBe(expected));

  it('counts down and never below zero', () => {
    expect(countdown(119_001, 0)).toBe('2:00');
    expect(countdown(3_723_000, 0)).toBe('1:02:03');
    expect(countdown(0, 5000)).toBe('0:00');
  });

  it('is soon in the last quarter, late when due', () => {
    expect(urgency(0, 100, 74)).toBe('calm');
    expect(urgency(0, 100, 76)).toBe('soon');
    expect(urgency(0, 100, 100)).toBe('late');
  });

  it('says for good when nothing ends it', () => {
    expect(forHowLong(null)).toBe('for good');
    expect(forHowLong(86_400)).toBe('1 d');
  });
});
