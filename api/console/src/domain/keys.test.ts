import { describe, expect, it } from 'vitest';
import { CHOICES, choiceName, command, letters, takesText, type Press } from './keys';

const press = (key: string, more: Partial<Press> = {}): Press => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  repeat: false,
  typing: false,
  dialog: false,
  ...more,
});
const none = new Map<string, string>();

describe('c1 keyboard', () => {
  it('numbers choose what is done, mildest first', () => {
    expect(CHOICES.map(choiceName)).toEqual([
      'dismiss', 'uphold', 'warn', 'blur', 'mute', 'remove', 'disconnect', 'suspend', 'ban',
    ]);
    expect(command(press('8'), none)).toEqual({ kind: 'choose', choice: { ruling: 'act', action: 'suspend' } });
    expect(command(press('0'), none)).toBeUndefined();
  });

  it.each([
    ['s', 'submit'], ['N', 'submitNext'], ['k', 'skip'], ['e', 'escalate'], ['h', 'hold'],
    ['b', 'blur'], ['g', 'grey'], ['Z', 'undo'], ['?', 'help'],
  ])('%s is %s', (key, kind) => expect(command(press(key), none)).toEqual({ kind }));

  it('is off while typing, with a modifier, in a dialog, and does not repeat', () => {
    for (const more of [{ typing: true }, { dialog: true }, { ctrlKey: true }, { metaKey: true }, { altKey: true }, { repeat: true }]) {
      expect(command(press('s', more), none)).toBeUndefined();
    }
  });

  it('gives every rule a letter of its own that is no command', () => {
    const given = letters(['toxicity', 'threat', 'spam', 'hate', 'kkk']);
    expect([...given.entries()]).toEqual([['t', 'toxicity'], ['r', 'threat'], ['p', 'spam'], ['a', 'hate'], ['c', 'kkk']]);
    expect(command(press('t'), given)).toEqual({ kind: 'rule', rule: 'toxicity' });
    expect(letters(Array.from({ length: 40 }, (_, index) => `rule${index}`)).size).toBe(18);
  });

  it('knows what takes text', () => {
    expect(takesText({ tagName: 'TEXTAREA' })).toBe(true);
    expect(takesText({ tagName: 'INPUT', type: 'search' })).toBe(true);
    expect(takesText({ tagName: 'INPUT', type: 'checkbox' })).toBe(false);
    expect(takesText({ tagName: 'BUTTON' })).toBe(false);
    expect(takesText(null)).toBe(false);
  });
});
