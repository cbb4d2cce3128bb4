/** Line icons, drawn here so that nothing is loaded for them. 24 by 24. */
const PATHS = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
  queues: 'M4 6h16M4 12h16M4 18h10',
  wall: 'M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z',
  reports: 'M5 21V4M5 4h12l-2 4 2 4H5',
  appeals: 'M12 4v16M7 20h10M6 8h12M6 8l-3 6a3 3 0 0 0 6 0zM18 8l-3 6a3 3 0 0 0 6 0z',
  search: 'M10.500 4a6.500 6.500 0 1 0 0 13a6.500 6.500 0 0 0 0-13M15.500 15.500L20 20',
  history: 'M4 12a8 8 0 1 0 2.500-5.800M4 4v4h4M12 8v4l3 2',
  audit: 'M9 12a3 3 0 0 1 3-3h4a3 3 0 0 1 0 6h-1M15 12a3 3 0 0 1-3 3H8a3 3 0 0 1 0-6h1',
  numbers: 'M5 20V10M10 20V4M15 20v-8M20 20v-5',
  statements: 'M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h5',
  matching: 'M9 6a6 6 0 1 0 0 12a6 6 0 0 0 0-12M15 6a6 6 0 1 0 0 12a6 6 0 0 0 0-12',
  policy: 'M12 3l8 3v6c0 5-3.500 8-8 9c-4.500-1-8-4-8-9V6zM9 12l2 2l4-4',
  banks: 'M4 9l8-5l8 5H4zM6 9v8M10 9v8M14 9v8M18 9v8M4 17h16M4 20h16',
  strikes: 'M13 3L5 14h6l-1 7l8-11h-6z',
  quality: 'M4 20l5-7l4 4l7-11M15 6h5v5',
  settings: 'M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4',
  wellness: 'M12 20s-8-4.500-8-10.500A4.500 4.500 0 0 1 12 7a4.500 4.500 0 0 1 8 2.500C20 15.500 12 20 12 20z',
  account: 'M12 4a4 4 0 1 0 0 8a4 4 0 0 0 0-8M4 20c1-4 4-5.500 8-5.500s7 1.500 8 5.500',
  sun: 'M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600L19 19M19 5l-1.400 1.400M6.400 17.600L5 19',
  moon: 'M20 14.500A8.500 8.500 0 0 1 9.500 4A8.500 8.500 0 1 0 20 14.500z',
  star: 'M12 4l2.400 5l5.600.700l-4 3.900l1 5.400l-5-2.700L7 19l1-5.400l-4-3.900l5.600-.700z',
  play: 'M7 5l12 7l-12 7z',
  clock: 'M12 4a8 8 0 1 0 0 16a8 8 0 0 0 0-16M12 8v4l3 2',
  eye: 'M2 12s4-7 10-7s10 7 10 7s-4 7-10 7s-10-7-10-7M12 9a3 3 0 1 0 0 6a3 3 0 0 0 0-6',
  keyboard: 'M3 7h18v10H3zM7 11h.010M11 11h.010M15 11h.010M8 14h8',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18, filled = false }: { name: IconName; size?: number; filled?: boolean }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill={filled ? 'currentColor' : 'none'}
      stroke="currentColor"
      strokeWidth={1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
