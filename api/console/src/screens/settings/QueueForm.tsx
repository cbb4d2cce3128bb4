/** One queue: what comes into it and what follows. */
import { Button, Group, Modal, MultiSelect, NumberInput, Select, SimpleGrid, Stack, Switch, TagsInput, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { QueueRule } from '../../api/types';
import { text } from '../../text/en';

const NEW: QueueRule = { name: '', description: '', sources: [], kinds: [], rules: [], labels: [], languages: [], leads_only: false, paused: false };

export function QueueForm({ queue, onClose, onDone }: { queue: QueueRule | undefined; onClose: () => void; onDone: (queue: QueueRule | undefined) => void }) {
  const [draft, change] = useState<QueueRule>(queue ?? NEW);
  const good = /^[a-z0-9_-]+$/.test(draft.name);
  const { sla_minutes: sla, skill, priority, ...rest } = draft;
  const done = () => onDone({ ...rest, ...(sla == null ? {} : { sla_minutes: sla }), ...(skill ? { skill } : {}), ...(priority ? { priority } : {}) });
  return (
    <Modal opened onClose={onClose} title={queue ? queue.name : text.settings.addQueue} size="lg">
      <Stack gap="sm">
        <SimpleGrid cols={2}>
          <TextInput label={text.settings.queueName} description={text.settings.queueNameHint} value={draft.name} onChange={(event) => change({ ...draft, name: event.currentTarget.value })} error={draft.name !== '' && !good} data-autofocus />
          <TextInput label={text.settings.description} description=" " value={draft.description ?? ''} onChange={(event) => change({ ...draft, description: event.currentTarget.value })} />
          <MultiSelect label={text.settings.sources} data={['rule', 'report', 'sample', 'appeal', 'manual', 'escalated']} value={draft.sources ?? []} onChange={(sources) => change({ ...draft, sources })} />
          <MultiSelect label={text.policy.kinds} data={['text', 'frame', 'image', 'report']} value={draft.kinds ?? []} onChange={(kinds) => change({ ...draft, kinds })} />
          <TagsInput label={text.policy.rules} value={draft.rules ?? []} onChange={(rules) => change({ ...draft, rules })} />
          <TagsInput label={text.settings.labels} value={draft.labels ?? []} onChange={(labels) => change({ ...draft, labels })} />
          <TagsInput label={text.settings.languages} value={draft.languages ?? []} onChange={(languages) => change({ ...draft, languages })} />
          <TextInput label={text.settings.skill} value={draft.skill ?? ''} onChange={(event) => change({ ...draft, skill: event.currentTarget.value })} />
          <Select label={text.cases.priority} clearable data={['urgent', 'high', 'normal', 'low']} value={draft.priority ?? null} onChange={(value) => change({ ...draft, priority: value as NonNullable<QueueRule['priority']> })} />
          <NumberInput label={text.settings.sla} min={1} value={draft.sla_minutes ?? ''} onChange={(value) => change({ ...draft, sla_minutes: value === '' ? null : Number(value) })} />
          <Switch label={text.queues.leadsOnly} checked={draft.leads_only ?? false} onChange={(event) => change({ ...draft, leads_only: event.currentTarget.checked })} />
          <Switch label={text.queues.paused} checked={draft.paused ?? false} onChange={(event) => change({ ...draft, paused: event.currentTarget.checked })} />
        </SimpleGrid>
        <Group justify="space-between">
          {queue ? (
            <Button color="red" variant="outline" onClick={() => onDone(undefined)}>
              {text.settings.removeQueue}
            </Button>
          ) : (
            <span />
          )}
          <Group>
            <Button variant="default" onClick={onClose}>
              {text.cancel}
            </Button>
            <Button disabled={!good} onClick={done}>
              {text.settings.done}
            </Button>
          </Group>
        </Group>
      </Stack>
    </Modal>
  );
}
