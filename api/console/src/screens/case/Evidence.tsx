/** The left side of a case: what it is judged by. */
import { Anchor, Badge, Button, Collapse, Group, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMemo, useState } from 'react';
import type { CasePage, Envelope, Evidence as Row, Exhibit } from '../../api/types';
import { Chart } from '../../parts/Chart';
import { Ago, Chip, Person, percent } from '../../parts/small';
import { Empty, Panel } from '../../parts/state';
import { text } from '../../text/en';
import { Copies, ToBank } from './Copies';
import { Versions } from './Versions';
import { Scores, Why, Words, envelopeOf, reasonsOf } from './judged';

/** How pictures are shown. */
export interface Veil {
  readonly blur: boolean;
  readonly pixels: number;
  readonly grey: boolean;
}

const filter = ({ blur, pixels, grey }: Veil, scale = 1): string =>
  [blur ? `blur(${Math.max(1, Math.round(pixels * scale))}px)` : '', grey ? 'grayscale(1)' : ''].join(' ').trim() || 'none';

function Before({ of }: { of: Exhibit }) {
  const before = of.before ?? [];
  const [opened, { toggle }] = useDisclosure(before.length <= 3);
  if (before.length === 0) return null;
  return (
    <div>
      <Anchor component="button" type="button" size="sm" onClick={toggle} aria-expanded={opened}>
        {text.case.before(before.length)}
      </Anchor>
      <Collapse expanded={opened}>
        <Stack gap={4} mt={6} pl="sm" style={{ borderLeft: '2px solid var(--line)' }}>
          {before.map(({ at, text: words }) => (
            <Text key={at + words} size="sm" c="dimmed" className="words">
              <Text span size="xs">
                <Ago at={at} />
              </Text>{' '}
              {words}
            </Text>
          ))}
        </Stack>
      </Collapse>
    </div>
  );
}

interface Frame {
  readonly row: Row;
  readonly exhibit: Exhibit;
  readonly url: string | undefined;
  readonly at: string;
  readonly score: number;
}

function framesOf({ evidence, media }: CasePage): Frame[] {
  const urls = new Map(media.map(({ id, url }) => [id, url]));
  return evidence.flatMap((row) => {
    const { exhibit } = row;
    const name = exhibit?.media?.[0];
    if (!exhibit || name === undefined) return [];
    const reasons = reasonsOf(exhibit);
    const score = Math.max(0, ...(reasons.length > 0 ? reasons : (exhibit.signals ?? [])).map(({ score }) => score));
    return [{ row, exhibit, url: urls.get(name), at: envelopeOf(exhibit)?.occurred_at ?? row.at, score }];
  });
}

/** Pictures in the order of time, and how their score went. */
function Strip({ page, veil }: { page: CasePage; veil: Veil }) {
  const frames = useMemo(() => framesOf(page), [page]);
  const worst = frames.reduce((worst, { score }, index) => (score > (frames[worst]?.score ?? 0) ? index : worst), 0);
  const [chosen, choose] = useState<string>();
  const shown = frames.find(({ row }) => row.id === chosen) ?? frames[worst];
  const line = useMemo(() => [{ name: text.case.score, values: frames.map(({ score }) => score) }], [frames]);
  const at = useMemo(() => frames.map(({ at }) => Date.parse(at) / 1000), [frames]);
  if (!shown) return null;
  return (
    <Panel title={text.case.pictures(frames.length)} aside={<Chip tone={veil.blur ? 'good' : 'warn'}>{veil.blur ? text.case.blurred : text.case.clear}</Chip>}>
      <Stack gap="sm">
        <div className="picture">
          {shown.url ? (
            <img src={shown.url} alt={text.case.picture(new Date(shown.at).toLocaleString())} style={{ filter: filter(veil) }} data-veiled={veil.blur} referrerPolicy="no-referrer" />
          ) : (
            <Empty title={text.case.pictureGone} />
          )}
        </div>
        {frames.length > 1 && (
          <div className="strip" role="group" aria-label={text.case.strip}>
            {frames.map(({ row, url, at: when, score }) => (
              <button key={row.id} type="button" className="frame" aria-pressed={row.id === shown.row.id} onClick={() => choose(row.id)} aria-label={text.case.picture(new Date(when).toLocaleTimeString())}>
                <span className="frame-picture">{url && <img src={url} alt="" loading="lazy" style={{ filter: filter(veil, 0.4) }} data-veiled={veil.blur} referrerPolicy="no-referrer" />}</span>
                <Group justify="space-between" px={6} py={3} fz={11.5} className="numbers">
                  <span>{new Date(when).toLocaleTimeString()}</span>
                  <span>{score.toFixed(2)}</span>
                </Group>
              </button>
            ))}
          </div>
        )}
        {frames.length > 2 && <Chart label={text.case.overTime} at={at} lines={line} height={110} range={[0, 1]} />}
        <Scores of={shown.exhibit} />
        <Why of={shown.exhibit} />
        {shown.exhibit.media?.[0] !== undefined && shown.url && (
          <div>
            <ToBank id={page.case.id} media={shown.exhibit.media[0]} />
          </div>
        )}
      </Stack>
    </Panel>
  );
}

