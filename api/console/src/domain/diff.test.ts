import { describe, expect, it } from 'vitest';
import { changes, diff, diffWords } from './diff';

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

describe('c5 versions of a message', () => {
  it('shows which words an edit took and gave', () => {
    const shown = diffWords('you are a kind person', 'you are a fool');
    expect(shown.map(({ kind, text }) => `${kind}:${text}`)).toEqual(['same:you are a ', 'removed:kind person', 'added:fool']);
    expect(diffWords('', 'hello there')).toEqual([{ kind: 'added', text: 'hello there' }]);
  });

  it('joins to the texts again', () => {
    const [before, after] = ['one\n two  three ', ' one two\tfour'];
    const of = (gone: 'added' | 'removed') => diffWords(before, after).filter(({ kind }) => kind !== gone).map(({ text }) => text).join('');
    expect([of('added'), of('removed')]).toEqual([before, after]);
  });
});
