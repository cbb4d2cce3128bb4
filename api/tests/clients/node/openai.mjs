// OpenAI's own JavaScript client. Only its base URL and its key are ours.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';

const { CHAPERONE_URL: url, CHAPERONE_KEY: apiKey, CHAPERONE_PICTURE: file } = process.env;
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

const one = await client.moderations.create({ input: 'fake:insult=0.93' });
assert.match(one.id, /^modr-/);
assert.match(one._request_id, /^req_/);
assert.equal(one.results.length, 1);
assert.ok(one.results[0].flagged && one.results[0].categories.harassment && !one.results[0].categories['hate/threatening']);
assert.deepEqual(one.results[0].category_applied_input_types.harassment, ['text']);
assert.equal(Object.keys(one.results[0].category_scores).length, 13);

const many = await client.moderations.create({ model: 'omni-moderation-latest', input: ['hello', 'fake:threat=0.9'] });
assert.deepEqual(many.results.map((result) => result.flagged), [false, true]);

const picture = `data:image/png;base64,${readFileSync(file).toString('base64')}`;
const parts = await client.moderations.create({
  model: 'omni-moderation-latest',
  input: [{ type: 'text', text: 'hello' }, { type: 'image_url', image_url: { url: picture } }],
});
assert.equal(parts.results.length, 1);
assert.ok(parts.results[0].categories.sexual);

// Says nothing of the encoding: this client then asks for base64, and unpacks it itself.
const silent = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['chess and jazz', 'tax returns'] });
assert.equal(silent.data[0].embedding.length, 384);
const floats = await client.embeddings.create({ model: 'embed-minilm', input: 'chess and jazz', encoding_format: 'float' });
assert.deepEqual(Array.from(Float32Array.from(floats.data[0].embedding)), Array.from(Float32Array.from(silent.data[0].embedding)));
const short = await client.embeddings.create({ model: 'text-embedding-3-small', input: 'chess and jazz', dimensions: 64 });
assert.equal(short.data[0].embedding.length, 64);
const tokens = await client.embeddings.create({ model: 'text-embedding-3-small', input: [15339, 1917] });
const text = await client.embeddings.create({ model: 'text-embedding-3-small', input: 'hello world' });
assert.deepEqual(tokens.data[0].embedding, text.data[0].embedding);

const names = [];
for await (const model of client.models.list()) names.push(model.id);
assert.ok(names.includes('embed-minilm'), names.join());

const refused = async (kind, status, call, member) => {
  const error = await call().then(() => assert.fail('it passed'), (error) => error);
  assert.ok(error instanceof kind && error.status === status, String(error));
  assert.match(error.requestID, /^req_/);
  if (member) assert.equal(error.param, member);
};
await refused(OpenAI.BadRequestError, 400, () => client.moderations.create({ input: [] }), 'input');
await refused(OpenAI.NotFoundError, 404, () => client.models.retrieve('gpt-9'));
const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'wrong', maxRetries: 0 });
await refused(OpenAI.AuthenticationError, 401, () => stranger.models.list());
console.log('ok');
