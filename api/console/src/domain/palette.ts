/** What the command palette offers for what was typed. Pure. */

export interface Entry {
  readonly title: string;
  /** Words that find it, besides the title. */
  readonly words?: string;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Is this the id of a case? */
export const isId = (text: string): boolean => UUID.test(text.trim());

/** Do the letters of `typed` appear in `text` in this order? */
function inOrder(typed: string, text: string): boolean {
  let at = 0;
  for (const letter of typed) {
    at = text.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

/** Entries that fit: those that begin so first, then those that hold it, then those with its letters in order. */
export function found<T extends Entry>(entries: readonly T[], typed: string): T[] {
  const wanted = typed.trim().toLowerCase();
  if (wanted === '') return [...entries];
  const rank = ({ title, words = '' }: Entry): number => {
    const name = title.toLowerCase();
    if (name.startsWith(wanted)) return 0;
    if (`${name} ${words.toLowerCase()}`.includes(wanted)) return 1;
    return inOrder(wanted, name) ? 2 : 3;
  };
  return entries
    .map((entry) => ({ entry, rank: rank(entry) }))
    .filter(({ rank }) => rank < 3)
    .sort((a, b) => a.rank - b.rank)
    .map(({ entry }) => entry);
}
