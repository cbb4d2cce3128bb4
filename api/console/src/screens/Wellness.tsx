/** Kind to whoever looks: how evidence is shown, and how much of it there was today. */
import { Alert, Button, Group, NumberInput, Progress, SimpleGrid, Slider, Stack, Switch, TagsInput, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../api/client';
import { useSession } from '../api/session';
import type { Comfort } from '../api/types';
import { duration } from '../domain/time';
import { Panel, Screen } from '../parts/state';
import { useTell } from '../parts/told';
import { text } from '../text/en';

/** A harmless picture, drawn here, to try the settings on. */
function Sample({ of }: { of: Comfort }) {
  const filter = [of.blur ? `blur(${of.blur_pixels}px)` : '', of.grey ? 'grayscale(1)' : ''].join(' ').trim() || 'none';
  return (
    <div className="picture" style={{ height: 180 }}>
      <svg viewBox="0 0 320 180" width="100%" height="180" preserveAspectRatio="xMidYMid slice" role="img" aria-label={text.wellness.sample} style={{ filter }}>
        <rect width="320" height="180" fill="#9bd1f5" />
        <circle cx="250" cy="46" r="24" fill="#ffd43b" />
        <path d="M0 140l70-70l60 55l50-75l90 90l50-30v70H0z" fill="#69b578" />
        <path d="M0 150h320v30H0z" fill="#3d8b5f" />
      </svg>
    </div>
  );
}

export function WellnessScreen() {
  const { comfort, exposure, csrf } = useSession();
  const queries = useQueryClient();
  const tell = useTell();
  const [draft, change] = useState<Comfort>(comfort);
  const save = useMutation({
    mutationFn: () => take(client.PUT('/v1/session/profile', { body: { comfort: draft } })),
    onSuccess: (session) => {
      queries.setQueryData(['session'], session);
      tell.done(text.saved);
    },
    onError: tell.refused,
  });
  const shares = [
    [text.wellness.items, exposure.items, exposure.budget.items, text.wellness.itemsOf(exposure.items, exposure.budget.items)],
    [text.wellness.minutes, exposure.seconds / 60, exposure.budget.minutes, text.wellness.minutesOf(duration(exposure.seconds * 1000), exposure.budget.minutes)],
  ] as const;
  return (
    <Screen title={text.screens.wellness} about={text.wellness.about}>
      {exposure.advice !== 'fine' && (
        <Alert variant="default" color="yellow" title={exposure.advice === 'over' ? text.wellness.over : text.wellness.near}>
          {text.wellness.breakHint}
        </Alert>
      )}
      <div className="grid-2">
        <Panel title={text.wellness.how}>
          <Stack>
            <Sample of={draft} />
            <SimpleGrid cols={3}>
              <Switch label={text.wellness.blur} checked={draft.blur} onChange={(event) => change({ ...draft, blur: event.currentTarget.checked })} />
              <Switch label={text.wellness.grey} checked={draft.grey} onChange={(event) => change({ ...draft, grey: event.currentTarget.checked })} />
              <Switch label={text.wellness.mute} checked={draft.mute} onChange={(event) => change({ ...draft, mute: event.currentTarget.checked })} />
            </SimpleGrid>
            <div>
              <Text size="sm" fw={500} mb={4}>
                {text.wellness.strength}
              </Text>
              <Slider thumbLabel={text.wellness.strength} min={4} max={60} value={draft.blur_pixels} onChange={(blur_pixels) => change({ ...draft, blur_pixels })} disabled={!draft.blur} label={(value) => `${value} px`} />
            </div>
            <NumberInput label={text.wellness.breaks} description={text.wellness.breaksHint} min={0} max={480} value={draft.break_minutes} onChange={(value) => change({ ...draft, break_minutes: Number(value) || 0 })} />
            <TagsInput label={text.wellness.avoid} description={text.wellness.avoidHint} value={draft.avoid_labels} onChange={(avoid_labels) => change({ ...draft, avoid_labels })} />
            <Group justify="flex-end">
              <Button onClick={() => save.mutate()} loading={save.isPending} disabled={!csrf} title={csrf ? undefined : text.account.noAccount}>
                {text.save}
              </Button>
            </Group>
            {!csrf && (
              <Text size="xs" c="dimmed">
                {text.account.noAccount}
              </Text>
            )}
          </Stack>
        </Panel>
        <Panel title={text.wellness.todayTitle}>
          <Stack>
            {shares.map(([name, value, budget, words]) => (
              <div key={name}>
                <Group justify="space-between">
                  <Text size="sm">{name}</Text>
                  <Text size="sm" c="dimmed" className="numbers">
                    {words}
                  </Text>
                </Group>
                <Progress value={Math.min(100, (value / Math.max(1, budget)) * 100)} color={value >= budget ? 'red' : value >= 0.8 * budget ? 'orange' : 'indigo'} aria-label={words} />
              </div>
            ))}
            <Text size="sm" c="dimmed">
              {text.wellness.counted}
            </Text>
          </Stack>
        </Panel>
      </div>
    </Screen>
  );
}
