import { createTheme, type CSSVariablesResolver } from '@mantine/core';
import { text } from './text/en';

/** Calm colours, the system's own letters, dense enough for eight hours of tables. */
export const theme = createTheme({
  primaryColor: 'indigo',
  // Dark surfaces, borders and letters in one bluish grey.
  colors: { dark: ['#d3d8de', '#b6bdc6', '#8f969f', '#656d77', '#3b434c', '#2d343c', '#23292f', '#1d2126', '#15181c', '#101317'] },
  primaryShade: { light: 7, dark: 7 },
  defaultRadius: 'md',
  cursorType: 'pointer',
  focusRing: 'auto',
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace',
  headings: { fontWeight: '650', sizes: { h1: { fontSize: '1.375rem' }, h2: { fontSize: '1.05rem' }, h3: { fontSize: '0.95rem' } } },
  components: {
    Button: { defaultProps: { size: 'sm' } },
    Table: { defaultProps: { verticalSpacing: 'xs', horizontalSpacing: 'md', highlightOnHover: true } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 300 } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.45 }, closeButtonProps: { 'aria-label': text.close } } },
    SegmentedControl: { styles: { root: { background: 'var(--surface)', border: '1px solid var(--line)' } } },
    Anchor: { defaultProps: { underline: 'hover' } },
  },
});

/** Secondary text has a contrast of at least 4.5 in both schemes. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#565d66',
    '--mantine-color-body': '#f7f8fa',
    '--mantine-color-placeholder': '#6b727b',
    '--mantine-color-anchor': '#364fc7',
    '--mantine-color-error': '#c92a2a',
    '--mantine-color-red-outline': '#c92a2a',
    '--mantine-color-red-filled': '#c92a2a',
    '--mantine-color-red-filled-hover': '#b02525',
    '--surface': '#ffffff',
    '--line': '#e1e5ea',
    '--chip-neutral': '#eceff3', '--chip-neutral-text': '#3d444d',
    '--chip-info': '#e3e9ff', '--chip-info-text': '#2b43b0',
    '--chip-good': '#dcf5e4', '--chip-good-text': '#17613a',
    '--chip-warn': '#fff0cc', '--chip-warn-text': '#7a4700',
    '--chip-bad': '#ffe1e1', '--chip-bad-text': '#a01c1c',
    '--mark': '#ffe3a3', '--mark-strong': '#ffc9c9', '--mark-text': '#1f2328',
    '--added': '#e0f5e7', '--removed': '#ffe5e5',
  },
  dark: {
    '--mantine-color-dimmed': '#a6adb6',
    '--mantine-color-body': '#15181c',
    '--mantine-color-placeholder': '#8f969f',
    '--mantine-color-anchor': '#91a7ff',
    '--mantine-color-error': '#ff8787',
    '--mantine-color-red-filled': '#c92a2a',
    '--mantine-color-red-filled-hover': '#b02525',
    '--surface': '#1d2126',
    '--line': '#31373e',
    '--chip-neutral': '#2e343b', '--chip-neutral-text': '#cfd5dc',
    '--chip-info': '#26336b', '--chip-info-text': '#c4d0ff',
    '--chip-good': '#163d29', '--chip-good-text': '#a5e6c0',
    '--chip-warn': '#4a3510', '--chip-warn-text': '#ffd98a',
    '--chip-bad': '#55201f', '--chip-bad-text': '#ffc0bd',
    '--mark': '#5c4813', '--mark-strong': '#702a2a', '--mark-text': '#fff',
    '--added': '#163425', '--removed': '#421f1f',
  },
});
