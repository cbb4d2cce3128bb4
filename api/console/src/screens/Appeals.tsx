/** Objections to decisions. Each is a case that whoever decided first cannot claim. */
import { Button, Group, SegmentedControl, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { appealsQuery } from '../api/queries';
import { Icon } from '../parts/Icon';
import { Ago, CaseLink, Chip, Pages, Person } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { text } from '../text/en';

const STATES = ['all', 'open', 'upheld', 'overturned'] as const;

export function AppealsScreen() {
  const [state, setState] = useState<string>('open');
  const [cursor, setCursor] = useState<string>();
  const [, go] = useLocation();
  const appeals = useQuery(appealsQuery({ ...(state === 'all' ? {} : { state }), ...(cursor === undefined ? {} : { cursor }) }));
  return (
    <Screen
      title={text.screens.appeals}
      about={text.appeals.about}
      actions={
        <Button leftSection={<Icon name="play" size={15} filled />} onClick={() => go('/review/appeals')}>
          {text.queues.start}
        </Button>
      }
    >
      <Group>
        <SegmentedControl aria-label={text.cases.state} value={state} onChange={(value) => (setState(value), setCursor(undefined))} data={STATES.map((value) => ({ value, label: text.appeals.states[value] }))} />
      </Group>
      <Panel flush>
        <Shown of={appeals} isEmpty={({ items }) => items.length === 0} empty={<Empty title={text.appeals.none}>{text.appeals.noneHint}</Empty>}>
          {({ items, next }) => (
            <>
              <Table>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{text.reports.when}</Table.Th>
                    <Table.Th>{text.appeals.who}</Table.Th>
                    <Table.Th>{text.appeals.words}</Table.Th>
                    <Table.Th>{text.appeals.against}</Table.Th>
                    <Table.Th>{text.cases.state}</Table.Th>
                    <Table.Th>{text.cases.case}</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {items.map((appeal) => (
                    <Table.Tr key={appeal.id}>
                      <Table.Td>
                        <Ago at={appeal.at} />
                      </Table.Td>
                      <Table.Td>
                        <Person id={appeal.actor} />
                      </Table.Td>
                      <Table.Td maw={420}>
                        <Text size="sm" lineClamp={2}>
                          {appeal.text}
                        </Text>
                      </Table.Td>
                      <Table.Td>{appeal.decision ? text.appeals.decision : text.appeals.automatic}</Table.Td>
                      <Table.Td>
                        <Chip tone={appeal.state === 'open' ? 'warn' : 'neutral'}>{text.appeals.states[appeal.state as 'open'] ?? appeal.state}</Chip>
                      </Table.Td>
                      <Table.Td>{appeal.case && <CaseLink id={appeal.case}>{text.appeals.open}</CaseLink>}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
              <Pages next={next} first={cursor === undefined} onNext={setCursor} onFirst={() => setCursor(undefined)} />
            </>
          )}
        </Shown>
      </Panel>
    </Screen>
  );
}
