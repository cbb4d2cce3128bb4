import { describe, expect, it } from 'vitest';
import { consequences, simulate } from './strikes';

const POLICY = `
[thresholds]
toxic = 0.8
[strikes]
days = 90
weights = { low = 0, medium = 1, high = 3 }
steps = [{ strikes = 3, action = "suspend", hours = 24 }, { strikes = 10, action = "ban" }]
[[ladder]]
name = "call"
window_seconds = 30
steps = [{ violations = 1, action = "warn" }]
`;

describe('p3 strikes', () => {
  it('reads them out of a policy', () => {
    const read = consequences(POLICY);
    expect(read?.strikes?.days).toBe(90);
    expect(read?.ladders.map(({ name }) => name)).toEqual(['call']);
    expect(read?.thresholds).toEqual({ toxic: 0.8 });
    expect(consequences('name = "x"')).toEqual({ ladders: [], breaker: {}, thresholds: {}, labels: {} });
    expect(consequences('[[')).toBeUndefined();
  });

  it('adds up and says which steps are reached', () => {
    const strikes = consequences(POLICY)?.strikes;
    if (!strikes) throw new Error('no strikes');
    expect(simulate(strikes, { low: 9, medium: 2 })).toEqual({ strikes: 2, reached: [] });
    expect(simulate(strikes, { high: 1 }).reached.map(({ action }) => action)).toEqual(['suspend']);
    expect(simulate(strikes, { high: 3, medium: 1 }).reached.map(({ action }) => action)).toEqual(['suspend', 'ban']);
  });
});
