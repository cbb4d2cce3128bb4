/** Where else a case's pictures were shown; putting one of them into a bank. */
import { Button, Group, Menu, Stack, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { client, take } from '../../api/client';
import { banksQuery, copiesQuery } from '../../api/queries';
import { Ago, Chip, Person } from '../../parts/small';
import { Panel } from '../../parts/state';
import { useTell } from '../../parts/told';
import { text } from '../../text/en';

/** What is shown before all of them are asked for. */
const SHOWN = 20;

export function Copies({ id }: { id: string }) {
  const found = useQuery(copiesQuery(id)).data;
  if (!found || found.pictures === 0) return null;
  const { copies, searched, complete } = found;
  return (
    <Panel title={text.copies.title(copies.length)} aside={copies.length > 0 && <Chip tone="warn">{text.copies.chip}</Chip>}>
      <Stack gap={6} data-testid="copies">
        {copies.slice(0, SHOWN).map(({ item, actor, at, distance }) => (
          <Group key={item} justify="space-between" gap="xs" wrap="nowrap">
            <Text size="sm">{actor ? <Person id={actor} /> : text.copies.nobody}</Text>
            <Text size="xs" c="dimmed">
              {distance === 0 ? text.copies.same : text.copies.near(distance)} · <Ago at={at} />
            </Text>
          </Group>
        ))}
        {copies.length > SHOWN && <Text size="xs">{text.copies.more(copies.length - SHOWN)}</Text>}
        <Text size="xs" c="dimmed">
          {copies.length === 0 ? text.copies.none(searched) : text.copies.searched(searched)}
          {!complete && ` ${text.copies.incomplete}`}
        </Text>
      </Stack>
    </Panel>
  );
}

/** Puts a picture of the case into one of the banks. */
export function ToBank({ id, media }: { id: string; media: string }) {
  const tell = useTell();
  const queries = useQueryClient();
  const banks = useQuery(banksQuery).data;
  const add = useMutation({
    mutationFn: (bank: string) => take(client.POST('/v1/banks/{bank}/entries', { params: { path: { bank } }, body: { case: id, media, note: '' } })),
    onSuccess: ({ known }) => {
      void queries.invalidateQueries({ queryKey: ['banks'] });
      tell.done(known ? text.banks.known : text.banks.added);
    },
    onError: tell.refused,
  });
  if (!banks || banks.length === 0) return null;
  return (
    <Menu position="bottom-start">
      <Menu.Target>
        <Button variant="default" size="xs" loading={add.isPending}>
          {text.banks.addFrom}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {banks.map(({ name, holds }) => (
          <Menu.Item key={name} onClick={() => add.mutate(name)} rightSection={<Chip tone={holds === 'bad' ? 'bad' : 'good'}>{text.banks.kinds[holds as 'bad'] ?? holds}</Chip>}>
            {name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
