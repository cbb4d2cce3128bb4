/** What the screens read, by key. Invalidate a key's beginning, and all that hangs on it is read again. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { client, take } from './client';

const SECOND = 1000;

export const compatibilityQuery = (id: string, other: string) =>
  queryOptions({
    queryKey: ['compatibility', id, other],
    queryFn: () => take(client.GET('/v1/profiles/{id}/compatibility/{other}', { params: { path: { id, other } } })),
    retry: false,
  });

export const exposureQuery = queryOptions({
  queryKey: ['exposure'],
  queryFn: () => take(client.GET('/v1/exposure')),
});

export const standingsQuery = (cursor: string | undefined) =>
  queryOptions({
    queryKey: ['standings', cursor],
    queryFn: () => take(client.GET('/v1/standings', { params: { query: cursor === undefined ? {} : { cursor } } })),
    placeholderData: keepPreviousData,
  });

export const scoreModelQuery = queryOptions({
  queryKey: ['score-model'],
  queryFn: () => take(client.GET('/v1/score-model')),
});

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: () => take(client.GET('/v1/session')),
  staleTime: 60 * SECOND,
});

export const queuesQuery = queryOptions({
  queryKey: ['queues'],
  queryFn: () => take(client.GET('/v1/review/queues')),
  refetchInterval: 30 * SECOND,
});

export const settingsQuery = queryOptions({
  queryKey: ['settings'],
  queryFn: () => take(client.GET('/v1/review/settings')),
  staleTime: 30 * SECOND,
});

export interface CaseFilter {
  readonly state?: string;
  readonly queue?: string;
  readonly subject?: string;
  readonly source?: string;
  readonly priority?: string;
  readonly staff?: string;
  readonly escalated?: boolean;
  readonly cursor?: string;
  readonly limit?: number;
}

export const casesQuery = (query: CaseFilter) =>
  queryOptions({
    queryKey: ['cases', query],
    queryFn: () => take(client.GET('/v1/cases', { params: { query } })),
    placeholderData: keepPreviousData,
  });

export const caseQuery = (id: string) =>
  queryOptions({
    queryKey: ['case', id],
    queryFn: () => take(client.GET('/v1/cases/{id}', { params: { path: { id } } })),
    // Signed addresses of pictures hold for five minutes. And others see that somebody looks.
    refetchInterval: 40 * SECOND,
  });

/** How others decided what is like this case; it hardly changes while one looks. */
export const similarQuery = (id: string) =>
  queryOptions({
    queryKey: ['similar', id],
    queryFn: () => take(client.GET('/v1/cases/{id}/similar', { params: { path: { id } } })),
    staleTime: 300 * SECOND,
    retry: false,
  });

export const personQuery = (actor: string) =>
  queryOptions({
    queryKey: ['person', actor],
    queryFn: () => take(client.GET('/v1/people/{actor}', { params: { path: { actor } } })),
  });

export const standingQuery = (id: string) =>
  queryOptions({
    queryKey: ['standing', id],
    queryFn: () => take(client.GET('/v1/actors/{id}', { params: { path: { id } } })),
    retry: false,
  });

export const actionsQuery = (id: string) =>
  queryOptions({
    queryKey: ['actions', id],
    queryFn: () => take(client.GET('/v1/actors/{id}/actions', { params: { path: { id }, query: { limit: 50 } } })),
    retry: false,
  });

export const banksQuery = queryOptions({
  queryKey: ['banks'],
  queryFn: () => take(client.GET('/v1/banks')),
  staleTime: 10 * SECOND,
});

export const bankEntriesQuery = (bank: string, cursor: string | undefined) =>
  queryOptions({
    queryKey: ['bank', bank, cursor],
    queryFn: () => take(client.GET('/v1/banks/{bank}/entries', { params: { path: { bank }, query: cursor === undefined ? {} : { cursor } } })),
    placeholderData: keepPreviousData,
  });

/** Looking through all hashes takes a moment: once while the case is open. */
export const copiesQuery = (id: string) =>
  queryOptions({
    queryKey: ['copies', id],
    queryFn: () => take(client.GET('/v1/cases/{id}/copies', { params: { path: { id } } })),
    staleTime: 300 * SECOND,
    retry: false,
  });

export const statementsQuery = (query: { state?: string; cursor?: string }) =>
  queryOptions({
    queryKey: ['statements', query],
    queryFn: () => take(client.GET('/v1/statements', { params: { query } })),
    placeholderData: keepPreviousData,
    refetchInterval: 10 * SECOND,
  });

export const wallQuery = queryOptions({
  queryKey: ['wall'],
  queryFn: () => take(client.GET('/v1/review/calls')),
  refetchInterval: 2 * SECOND,
});

