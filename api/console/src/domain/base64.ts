/** Bytes as base64. Pure. */

/** Bytes that are given to one call at most: arguments lie on the stack. */
const AT_ONCE = 0x8000;

export function base64Of(bytes: Uint8Array): string {
  let binary = '';
  for (let start = 0; start < bytes.length; start += AT_ONCE) {
    binary += String.fromCharCode(...bytes.subarray(start, start + AT_ONCE));
  }
  return btoa(binary);
}
