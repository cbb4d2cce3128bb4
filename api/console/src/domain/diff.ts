/** Two texts, line by line or word by word. Pure. */

export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed';
  readonly text: string;
}
/** A stretch of words. */
export type DiffWord = DiffLine;

/** Longest table of the comparison; larger texts are shown as removed and added as a whole. */
const LARGEST = 4_000_000;

/** The shortest way from `before` to `after`: longest common subsequence of their lines. */
export const diff = (before: string, after: string): DiffLine[] => compare(before.split('\n'), after.split('\n'));

/** Blanks stay with the word before them, so that joined stretches are the text again. */
const words = (text: string): string[] => text.match(/\S+\s*|\s+/g) ?? [];

/** As {@link diff}, by words; neighbours of a kind are one stretch. */
export function diffWords(before: string, after: string): DiffWord[] {
  const stretches: DiffWord[] = [];
  for (const { kind, text } of compare(words(before), words(after))) {
    const last = stretches.at(-1);
    if (last?.kind === kind) stretches[stretches.length - 1] = { kind, text: last.text + text };
    else stretches.push({ kind, text });
  }
  return stretches;
}

function compare(a: readonly string[], b: readonly string[]): DiffLine[] {
  const width = b.length + 1;
  if (a.length * b.length > LARGEST) {
    return [...a.map((text) => ({ kind: 'removed', text }) as const), ...b.map((text) => ({ kind: 'added', text }) as const)];
  }
  const table = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number) => table[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: 'same', text: a[i++] ?? '' });
      j++;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ kind: 'removed', text: a[i++] ?? '' });
    } else {
      lines.push({ kind: 'added', text: b[j++] ?? '' });
    }
  }
  return lines;
}

/** Only what changed, with `around` unchanged lines; `null` stands for lines that were left out. */
export function changes(lines: readonly DiffLine[], around = 2): (DiffLine | null)[] {
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - around), index + around + 1).some(({ kind }) => kind !== 'same'),
  );
  const kept: (DiffLine | null)[] = [];
  lines.forEach((line, index) => {
    if (near[index]) kept.push(line);
    else if (kept.at(-1) !== null) kept.push(null);
  });
  return kept.every((line) => line === null) ? [] : kept;
}
