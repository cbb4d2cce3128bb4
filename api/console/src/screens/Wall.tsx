/** Calls that run, the riskiest first, and acting in them by hand. */
import { Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../api/client';
import { wallQuery } from '../api/queries';
import { useMay } from '../api/session';
import type { WallAction, WallParticipant } from '../api/types';
import { forHowLong } from '../domain/time';
import { Ago, Chip, Person, percent } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { useTell } from '../parts/told';
import { text } from '../text/en';

const BY_HAND = ['blur', 'mute', 'disconnect'] as const;
type ByHand = (typeof BY_HAND)[number];

interface Wanted {
  readonly call: string;
  readonly actor: string;
  readonly action: ByHand;
}

const toneOf = (risk: number) => (risk >= 0.75 ? 'bad' : risk >= 0.4 ? 'warn' : 'good');

function Act({ wanted, onClose, onDone }: { wanted: Wanted | undefined; onClose: () => void; onDone: () => void }) {
  const tell = useTell();
  const [reason, say] = useState('');
  const [seconds, setSeconds] = useState<string | null>('300');
  const act = useMutation({
    mutationFn: ({ call, actor, action }: Wanted) =>
      take(client.POST('/v1/review/actions', { body: { call, actor, action, reason: reason || text.wall.reasonDefault, ...(action === 'disconnect' || seconds === 'good' || seconds === null ? {} : { seconds: Number(seconds) }) } })),
    onSuccess: (_, done) => {
      tell.done(text.wall.told(text.actions[done.action], done.actor));
      onDone();
    },
    onError: tell.refused,
  });
  return (
    <Modal opened={wanted !== undefined} onClose={onClose} title={wanted && text.wall.actTitle(text.wall.verbs[wanted.action], wanted.actor)}>
      <Stack>
        <TextInput data-autofocus label={text.case.reason} description={text.case.reasonHint} placeholder={text.wall.reasonDefault} value={reason} onChange={(event) => say(event.currentTarget.value)} />
        {wanted?.action !== 'disconnect' && (
          <Select label={text.case.howLong} value={seconds} onChange={setSeconds} allowDeselect={false} data={[...[60, 300, 3600].map((span) => ({ value: String(span), label: forHowLong(span) })), { value: 'good', label: text.wall.rest }]} />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {text.cancel}
          </Button>
          <Button color={wanted?.action === 'disconnect' ? 'red' : 'indigo'} loading={act.isPending} onClick={() => wanted && act.mutate(wanted)}>
            {wanted && text.wall.verbs[wanted.action]}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** What holds for somebody, whoever did it; a warning is over once it is given. */
function InForce({ of }: { of: readonly WallAction[] }) {
  return of
    .filter(({ kind }, index) => kind !== 'warn' && of.findIndex((other) => other.kind === kind) === index)
    .map(({ id, kind, by, by_hand, at, until }) => (
      <Chip key={id} tone={by_hand ? 'info' : 'warn'} title={text.wall.doneBy(by_hand ? by : text.wall.policy, new Date(at).toLocaleTimeString(), until == null ? undefined : new Date(until).toLocaleTimeString())}>
        {text.wall.held[kind as keyof typeof text.wall.held] ?? kind}
      </Chip>
    ));
}

function Participant({ of, call, onAct }: { of: WallParticipant; call: string; onAct: (wanted: Wanted) => void }) {
  const may = useMay();
  return (
    <Stack gap={5}>
      <Group justify="space-between" gap={6} wrap="nowrap">
        <Group gap={6}>
          <Text fw={600} size="sm">
            <Person id={of.actor} />
          </Text>
          {of.disconnected ? <Chip tone="bad">{text.wall.disconnected}</Chip> : of.violations > 0 ? <Chip tone="warn">{text.wall.violations(of.violations)}</Chip> : <Chip tone="good">{text.wall.fine}</Chip>}
          <InForce of={of.actions} />
        </Group>
        <Text size="xs" c="dimmed" className="numbers">
          {text.wall.frames(of.frames)}
        </Text>
      </Group>
      <div className="risk" role="img" aria-label={text.wall.risk(percent(of.risk))}>
        <div data-tone={toneOf(of.risk)} style={{ width: `${Math.max(2, of.risk * 100)}%` }} />
      </div>
      {may('act_live') && !of.disconnected && (
        <Group gap={6}>
          {BY_HAND.map((action) => (
            <Button key={action} size="compact-xs" variant="default" onClick={() => onAct({ call, actor: of.actor, action })} aria-label={text.wall.actTitle(text.wall.verbs[action], of.actor)}>
              {text.wall.verbs[action]}
            </Button>
          ))}
        </Group>
      )}
    </Stack>
  );
}

export function WallScreen() {
  const calls = useQuery(wallQuery);
  const [wanted, want] = useState<Wanted>();
  const queries = useQueryClient();
  return (
    <Screen title={text.screens.wall} about={text.wall.about}>
      <Shown of={calls} isEmpty={(all) => all.length === 0} empty={<Panel><Empty title={text.wall.none}>{text.wall.noneHint}</Empty></Panel>}>
        {(all) => (
          <div className="wall">
            {all.map((call) => (
              <Panel
                key={call.id}
                title={call.id}
                aside={
                  <Group gap={6} wrap="nowrap">
                    <Chip tone={toneOf(call.risk)}>{text.wall.risk(percent(call.risk))}</Chip>
                    <Text size="xs" c="dimmed">
                      <Ago at={call.started_at} />
                    </Text>
                  </Group>
                }
              >
                <Stack gap="md">
                  {call.participants.map((participant) => (
                    <Participant key={participant.actor} of={participant} call={call.id} onAct={want} />
                  ))}
                </Stack>
              </Panel>
            ))}
          </div>
        )}
      </Shown>
      <Act
        wanted={wanted}
        onClose={() => want(undefined)}
        onDone={() => {
          want(undefined);
          void queries.invalidateQueries({ queryKey: ['wall'] });
        }}
      />
    </Screen>
  );
}
