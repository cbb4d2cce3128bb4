/** Parts of addresses. Pure. */

/** A part of a path as it was before it was escaped; as it is, when it is escaped wrongly (a person may be called `100%`). */
export function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
