import { describe, expect, it } from 'vitest';
import { changes, diff } from './diff';

const short = (before: string, after: string) =>
  diff(before, after).map(({ kind, text }) => `${{ same: ' ', added: '+', removed: '-' }[kind]}${text}`);

describe('p2 policy differences', () => {
  it('finds the changed line', () => {
    expect(short('a\nb\nc', 'a\nB\nc')).toEqual([' a', '-b', '+B', ' c']);
    expect(short('a', 'a\nb')).toEqual([' a', '+b']);
    expect(short('a\nb', 'b')).toEqual(['-a', ' b']);
  });

  it('shows what is near a change and stands for the rest', () => {
    const before = Array.from({ length: 9 }, (_, line) => `${line}`).join('\n');
    const shown = changes(diff(before, before.replace('4', 'x')), 1);
    expect(shown.map((line) => line?.text ?? '…')).toEqual(['…', '3', '4', 'x', '5', '…']);
    expect(changes(diff('a', 'a'))).toEqual([]);
  });
});
