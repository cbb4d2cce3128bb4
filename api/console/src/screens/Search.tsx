/** Words in what is kept: messages, reports, appeals, notes. */
import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { useSearchParams } from 'wouter';
import { client, take } from '../api/client';
import { CaseLink, Person } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { text } from '../text/en';

export function SearchScreen() {
  const [search, setSearch] = useSearchParams();
  const q = search.get('q') ?? '';
  const [typed, type] = useState(q);
  const found = useQuery({ queryKey: ['search', q], queryFn: () => take(client.GET('/v1/review/search', { params: { query: { q, limit: 100 } } })), enabled: q !== '' });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSearch(typed.trim() === '' ? {} : { q: typed.trim() });
  };
  return (
    <Screen title={text.screens.search} about={text.search.about}>
      <form onSubmit={submit}>
        <Group>
          <TextInput autoFocus aria-label={text.search.label} placeholder={text.search.placeholder} w={420} value={typed} onChange={(event) => type(event.currentTarget.value)} />
          <Button type="submit">{text.search.go}</Button>
        </Group>
      </form>
      <Panel>
        {q === '' ? (
          <Empty title={text.search.start}>{text.search.startHint}</Empty>
        ) : (
          <Shown of={found} isEmpty={(all) => all.length === 0} empty={<Empty title={text.search.none(q)}>{text.search.noneHint}</Empty>}>
            {(all) => (
              <Stack gap="md">
                {all.map((hit) => (
                  <div key={hit.evidence}>
                    <Text size="sm" className="words" lineClamp={3}>
                      {hit.text}
                    </Text>
                    <Text size="xs" c="dimmed">
                      <Person id={hit.subject} /> · <CaseLink id={hit.case}>{text.search.case}</CaseLink>
                    </Text>
                  </div>
                ))}
              </Stack>
            )}
          </Shown>
        )}
      </Panel>
    </Screen>
  );
}
