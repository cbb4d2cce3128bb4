/** What an edited message said over time: each version as it was judged, and what the edit changed. */
import { Group, SegmentedControl, Stack, Text } from '@mantine/core';
import { useMemo, useState } from 'react';
import type { CasePage, Exhibit, MessageHistory } from '../../api/types';
import { diffWords } from '../../domain/diff';
import { Ago, Chip } from '../../parts/small';
import { Panel } from '../../parts/state';
import { text } from '../../text/en';
import { Scores, Why, Words, envelopeOf } from './judged';

/** What `after` says, with what it no longer says of `before`. */
function Changed({ before, after }: { before: string; after: string }) {
  const stretches = useMemo(() => diffWords(before, after), [before, after]);
  return (
    <div className="words">
      {stretches.map(({ kind, text: words }, index) => {
        if (kind === 'added') return <ins key={index} data-kind={kind}>{words}</ins>;
        if (kind === 'removed') return <del key={index} data-kind={kind}>{words}</del>;
        return <span key={index}>{words}</span>;
      })}
    </div>
  );
}

interface Marks {
  /** Items that reports of this case name. */
  readonly seen: ReadonlySet<string>;
  /** Items that are evidence here. */
  readonly here: ReadonlySet<string>;
}

function marksOf({ evidence }: CasePage): Marks {
  const ids = (kind: string, id: (exhibit: Exhibit) => string | null | undefined) =>
    new Set(evidence.flatMap(({ exhibit }) => (exhibit?.kind === kind ? [id(exhibit)] : [])).filter((found) => found != null));
  return { seen: ids('report', ({ item }) => item), here: ids('item', (exhibit) => envelopeOf(exhibit)?.id) };
}

function History({ of, marks }: { of: MessageHistory; marks: Marks }) {
  const [shown, show] = useState<string>('changes');
  const versions = of.versions;
  return (
    <Panel
      title={versions.length > 1 ? text.case.versions(versions.length) : text.case.oneVersion}
      aside={
        versions.length > 1 && (
          <SegmentedControl size="xs" aria-label={text.case.versions(versions.length)} value={shown} onChange={show} data={[{ value: 'changes', label: text.case.versionChanges }, { value: 'texts', label: text.case.versionAsIs }]} />
        )
      }
    >
      <Stack gap="md" component="ol" m={0} p={0} style={{ listStyle: 'none' }} data-testid="versions">
        {versions.map((version, index) => {
          const envelope = envelopeOf(version);
          const before = versions[index - 1];
          return (
            <li key={envelope?.id ?? index}>
              <Group gap={6} mb={4}>
                <Text size="sm" fw={600}>
                  {text.case.version(index + 1)}
                </Text>
                {envelope && (
                  <Text size="sm" c="dimmed">
                    <Ago at={envelope.occurred_at} />
                  </Text>
                )}
                {envelope && marks.seen.has(envelope.id) && <Chip tone="warn">{text.case.versionSeen}</Chip>}
                {envelope && marks.here.has(envelope.id) && <Chip tone="info">{text.case.versionHere}</Chip>}
                {index === versions.length - 1 && index > 0 && <Chip>{text.case.versionNow}</Chip>}
              </Group>
              <Stack gap={6}>
                {before && shown === 'changes' ? <Changed before={before.text ?? ''} after={version.text ?? ''} /> : <Words of={version} />}
                <Scores of={version} most={1} />
                <Why of={version} />
              </Stack>
            </li>
          );
        })}
      </Stack>
    </Panel>
  );
}

export function Versions({ page }: { page: CasePage }) {
  const marks = useMemo(() => marksOf(page), [page]);
  return page.versions.map((history) => <History key={`${history.actor} ${history.message}`} of={history} marks={marks} />);
}
