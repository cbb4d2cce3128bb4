/** The first account, with the token that the service printed at its start. */
import { Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { client, take } from '../api/client';
import { changeSession } from '../api/session';
import { Refused } from '../parts/state';
import { text } from '../text/en';

export function SetUp() {
  const queries = useQueryClient();
  const [, go] = useLocation();
  const [search] = useSearchParams();
  const [token, setToken] = useState(search.get('token') ?? '');
  const [login, setLogin] = useState('');
  const [password, setPassword] = useState('');
  const setUp = useMutation({
    mutationFn: () => take(client.POST('/v1/setup', { body: { token: token.trim(), login: login.trim(), password } })),
    onSuccess: (session) => {
      changeSession(queries, session);
      go('/', { replace: true });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setUp.mutate();
  };
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper className="surface" p="xl" w={440}>
        <form onSubmit={submit}>
          <Stack>
            <div>
              <Title order={1}>{text.setUp.title}</Title>
              <Text size="sm" c="dimmed">
                {text.setUp.about}
              </Text>
            </div>
            <TextInput label={text.setUp.token} required value={token} onChange={(event) => setToken(event.currentTarget.value)} />
            <TextInput label={text.signIn.login} autoComplete="username" autoCapitalize="none" required value={login} onChange={(event) => setLogin(event.currentTarget.value)} />
            <PasswordInput label={text.signIn.password} description={text.setUp.passwordHint} autoComplete="new-password" required value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
            {setUp.error && <Refused error={setUp.error} />}
            <Button type="submit" loading={setUp.isPending} fullWidth>
              {text.setUp.submit}
            </Button>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
