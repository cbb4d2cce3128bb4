// A typed client of our OpenAPI document (types by openapi-typescript, calls by openapi-fetch): it compiles strictly, and its calls work.
import createClient from 'openapi-fetch';
import type { paths } from './chaperone.js';

declare const process: { env: Record<string, string> };

const client = createClient<paths>({
  baseUrl: process.env['CHAPERONE_URL']!,
  headers: { authorization: `Bearer ${process.env['CHAPERONE_KEY']}` },
});

const expect = (holds: boolean | undefined, what: unknown) => {
  if (holds !== true) throw new Error(JSON.stringify(what));
};

const checked = await client.POST('/v1/check', { body: { text: 'fake:insult=0.93' }, params: { query: { dry_run: true } } });
expect(checked.data?.flagged && checked.data.action === 'warn', checked.error);

const moderated = await client.POST('/v1/moderations', { body: { input: ['hello', 'fake:threat=0.9'] } });
expect(moderated.data?.results[1]?.categories['harassment/threatening'] === true, moderated.error);

const analyzed = await client.POST('/v1alpha1/comments:analyze', {
  body: { comment: { text: 'fake:toxic=0.9' }, requestedAttributes: { TOXICITY: {} } },
});
expect((analyzed.data?.attributeScores['TOXICITY']?.summaryScore.value ?? 0) > 0.8, analyzed.error);

const embedded = await client.POST('/v1/embeddings', { body: { model: 'embed-minilm', input: 'chess', dimensions: 8 } });
expect(embedded.data?.data[0]?.embedding.length === 8, embedded.error);

// What is not in the document does not compile.
// @ts-expect-error there is no such route
await client.GET('/v1/nothing', {}).catch(() => undefined);
// @ts-expect-error `input` is missing
const refused = await client.POST('/v1/moderations', { body: {} });
expect(refused.error?.error.code === 'invalid_field', refused);

console.log('ok');
