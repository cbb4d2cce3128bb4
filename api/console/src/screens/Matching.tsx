/** Why two people fit, how attention is spread, whom moderation holds back, what scores are made of. Nothing is changed from here. */
import { Button, Group, SimpleGrid, Stack, Table, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState, type FormEvent } from 'react';
import { compatibilityQuery, exposureQuery, scoreModelQuery, standingsQuery } from '../api/queries';
import { Chart } from '../parts/Chart';
import { Ago, Chip, Pages, Person, Tile, percent } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { text } from '../text/en';

const signed = (value: number) => (value > 0 ? '+' : value < 0 ? '−' : '') + Math.abs(value).toFixed(2);
const partName = (part: string) => text.matching.parts[part as keyof typeof text.matching.parts] ?? part;

/** Log odds as bars to both sides of a middle line. */
function Parts({ of }: { of: readonly { part: string; log_odds: number }[] }) {
  const widest = Math.max(1, ...of.map(({ log_odds: odds }) => Math.abs(odds)));
  return (
    <Stack gap={8}>
      {of.map(({ part, log_odds: odds }) => (
        <div key={part}>
          <Group justify="space-between" gap="xs">
            <Text size="sm">{partName(part)}</Text>
            <Text size="sm" className="numbers">
              {signed(odds)}
            </Text>
          </Group>
          <div className="bar" role="img" aria-label={text.matching.adds(partName(part), signed(odds))}>
            <div className="bar-fill" data-over={odds < 0} style={odds < 0 ? { inset: '0 50% 0 auto', width: `${(-odds / widest) * 50}%` } : { inset: '0 auto 0 50%', width: `${(odds / widest) * 50}%` }} />
            <div className="bar-cut" style={{ left: '50%' }} />
          </div>
        </div>
      ))}
    </Stack>
  );
}

/** A reason in words: its code, then what it names. */
function Reasons({ of }: { of: readonly Readonly<Record<string, unknown>>[] }) {
  const words = of.map((reason) => {
    const { code, ...named } = reason;
    const about = Object.values(named).flat().map((value) => (typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(2) : String(value)));
    return `${text.matching.reasons[code as keyof typeof text.matching.reasons] ?? String(code)} ${about.join(', ')}`.trim();
  });
  return (
    <Group gap={6}>
      {words.map((word) => (
        <Chip key={word} tone="info">
          {word}
        </Chip>
      ))}
    </Group>
  );
}

function Compared({ a, b }: { a: string; b: string }) {
  const pair = useQuery(compatibilityQuery(a, b));
  return (
    <Shown of={pair} rows={6}>
      {({ score, reasons, apart, refused, refused_by_other: refusedBack, icebreakers }) => (
        <Stack gap="md">
          <SimpleGrid cols={3}>
            <Tile name={text.matching.total} value={percent(score.total)} about={text.matching.totalHint} />
            <Tile name={text.matching.yes(a)} value={percent(score.forward)} />
            <Tile name={text.matching.yes(b)} value={percent(score.backward)} />
          </SimpleGrid>
          {(apart || refused || refusedBack) && (
            <Group gap={6}>
              {apart && <Chip tone="bad">{text.matching.apart}</Chip>}
              {refused && <Chip tone="warn">{text.matching.refuses(a, refused)}</Chip>}
              {refusedBack && <Chip tone="warn">{text.matching.refuses(b, refusedBack)}</Chip>}
            </Group>
          )}
          <Parts of={score.parts} />
          {reasons.length > 0 && <Reasons of={reasons as Record<string, unknown>[]} />}
          {icebreakers.map(({ text: words }) => (
            <Text key={words} size="sm" c="dimmed">
              “{words}”
            </Text>
          ))}
        </Stack>
      )}
    </Shown>
  );
}

function Compare() {
  const [a, setA] = useState('');
  const [b, setB] = useState('');
  const [pair, compare] = useState<readonly [string, string]>();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    compare([a.trim(), b.trim()]);
  };
  return (
    <Panel title={text.matching.compare}>
      <Stack gap="md">
        <form onSubmit={submit}>
          <Group align="flex-end" gap="xs">
            <TextInput label={text.matching.first} value={a} onChange={(event) => setA(event.currentTarget.value)} style={{ flex: 1 }} />
            <TextInput label={text.matching.second} value={b} onChange={(event) => setB(event.currentTarget.value)} style={{ flex: 1 }} />
            <Button type="submit" disabled={a.trim() === '' || b.trim() === '' || a.trim() === b.trim()}>
              {text.matching.explain}
            </Button>
          </Group>
        </form>
        {pair ? <Compared a={pair[0]} b={pair[1]} /> : <Empty title={text.matching.noPair}>{text.matching.noPairHint}</Empty>}
      </Stack>
    </Panel>
  );
}

