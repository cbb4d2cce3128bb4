import { describe, expect, it } from 'vitest';
import { bars } from './scores';

const signal = (label: string, score: number) => ({ model: 'm', version: '1', label, score });

describe('c1 scores against thresholds', () => {
  it('shows what is over its threshold first', () => {
    const found = bars([signal('toxic', 0.7), signal('threat', 0.6), signal('odd', 0.9)], { toxic: 0.8, threat: 0.5 });
    expect(found.map(({ label, over, threshold }) => [label, over, threshold])).toEqual([
      ['threat', true, 0.5],
      ['odd', false, undefined],
      ['toxic', false, 0.8],
    ]);
  });

  it('keeps the highest of several scores, and knows sets and context', () => {
    const found = bars([signal('porn', 0.2), signal('porn', 0.9), signal('context.toxic', 0.95)], { nudity: 0.75, context: 0.9, toxic: 0.99 });
    expect(found.map(({ label, score, threshold, over }) => [label, score, threshold, over])).toEqual([
      ['context.toxic', 0.95, 0.9, true],
      ['porn', 0.9, 0.75, true],
    ]);
  });
});
