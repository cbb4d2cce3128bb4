/** Signing in, with the second factor when the account asks for one. */
import { Button, Center, Group, Paper, PasswordInput, PinInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { ServiceError, client, take } from '../api/client';
import { changeSession } from '../api/session';
import { Refused } from '../parts/state';
import { text } from '../text/en';

export function Mark({ size = 36 }: { size?: number }) {
  return <img src="/console/icon.svg" width={size} height={size} alt="" />;
}

export function SignIn() {
  const queries = useQueryClient();
  const [login, setLogin] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const signIn = useMutation({
    mutationFn: (given: string) => take(client.POST('/v1/session', { body: { login: login.trim(), password, ...(given ? { code: given } : {}) } })),
    onSuccess: (session) => {
      changeSession(queries, session);
    },
    onError: () => setCode(''),
  });
  const wantsCode = signIn.error instanceof ServiceError && signIn.error.code === 'code_missing';
  const [codeAsked, askCode] = useState(false);
  if (wantsCode && !codeAsked) askCode(true);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    signIn.mutate(code);
  };
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper className="surface" p="xl" w={400}>
        <form onSubmit={submit}>
          <Stack>
            <Group gap="sm">
              <Mark />
              <div>
                <Title order={1}>{text.signIn.title}</Title>
                <Text size="sm" c="dimmed">
                  {text.signIn.about}
                </Text>
              </div>
            </Group>
            <TextInput label={text.signIn.login} name="login" autoComplete="username" autoCapitalize="none" required autoFocus value={login} onChange={(event) => setLogin(event.currentTarget.value)} />
            <PasswordInput label={text.signIn.password} name="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
            {codeAsked && (
              <div>
                <Text size="sm" fw={500} id="code">
                  {text.signIn.code}
                </Text>
                <PinInput length={6} type="number" oneTimeCode autoFocus value={code} onChange={setCode} onComplete={(full) => signIn.mutate(full)} aria-label={text.signIn.code} />
              </div>
            )}
            {signIn.error && !wantsCode && <Refused error={signIn.error} />}
            <Button type="submit" loading={signIn.isPending} fullWidth>
              {text.signIn.submit}
            </Button>
            <Text size="xs" c="dimmed">
              {text.signIn.help}
            </Text>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
