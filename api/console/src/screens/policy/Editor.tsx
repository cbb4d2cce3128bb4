/** A policy's text: checked while it is written, compared with what is in force, handed in, put into force. */
import { Alert, Button, Group, NumberInput, Radio, Stack, Table, Text, TextInput, Textarea } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo, useRef, useState } from 'react';
import { client, take } from '../../api/client';
import { currentPolicyQuery, policyQuery } from '../../api/queries';
import { withThreshold } from '../../domain/cuts';
import { changes, diff } from '../../domain/diff';
import { Chip } from '../../parts/small';
import { Panel, Refused, Shown } from '../../parts/state';
import { Sure } from '../../parts/Sure';
import { useTell } from '../../parts/told';
import { text } from '../../text/en';

function Difference({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => changes(diff(before, after)), [before, after]);
  if (lines.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {text.policy.same}
      </Text>
    );
  }
  return (
    <div className="diff" role="group" aria-label={text.policy.difference}>
      {lines.map((line, index) => (
        <div key={index} data-kind={line?.kind}>
          {line === null ? '⋯' : `${{ same: ' ', added: '+', removed: '−' }[line.kind]} ${line.text}`}
        </div>
      ))}
    </div>
  );
}

/** For everybody, or a share of the people first; with an alarm that takes it back. */
function GoLive({ number, opened, onClose }: { number: number; opened: boolean; onClose: () => void }) {
  const tell = useTell();
  const queries = useQueryClient();
  const [whole, setWhole] = useState('trial');
  const [share, setShare] = useState(10);
  const [limit, setLimit] = useState(5);
  const [note, say] = useState('');
  const live = useMutation({
    mutationFn: () =>
      take(
        client.POST('/v1/policies/{number}/live', {
          params: { path: { number } },
          body: { percent: whole === 'trial' ? share : 100, note, ...(limit > 0 ? { alarm: { limit: limit / 100 } } : {}) },
        }),
      ),
    onSuccess: (now) => {
      tell.done(now.canary ? text.policy.onTrial(number, now.canary.percent) : text.policy.nowLive(number));
      void queries.invalidateQueries({ queryKey: ['policy'] });
      onClose();
    },
    onError: tell.refused,
  });
  return (
    <Sure opened={opened} title={text.policy.goLiveTitle(number)} confirm={whole === 'trial' ? text.policy.startTrial : text.policy.goLive} busy={live.isPending} onClose={onClose} onSure={() => live.mutate()}>
      <Stack>
        <Radio.Group value={whole} onChange={setWhole} label={text.policy.forWhom}>
          <Stack gap="xs" mt="xs">
            <Radio value="trial" label={text.policy.forSome} description={text.policy.forSomeHint} />
            <Radio value="all" label={text.policy.forAll} />
          </Stack>
        </Radio.Group>
        {whole === 'trial' && <NumberInput label={text.policy.percent} min={1} max={99} value={share} onChange={(value) => setShare(Number(value) || 1)} suffix=" %" />}
        <NumberInput label={text.policy.alarm} description={text.policy.alarmHint} min={0} max={100} value={limit} onChange={(value) => setLimit(Number(value) || 0)} suffix=" %" />
        <TextInput label={text.policy.note} value={note} onChange={(event) => say(event.currentTarget.value)} />
        {live.error != null && <Refused error={live.error} />}
      </Stack>
    </Sure>
  );
}

/** A threshold that the tuner found. */
export interface Proposal {
  readonly threshold: string;
  readonly cut: number;
}

