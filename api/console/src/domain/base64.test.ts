import { expect, it } from 'vitest';
import { base64Of } from './base64';

it('m4 writes any bytes, however many', () => {
  expect(base64Of(new Uint8Array([]))).toBe('');
  expect(base64Of(new Uint8Array([0, 255, 128]))).toBe('AP+A');
  const many = Uint8Array.from({ length: 100_000 }, (_, index) => index % 256);
  expect(Buffer.from(base64Of(many), 'base64').equals(Buffer.from(many))).toBe(true);
});
