/** How well people judge: agreement, known answers, what was overturned. */
import { Button, Group, Progress, SegmentedControl, Select, SimpleGrid, Stack, Table, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, take } from '../api/client';
import { goldenQuery, qualityQuery } from '../api/queries';
import { isId } from '../domain/palette';
import { duration } from '../domain/time';
import { Act, Ago, CaseLink, Tile, percent } from '../parts/small';
import { Empty, Panel, Screen, Shown } from '../parts/state';
import { useTell } from '../parts/told';
import { text } from '../text/en';

/** Landis and Koch, 1977. */
const strength = (kappa: number | null | undefined): string =>
  kappa == null ? text.quality.noPairs : kappa > 0.8 ? text.quality.kappa5 : kappa > 0.6 ? text.quality.kappa4 : kappa > 0.4 ? text.quality.kappa3 : kappa > 0.2 ? text.quality.kappa2 : text.quality.kappa1;

function Share({ of, among }: { of: number; among: number }) {
  if (among === 0) return <Text c="dimmed">–</Text>;
  return (
    <Group gap={8} wrap="nowrap">
      <Progress value={(of / among) * 100} w={70} aria-label={percent(of / among)} />
      <Text size="sm" className="numbers">
        {percent(of / among)} <Text span size="xs" c="dimmed">{`(${of}/${among})`}</Text>
      </Text>
    </Group>
  );
}

function Golden() {
  const tell = useTell();
  const queries = useQueryClient();
  const golden = useQuery(goldenQuery);
  const [id, setId] = useState('');
  const [expected, setExpected] = useState<string | null>('act');
  const [note, say] = useState('');
  const again = () => void queries.invalidateQueries({ queryKey: ['golden'] });
  const add = useMutation({
    mutationFn: () => take(client.PUT('/v1/review/golden/{id}', { params: { path: { id: id.trim() } }, body: { expected: expected ?? 'act', note } })),
    onSuccess: () => (setId(''), say(''), again()),
    onError: tell.refused,
  });
  const remove = useMutation({ mutationFn: (given: string) => take(client.DELETE('/v1/review/golden/{id}', { params: { path: { id: given } } })), onSuccess: again, onError: tell.refused });
  return (
    <Panel title={text.quality.golden}>
      <Stack>
        <Text size="sm" c="dimmed">
          {text.quality.goldenHint}
        </Text>
        <Group align="flex-end">
          <TextInput label={text.quality.caseId} w={320} value={id} onChange={(event) => setId(event.currentTarget.value)} />
          <Select label={text.quality.expected} w={180} value={expected} onChange={setExpected} allowDeselect={false} data={['act', 'uphold', 'dismiss'].map((value) => ({ value, label: text.history.rulings[value as 'act'] }))} />
          <TextInput label={text.quality.why} style={{ flex: 1 }} value={note} onChange={(event) => say(event.currentTarget.value)} />
          <Button disabled={!isId(id)} loading={add.isPending} onClick={() => add.mutate()}>
            {text.quality.add}
          </Button>
        </Group>
        <Shown of={golden} rows={3} isEmpty={(all) => all.length === 0} empty={<Empty title={text.quality.noGolden}>{text.quality.noGoldenHint}</Empty>}>
          {(all) => (
            <Table>
              <Table.Tbody>
                {all.map((item) => (
                  <Table.Tr key={item.case}>
                    <Table.Td>
                      <CaseLink id={item.case} />
                    </Table.Td>
                    <Table.Td>
                      <Act of={item.expected} />
                    </Table.Td>
                    <Table.Td>{item.note}</Table.Td>
                    <Table.Td>
                      <Text size="xs" c="dimmed">
                        {item.added_by} · <Ago at={item.at} />
                      </Text>
                    </Table.Td>
                    <Table.Td ta="right">
                      <Button size="xs" variant="default" onClick={() => remove.mutate(item.case)}>
                        {text.quality.remove}
                      </Button>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          )}
        </Shown>
      </Stack>
    </Panel>
  );
}

export function QualityScreen() {
  const [days, setDays] = useState('30');
  const quality = useQuery(qualityQuery(Number(days)));
  return (
    <Screen title={text.screens.quality} about={text.quality.about} actions={<SegmentedControl aria-label={text.overview.period} value={days} onChange={setDays} data={['7', '30', '90'].map((value) => ({ value, label: text.overview.days(value) }))} />}>
      <Shown of={quality}>
        {({ pairs, agreement, kappa, reviewers }) => (
          <Stack gap="md">
            <SimpleGrid cols={{ base: 1, sm: 3 }}>
              <Tile name={text.quality.kappa} value={kappa == null ? '–' : kappa.toFixed(2)} about={strength(kappa)} />
              <Tile name={text.quality.agreement} value={percent(agreement)} about={text.quality.agreementHint} />
              <Tile name={text.quality.pairs} value={pairs} about={text.quality.pairsHint} />
            </SimpleGrid>
            <Panel title={text.quality.byPerson} flush>
              {reviewers.length === 0 ? (
                <Empty title={text.quality.none}>{text.quality.noneHint}</Empty>
              ) : (
                <Table.ScrollContainer minWidth={760}>
                  <Table>
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th>{text.history.who}</Table.Th>
                        <Table.Th>{text.quality.decisions}</Table.Th>
                        <Table.Th>{text.quality.overturned}</Table.Th>
                        <Table.Th>{text.quality.goldenRight}</Table.Th>
                        <Table.Th>{text.quality.secondSame}</Table.Th>
                        <Table.Th>{text.quality.seconds}</Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {reviewers.map((person) => (
                        <Table.Tr key={person.reviewer}>
                          <Table.Td fw={600}>{person.reviewer}</Table.Td>
                          <Table.Td className="numbers">{person.decisions}</Table.Td>
                          <Table.Td>
                            <Share of={person.overturned} among={person.decisions} />
                          </Table.Td>
                          <Table.Td>
                            <Share of={person.golden_right} among={person.golden} />
                          </Table.Td>
                          <Table.Td>
                            <Share of={person.second_same} among={person.second} />
                          </Table.Td>
                          <Table.Td className="numbers">{duration(person.mean_seconds * 1000)}</Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                </Table.ScrollContainer>
              )}
            </Panel>
            <Golden />
          </Stack>
        )}
      </Shown>
    </Screen>
  );
}
