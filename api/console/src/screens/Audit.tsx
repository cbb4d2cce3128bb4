/** Who did what, in a chain that shows when it was changed. */
import { Alert, Button, Code, Group, Table, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../api/client';
import { auditQuery } from '../api/queries';
import { Ago, CaseLink, Chip, Pages } from '../parts/small';
import { Empty, Panel, Refused, Screen, Shown } from '../parts/state';
import { text } from '../text/en';

/** Words that find nothing are not sent with every letter. */
function Filter({ label, onGiven }: { label: string; onGiven: (value: string) => void }) {
  return <TextInput aria-label={label} placeholder={label} onBlur={(event) => onGiven(event.currentTarget.value.trim())} onKeyDown={(event) => event.key === 'Enter' && onGiven(event.currentTarget.value.trim())} />;
}

function Subject({ of }: { of: string }) {
  const [kind, id] = of.split(':', 2);
  return kind === 'case' && id ? <CaseLink id={id}>{`${kind}:${id.slice(-8)}`}</CaseLink> : <>{of.length > 34 ? `${of.slice(0, 32)}…` : of}</>;
}

export function AuditScreen() {
  const [filter, setFilter] = useState<{ actor?: string; subject?: string; kind?: string }>({});
  const [cursor, setCursor] = useState<string>();
  const entries = useQuery(auditQuery({ ...filter, ...(cursor === undefined ? {} : { cursor }) }));
  const verify = useMutation({ mutationFn: () => take(client.GET('/v1/audit/verify')) });
  const narrow = (name: 'actor' | 'subject' | 'kind') => (value: string) => {
    const { [name]: _, ...rest } = filter;
    setFilter(value === '' ? rest : { ...rest, [name]: value });
    setCursor(undefined);
  };
  return (
    <Screen
      title={text.screens.audit}
      about={text.audit.about}
      actions={
        <>
          <Button variant="default" component="a" href="/v1/audit/export" download="audit.jsonl">
            {text.audit.export}
          </Button>
          <Button onClick={() => verify.mutate()} loading={verify.isPending}>
            {text.audit.verify}
          </Button>
        </>
      }
    >
      {verify.error && <Refused error={verify.error} />}
      {verify.data &&
        (verify.data.broken ? (
          <Alert variant="default" color="red" title={text.audit.broken(verify.data.broken.number)} role="alert">
            {verify.data.broken.what} {text.audit.brokenHint}
          </Alert>
        ) : (
          <Alert variant="default" title={text.audit.holds(verify.data.entries)} role="status">
            {text.audit.head} <Code>{verify.data.head}</Code>
          </Alert>
        ))}
      <Group>
        <Filter label={text.audit.actor} onGiven={narrow('actor')} />
        <Filter label={text.audit.kind} onGiven={narrow('kind')} />
        <Filter label={text.audit.subject} onGiven={narrow('subject')} />
      </Group>
      <Panel flush>
        <Shown of={entries} isEmpty={({ items }) => items.length === 0} empty={<Empty title={text.audit.none}>{text.audit.noneHint}</Empty>}>
          {({ items, next }) => (
            <>
              <Table.ScrollContainer minWidth={820}>
                <Table>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>{text.audit.number}</Table.Th>
                      <Table.Th>{text.reports.when}</Table.Th>
                      <Table.Th>{text.audit.actor}</Table.Th>
                      <Table.Th>{text.audit.kind}</Table.Th>
                      <Table.Th>{text.audit.subject}</Table.Th>
                      <Table.Th>{text.audit.detail}</Table.Th>
                      <Table.Th>{text.audit.hash}</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {items.map((entry) => (
                      <Table.Tr key={entry.number}>
                        <Table.Td className="numbers">{entry.number}</Table.Td>
                        <Table.Td>
                          <Ago at={entry.at} />
                        </Table.Td>
                        <Table.Td>{entry.actor}</Table.Td>
                        <Table.Td>
                          <Chip>{entry.kind}</Chip>
                        </Table.Td>
                        <Table.Td title={entry.subject}>
                          <Subject of={entry.subject} />
                        </Table.Td>
                        <Table.Td maw={320}>
                          <Text size="xs" c="dimmed" ff="monospace" lineClamp={2} style={{ overflowWrap: 'anywhere' }}>
                            {JSON.stringify(entry.detail)}
                          </Text>
                        </Table.Td>
                        <Table.Td>
                          <Text size="xs" ff="monospace" title={entry.hash}>
                            {entry.hash.slice(0, 10)}
                          </Text>
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
              <Pages next={next} first={cursor === undefined} onNext={setCursor} onFirst={() => setCursor(undefined)} />
            </>
          )}
        </Shown>
      </Panel>
    </Screen>
  );
}
