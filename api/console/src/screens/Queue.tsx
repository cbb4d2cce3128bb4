/** One queue: its cases, and many of them at once. */
import { Button, Group, SegmentedControl, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { casesQuery } from '../api/queries';
import { Icon } from '../parts/Icon';
import { CaseTable } from '../parts/CaseTable';
import { Pages } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { text } from '../text/en';
import { Bulk } from './Bulk';

const STATES = ['open', 'held', 'decided'] as const;

export function QueueScreen({ queue }: { queue: string }) {
  const [state, setState] = useState<string>('open');
  const [cursor, setCursor] = useState<string>();
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const cases = useQuery(casesQuery({ queue, state, ...(cursor === undefined ? {} : { cursor }) }));
  const [, go] = useLocation();
  const toggle = (ids: readonly string[], on: boolean) => {
    const changed = new Set(chosen);
    ids.forEach((id) => (on ? changed.add(id) : changed.delete(id)));
    choose(changed);
  };
  return (
    <Screen
      title={text.queues.titleOf(queue)}
      actions={
        <>
          <SegmentedControl
            aria-label={text.cases.state}
            value={state}
            onChange={(value) => {
              setState(value);
              setCursor(undefined);
              choose(new Set());
            }}
            data={STATES.map((value) => ({ value, label: text.states[value] }))}
          />
          <Button leftSection={<Icon name="play" size={15} filled />} onClick={() => go(`/review/${encodeURIComponent(queue)}`)}>
            {text.queues.start}
          </Button>
        </>
      }
    >
      {chosen.size > 0 && (
        <Group className="surface" p="xs" justify="space-between">
          <Text size="sm">{text.bulk.chosen(chosen.size)}</Text>
          <Bulk cases={(cases.data?.items ?? []).filter(({ id }) => chosen.has(id))} onDone={() => choose(new Set())} />
        </Group>
      )}
      <Panel flush>
        <Shown of={cases} isEmpty={({ items }) => items.length === 0} empty={<Empty title={text.cases.none(text.states[state as 'open'])}>{text.cases.noneHint}</Empty>}>
          {({ items, next }) => (
            <>
              <CaseTable cases={items} selection={{ chosen, toggle }} />
              <Pages next={next} first={cursor === undefined} onNext={setCursor} onFirst={() => setCursor(undefined)} />
            </>
          )}
        </Shown>
      </Panel>
    </Screen>
  );
}
