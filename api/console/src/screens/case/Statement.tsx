/** A draft of the EU's statement of reasons, to read and to copy. */
import { Button, Group, Modal, Table, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { client, take } from '../../api/client';
import { Shown } from '../../parts/state';
import { useTell } from '../../parts/told';
import { text } from '../../text/en';

export function Statement({ opened, onClose, decision }: { opened: boolean; onClose: () => void; decision: string | undefined }) {
  const draft = useQuery({
    queryKey: ['statement', decision],
    queryFn: () => take(client.GET('/v1/decisions/{id}/statement', { params: { path: { id: decision ?? '' } } })),
    enabled: opened && decision !== undefined,
    retry: false,
  });
  const tell = useTell();
  const queries = useQueryClient();
  const queue = useMutation({
    mutationFn: (id: string) => take(client.PUT('/v1/statements/{id}', { params: { path: { id } }, body: { statement: null } })),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['statements'] });
      tell.done(text.statement.queued);
      onClose();
    },
    onError: tell.refused,
  });
  return (
    <Modal opened={opened} onClose={onClose} title={text.statement.title} size="xl">
      <Text size="sm" c="dimmed" mb="sm">
        {text.statement.about}
      </Text>
      <Shown of={draft}>
        {(data) => (
          <>
            <Table>
              <Table.Tbody>
                {Object.entries(data)
                  .filter(([, value]) => value != null && !(Array.isArray(value) && value.length === 0))
                  .map(([name, value]) => (
                    <Table.Tr key={name}>
                      <Table.Th scope="row">{name}</Table.Th>
                      <Table.Td style={{ overflowWrap: 'anywhere' }}>{Array.isArray(value) ? value.join(', ') : String(value)}</Table.Td>
                    </Table.Tr>
                  ))}
              </Table.Tbody>
            </Table>
            <Group justify="flex-end" mt="sm">
              <Button variant="default" onClick={() => void navigator.clipboard.writeText(JSON.stringify(data, null, 2))}>
                {text.statement.copy}
              </Button>
              <Button loading={queue.isPending} onClick={() => decision !== undefined && queue.mutate(decision)}>
                {text.statement.queue}
              </Button>
            </Group>
          </>
        )}
      </Shown>
    </Modal>
  );
}
