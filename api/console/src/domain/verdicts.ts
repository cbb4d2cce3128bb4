/** What humans have said about items, as pasted lines. Pure. */

export interface Verdict {
  readonly item: string;
  readonly violates: boolean;
}

const LINE = /^\s*([0-9a-f-]{36})\s*[,;\t ]\s*(true|false|yes|no|1|0)\s*$/i;

/** Lines `item,true`; what is no such line is counted, not guessed. */
export function verdicts(lines: string): { verdicts: Verdict[]; unread: number } {
  const given = lines.split('\n').filter((line) => line.trim() !== '');
  const read = given.flatMap((line) => {
    const match = LINE.exec(line);
    return match ? [{ item: match[1] ?? '', violates: ['true', 'yes', '1'].includes((match[2] ?? '').toLowerCase()) }] : [];
  });
  return { verdicts: read, unread: given.length - read.length };
}
