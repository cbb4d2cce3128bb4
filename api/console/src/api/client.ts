/** The typed client: every call names a path of the OpenAPI document. */
import createClient, { type Middleware } from 'openapi-fetch';
import type { paths } from './schema';

/** What the service said when it refused, or that it did not answer. */
export class ServiceError extends Error {
  constructor(
    /** HTTP status; 0 when there was no answer. */
    readonly status: number,
    /** The service's code: docs/errors.md. */
    readonly code: string,
    message: string,
    readonly requestId?: string,
  ) {
    super(message);
    this.name = 'ServiceError';
  }
}

let csrf: string | null = null;
let ended: () => void = () => undefined;

/** Requests that change something carry it from now on. */
export const sendCsrf = (token: string | null | undefined): void => {
  csrf = token ?? null;
};

/** Called when the service says that the session is over. */
export const onSessionEnded = (listener: () => void): void => {
  ended = listener;
};

const withCsrf: Middleware = {
  onRequest({ request }) {
    if (csrf !== null && request.method !== 'GET') request.headers.set('x-csrf-token', csrf);
    return request;
  },
};

export const client = createClient<paths>({ baseUrl: '/', credentials: 'same-origin' });
client.use(withCsrf);

interface Answer<T> {
  readonly data?: T;
  readonly error?: unknown;
  readonly response: Response;
}

function refusal(response: Response, body: unknown): ServiceError {
  const said = (body as { error?: { code?: string; message?: string; request_id?: string } } | undefined)?.error;
  const id = said?.request_id ?? response.headers.get('x-request-id') ?? undefined;
  return new ServiceError(response.status, said?.code ?? `http_${response.status}`, said?.message ?? response.statusText, id);
}

/** The data of an answer; throws [`ServiceError`] for everything else. */
export async function take<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch {
    throw new ServiceError(0, 'unreachable', 'The service does not answer.');
  }
  const { data, error, response } = answer;
  if (response.ok) return data as T;
  const refused = refusal(response, error);
  if (refused.status === 401 && refused.code === 'session_ended') ended();
  throw refused;
}
