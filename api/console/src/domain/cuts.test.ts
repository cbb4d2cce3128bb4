import { expect, test } from 'vitest';
import { tunables, withThreshold } from './cuts';

const POLICY = `name = "a"
spam = 1

[thresholds]
# How sure?
nudity = 0.75
"spam" = 0.80 # of messages

[labels]
spam = ["x"]
`;

test('a threshold of a set cuts each of its labels', () => {
  expect(tunables({ thresholds: { nudity: 0.75, spam: 0.8 }, labels: { nudity: ['porn', 'sexy'] } })).toEqual([
    { label: 'porn', threshold: 'nudity', cut: 0.75 },
    { label: 'sexy', threshold: 'nudity', cut: 0.75 },
    { label: 'spam', threshold: 'spam', cut: 0.8 },
  ]);
});

test('one number changes, and nothing else', () => {
  expect(withThreshold(POLICY, 'spam', 0.7251)).toBe(POLICY.replace('"spam" = 0.80 # of', '"spam" = 0.725 # of'));
  expect(withThreshold(POLICY, 'nudity', 0.5)).toBe(POLICY.replace('0.75', '0.5'));
});

test('what the table does not hold is not guessed', () => {
  expect(withThreshold(POLICY, 'toxic', 0.5)).toBeUndefined();
  expect(withThreshold('spam = 1', 'spam', 0.5)).toBeUndefined();
});