export const reportsQuery = (query: { state?: string; subject?: string; reporter?: string; cursor?: string }) =>
  queryOptions({
    queryKey: ['reports', query],
    queryFn: () => take(client.GET('/v1/reports', { params: { query } })),
    placeholderData: keepPreviousData,
  });

export const reporterQuery = (actor: string) =>
  queryOptions({
    queryKey: ['reporter', actor],
    queryFn: () => take(client.GET('/v1/reporters/{actor}', { params: { path: { actor } } })),
  });

export const appealsQuery = (query: { state?: string; cursor?: string }) =>
  queryOptions({
    queryKey: ['appeals', query],
    queryFn: () => take(client.GET('/v1/appeals', { params: { query } })),
    placeholderData: keepPreviousData,
  });

export const decisionQuery = (id: string) =>
  queryOptions({
    queryKey: ['decision', id],
    queryFn: () => take(client.GET('/v1/decisions/{id}', { params: { path: { id } } })),
  });

export const decisionsQuery = (query: { reviewer?: string; subject?: string; ruling?: string; cursor?: string; limit?: number }) =>
  queryOptions({
    queryKey: ['decisions', query],
    queryFn: () => take(client.GET('/v1/decisions', { params: { query } })),
    placeholderData: keepPreviousData,
  });

export const auditQuery = (query: { actor?: string; subject?: string; kind?: string; cursor?: string }) =>
  queryOptions({
    queryKey: ['audit', query],
    queryFn: () => take(client.GET('/v1/audit', { params: { query } })),
    placeholderData: keepPreviousData,
  });

export const statsQuery = (days: number) =>
  queryOptions({
    queryKey: ['stats', days],
    queryFn: () => {
      const from = new Date(Date.now() - days * 24 * 3600 * SECOND).toISOString();
      return take(client.GET('/v1/stats', { params: { query: { from } } }));
    },
    refetchInterval: 60 * SECOND,
  });

export const qualityQuery = (days: number) =>
  queryOptions({
    queryKey: ['quality', days],
    queryFn: () => take(client.GET('/v1/review/quality', { params: { query: { days } } })),
  });

export const goldenQuery = queryOptions({
  queryKey: ['golden'],
  queryFn: () => take(client.GET('/v1/review/golden')),
});

export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: () => take(client.GET('/v1/users')),
});

export const keysQuery = queryOptions({
  queryKey: ['keys'],
  queryFn: () => take(client.GET('/v1/keys')),
});

export const deliveriesQuery = (query: { state?: 'due' | 'delivered' | 'dead'; webhook?: string; cursor?: number }) =>
  queryOptions({
    queryKey: ['deliveries', query],
    queryFn: () => take(client.GET('/v1/webhooks/deliveries', { params: { query: { ...query, limit: 50 } } })),
    placeholderData: keepPreviousData,
    refetchInterval: 10 * SECOND,
  });

export const currentPolicyQuery = queryOptions({
  queryKey: ['policy', 'current'],
  queryFn: () => take(client.GET('/v1/policies/current')),
  refetchInterval: 10 * SECOND,
});

export const policiesQuery = queryOptions({
  queryKey: ['policy', 'versions'],
  queryFn: () => take(client.GET('/v1/policies')),
});

export const policyQuery = (number: number) =>
  queryOptions({
    queryKey: ['policy', 'version', number],
    queryFn: () => take(client.GET('/v1/policies/{number}', { params: { path: { number } } })),
  });

export const rolloutsQuery = queryOptions({
  queryKey: ['policy', 'rollouts'],
  queryFn: () => take(client.GET('/v1/policies/rollouts')),
});

export const backtestsQuery = queryOptions({
  queryKey: ['policy', 'backtests'],
  queryFn: () => take(client.GET('/v1/policies/backtests')),
  refetchInterval: (query) => (query.state.data?.backtests.some(({ state }) => state === 'running') ? SECOND : false),
});

export const breakersQuery = queryOptions({
  queryKey: ['breakers'],
  queryFn: () => take(client.GET('/v1/breakers')),
  refetchInterval: 15 * SECOND,
  retry: false,
});

export const readyQuery = queryOptions({
  queryKey: ['ready'],
  queryFn: async () => {
    // 503 has the same body: a service that is not ready is what this screen is there to show.
    const { data, error } = await client.GET('/health/ready');
    return data ?? (error as unknown as NonNullable<typeof data>);
  },
  refetchInterval: 5 * SECOND,
});

/** The service's own measurements, as Prometheus reads them; `null` where they are on another address. */
export const metricsQuery = queryOptions({
  queryKey: ['metrics'],
  queryFn: async () => {
    const answer = await fetch('/metrics', { credentials: 'same-origin' });
    return answer.ok ? await answer.text() : null;
  },
  refetchInterval: 5 * SECOND,
  retry: false,
});
