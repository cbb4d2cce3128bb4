/** A text as a QR code, drawn here: it may be a secret. */
import { useMemo } from 'react';
import { encode } from 'uqr';

export function QrCode({ of, label, size = 168 }: { of: string; label: string; size?: number }) {
  const { data, size: side } = useMemo(() => encode(of, { border: 2 }), [of]);
  const path = useMemo(() => data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join(''), [data]);
  return (
    <svg viewBox={`0 0 ${side} ${side}`} width={size} height={size} role="img" aria-label={label} shapeRendering="crispEdges">
      <rect width={side} height={side} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