function Exposure() {
  const exposure = useQuery(exposureQuery);
  const tenths = useMemo(() => [{ name: text.matching.share, values: exposure.data?.deciles ?? [] }], [exposure.data]);
  const at = useMemo(() => (exposure.data?.deciles ?? []).map((_, index) => index + 1), [exposure.data]);
  return (
    <Panel title={text.matching.exposure}>
      <Shown of={exposure} rows={6} isEmpty={({ people }) => people === 0} empty={<Empty title={text.matching.noLists}>{text.matching.noListsHint}</Empty>}>
        {({ people, gini }) => (
          <Stack gap="md">
            <SimpleGrid cols={2}>
              <Tile name={text.matching.gini} value={gini.toFixed(2)} about={text.matching.giniHint} />
              <Tile name={text.matching.people} value={people.toLocaleString()} about={text.matching.thisWeek} />
            </SimpleGrid>
            <Chart label={text.matching.tenths} at={at} lines={tenths} time={false} bars range={[0, Math.max(0.2, ...(tenths[0]?.values ?? [])) * 1.1]} />
            <Text size="xs" c="dimmed">
              {text.matching.tenths}
            </Text>
          </Stack>
        )}
      </Shown>
    </Panel>
  );
}

function Standings() {
  const [cursor, setCursor] = useState<string>();
  const standings = useQuery(standingsQuery(cursor));
  return (
    <Panel title={text.matching.penalties} flush>
      <Shown of={standings} isEmpty={({ people }) => people.length === 0} empty={<Empty title={text.matching.noPenalties}>{text.matching.noPenaltiesHint}</Empty>}>
        {({ people, next_cursor: next }) => (
          <>
            <Table>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{text.matching.person}</Table.Th>
                  <Table.Th>{text.cases.state}</Table.Th>
                  <Table.Th>{text.person.strikesShort}</Table.Th>
                  <Table.Th>{text.screens.reports}</Table.Th>
                  <Table.Th>{text.matching.trust}</Table.Th>
                  <Table.Th ta="right">{text.matching.penalty}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {people.map((one) => (
                  <Table.Tr key={one.id}>
                    <Table.Td>
                      <Person id={one.id} />
                    </Table.Td>
                    <Table.Td>
                      <Group gap={6}>
                        {one.out ? <Chip tone="bad">{text.matching.out[one.out as 'banned'] ?? one.out}</Chip> : <Chip tone="good">{text.matching.shown}</Chip>}
                        {one.out_until && <Ago at={one.out_until} />}
                        {!one.out && !one.may_pair && <Chip tone="warn">{text.matching.notPaired}</Chip>}
                      </Group>
                    </Table.Td>
                    <Table.Td className="numbers">{one.strikes}</Table.Td>
                    <Table.Td className="numbers">{one.reports}</Table.Td>
                    <Table.Td className="numbers">{one.trust == null ? '–' : one.trust.toFixed(2)}</Table.Td>
                    <Table.Td ta="right" className="numbers">
                      {signed(one.reputation_log_odds)}
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
            <Pages next={next} first={cursor === undefined} onNext={setCursor} onFirst={() => setCursor(undefined)} />
          </>
        )}
      </Shown>
    </Panel>
  );
}

function Weights() {
  const model = useQuery(scoreModelQuery);
  return (
    <Panel title={text.matching.model} flush aside={model.data && <Chip>{text.matching.learned(model.data.version)}</Chip>}>
      <Shown of={model} rows={6}>
        {({ weights }) => (
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{text.matching.feature}</Table.Th>
                <Table.Th>{text.matching.part}</Table.Th>
                <Table.Th ta="right">{text.matching.before}</Table.Th>
                <Table.Th ta="right">{text.matching.now}</Table.Th>
                <Table.Th ta="right">{text.matching.doubt}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {weights.map(({ feature, part, weight, doubt, prior }) => (
                <Table.Tr key={feature}>
                  <Table.Td>{feature.replaceAll('_', ' ')}</Table.Td>
                  <Table.Td>{part ? partName(part) : '–'}</Table.Td>
                  <Table.Td ta="right" className="numbers">
                    {signed(prior)}
                  </Table.Td>
                  <Table.Td ta="right" className="numbers">
                    {signed(weight)}
                  </Table.Td>
                  <Table.Td ta="right" className="numbers">
                    ±{doubt.toFixed(2)}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Shown>
    </Panel>
  );
}

export function MatchingScreen() {
  return (
    <Screen title={text.screens.matching} about={text.matching.about}>
      <div className="grid-2">
        <Compare />
        <Exposure />
      </div>
      <Standings />
      <Weights />
    </Screen>
  );
}
