/** Claims the next case and goes to it; says so when none waits. */
import { Button, Group } from '@mantine/core';
import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { Empty, Panel, Waiting } from '../parts/state';
import { inWords } from '../parts/told';
import { text } from '../text/en';
import { lastDecision, useNext, useUndo, workOn } from './case/work';

export function ReviewScreen({ queue }: { queue?: string }) {
  const [nothing, setNothing] = useState(false);
  const next = useNext(() => setNothing(true));
  const undo = useUndo();
  const { mutate } = next;
  useEffect(() => {
    workOn(queue);
    // Once per visit, also where effects run twice: a claim is not made twice.
    const timer = setTimeout(() => mutate());
    return () => clearTimeout(timer);
  }, [queue, mutate]);
  const last = lastDecision(Date.now());
  if (next.isError || nothing) {
    return (
      <Panel>
        <Empty
          title={next.isError ? text.review.refused : text.review.nothing}
          action={
            <Group mt="sm">
              <Button onClick={() => next.mutate()} loading={next.isPending}>
                {text.review.again}
              </Button>
              <Button variant="default" component={Link} href="/queues">
                {text.screens.queues}
              </Button>
              {last && (
                <Button variant="default" onClick={() => undo.mutate(last.id)}>
                  {text.case.undoLast}
                </Button>
              )}
            </Group>
          }
        >
          {next.isError ? inWords(next.error) : queue ? text.review.nothingIn(queue) : text.review.nothingHint}
        </Empty>
      </Panel>
    );
  }
  return <Waiting rows={8} />;
}
