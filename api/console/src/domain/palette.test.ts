import { describe, expect, it } from 'vitest';
import { found, isId } from './palette';

const entries = [{ title: 'Live wall' }, { title: 'Policy', words: 'rules thresholds' }, { title: 'Wellness' }, { title: 'Appeals' }];
const titles = (typed: string) => found(entries, typed).map(({ title }) => title);

describe('c1 palette', () => {
  it('ranks beginnings before parts before letters in order', () => {
    expect(titles('wal')).toEqual(['Live wall']);
    expect(titles('we')).toEqual(['Wellness']);
    expect(titles('rules')).toEqual(['Policy']);
    expect(titles('apl')).toEqual(['Appeals']);
    expect(titles('xyz')).toEqual([]);
    expect(titles('').length).toBe(4);
  });

  it('knows ids', () => {
    expect(isId(' 0198f3a0-5a41-7cc1-9a3e-5d0c2b7e9f10 ')).toBe(true);
    expect(isId('ann')).toBe(false);
  });
});
