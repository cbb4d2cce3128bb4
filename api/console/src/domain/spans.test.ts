import { describe, expect, it } from 'vitest';
import { pieces } from './spans';

const shown = (text: string, stretches: Parameters<typeof pieces>[1]) =>
  pieces(text, stretches).map(({ text, labels }) => [text, ...labels.map(({ label }) => label)]);

describe('c1 highlighted stretches', () => {
  it('leaves a text without stretches whole', () => {
    expect(shown('hello', [])).toEqual([['hello']]);
    expect(shown('', [])).toEqual([]);
  });

  it('counts code points, so that emoji do not shift what is marked', () => {
    expect(shown('😀 you fool', [{ start: 6, end: 10, label: 'insult', score: 0.9 }])).toEqual([
      ['😀 you '],
      ['fool', 'insult'],
    ]);
  });

  it('splits where stretches overlap, the strongest label first', () => {
    const stretches = [
      { start: 0, end: 4, label: 'toxic', score: 0.8 },
      { start: 2, end: 6, label: 'insult', score: 0.9 },
    ];
    expect(shown('abcdef', stretches)).toEqual([
      ['ab', 'toxic'],
      ['cd', 'insult', 'toxic'],
      ['ef', 'insult'],
    ]);
  });

  it('forgives stretches that lie outside', () => {
    expect(shown('ab', [{ start: 1, end: 99, label: 'x', score: 1 }])).toEqual([['a'], ['b', 'x']]);
    expect(shown('ab', [{ start: 5, end: 9, label: 'x', score: 1 }])).toEqual([['ab']]);
  });
});
