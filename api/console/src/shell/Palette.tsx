/** Everything by name: screens, commands, people, cases, words. */
import { Group, Modal, Stack, Text, TextInput, useMantineColorScheme } from '@mantine/core';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { useLocation } from 'wouter';
import { useSession } from '../api/session';
import { offered } from '../domain/access';
import { found, isId } from '../domain/palette';
import { Key } from '../parts/small';
import { text } from '../text/en';

interface Command {
  readonly title: string;
  readonly words?: string;
  readonly hint?: string;
  readonly run: () => void;
}

export function Palette({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { permissions } = useSession();
  const [, go] = useLocation();
  const { toggleColorScheme } = useMantineColorScheme();
  const [typed, type] = useState('');
  const [at, move] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (opened) {
      type('');
      move(0);
    }
  }, [opened]);

  const commands = useMemo<Command[]>(() => {
    const fixed: Command[] = [
      { title: text.palette.next, words: 'review claim start', run: () => go('/review') },
      ...offered(permissions).map(({ id, path }) => ({ title: text.screens[id], words: text.screenWords[id], hint: text.palette.screen, run: () => go(path) })),
      { title: text.palette.scheme, words: 'dark light theme', run: toggleColorScheme },
    ];
    const wanted = typed.trim();
    const about: Command[] =
      wanted === ''
        ? []
        : isId(wanted)
          ? [{ title: text.palette.case(wanted), run: () => go(`/cases/${wanted}`) }]
          : [
              { title: text.palette.person(wanted), hint: text.palette.personHint, run: () => go(`/people/${encodeURIComponent(wanted)}`) },
              { title: text.palette.words(wanted), hint: text.palette.wordsHint, run: () => go(`/search?q=${encodeURIComponent(wanted)}`) },
            ];
    return [...found(fixed, typed), ...about];
  }, [permissions, go, toggleColorScheme, typed]);

  const run = (command: Command | undefined) => {
    if (!command) return;
    onClose();
    command.run();
  };
  const pressed = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const to = (at + step + commands.length) % Math.max(commands.length, 1);
      move(to);
      list.current?.children[to]?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') {
      event.preventDefault();
      run(commands[at]);
    }
  };
  return (
    <Modal.Root opened={opened} onClose={onClose} yOffset="12vh" size="lg" padding="sm" transitionProps={{ duration: 0 }}>
      <Modal.Overlay backgroundOpacity={0.45} />
      <Modal.Content aria-label={text.palette.title}>
        <Modal.Body>
          <TextInput
            data-autofocus
            size="md"
            aria-label={text.palette.title}
            placeholder={text.palette.placeholder}
            value={typed}
            onChange={(event) => {
              type(event.currentTarget.value);
              move(0);
            }}
            onKeyDown={pressed}
            role="combobox"
            aria-expanded="true"
            aria-controls="palette"
            aria-activedescendant={commands[at] ? `palette-${at}` : undefined}
          />
          <div id="palette" role="listbox" aria-label={text.palette.title} ref={list} style={{ maxHeight: '46vh', overflowY: 'auto', marginTop: 8 }}>
            {commands.map((command, index) => (
              <div key={command.title} id={`palette-${index}`} role="option" aria-selected={index === at} className="palette-row" onClick={() => run(command)} onMouseMove={() => move(index)}>
                <Group justify="space-between">
                  <span>{command.title}</span>
                  {command.hint && <span style={{ fontSize: 12.5, opacity: 0.85 }}>{command.hint}</span>}
                </Group>
              </div>
            ))}
          </div>
          <Stack gap={0} mt="xs">
            <Text size="xs" c="dimmed" component="div">
              <Key>↑</Key> <Key>↓</Key> {text.palette.choose} · <Key>Enter</Key> {text.palette.go} · <Key>Esc</Key> {text.close}
            </Text>
          </Stack>
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
