/** The middle of a case: whom it is about. */
import { Anchor, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { similarQuery, standingQuery } from '../../api/queries';
import type { Case, CasePage, Decision } from '../../api/types';
import { forHowLong } from '../../domain/time';
import { Act, Ago, CaseLink, Chip, Person, percent } from '../../parts/small';
import { Panel } from '../../parts/state';
import { text } from '../../text/en';

/** A decision in one line. */
export function Line({ of }: { of: Decision }) {
  return (
    <Group gap={6} justify="space-between">
      <Group gap={6}>
        <Act of={of.action ?? of.ruling} />
        {of.action && of.seconds != null && <Text size="xs">{forHowLong(of.seconds)}</Text>}
        {of.overturned_at && <Chip>{text.history.overturned}</Chip>}
      </Group>
      <Text size="xs" c="dimmed">
        {of.reviewer} · <Ago at={of.at} />
      </Text>
    </Group>
  );
}

/** Strikes and what keeps somebody out; nothing where they may not be read. */
export function StandingOf({ actor }: { actor: string }) {
  const standing = useQuery(standingQuery(actor)).data;
  if (!standing) return null;
  return (
    <Stack gap={6}>
      <Group gap={6}>
        <Chip tone={standing.strikes > 0 ? 'warn' : 'neutral'}>{text.person.strikes(standing.strikes, standing.strikes_total)}</Chip>
        {standing.restrictions.map(({ id, action, until }) => (
          <Chip key={id} tone="bad">
            {text.actions[action as keyof typeof text.actions] ?? action}
            {until ? ` ${text.person.until(new Date(until).toLocaleDateString())}` : ''}
          </Chip>
        ))}
      </Group>
      {standing.alike.length > 0 && (
        <Text size="sm">
          {text.person.alike}{' '}
          {standing.alike.map(({ actor: other, trace }) => (
            <span key={other + trace}>
              <Person id={other} /> ({trace}){' '}
            </span>
          ))}
        </Text>
      )}
    </Stack>
  );
}

const Row = ({ of }: { of: Case }) => (
  <Group gap={6} justify="space-between" wrap="nowrap">
    <Text size="sm" truncate>
      <CaseLink id={of.id}>{of.summary || of.queue}</CaseLink>
    </Text>
    <Text size="xs" c="dimmed" style={{ whiteSpace: 'nowrap' }}>
      {text.states[of.state]} · <Ago at={of.opened_at} />
    </Text>
  </Group>
);

/** How others decided what is like it. Nothing is shown while it is looked for, or when it cannot be. */
function Similar({ id }: { id: string }) {
  const similar = useQuery(similarQuery(id)).data;
  if (!similar) return null;
  return (
    <Panel title={text.case.similar}>
      {similar.length === 0 ? (
        <Text size="sm" c="dimmed">
          {text.case.noSimilar}
        </Text>
      ) : (
        <Stack gap="sm">
          {similar.map(({ case: other, text: words, score, decision }) => (
            <div key={other.id}>
              <Group gap={6} justify="space-between" wrap="nowrap">
                {decision ? <Act of={decision.action ?? decision.ruling} /> : <Chip>{text.states[other.state]}</Chip>}
                <Text size="xs" c="dimmed" style={{ whiteSpace: 'nowrap' }}>
                  {text.case.alike(percent(score))} · <Ago at={other.opened_at} />
                </Text>
              </Group>
              <Text size="sm" lineClamp={2} style={{ overflowWrap: 'anywhere' }}>
                <CaseLink id={other.id}>{words}</CaseLink>
              </Text>
            </div>
          ))}
        </Stack>
      )}
    </Panel>
  );
}

export function PersonSide({ page }: { page: CasePage }) {
  const { case: about, decisions, history, reporter, hold } = page;
  const person = !about.subject.startsWith('item:');
  return (
    <Stack gap="md">
      <Panel title={person ? text.case.person : text.case.subject}>
        <Stack gap="sm">
          {person ? (
            <Text fw={650} size="lg">
              <Person id={about.subject} />
            </Text>
          ) : (
            <Text size="sm" ff="monospace" style={{ overflowWrap: 'anywhere' }}>
              {about.subject}
            </Text>
          )}
          {person && <StandingOf actor={about.subject} />}
          {person && (
            <Text size="sm" c="dimmed">
              {text.person.reporter(percent(reporter.credibility), Math.round(reporter.upheld), Math.round(reporter.dismissed))}
            </Text>
          )}
          {hold && <Chip tone="warn">{text.person.held(hold.reason)}</Chip>}
        </Stack>
      </Panel>
      <Similar id={about.id} />
      <Panel title={text.case.decisions(decisions.length)}>
        {decisions.length === 0 ? (
          <Text size="sm" c="dimmed">
            {text.case.noDecisions}
          </Text>
        ) : (
          <Stack gap={8}>
            {decisions.slice(0, 8).map((decision) => (
              <Line key={decision.id} of={decision} />
            ))}
          </Stack>
        )}
      </Panel>
      <Panel title={text.case.history(history.length)}>
        {history.length === 0 ? (
          <Text size="sm" c="dimmed">
            {text.case.noHistory}
          </Text>
        ) : (
          <Stack gap={8}>
            {history.slice(0, 8).map((other) => (
              <Row key={other.id} of={other} />
            ))}
          </Stack>
        )}
        {person && (
          <Anchor component={Link} href={`/people/${encodeURIComponent(about.subject)}`} size="sm" mt="sm" display="block">
            {text.case.everything}
          </Anchor>
        )}
      </Panel>
    </Stack>
  );
}
