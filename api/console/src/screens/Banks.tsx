/** Banks of known pictures: what must not come back, and what only looks like it. Hashes, never the pictures. */
import { Anchor, Button, FileButton, Group, Modal, NumberInput, SegmentedControl, Stack, Table, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../api/client';
import { bankEntriesQuery, banksQuery } from '../api/queries';
import type { Bank } from '../api/types';
import { base64Of } from '../domain/base64';
import { Sure } from '../parts/Sure';
import { Ago, CaseLink, Chip, Pages, percent } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { useTell } from '../parts/told';
import { text } from '../text/en';

/** Reads a bank's lists again. */
function useChanged() {
  const queries = useQueryClient();
  return () => {
    void queries.invalidateQueries({ queryKey: ['banks'] });
    void queries.invalidateQueries({ queryKey: ['bank'] });
  };
}

function Form({ bank, onClose }: { bank: Bank | undefined; onClose: () => void }) {
  const tell = useTell();
  const changed = useChanged();
  const [name, setName] = useState(bank?.name ?? '');
  const [note, setNote] = useState(bank?.note ?? '');
  const [holds, hold] = useState(bank?.holds ?? 'bad');
  const [distance, setDistance] = useState(bank?.distance ?? 31);
  const [share, setShare] = useState(Math.round((bank?.share ?? 1) * 100));
  const [off, turnOff] = useState(bank?.disabled_until?.slice(0, 16) ?? '');
  const save = useMutation({
    mutationFn: () =>
      take(client.PUT('/v1/banks/{bank}', { params: { path: { bank: name } }, body: { holds, note, distance, share: share / 100, disabled_until: off === '' ? null : new Date(off).toISOString() } })),
    onSuccess: () => {
      changed();
      tell.done(text.saved);
      onClose();
    },
    onError: tell.refused,
  });
  return (
    <Modal opened onClose={onClose} title={bank ? bank.name : text.banks.add}>
      <Stack gap="sm">
        <TextInput label={text.banks.name} description={text.banks.nameHint} value={name} disabled={bank !== undefined} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
        <TextInput label={text.banks.note} value={note} onChange={(event) => setNote(event.currentTarget.value)} />
        <div>
          <Text size="sm" fw={500}>
            {text.banks.holds}
          </Text>
          <SegmentedControl fullWidth aria-label={text.banks.holds} value={holds} onChange={hold} data={(['bad', 'good'] as const).map((value) => ({ value, label: text.banks.kinds[value] }))} />
        </div>
        <NumberInput label={text.banks.distance} description={text.banks.distanceHint} min={0} max={64} value={distance} onChange={(value) => setDistance(Number(value) || 0)} />
        <NumberInput label={text.banks.share} description={text.banks.shareHint} min={0} max={100} suffix=" %" value={share} onChange={(value) => setShare(Number(value) || 0)} />
        <TextInput type="datetime-local" label={text.banks.off} value={off} onChange={(event) => turnOff(event.currentTarget.value)} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {text.cancel}
          </Button>
          <Button loading={save.isPending} disabled={name === ''} onClick={() => save.mutate()}>
            {text.save}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** Pictures come in as a hash, as a file that is hashed and not kept, or as a list. */
function AddTo({ bank }: { bank: string }) {
  const tell = useTell();
  const changed = useChanged();
  const [hash, setHash] = useState('');
  const path = { bank };
  const add = useMutation({
    mutationFn: async (picture: File | string) =>
      take(client.POST('/v1/banks/{bank}/entries', { params: { path }, body: { note: '', ...(typeof picture === 'string' ? { hash: picture } : { image: base64Of(new Uint8Array(await picture.arrayBuffer())), note: picture.name.slice(0, 200) }) } })),
    onSuccess: ({ known }) => {
      setHash('');
      changed();
      tell.done(known ? text.banks.known : text.banks.added);
    },
    onError: tell.refused,
  });
  const bring = useMutation({
    mutationFn: async (list: File) =>
      take(client.POST('/v1/banks/{bank}/import', { params: { path }, body: await list.text(), bodySerializer: (body) => body, headers: { 'content-type': 'text/csv' } })),
    onSuccess: ({ added, known }) => {
      changed();
      tell.done(text.banks.imported(added, known));
    },
    onError: tell.refused,
  });
  return (
    <Group gap="xs" align="flex-end" px="md" pb="sm">
      <TextInput label={text.banks.hash} placeholder={text.banks.hashHint} value={hash} style={{ flex: '1 1 260px' }} onChange={(event) => setHash(event.currentTarget.value)} />
      <Button variant="default" disabled={!/^\s*[0-9a-fA-F]{64}\s*$/.test(hash)} loading={add.isPending} onClick={() => add.mutate(hash.trim())}>
        {text.banks.addHash}
      </Button>
      <FileButton accept="image/*" onChange={(file) => file && add.mutate(file)} inputProps={{ 'aria-label': text.banks.addPicture }}>
        {(props) => (
          <Button variant="default" {...props}>
            {text.banks.addPicture}
          </Button>
        )}
      </FileButton>
      <FileButton accept=".csv,.txt,text/csv,text/plain" onChange={(file) => file && bring.mutate(file)} inputProps={{ 'aria-label': text.banks.bring }}>
        {(props) => (
          <Button variant="default" loading={bring.isPending} {...props}>
            {text.banks.bring}
          </Button>
        )}
      </FileButton>
      <Button component="a" variant="default" href={`/v1/banks/${encodeURIComponent(bank)}/export`} download>
        {text.banks.take}
      </Button>
    </Group>
  );
}

function Entries({ bank }: { bank: string }) {
  const tell = useTell();
  const changed = useChanged();
  const [cursor, go] = useState<string>();
  const entries = useQuery(bankEntriesQuery(bank, cursor));
  const remove = useMutation({
    mutationFn: (hash: string) => take(client.DELETE('/v1/banks/{bank}/entries/{hash}', { params: { path: { bank, hash } } })),
    onSuccess: () => {
      changed();
      tell.done(text.banks.takenOut);
    },
    onError: tell.refused,
  });
  return (
    <Panel title={text.banks.picturesOf(bank)} flush>
      <AddTo bank={bank} />
      <Shown of={entries} isEmpty={({ items }) => items.length === 0} empty={<Empty title={text.banks.empty}>{text.banks.emptyHint}</Empty>}>
        {({ items, next }) => (
          <>
            <Table.ScrollContainer minWidth={640}>
              <Table>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{text.banks.hash}</Table.Th>
                    <Table.Th>{text.banks.note}</Table.Th>
                    <Table.Th>{text.banks.by}</Table.Th>
                    <Table.Th>
                      <span className="hidden">{text.banks.takeOut}</span>
                    </Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {items.map(({ hash, note, by, at, case: from }) => (
                    <Table.Tr key={hash}>
                      <Table.Td ff="monospace" fz="xs" title={hash}>
                        {hash.slice(0, 16)}…
                      </Table.Td>
                      <Table.Td>
                        {note} {from && <CaseLink id={from}>{text.banks.fromCase}</CaseLink>}
                      </Table.Td>
                      <Table.Td>
                        {by} · <Ago at={at} />
                      </Table.Td>
                      <Table.Td ta="right">
                        <Button size="xs" variant="default" aria-label={text.banks.takeOutOf(hash.slice(0, 16))} onClick={() => remove.mutate(hash)}>
                          {text.banks.takeOut}
                        </Button>
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
            <Pages next={next} first={cursor === undefined} onNext={go} onFirst={() => go(undefined)} />
          </>
        )}
      </Shown>
    </Panel>
  );
}

export function BanksScreen() {
  const tell = useTell();
  const changed = useChanged();
  const banks = useQuery(banksQuery);
  const [chosen, choose] = useState<string>();
  const [edited, edit] = useState<Bank | 'new'>();
  const [leaving, leave] = useState<Bank>();
  const remove = useMutation({
    mutationFn: (bank: string) => take(client.DELETE('/v1/banks/{bank}', { params: { path: { bank } } })),
    onSuccess: () => {
      leave(undefined);
      choose(undefined);
      changed();
    },
    onError: tell.refused,
  });
  const shown = banks.data?.find(({ name }) => name === chosen) ?? banks.data?.[0];
  return (
    <Screen title={text.screens.banks} about={text.banks.about}>
      <Stack gap="md">
        <Panel
          title={text.screens.banks}
          flush
          aside={
            <Button size="xs" onClick={() => edit('new')}>
              {text.banks.add}
            </Button>
          }
        >
          <Shown of={banks} isEmpty={(all) => all.length === 0} empty={<Empty title={text.banks.none}>{text.banks.noneHint}</Empty>}>
            {(all) => (
              <Table.ScrollContainer minWidth={640}>
                <Table>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>{text.banks.name}</Table.Th>
                      <Table.Th>{text.banks.holds}</Table.Th>
                      <Table.Th>{text.banks.pictures}</Table.Th>
                      <Table.Th>{text.banks.distance}</Table.Th>
                      <Table.Th>
                        <span className="hidden">{text.settings.edit}</span>
                      </Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {all.map((bank) => (
                      <Table.Tr key={bank.name}>
                        <Table.Td>
                          <Anchor component="button" type="button" fw={600} size="sm" className="link" aria-current={bank.name === shown?.name ? 'true' : undefined} onClick={() => choose(bank.name)}>
                            {bank.name}
                          </Anchor>
                          <Text size="xs" c="dimmed">
                            {bank.note}
                          </Text>
                        </Table.Td>
                        <Table.Td>
                          <Group gap={4}>
                            <Chip tone={bank.holds === 'bad' ? 'bad' : 'good'}>{text.banks.kinds[bank.holds as 'bad'] ?? bank.holds}</Chip>
                            {bank.share < 1 && <Chip tone="warn">{text.banks.sees(percent(bank.share))}</Chip>}
                            {bank.disabled_until && Date.parse(bank.disabled_until) > Date.now() && <Chip tone="warn">{text.banks.offUntil(new Date(bank.disabled_until).toLocaleString())}</Chip>}
                          </Group>
                        </Table.Td>
                        <Table.Td className="numbers">{bank.entries.toLocaleString()}</Table.Td>
                        <Table.Td className="numbers">{bank.distance}</Table.Td>
                        <Table.Td>
                          <Group gap={6} justify="flex-end" wrap="nowrap">
                            <Button size="xs" variant="default" aria-label={text.settings.editOf(bank.name)} onClick={() => edit(bank)}>
                              {text.settings.edit}
                            </Button>
                            <Button size="xs" variant="default" aria-label={text.banks.removeOf(bank.name)} onClick={() => leave(bank)}>
                              {text.banks.remove}
                            </Button>
                          </Group>
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
            )}
          </Shown>
        </Panel>
        {shown && <Entries key={shown.name} bank={shown.name} />}
      </Stack>
      {edited !== undefined && <Form bank={edited === 'new' ? undefined : edited} onClose={() => edit(undefined)} />}
      <Sure opened={leaving !== undefined} title={text.banks.removeTitle(leaving?.name ?? '')} confirm={text.banks.remove} word={leaving?.name} danger busy={remove.isPending} onClose={() => leave(undefined)} onSure={() => leaving && remove.mutate(leaving.name)}>
        {text.banks.removeHint(leaving?.entries ?? 0)}
      </Sure>
    </Screen>
  );
}
