/** One's own name, password, second factor. */
import { Alert, Button, Code, Group, PasswordInput, PinInput, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../api/client';
import { changeSession, useSession } from '../api/session';
import { QrCode } from '../parts/QrCode';
import { Chip } from '../parts/small';
import { Panel, Screen } from '../parts/state';
import { useTell } from '../parts/told';
import { text } from '../text/en';

function Password() {
  const tell = useTell();
  const queries = useQueryClient();
  const [current, setCurrent] = useState('');
  const [fresh, setFresh] = useState('');
  const change = useMutation({
    mutationFn: () => take(client.PUT('/v1/session/password', { body: { current, new: fresh } })),
    onSuccess: () => {
      tell.done(text.account.passwordChanged);
      changeSession(queries, null);
    },
    onError: tell.refused,
  });
  return (
    <Panel title={text.account.password}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate();
        }}
      >
        <Stack gap="sm">
          <PasswordInput label={text.account.current} autoComplete="current-password" value={current} onChange={(event) => setCurrent(event.currentTarget.value)} />
          <PasswordInput label={text.account.fresh} description={text.setUp.passwordHint} autoComplete="new-password" value={fresh} onChange={(event) => setFresh(event.currentTarget.value)} />
          <Group justify="flex-end">
            <Button type="submit" variant="default" disabled={current === '' || fresh.length < 15} loading={change.isPending}>
              {text.account.change}
            </Button>
          </Group>
        </Stack>
      </form>
    </Panel>
  );
}

function SecondFactor() {
  const { totp } = useSession();
  const tell = useTell();
  const queries = useQueryClient();
  const [password, setPassword] = useState('');
  const again = () => void queries.invalidateQueries({ queryKey: ['session'] });
  const begin = useMutation({ mutationFn: () => take(client.POST('/v1/session/totp')), onError: tell.refused });
  const confirm = useMutation({
    mutationFn: (code: string) => take(client.PUT('/v1/session/totp', { body: { secret: begin.data?.secret ?? '', code } })),
    onSuccess: () => {
      tell.done(text.account.codeOn);
      begin.reset();
      again();
    },
    onError: tell.refused,
  });
  const drop = useMutation({
    mutationFn: () => take(client.DELETE('/v1/session/totp', { body: { password } })),
    onSuccess: () => {
      setPassword('');
      again();
    },
    onError: tell.refused,
  });
  return (
    <Panel title={text.account.factor} aside={<Chip tone={totp ? 'good' : 'warn'}>{totp ? text.account.on : text.account.off}</Chip>}>
      <Stack gap="sm" align="flex-start">
        <Text size="sm" c="dimmed">
          {text.account.factorHint}
        </Text>
        {totp ? (
          <Group align="flex-end">
            <PasswordInput label={text.signIn.password} w={260} autoComplete="current-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
            <Button variant="default" disabled={password === ''} onClick={() => drop.mutate()} loading={drop.isPending}>
              {text.account.turnOff}
            </Button>
          </Group>
        ) : begin.data ? (
          <>
            <Text size="sm">{text.account.scan}</Text>
            <QrCode of={begin.data.url} label={text.account.scan} />
            <Text size="sm">{text.account.enter}</Text>
            <Code fz="md">{begin.data.secret}</Code>
            <Text size="sm">
              <a href={begin.data.url}>{text.account.openApp}</a>
            </Text>
            <Text size="sm" fw={500}>
              {text.account.then}
            </Text>
            <PinInput length={6} type="number" oneTimeCode onComplete={(code) => confirm.mutate(code)} aria-label={text.signIn.code} />
          </>
        ) : (
          <Button variant="default" onClick={() => begin.mutate()} loading={begin.isPending}>
            {text.account.turnOn}
          </Button>
        )}
      </Stack>
    </Panel>
  );
}

export function AccountScreen() {
  const session = useSession();
  const tell = useTell();
  const queries = useQueryClient();
  const [name, setName] = useState(session.name);
  const rename = useMutation({
    mutationFn: () => take(client.PUT('/v1/session/profile', { body: { name } })),
    onSuccess: (changed) => {
      queries.setQueryData(['session'], changed);
      tell.done(text.saved);
    },
    onError: tell.refused,
  });
  return (
    <Screen title={text.screens.account} about={text.account.about(session.login, text.roles[session.role as 'reviewer'] ?? session.role)}>
      {session.csrf ? (
        <div className="grid-2">
          <Panel title={text.account.name}>
            <Group align="flex-end">
              <TextInput label={text.account.nameLabel} value={name} onChange={(event) => setName(event.currentTarget.value)} style={{ flex: 1 }} />
              <Button variant="default" onClick={() => rename.mutate()} loading={rename.isPending}>
                {text.save}
              </Button>
            </Group>
            <Group gap={6} mt="md">
              {session.skills.map((skill) => (
                <Chip key={skill}>{skill}</Chip>
              ))}
              {session.languages.map((language) => (
                <Chip key={language} tone="info">
                  {language}
                </Chip>
              ))}
            </Group>
          </Panel>
          <SecondFactor />
          <Password />
        </div>
      ) : (
        <Alert variant="default" title={text.account.open}>
          {text.account.openHint}
        </Alert>
      )}
    </Screen>
  );
}
