/** Queues, times, shares, budgets. */
import { Button, Group, NumberInput, SimpleGrid, Stack, Switch, Table, TagsInput, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../../api/client';
import { settingsQuery } from '../../api/queries';
import type { QueueRule, ReviewSettings } from '../../api/types';
import { Ago, Chip, Priority } from '../../parts/small';
import { Panel, Shown } from '../../parts/state';
import { useTell } from '../../parts/told';
import { text } from '../../text/en';
import { QueueForm } from './QueueForm';
import { Templates } from './Templates';

const conditions = (queue: QueueRule) => [...(queue.sources ?? []), ...(queue.kinds ?? []), ...(queue.rules ?? []), ...(queue.labels ?? []), ...(queue.languages ?? [])];

function Form({ kept, version }: { kept: ReviewSettings; version: number }) {
  const tell = useTell();
  const queries = useQueryClient();
  const [draft, change] = useState(kept);
  const [editing, edit] = useState<number>();
  const save = useMutation({
    mutationFn: () => take(client.PUT('/v1/review/settings', { body: { version, settings: draft } })),
    onSuccess: (saved) => {
      queries.setQueryData(['settings'], saved);
      tell.done(text.saved);
    },
    onError: tell.refused,
  });
  const number = (name: 'lease_seconds' | 'capacity' | 'evidence_days' | 'credibility_half_life_days', label: string) => (
    <NumberInput label={label} min={1} value={draft[name]} onChange={(value) => change({ ...draft, [name]: Number(value) || 1 })} />
  );
  const share = (name: 'sample_share' | 'second_share' | 'golden_share', label: string) => (
    <NumberInput label={label} min={0} max={100} step={1} suffix=" %" decimalScale={2} value={Math.round(draft[name] * 10_000) / 100} onChange={(value) => change({ ...draft, [name]: (Number(value) || 0) / 100 })} />
  );
  const tags = (name: 'case_actions' | 'case_rules' | 'graphic_labels' | 'intimate_reasons', label: string) => <TagsInput label={label} value={draft[name]} onChange={(value) => change({ ...draft, [name]: value })} />;
  const put = (queue: QueueRule | undefined) => {
    if (editing === undefined) return;
    const queues = queue === undefined ? draft.queues.filter((_, index) => index !== editing) : draft.queues.some((_, index) => index === editing) ? draft.queues.map((old, index) => (index === editing ? queue : old)) : [...draft.queues, queue];
    change({ ...draft, queues });
    edit(undefined);
  };
  const swap = (index: number) => {
    const queues = [...draft.queues];
    const [above, below] = [queues[index - 1], queues[index]];
    if (!above || !below) return;
    queues.splice(index - 1, 2, below, above);
    change({ ...draft, queues });
  };
  const changed = JSON.stringify(draft) !== JSON.stringify(kept);
  return (
    <Stack>
      <Panel
        title={text.settings.queues}
        flush
        aside={
          <Button size="xs" variant="default" onClick={() => edit(draft.queues.length)}>
            {text.settings.addQueue}
          </Button>
        }
      >
        <Text size="sm" c="dimmed" px="md" pb="xs">
          {text.settings.queuesHint}
        </Text>
        <Table.ScrollContainer minWidth={760}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{text.queues.queue}</Table.Th>
                <Table.Th>{text.settings.takes}</Table.Th>
                <Table.Th>{text.cases.priority}</Table.Th>
                <Table.Th>{text.settings.sla}</Table.Th>
                <Table.Th>
                  <span className="hidden">{text.settings.edit}</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {draft.queues.map((queue, index) => (
                <Table.Tr key={queue.name}>
                  <Table.Td>
                    <Text fw={600} size="sm">
                      {queue.name}
                    </Text>
                    <Text size="xs" c="dimmed">
                      {queue.description}
                    </Text>
                  </Table.Td>
                  <Table.Td>
                    <Group gap={4}>
                      {conditions(queue).length === 0 ? <Text size="sm">{text.settings.everything}</Text> : conditions(queue).map((condition) => <Chip key={condition}>{condition}</Chip>)}
                      {queue.skill && <Chip tone="info">{text.settings.needs(queue.skill)}</Chip>}
                      {queue.leads_only && <Chip tone="info">{text.queues.leadsOnly}</Chip>}
                      {queue.paused && <Chip tone="warn">{text.queues.paused}</Chip>}
                    </Group>
                  </Table.Td>
                  <Table.Td>{queue.priority && <Priority of={queue.priority} />}</Table.Td>
                  <Table.Td className="numbers">{queue.sla_minutes != null && text.settings.minutes(queue.sla_minutes)}</Table.Td>
                  <Table.Td>
                    <Group gap={6} justify="flex-end" wrap="nowrap">
                      <Button size="xs" variant="default" disabled={index === 0} onClick={() => swap(index)} aria-label={text.settings.upOf(queue.name)}>
                        ↑
                      </Button>
                      <Button size="xs" variant="default" onClick={() => edit(index)} aria-label={text.settings.editOf(queue.name)}>
                        {text.settings.edit}
                      </Button>
                    </Group>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      </Panel>
      <Templates of={draft.templates ?? []} change={(templates) => change({ ...draft, templates })} />
      <div className="grid-2">
        <Panel title={text.settings.work}>
          <SimpleGrid cols={2}>
            {number('lease_seconds', text.settings.lease)}
            {number('capacity', text.settings.capacity)}
            {(['urgent', 'high', 'normal', 'low'] as const).map((priority) => (
              <NumberInput key={priority} label={text.settings.slaOf(priority)} min={1} value={draft.sla_minutes[priority]} onChange={(value) => change({ ...draft, sla_minutes: { ...draft.sla_minutes, [priority]: Number(value) || 1 } })} />
            ))}
            <Switch label={text.settings.requireReason} checked={draft.require_reason} onChange={(event) => change({ ...draft, require_reason: event.currentTarget.checked })} />
            <Switch label={text.settings.requireRule} checked={draft.require_rule} onChange={(event) => change({ ...draft, require_rule: event.currentTarget.checked })} />
          </SimpleGrid>
        </Panel>
        <Panel title={text.settings.measure}>
          <SimpleGrid cols={2}>
            {share('sample_share', text.settings.sample)}
            {share('second_share', text.settings.second)}
            {share('golden_share', text.settings.golden)}
            {number('credibility_half_life_days', text.settings.halfLife)}
            <NumberInput label={text.settings.budgetItems} min={1} value={draft.exposure.items} onChange={(value) => change({ ...draft, exposure: { ...draft.exposure, items: Number(value) || 1 } })} />
            <NumberInput label={text.settings.budgetMinutes} min={1} value={draft.exposure.minutes} onChange={(value) => change({ ...draft, exposure: { ...draft.exposure, minutes: Number(value) || 1 } })} />
          </SimpleGrid>
        </Panel>
        <Panel title={text.settings.opens}>
          <Stack gap="sm">
            {tags('case_actions', text.settings.caseActions)}
            {tags('case_rules', text.settings.caseRules)}
          </Stack>
        </Panel>
        <Panel title={text.settings.care}>
          <Stack gap="sm">
            {tags('graphic_labels', text.settings.graphic)}
            {tags('intimate_reasons', text.settings.intimate)}
            {number('evidence_days', text.settings.evidence)}
            <NumberInput label={text.settings.versions} min={0} value={draft.version_days ?? 0} onChange={(value) => change({ ...draft, version_days: Number(value) || 0 })} />
            <NumberInput label={text.settings.copies} min={0} value={draft.copy_days ?? 0} onChange={(value) => change({ ...draft, copy_days: Number(value) || 0 })} />
            <Switch label={text.settings.statements} checked={draft.statements ?? false} onChange={(event) => change({ ...draft, statements: event.currentTarget.checked })} />
          </Stack>
        </Panel>
      </div>
      <Group justify="flex-end">
        <Button variant="default" disabled={!changed} onClick={() => change(kept)}>
          {text.policy.discard}
        </Button>
        <Button disabled={!changed} loading={save.isPending} onClick={() => save.mutate()}>
          {text.save}
        </Button>
      </Group>
      {editing !== undefined && <QueueForm key={editing} queue={draft.queues[editing]} onClose={() => edit(undefined)} onDone={put} />}
    </Stack>
  );
}

export function Review() {
  const kept = useQuery(settingsQuery);
  return (
    <Shown of={kept} rows={10}>
      {({ settings, version, by, at }) => (
        <Stack gap="xs">
          {by && at && (
            <Text size="sm" c="dimmed">
              {text.settings.changedBy(by)} <Ago at={at} />
            </Text>
          )}
          <Form key={version} kept={settings} version={version} />
        </Stack>
      )}
    </Shown>
  );
}
