/** Offending stretches of a text, made into pieces that can be shown one after the other. Pure. */

/** A stretch as the service names it: code points, not UTF-16 units. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly label: string;
  readonly score: number;
}

/** One piece of the text with all labels that hold there, the strongest first. */
export interface Piece {
  readonly text: string;
  readonly labels: readonly { readonly label: string; readonly score: number }[];
}

/** Cuts `text` where a stretch begins or ends. Stretches may overlap, lie outside, or be empty. */
export function pieces(text: string, stretches: readonly Stretch[]): Piece[] {
  const points = Array.from(text);
  const clamp = (at: number) => Math.min(Math.max(at, 0), points.length);
  const inside = stretches
    .map((stretch) => ({ ...stretch, start: clamp(stretch.start), end: clamp(stretch.end) }))
    .filter((stretch) => stretch.start < stretch.end);
  const cuts = new Set([0, points.length, ...inside.flatMap(({ start, end }) => [start, end])]);
  const sorted = [...cuts].sort((a, b) => a - b);
  return sorted.slice(1).map((end, index) => {
    const start = sorted[index] ?? 0;
    const strongest = new Map<string, number>();
    for (const stretch of inside) {
      if (stretch.start <= start && end <= stretch.end) {
        strongest.set(stretch.label, Math.max(stretch.score, strongest.get(stretch.label) ?? 0));
      }
    }
    const labels = [...strongest].map(([label, score]) => ({ label, score })).sort((a, b) => b.score - a.score);
    return { text: points.slice(start, end).join(''), labels };
  });
}
