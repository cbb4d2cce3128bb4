/** Accounts and what they may do. */
import { Button, Group, Modal, PasswordInput, Select, SimpleGrid, Stack, Table, TagsInput, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../../api/client';
import { usersQuery } from '../../api/queries';
import { useMay } from '../../api/session';
import type { User } from '../../api/types';
import { Ago, Chip } from '../../parts/small';
import { Empty, Panel, Shown } from '../../parts/state';
import { useTell } from '../../parts/told';
import { text } from '../../text/en';

const ROLES = ['reviewer', 'lead', 'admin'].map((value) => ({ value, label: text.roles[value as 'lead'] }));

function Form({ user, onClose }: { user: User | undefined; onClose: () => void }) {
  const tell = useTell();
  const queries = useQueryClient();
  const [login, setLogin] = useState(user?.login ?? '');
  const [name, setName] = useState(user?.name ?? '');
  const [role, setRole] = useState(user?.role ?? 'reviewer');
  const [password, setPassword] = useState('');
  const [skills, setSkills] = useState<string[]>([...(user?.skills ?? [])]);
  const [languages, setLanguages] = useState<string[]>([...(user?.languages ?? [])]);
  const saved = () => {
    void queries.invalidateQueries({ queryKey: ['users'] });
    tell.done(text.saved);
    onClose();
  };
  const save = useMutation({
    mutationFn: async (): Promise<unknown> =>
      user
        ? take(client.PATCH('/v1/users/{login}', { params: { path: { login } }, body: { name, role, skills, languages, drop_totp: false, ...(password ? { password } : {}) } }))
        : take(client.POST('/v1/users', { body: { login, name, role, password, skills, languages } })),
    onSuccess: saved,
    onError: tell.refused,
  });
  const change = useMutation({
    mutationFn: (body: { disabled?: boolean; drop_totp: boolean }) => take(client.PATCH('/v1/users/{login}', { params: { path: { login } }, body })),
    onSuccess: saved,
    onError: tell.refused,
  });
  return (
    <Modal opened onClose={onClose} title={user ? user.login : text.users.add} size="lg">
      <Stack gap="sm">
        <SimpleGrid cols={2}>
          <TextInput label={text.signIn.login} value={login} disabled={user !== undefined} onChange={(event) => setLogin(event.currentTarget.value)} data-autofocus />
          <TextInput label={text.account.nameLabel} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <Select label={text.users.role} data={ROLES} value={role} allowDeselect={false} onChange={(value) => value !== null && setRole(value)} />
          <PasswordInput label={user ? text.users.newPassword : text.signIn.password} description={text.setUp.passwordHint} autoComplete="new-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
          <TagsInput label={text.users.skills} value={skills} onChange={setSkills} />
          <TagsInput label={text.settings.languages} value={languages} onChange={setLanguages} />
        </SimpleGrid>
        <Text size="xs" c="dimmed">
          {text.users.permissions[role as 'lead']}
        </Text>
        <Group justify="space-between">
          {user ? (
            <Group gap="xs">
              <Button variant="default" onClick={() => change.mutate({ disabled: !user.disabled, drop_totp: false })}>
                {user.disabled ? text.users.letIn : text.users.lock}
              </Button>
              {user.totp && (
                <Button variant="default" onClick={() => change.mutate({ drop_totp: true })}>
                  {text.users.dropCode}
                </Button>
              )}
            </Group>
          ) : (
            <span />
          )}
          <Group>
            <Button variant="default" onClick={onClose}>
              {text.cancel}
            </Button>
            <Button loading={save.isPending} disabled={login === '' || (!user && password.length < 15)} onClick={() => save.mutate()}>
              {text.save}
            </Button>
          </Group>
        </Group>
      </Stack>
    </Modal>
  );
}

export function Users() {
  const may = useMay();
  const users = useQuery(usersQuery);
  const [edited, edit] = useState<User | 'new'>();
  return (
    <Panel
      title={text.settings.people}
      flush
      aside={
        may('manage_users') && (
          <Button size="xs" onClick={() => edit('new')}>
            {text.users.add}
          </Button>
        )
      }
    >
      <Shown of={users} isEmpty={(all) => all.length === 0} empty={<Empty title={text.users.none}>{text.users.noneHint}</Empty>}>
        {(all) => (
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{text.signIn.login}</Table.Th>
                <Table.Th>{text.users.role}</Table.Th>
                <Table.Th>{text.users.skills}</Table.Th>
                <Table.Th>{text.account.factor}</Table.Th>
                <Table.Th>{text.users.since}</Table.Th>
                <Table.Th>
                  <span className="hidden">{text.settings.edit}</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {all.map((user) => (
                <Table.Tr key={user.id}>
                  <Table.Td>
                    <Text fw={600} size="sm">
                      {user.login}
                    </Text>
                    <Text size="xs" c="dimmed">
                      {user.name}
                    </Text>
                  </Table.Td>
                  <Table.Td>
                    <Group gap={4}>
                      <Chip tone={user.role === 'admin' ? 'bad' : user.role === 'lead' ? 'info' : 'neutral'}>{text.roles[user.role as 'lead'] ?? user.role}</Chip>
                      {user.disabled && <Chip tone="warn">{text.users.locked}</Chip>}
                    </Group>
                  </Table.Td>
                  <Table.Td>
                    <Group gap={4}>
                      {user.skills.map((skill) => (
                        <Chip key={skill}>{skill}</Chip>
                      ))}
                      {user.languages.map((language) => (
                        <Chip key={language} tone="info">
                          {language}
                        </Chip>
                      ))}
                    </Group>
                  </Table.Td>
                  <Table.Td>
                    <Chip tone={user.totp ? 'good' : 'warn'}>{user.totp ? text.account.on : text.account.off}</Chip>
                  </Table.Td>
                  <Table.Td>
                    <Ago at={user.created_at} />
                  </Table.Td>
                  <Table.Td ta="right">
                    {may('manage_users') && (
                      <Button size="xs" variant="default" onClick={() => edit(user)} aria-label={text.settings.editOf(user.login)}>
                        {text.settings.edit}
                      </Button>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Shown>
      {edited !== undefined && <Form user={edited === 'new' ? undefined : edited} onClose={() => edit(undefined)} />}
    </Panel>
  );
}
