/** A cut for a label, out of what people have decided. */
import { Anchor, Button, Collapse, Group, NumberInput, Select, SimpleGrid, Stack, Text, Textarea } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { client, take } from '../../api/client';
import { currentPolicyQuery } from '../../api/queries';
import type { Cut, Tuning } from '../../api/types';
import { tunables, type Tunable } from '../../domain/cuts';
import { consequences } from '../../domain/strikes';
import { verdicts } from '../../domain/verdicts';
import { Chart } from '../../parts/Chart';
import { Tile, percent } from '../../parts/small';
import { Empty, Panel, Refused } from '../../parts/state';
import { text } from '../../text/en';

const about = (cut: Cut | null | undefined) => (cut ? text.tune.about(percent(cut.precision), percent(cut.precision_interval[0]), percent(cut.recall)) : text.tune.noCut);

function Curve({ of }: { of: Tuning }) {
  const at = useMemo(() => of.curve.map(({ cut }) => cut), [of]);
  const lines = useMemo(
    () => [
      { name: text.tune.precision, values: of.curve.map(({ precision }) => precision) },
      { name: text.tune.recall, values: of.curve.map(({ recall }) => recall) },
    ],
    [of],
  );
  return <Chart label={text.tune.curve} at={at} lines={lines} time={false} range={[0, 1]} height={240} />;
}

function Found({ of, tuned, onTake }: { of: Tuning; tuned: Tunable | undefined; onTake: (threshold: string, cut: number) => void }) {
  if (of.items === 0) return <Empty title={text.tune.nothing}>{text.tune.nothingHint}</Empty>;
  const take = of.sure ?? of.likely;
  return (
    <Stack>
      <SimpleGrid cols={{ base: 2, xl: 4 }}>
        <Tile name={text.tune.now} value={tuned ? tuned.cut.toFixed(3) : '–'} about={tuned && text.tune.threshold(tuned.threshold)} />
        <Tile name={text.tune.sure} value={of.sure ? of.sure.cut.toFixed(3) : '–'} about={about(of.sure)} />
        <Tile name={text.tune.likely} value={of.likely ? of.likely.cut.toFixed(3) : '–'} about={about(of.likely)} />
        <Tile name={text.tune.judged} value={of.items.toLocaleString()} about={text.tune.violating(of.violating)} />
      </SimpleGrid>
      <Curve of={of} />
      {tuned && take && (
        <Group justify="flex-end">
          <Button variant="default" onClick={() => onTake(tuned.threshold, take.cut)}>
            {text.tune.take(tuned.threshold, take.cut.toFixed(3))}
          </Button>
        </Group>
      )}
    </Stack>
  );
}

export function Tuner({ onTake }: { onTake: (threshold: string, cut: number) => void }) {
  const policy = useQuery(currentPolicyQuery).data?.policy.text;
  const labels = useMemo(() => {
    const read = policy == null ? undefined : consequences(policy);
    return read ? tunables(read) : [];
  }, [policy]);
  const [label, setLabel] = useState<string | null>(null);
  const [precision, setPrecision] = useState(95);
  const [lines, paste] = useState('');
  const [pasting, { toggle }] = useDisclosure(false);
  const read = useMemo(() => verdicts(lines), [lines]);
  const tune = useMutation({
    mutationFn: async (asked: string) => ({ label: asked, tuning: (await take(client.POST('/v1/policies/tune', { body: { label: asked, precision: precision / 100, verdicts: [...read.verdicts] } }))) as unknown as Tuning }),
  });
  return (
    <div className="grid-2">
      <Panel title={text.tune.title}>
        <Stack gap="sm">
          <Text size="sm" c="dimmed">
            {text.tune.hint}
          </Text>
          <SimpleGrid cols={2}>
            <Select label={text.tune.label} searchable data={[...new Set(labels.map((known) => known.label))]} value={label} onChange={setLabel} />
            <NumberInput label={text.tune.wanted} min={50} max={99.9} step={1} suffix=" %" value={precision} onChange={(value) => setPrecision(Number(value) || 95)} />
          </SimpleGrid>
          <Anchor component="button" type="button" size="sm" ta="left" onClick={toggle} aria-expanded={pasting}>
            {text.tune.more}
          </Anchor>
          <Collapse expanded={pasting}>
            <Textarea className="code" label={text.tune.verdicts} description={text.tune.verdictsHint} rows={8} value={lines} onChange={(event) => paste(event.currentTarget.value)} />
          </Collapse>
          <Group justify="space-between">
            <Text size="sm" c="dimmed" role="status">
              {lines.trim() === '' ? '' : text.tune.read(read.verdicts.length, read.unread)}
            </Text>
            <Button disabled={label === null} loading={tune.isPending} onClick={() => label !== null && tune.mutate(label)}>
              {text.tune.go}
            </Button>
          </Group>
          {tune.error && <Refused error={tune.error} />}
        </Stack>
      </Panel>
      <Panel title={text.tune.curve}>
        {tune.data ? <Found of={tune.data.tuning} tuned={labels.find((known) => known.label === tune.data.label)} onTake={onTake} /> : <Empty title={text.tune.none}>{text.tune.noneHint}</Empty>}
      </Panel>
    </div>
  );
}
