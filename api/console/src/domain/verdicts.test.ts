import { describe, expect, it } from 'vitest';
import { verdicts } from './verdicts';

describe('p4 verdicts', () => {
  it('reads lines and counts what is none', () => {
    const id = '0198f3a0-5a41-7cc1-9a3e-5d0c2b7e9f10';
    expect(verdicts(`item,violates\n${id},true\n${id}; no\n\nx`)).toEqual({
      verdicts: [{ item: id, violates: true }, { item: id, violates: false }],
      unread: 2,
    });
  });
});
