/** What became of the events that were sent to the platform; sending one again. */
import { Button, SegmentedControl, Stack, Table, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../../api/client';
import { deliveriesQuery } from '../../api/queries';
import { Ago, Chip, Pages } from '../../parts/small';
import { Empty, Panel, Shown } from '../../parts/state';
import { useTell } from '../../parts/told';
import { text } from '../../text/en';

const STATES = ['all', 'due', 'delivered', 'dead'] as const;
const TONES = { due: 'info', delivered: 'good', dead: 'bad' } as const;

export function Webhooks() {
  const tell = useTell();
  const queries = useQueryClient();
  const [state, setState] = useState<string>('all');
  const [cursor, setCursor] = useState<number>();
  const deliveries = useQuery(deliveriesQuery({ ...(state === 'all' ? {} : { state: state as 'due' | 'delivered' | 'dead' }), ...(cursor === undefined ? {} : { cursor }) }));
  const replay = useMutation({
    mutationFn: (id: number) => take(client.POST('/v1/webhooks/deliveries/{id}/replay', { params: { path: { id } } })),
    onSuccess: () => {
      tell.done(text.hooks.again);
      void queries.invalidateQueries({ queryKey: ['deliveries'] });
    },
    onError: tell.refused,
  });
  return (
    <Stack gap="sm" align="stretch">
      <Text size="sm" c="dimmed">
        {text.hooks.about}
      </Text>
      <div>
        <SegmentedControl aria-label={text.cases.state} value={state} onChange={(value) => (setState(value), setCursor(undefined))} data={STATES.map((value) => ({ value, label: text.hooks.states[value] }))} />
      </div>
      <Panel flush>
        <Shown of={deliveries} isEmpty={({ deliveries }) => deliveries.length === 0} empty={<Empty title={text.hooks.none}>{text.hooks.noneHint}</Empty>}>
          {({ deliveries: all, next_cursor: next }) => (
            <>
              <Table>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{text.reports.when}</Table.Th>
                    <Table.Th>{text.hooks.webhook}</Table.Th>
                    <Table.Th>{text.hooks.event}</Table.Th>
                    <Table.Th>{text.cases.state}</Table.Th>
                    <Table.Th>{text.hooks.tries}</Table.Th>
                    <Table.Th>
                      <span className="hidden">{text.hooks.replay}</span>
                    </Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {all.map((delivery) => (
                    <Table.Tr key={delivery.id}>
                      <Table.Td>
                        <Ago at={delivery.created_at} />
                      </Table.Td>
                      <Table.Td>{delivery.webhook}</Table.Td>
                      <Table.Td title={delivery.event_key}>{delivery.event_kind}</Table.Td>
                      <Table.Td>
                        <Chip tone={TONES[delivery.state as 'due'] ?? 'neutral'}>{text.hooks.states[delivery.state as 'due'] ?? delivery.state}</Chip>
                        {delivery.error && (
                          <Text size="xs" c="dimmed">
                            {delivery.error}
                          </Text>
                        )}
                      </Table.Td>
                      <Table.Td className="numbers">{delivery.attempts}</Table.Td>
                      <Table.Td ta="right">
                        {delivery.state !== 'due' && (
                          <Button size="xs" variant="default" onClick={() => replay.mutate(delivery.id)} aria-label={text.hooks.replayOf(delivery.event_kind)}>
                            {text.hooks.replay}
                          </Button>
                        )}
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
              <Pages next={next == null ? undefined : String(next)} first={cursor === undefined} onNext={(to) => setCursor(Number(to))} onFirst={() => setCursor(undefined)} />
            </>
          )}
        </Shown>
      </Panel>
    </Stack>
  );
}
