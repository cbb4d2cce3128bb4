import { expect, it } from 'vitest';
import { unescaped } from './address';

it('c1 reads names out of addresses, odd ones too', () => {
  expect(unescaped('a%2Fb')).toBe('a/b');
  expect(unescaped('100%')).toBe('100%');
});
