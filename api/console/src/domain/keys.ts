/** The case page's keyboard. Pure: a key press in, a command out. */

/** What can be done to a person or an item, in the order of the number keys. */
export const ACTIONS = ['warn', 'blur', 'mute', 'remove', 'disconnect', 'suspend', 'ban'] as const;
export type ActionName = (typeof ACTIONS)[number];

/** A ruling with its action: what the number keys choose. */
export type Choice =
  | { readonly ruling: 'dismiss' | 'uphold' }
  | { readonly ruling: 'act'; readonly action: ActionName };

/** Keys 1 to 9. */
export const CHOICES: readonly Choice[] = [
  { ruling: 'dismiss' },
  { ruling: 'uphold' },
  ...ACTIONS.map((action) => ({ ruling: 'act', action }) as const),
];

/** The name of a choice: `dismiss`, `uphold`, or the action's. */
export const choiceName = (choice: Choice): string => (choice.ruling === 'act' ? choice.action : choice.ruling);

export type Command =
  | { readonly kind: 'choose'; readonly choice: Choice }
  | { readonly kind: 'rule'; readonly rule: string }
  | { readonly kind: 'submit' | 'submitNext' | 'skip' | 'escalate' | 'hold' | 'blur' | 'grey' | 'undo' | 'help' };

const LETTERS = {
  s: 'submit',
  n: 'submitNext',
  k: 'skip',
  e: 'escalate',
  h: 'hold',
  b: 'blur',
  g: 'grey',
  z: 'undo',
} as const;

/** What of a key press matters. */
export interface Press {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly repeat: boolean;
  /** The focused element takes text. */
  readonly typing: boolean;
  /** A dialog is open: it has keys of its own. */
  readonly dialog: boolean;
}

/** The command of a key press; none while somebody types, holds a modifier, or a dialog is open. */
export function command(press: Press, rules: ReadonlyMap<string, string>): Command | undefined {
  if (press.typing || press.dialog || press.repeat || press.ctrlKey || press.metaKey || press.altKey) return undefined;
  if (press.key === '?') return { kind: 'help' };
  const key = press.key.toLowerCase();
  const choice = /^[1-9]$/.test(key) ? CHOICES[Number(key) - 1] : undefined;
  if (choice) return { kind: 'choose', choice };
  if (key in LETTERS) return { kind: LETTERS[key as keyof typeof LETTERS] };
  const rule = rules.get(key);
  return rule === undefined ? undefined : { kind: 'rule', rule };
}

/** Gives each policy rule a letter that nothing else uses: the first fitting one of its name, else the first free one. */
export function letters(rules: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  const free = (letter: string) => /^[a-z]$/.test(letter) && !(letter in LETTERS) && !given.has(letter);
  for (const rule of rules) {
    const letter = [...rule.toLowerCase(), ...'abcdefghijklmnopqrstuvwxyz'].find(free);
    if (letter !== undefined) given.set(letter, rule);
  }
  return given;
}

/** Does this element take text? */
export function takesText(element: { tagName?: string; type?: string; isContentEditable?: boolean } | null): boolean {
  if (!element) return false;
  const tag = element.tagName?.toLowerCase();
  if (tag === 'input') return !['checkbox', 'radio', 'button', 'submit', 'range'].includes(element.type ?? 'text');
  return tag === 'textarea' || tag === 'select' || element.isContentEditable === true;
}
