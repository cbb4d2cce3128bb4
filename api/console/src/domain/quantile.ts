/** Quantiles out of a Prometheus text. Pure. */

/** One sample line. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Reads the exposition format; comments and lines that are none are passed over. */
export function samples(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const match = LINE.exec(line);
    if (!match || line.startsWith('#')) return [];
    const labels = Object.fromEntries([...(match[2] ?? '').matchAll(LABEL)].map((pair) => [pair[1] ?? '', pair[2] ?? '']));
    return [{ name: match[1] ?? '', labels, value: Number(match[3]) }];
  });
}

/** The sum of a metric over all label sets that fit. */
export function total(all: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number {
  const fits = (sample: Sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value);
  return all.filter(fits).reduce((sum, { value }) => sum + value, 0);
}

/** A quantile of a histogram, in its unit, straight between bucket bounds; `undefined` without observations. */
export function quantile(all: readonly Sample[], name: string, share: number): number | undefined {
  const buckets = new Map<number, number>();
  for (const sample of all) {
    const bound = sample.labels['le'];
    if (sample.name !== `${name}_bucket` || bound === undefined) continue;
    const edge = bound === '+Inf' ? Infinity : Number(bound);
    buckets.set(edge, (buckets.get(edge) ?? 0) + sample.value);
  }
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const count = sorted.at(-1)?.[1] ?? 0;
  if (count <= 0) return undefined;
  const rank = share * count;
  let [lower, below] = [0, 0];
  for (const [edge, cumulative] of sorted) {
    if (cumulative >= rank) {
      if (edge === Infinity) return lower;
      return lower + ((edge - lower) * (rank - below)) / Math.max(cumulative - below, Number.EPSILON);
    }
    [lower, below] = [edge, cumulative];
  }
  return lower;
}
