import { describe, expect, it } from 'vitest';
import { quantile, samples, total } from './quantile';

const TEXT = `# TYPE t histogram
t_bucket{lane="frame",le="0.1"} 50
t_bucket{lane="frame",le="0.2"} 90
t_bucket{lane="text",le="0.1"} 0
t_bucket{lane="text",le="0.2"} 10
t_bucket{lane="frame",le="+Inf"} 90
t_bucket{lane="text",le="+Inf"} 10
waiting{lane="frame"} 3
waiting{lane="text"} 4
`;

describe('c4 quantiles', () => {
  it('adds label sets up and goes straight between bounds', () => {
    const all = samples(TEXT);
    expect(quantile(all, 't', 0.5)).toBeCloseTo(0.1);
    expect(quantile(all, 't', 0.75)).toBeCloseTo(0.15);
    expect(quantile(all, 'other', 0.5)).toBeUndefined();
    expect(total(all, 'waiting')).toBe(7);
    expect(total(all, 'waiting', { lane: 'text' })).toBe(4);
  });
});
