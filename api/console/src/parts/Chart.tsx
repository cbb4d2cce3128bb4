/** Lines over time, drawn by uPlot; the same numbers as a table for who does not see them. */
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface Line {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

const LIGHT = ['#3b5bdb', '#c2410c', '#0b7285', '#862e9c', '#5c940d', '#a61e4d'];
const DARK = ['#91a7ff', '#ffa94d', '#66d9e8', '#e599f7', '#c0eb75', '#faa2c1'];

const DAY = 86_400;
/** Marks of the time axis: the day, or the time on it, as this browser's people write them. */
const moments = (_plot: uPlot, splits: number[], _axis: number, _space: number, step: number): string[] => {
  const style: Intl.DateTimeFormatOptions = step >= DAY ? { month: 'short', day: 'numeric' } : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...(step < 60 ? { second: '2-digit' } : {}) };
  const written = new Intl.DateTimeFormat(undefined, style);
  return splits.map((at) => written.format(new Date(at * 1000)));
};

interface Props {
  readonly label: string;
  /** Seconds since 1970, or any number when `time` is false. */
  readonly at: readonly number[];
  readonly lines: readonly Line[];
  readonly height?: number;
  readonly bars?: boolean;
  readonly time?: boolean;
  /** Range of the values; from 0 to the largest when absent. */
  readonly range?: readonly [number, number];
}

export function Chart({ label, at, lines, height = 190, bars = false, time = true, range }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const dark = useComputedColorScheme('light') === 'dark';
  const colours = dark ? DARK : LIGHT;

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const ink = dark ? '#a6adb6' : '#565d66';
    const axis = { stroke: ink, grid: { stroke: dark ? '#2b3138' : '#edf0f3', width: 1 }, ticks: { show: false }, font: '11px system-ui' };
    const paths = bars ? uPlot.paths.bars?.({ size: [0.7, 40] }) : undefined;
    const options: uPlot.Options = {
      width: element.clientWidth,
      height,
      cursor: { y: false, points: { size: 6 } },
      legend: { show: false },
      scales: {
        // Bars are as wide as their place: the first and the last one need half of it beside them.
        x: { time, ...(bars && !time ? { range: (_plot: uPlot, low: number, high: number): [number, number] => [low - 0.6, high + 0.6] } : {}) },
        y: { range: (_plot, _low, high) => (range ? [range[0], range[1]] : [0, Math.max(1, Math.ceil((high || 1) * 1.1))]) },
      },
      axes: [{ ...axis, grid: { show: false }, space: 80, ...(time ? { values: moments } : {}) }, { ...axis, size: 40 }],
      series: [
        {},
        ...lines.map(({ name }, index) => ({
          label: name,
          stroke: colours[index % colours.length] ?? ink,
          width: 2,
          points: { show: false },
          ...(paths ? { paths, fill: `${colours[index % colours.length] ?? ink}99` } : {}),
        })),
      ],
    };
    const plot = new uPlot(options, [[...at], ...lines.map(({ values }) => [...values])] as uPlot.AlignedData, element);
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
  }, [at, lines, height, bars, time, range, dark, colours]);

  return (
    <figure style={{ margin: 0 }}>
      <div ref={place} className="plot" role="img" aria-label={label} style={{ minHeight: height }} />
      {lines.length > 1 && (
        <figcaption style={{ display: 'flex', gap: 14, flexWrap: 'wrap', fontSize: 12.5 }}>
          {lines.map(({ name }, index) => (
            <span key={name} style={{ display: 'inline-flex', alignItems: 'center', gap: 5 }}>
              <span style={{ width: 10, height: 10, borderRadius: 2, background: colours[index % colours.length] }} />
              {name}
            </span>
          ))}
        </figcaption>
      )}
      {/* A table is as wide as what it holds: what hides it is around it. */}
      <div className="hidden">
      <table>
        <caption>{label}</caption>
        <thead>
          <tr>
            <th scope="col">{time ? 'time' : 'x'}</th>
            {lines.map(({ name }) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {at.slice(-30).map((x, row) => (
            <tr key={x}>
              <th scope="row">{time ? new Date(x * 1000).toLocaleString() : x}</th>
              {lines.map(({ name, values }) => (
                <td key={name}>{values.slice(-30)[row] ?? ''}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      </div>
    </figure>
  );
}
