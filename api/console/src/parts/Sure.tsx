/** Asks before what is hard to take back; above a number, or for what is final, a word has to be typed. */
import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import { text } from '../text/en';

interface Props {
  readonly opened: boolean;
  readonly title: string;
  readonly children: ReactNode;
  readonly confirm: string;
  /** Has to be typed. */
  readonly word?: string | undefined;
  readonly danger?: boolean;
  readonly busy?: boolean;
  readonly onClose: () => void;
  readonly onSure: () => void;
}

export function Sure({ opened, title, children, confirm, word, danger = false, busy = false, onClose, onSure }: Props) {
  const [typed, type] = useState('');
  const right = word === undefined || typed.trim() === word;
  const close = () => {
    type('');
    onClose();
  };
  return (
    <Modal opened={opened} onClose={close} title={title}>
      <Stack>
        <Text size="sm" component="div">
          {children}
        </Text>
        {word !== undefined && <TextInput label={text.sure.type(word)} value={typed} onChange={(event) => type(event.currentTarget.value)} data-autofocus />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {text.cancel}
          </Button>
          <Button color={danger ? 'red' : 'indigo'} disabled={!right} loading={busy} onClick={onSure}>
            {confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
