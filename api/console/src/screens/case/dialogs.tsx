/** What a case page asks for in between: why it is handed up, until when it waits, who gets it; and the keys. */
import { Button, Group, Modal, Select, SimpleGrid, Stack, Table, Text, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { settingsQuery, usersQuery } from '../../api/queries';
import { Key } from '../../parts/small';
import { text } from '../../text/en';

interface Props<T> {
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly onDone: (value: T) => void;
}

export function Escalate({ opened, onClose, onDone }: Props<string>) {
  const [why, say] = useState('');
  const done = () => {
    if (why.trim() !== '') onDone(why.trim());
  };
  return (
    <Modal opened={opened} onClose={onClose} title={text.case.escalateTitle}>
      <Stack>
        <Textarea data-autofocus label={text.case.escalateWhy} description={text.case.escalateHint} autosize minRows={2} value={why} onChange={(event) => say(event.currentTarget.value)} onKeyDown={(event) => event.key === 'Enter' && (event.ctrlKey || event.metaKey) && done()} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {text.cancel}
          </Button>
          <Button onClick={done} disabled={why.trim() === ''}>
            {text.case.escalate}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

const HOUR = 3_600_000;

export function Hold({ opened, onClose, onDone }: Props<string>) {
  const morning = new Date();
  morning.setDate(morning.getDate() + 1);
  morning.setHours(9, 0, 0, 0);
  const choices = [
    [text.case.hold1, Date.now() + HOUR],
    [text.case.hold4, Date.now() + 4 * HOUR],
    [text.case.holdMorning, morning.getTime()],
    [text.case.holdDays, Date.now() + 72 * HOUR],
  ] as const;
  return (
    <Modal opened={opened} onClose={onClose} title={text.case.holdTitle}>
      <Text size="sm" c="dimmed" mb="sm">
        {text.case.holdHint}
      </Text>
      <SimpleGrid cols={2}>
        {choices.map(([name, until], index) => (
          <Button key={name} variant="default" data-autofocus={index === 0 || undefined} onClick={() => onDone(new Date(until).toISOString())}>
            {name}
          </Button>
        ))}
      </SimpleGrid>
    </Modal>
  );
}

export function Assign({ opened, onClose, onDone }: Props<string>) {
  const users = useQuery({ ...usersQuery, enabled: opened }).data ?? [];
  return (
    <Modal opened={opened} onClose={onClose} title={text.case.assignTitle}>
      <Select data-autofocus searchable label={text.case.assignTo} data={users.filter(({ disabled }) => !disabled).map(({ login, name }) => ({ value: login, label: name || login }))} onChange={(value) => value !== null && onDone(value)} />
    </Modal>
  );
}

export function Move({ opened, onClose, onDone }: Props<string>) {
  const queues = useQuery({ ...settingsQuery, enabled: opened }).data?.settings.queues ?? [];
  return (
    <Modal opened={opened} onClose={onClose} title={text.case.moveTitle}>
      <Select data-autofocus label={text.case.moveTo} data={queues.map(({ name }) => name)} onChange={(value) => value !== null && onDone(value)} />
    </Modal>
  );
}

export function Help({ opened, onClose, letters }: { opened: boolean; onClose: () => void; letters: ReadonlyMap<string, string> }) {
  return (
    <Modal opened={opened} onClose={onClose} title={text.keys.title} size="lg">
      <Text size="sm" c="dimmed" mb="sm">
        {text.keys.about}
      </Text>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        {[text.keys.list.slice(0, 9), [...text.keys.list.slice(9), ...[...letters].map(([letter, rule]) => [letter.toUpperCase(), text.keys.rule(rule)] as const)]].map((half, index) => (
          <Table key={index} withRowBorders={false} verticalSpacing={4}>
            <Table.Tbody>
              {half.map(([key, does]) => (
                <Table.Tr key={key}>
                  <Table.Td w={44}>
                    <Key>{key}</Key>
                  </Table.Td>
                  <Table.Td>{does}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        ))}
      </SimpleGrid>
    </Modal>
  );
}
