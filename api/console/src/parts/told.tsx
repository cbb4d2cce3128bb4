/** Short messages in the corner, read aloud by screen readers; some can be taken back. */
import { Button, CloseButton, Group, Paper, Stack, Text } from '@mantine/core';
import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from 'react';
import { ServiceError } from '../api/client';
import { text } from '../text/en';

interface Message {
  readonly id: number;
  readonly tone: 'good' | 'bad';
  readonly words: string;
  readonly action?: { readonly name: string; readonly run: () => void };
}

interface Tell {
  readonly done: (words: string, action?: Message['action']) => void;
  readonly refused: (error: unknown) => void;
  readonly wrong: (words: string) => void;
}

const Context = createContext<Tell>({ done: () => undefined, refused: () => undefined, wrong: () => undefined });
const SHOWN = 8000;

export const useTell = (): Tell => useContext(Context);

/** The service's message with what to do about it. */
export function inWords(error: unknown): string {
  if (!(error instanceof ServiceError)) return text.errors.unknown;
  const hints: Readonly<Record<string, string>> = text.errors.hints;
  return [error.message, hints[error.code]].filter(Boolean).join(' ');
}

export function Told({ children }: { children: ReactNode }) {
  const [messages, set] = useState<readonly Message[]>([]);
  const count = useRef(0);
  const close = useCallback((id: number) => set((shown) => shown.filter((message) => message.id !== id)), []);
  const tell = useCallback(
    (message: Omit<Message, 'id'>) => {
      const id = ++count.current;
      set((shown) => [...shown.slice(-2), { ...message, id }]);
      // What was refused stays until it is read.
      if (message.tone === 'good') setTimeout(() => close(id), SHOWN);
    },
    [close],
  );
  const value = useMemo<Tell>(
    () => ({
      done: (words, action) => tell({ tone: 'good', words, ...(action ? { action } : {}) }),
      refused: (error) => tell({ tone: 'bad', words: inWords(error) }),
      wrong: (words) => tell({ tone: 'bad', words }),
    }),
    [tell],
  );
  return (
    <Context.Provider value={value}>
      {children}
      <Stack pos="fixed" bottom={16} left={16} gap="xs" maw={420} style={{ zIndex: 500 }} role="status" aria-live="polite">
        {messages.map(({ id, tone, words, action }) => (
          <Paper key={id} className="surface" p="sm" shadow="md">
            <Group wrap="nowrap" align="flex-start" gap="sm">
              <span className="dot" data-tone={tone} style={{ marginTop: 7 }} />
              <Text size="sm" style={{ flex: 1 }}>
                {words}
              </Text>
              {action && (
                <Button
                  size="compact-xs"
                  variant="default"
                  onClick={() => {
                    close(id);
                    action.run();
                  }}
                >
                  {action.name}
                </Button>
              )}
              <CloseButton size="sm" aria-label={text.close} onClick={() => close(id)} />
            </Group>
          </Paper>
        ))}
      </Stack>
    </Context.Provider>
  );
}
