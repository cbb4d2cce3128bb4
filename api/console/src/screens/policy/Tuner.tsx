/** A cut for a label, out of what humans have said. */
import { Button, Group, NumberInput, Select, SimpleGrid, Stack, Text, Textarea } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { client, take } from '../../api/client';
import { currentPolicyQuery } from '../../api/queries';
import type { Cut, Tuning } from '../../api/types';
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

export function Tuner() {
  const policy = useQuery(currentPolicyQuery).data?.policy.text;
  const labels = useMemo(() => Object.keys((policy == null ? undefined : consequences(policy)?.thresholds) ?? {}), [policy]);
  const [label, setLabel] = useState<string | null>(null);
  const [precision, setPrecision] = useState(95);
  const [lines, paste] = useState('');
  const read = useMemo(() => verdicts(lines), [lines]);
  const tune = useMutation({
    mutationFn: async () => (await take(client.POST('/v1/policies/tune', { body: { label: label ?? '', precision: precision / 100, verdicts: [...read.verdicts] } }))) as unknown as Tuning,
  });
  return (
    <div className="grid-2">
      <Panel title={text.tune.title}>
        <Stack gap="sm">
          <Text size="sm" c="dimmed">
            {text.tune.hint}
          </Text>
          <SimpleGrid cols={2}>
            <Select label={text.tune.label} searchable data={labels} value={label} onChange={setLabel} />
            <NumberInput label={text.tune.wanted} min={50} max={99.9} step={1} suffix=" %" value={precision} onChange={(value) => setPrecision(Number(value) || 95)} />
          </SimpleGrid>
          <Textarea className="code" label={text.tune.verdicts} description={text.tune.verdictsHint} rows={10} value={lines} onChange={(event) => paste(event.currentTarget.value)} />
          <Group justify="space-between">
            <Text size="sm" c="dimmed" role="status">
              {text.tune.read(read.verdicts.length, read.unread)}
            </Text>
            <Button disabled={label === null || read.verdicts.length === 0} loading={tune.isPending} onClick={() => tune.mutate()}>
              {text.tune.go}
            </Button>
          </Group>
          {tune.error && <Refused error={tune.error} />}
        </Stack>
      </Panel>
      <Panel title={text.tune.curve}>
        {tune.data ? (
          <Stack>
            <SimpleGrid cols={2}>
              <Tile name={text.tune.sure} value={tune.data.sure ? tune.data.sure.cut.toFixed(3) : '–'} about={about(tune.data.sure)} />
              <Tile name={text.tune.likely} value={tune.data.likely ? tune.data.likely.cut.toFixed(3) : '–'} about={about(tune.data.likely)} />
            </SimpleGrid>
            <Curve of={tune.data} />
          </Stack>
        ) : (
          <Empty title={text.tune.none}>{text.tune.noneHint}</Empty>
        )}
      </Panel>
    </div>
  );
}