function Heading({ of, at, name }: { of?: Envelope | undefined; at: string; name: string }) {
  return (
    <Group gap="xs" mb="xs">
      <Text fw={600} size="sm">
        {name}
      </Text>
      <Text size="sm" c="dimmed">
        <Ago at={of?.occurred_at ?? at} />
        {of?.conversation && ` · ${text.case.inConversation(of.conversation)}`}
        {of?.call && ` · ${text.case.inCall(of.call)}`}
      </Text>
    </Group>
  );
}

function One({ row }: { row: Row }) {
  const { exhibit, at } = row;
  if (!exhibit) {
    return (
      <div className="surface tile">
        <Text c="dimmed" size="sm">
          {text.case.gone}
        </Text>
      </div>
    );
  }
  const envelope = envelopeOf(exhibit);
  return (
    <div className="surface tile" data-testid={`exhibit-${exhibit.kind}`}>
      {exhibit.kind === 'item' && (
        <>
          <Heading of={envelope} at={at} name={text.kinds[envelope?.kind ?? 'text']} />
          <Stack gap="sm">
            <Before of={exhibit} />
            {exhibit.text && <Words of={exhibit} />}
            <Scores of={exhibit} />
            <Why of={exhibit} />
          </Stack>
        </>
      )}
      {exhibit.kind === 'report' && (
        <>
          <Heading at={at} name={text.case.report(exhibit.reason ?? '')} />
          {exhibit.note && <div className="words">{exhibit.note}</div>}
          <Text size="sm" c="dimmed" mt={4}>
            {text.case.by} {exhibit.reporter && <Person id={exhibit.reporter} />}
            {exhibit.credibility != null && ` · ${text.case.believed(percent(exhibit.credibility))}`}
          </Text>
        </>
      )}
      {exhibit.kind === 'appeal' && (
        <>
          <Heading at={at} name={text.case.appeal} />
          <div className="words">{exhibit.text}</div>
        </>
      )}
      {exhibit.kind === 'note' && (
        <>
          <Heading at={at} name={text.case.noteBy(exhibit.by ?? '')} />
          <div className="words">{exhibit.text}</div>
        </>
      )}
    </div>
  );
}

export function Evidence({ page, veil, onBlur, onGrey }: { page: CasePage; veil: Veil; onBlur: () => void; onGrey: () => void }) {
  const pictures = page.media.length > 0;
  const others = page.evidence.filter(({ exhibit }) => !exhibit?.media?.length);
  return (
    <Stack gap="md">
      {pictures && (
        <>
          <Group gap="xs">
            <Button variant="default" size="xs" onClick={onBlur} aria-pressed={veil.blur} rightSection={<Badge variant="default" size="sm">B</Badge>}>
              {veil.blur ? text.case.showClear : text.case.blurAgain}
            </Button>
            <Button variant="default" size="xs" onClick={onGrey} aria-pressed={veil.grey} rightSection={<Badge variant="default" size="sm">G</Badge>}>
              {veil.grey ? text.case.showColour : text.case.greyAgain}
            </Button>
          </Group>
          <Strip page={page} veil={veil} />
        </>
      )}
      {others.map((row) => (
        <One key={row.id} row={row} />
      ))}
      <Copies id={page.case.id} />
      <Versions page={page} />
      {page.evidence.length === 0 && <Empty title={text.case.noEvidence}>{text.case.noEvidenceHint}</Empty>}
    </Stack>
  );
}
