/** Cases as rows. */
import { Checkbox, Group, Table, Text } from '@mantine/core';
import type { Case } from '../api/types';
import { text } from '../text/en';
import { Ago, CaseLink, Chip, Due, Person, Priority } from './small';

export interface Selection {
  readonly chosen: ReadonlySet<string>;
  readonly toggle: (ids: readonly string[], on: boolean) => void;
}

export function CaseTable({ cases, selection }: { cases: readonly Case[]; selection?: Selection }) {
  const open = cases.filter(({ state }) => state === 'open').map(({ id }) => id);
  const all = open.length > 0 && open.every((id) => selection?.chosen.has(id));
  return (
    <Table.ScrollContainer minWidth={760}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            {selection && (
              <Table.Th w={40}>
                <Checkbox aria-label={text.bulk.all} checked={all} onChange={() => selection.toggle(open, !all)} />
              </Table.Th>
            )}
            <Table.Th>{text.cases.case}</Table.Th>
            <Table.Th>{text.cases.subject}</Table.Th>
            <Table.Th>{text.cases.priority}</Table.Th>
            <Table.Th>{text.cases.state}</Table.Th>
            <Table.Th>{text.cases.came}</Table.Th>
            <Table.Th>{text.cases.due}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {cases.map((of) => (
            <Table.Tr key={of.id}>
              {selection && (
                <Table.Td>
                  <Checkbox aria-label={text.bulk.one(of.subject)} disabled={of.state !== 'open'} checked={selection.chosen.has(of.id)} onChange={(event) => selection.toggle([of.id], event.currentTarget.checked)} />
                </Table.Td>
              )}
              <Table.Td>
                <CaseLink id={of.id}>{of.summary || text.case.about(of.subject)}</CaseLink>
                <Text size="xs" c="dimmed">
                  {text.sources[of.source]} · {text.cases.evidence(of.evidence)}
                  {of.rules.length > 0 && ` · ${of.rules.join(', ')}`}
                </Text>
              </Table.Td>
              <Table.Td>{of.subject.startsWith('item:') ? <Text size="sm">{text.cases.item}</Text> : <Person id={of.subject} />}</Table.Td>
              <Table.Td>
                <Priority of={of.priority} />
              </Table.Td>
              <Table.Td>
                <Group gap={4}>
                  <Chip tone={of.state === 'decided' ? 'good' : of.state === 'held' ? 'warn' : 'neutral'}>{text.states[of.state]}</Chip>
                  {of.lease && of.state === 'open' && Date.parse(of.lease.until) > Date.now() && <Chip tone="info">{of.lease.holder}</Chip>}
                  {of.escalated && <Chip tone="warn">{text.case.escalated}</Chip>}
                </Group>
              </Table.Td>
              <Table.Td>
                <Ago at={of.opened_at} />
              </Table.Td>
              <Table.Td>
                <Due of={of} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
