/** Times as people read them. Pure: the present is handed in, in milliseconds. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span of time in its two largest units: `3 d 4 h`, `2 h 5 min`, `40 s`. */
export function duration(milliseconds: number): string {
  const whole = Math.max(0, Math.round(milliseconds / 1000)) * 1000;
  if (whole < MINUTE) return `${whole / 1000} s`;
  const [large, largeUnit, small, smallUnit] =
    whole < HOUR
      ? [whole / MINUTE, 'min', (whole % MINUTE) / 1000, 's']
      : whole < DAY
        ? [whole / HOUR, 'h', (whole % HOUR) / MINUTE, 'min']
        : [whole / DAY, 'd', (whole % DAY) / HOUR, 'h'];
  const rest = Math.floor(small);
  // Seconds beside ten minutes and more are noise.
  const shown = rest > 0 && !(smallUnit === 's' && large >= 10);
  return `${Math.floor(large)} ${largeUnit}${shown ? ` ${rest} ${smallUnit}` : ''}`;
}

/** How long ago, or in how long: `just now`, `5 min ago`, `in 2 h`. One unit: it is read in passing. */
export function relative(at: number, now: number): string {
  const distance = Math.abs(now - at);
  if (distance < 10_000) return 'just now';
  const [count, unit] =
    distance < MINUTE
      ? [distance / 1000, 's']
      : distance < HOUR
        ? [distance / MINUTE, 'min']
        : distance < DAY
          ? [distance / HOUR, 'h']
          : [distance / DAY, 'd'];
  const words = `${Math.floor(count)} ${unit}`;
  return at <= now ? `${words} ago` : `in ${words}`;
}

/** A countdown: `1:59`, `12:03:00`; `0:00` when it is over. */
export function countdown(until: number, now: number): string {
  const seconds = Math.max(0, Math.ceil((until - now) / 1000));
  const two = (count: number) => String(count).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** How a due time stands. */
export type Urgency = 'calm' | 'soon' | 'late';

/** `soon` in the last quarter of the time that the case had. */
export function urgency(opened: number, due: number, now: number): Urgency {
  if (now >= due) return 'late';
  return due - now < (due - opened) / 4 ? 'soon' : 'calm';
}

/** Seconds of an action in words; for good when there are none. */
export function forHowLong(seconds: number | null | undefined): string {
  return seconds == null ? 'for good' : duration(seconds * 1000);
}