function Loaded({ number, start, live, liveText, proposal, onBacktest, onVersion }: { number: number; start: string; live: number; liveText: string; proposal: Proposal | undefined; onBacktest: () => void; onVersion: (number: number) => void }) {
  const tell = useTell();
  const queries = useQueryClient();
  const [draft, write] = useState(() => (proposal && withThreshold(start, proposal.threshold, proposal.cut)) ?? start);
  const [note, say] = useState('');
  const [going, go] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const [settled] = useDebouncedValue(draft, 400);
  const check = useQuery({ queryKey: ['policy', 'check', settled], queryFn: () => take(client.POST('/v1/policies/validate', { body: { text: settled, note: '' } })), staleTime: Infinity });
  const changed = draft !== start;
  const save = useMutation({
    mutationFn: () => take(client.POST('/v1/policies', { body: { text: draft, note } })),
    onSuccess: (version) => {
      tell.done(text.policy.kept(version.number));
      void queries.invalidateQueries({ queryKey: ['policy'] });
      onVersion(version.number);
    },
    onError: tell.refused,
  });
  const backtest = useMutation({
    mutationFn: () => take(client.POST('/v1/policies/backtest', { body: changed ? { text: draft, verdicts: [] } : { number, verdicts: [] } })),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['policy', 'backtests'] });
      onBacktest();
    },
    onError: tell.refused,
  });
  const flaw = check.data?.error;
  const jump = () => {
    const element = area.current;
    if (!element || !flaw) return;
    const at = draft.split('\n').slice(0, flaw.line - 1).reduce((sum, line) => sum + line.length + 1, 0) + flaw.column - 1;
    element.focus();
    element.setSelectionRange(at, at);
    element.scrollTop = (element.scrollHeight * (flaw.line - 5)) / Math.max(1, draft.split('\n').length);
  };
  return (
    <div className="grid-2">
      <Panel
        title={changed ? text.policy.draftOf(number) : text.policy.number(number)}
        aside={check.data && <Chip tone={check.data.valid ? 'good' : 'bad'}>{check.data.valid ? text.policy.valid(check.data.rules.length) : text.policy.invalid}</Chip>}
      >
        <Stack gap="sm">
          <Textarea ref={area} className="code" aria-label={text.policy.text} rows={26} spellCheck={false} value={draft} onChange={(event) => write(event.currentTarget.value)} resize="vertical" />
          {flaw && (
            <Alert variant="default" color="red" title={text.policy.flaw(flaw.line, flaw.column)} role="alert">
              <Stack gap="xs" align="flex-start">
                <Text size="sm">{flaw.message}</Text>
                <Button size="xs" variant="default" onClick={jump}>
                  {text.policy.jump}
                </Button>
              </Stack>
            </Alert>
          )}
          {changed && <TextInput label={text.policy.note} description={text.policy.noteHint} value={note} onChange={(event) => say(event.currentTarget.value)} />}
          <Group justify="flex-end" gap="xs">
            {changed && (
              <Button variant="default" onClick={() => write(start)}>
                {text.policy.discard}
              </Button>
            )}
            <Button variant="default" disabled={!check.data?.valid} loading={backtest.isPending} onClick={() => backtest.mutate()}>
              {text.policy.backtest}
            </Button>
            {changed ? (
              <Button disabled={!check.data?.valid} loading={save.isPending} onClick={() => save.mutate()}>
                {text.policy.keep}
              </Button>
            ) : (
              <Button disabled={number === live} onClick={() => go(true)}>
                {text.policy.goLive}
              </Button>
            )}
          </Group>
        </Stack>
      </Panel>
      <Stack gap="md">
        <Panel title={text.policy.against(live)}>
          <Difference before={liveText} after={draft} />
        </Panel>
        <Panel title={text.policy.rules} flush>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{text.case.rule}</Table.Th>
                <Table.Th>{text.policy.kinds}</Table.Th>
                <Table.Th>{text.policy.mode}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {check.data?.rules.map((rule) => (
                <Table.Tr key={rule.name}>
                  <Table.Td title={rule.reason}>{rule.name}</Table.Td>
                  <Table.Td>{rule.kinds.join(', ')}</Table.Td>
                  <Table.Td>
                    <Chip tone={rule.mode === 'live' ? 'good' : rule.mode === 'canary' ? 'warn' : 'neutral'}>{rule.mode === 'canary' ? `${text.policy.modes.canary} ${rule.percent} %` : text.policy.modes[rule.mode]}</Chip>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Panel>
      </Stack>
      <GoLive number={number} opened={going} onClose={() => go(false)} />
    </div>
  );
}

export function Editor({ number, proposal, onBacktest, onVersion }: { number: number | undefined; proposal?: Proposal | undefined; onBacktest: () => void; onVersion: (number: number) => void }) {
  const current = useQuery(currentPolicyQuery);
  const shown = number ?? current.data?.live ?? 0;
  const version = useQuery({ ...policyQuery(shown), enabled: current.data !== undefined });
  return (
    <Shown of={current} rows={10}>
      {(now) => (
        <Shown of={version} rows={10}>
          {(data) => <Loaded key={data.number} number={data.number} start={data.text ?? ''} live={now.live} liveText={now.policy.text ?? ''} proposal={proposal} onBacktest={onBacktest} onVersion={onVersion} />}
        </Shown>
      )}
    </Shown>
  );
}
