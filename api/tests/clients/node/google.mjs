// Google's own client runtime for Node.js, which builds the API from our discovery document. Only its address and the key are ours.
import assert from 'node:assert/strict';
import { Discovery } from 'googleapis-common';

const { CHAPERONE_URL: url, CHAPERONE_KEY: key } = process.env;
const make = await new Discovery({ includePrivate: false }).discoverAPI(`${url}/$discovery/rest?version=v1alpha1`);
const client = make({ auth: key });

const analyze = (comment, more = {}) => client.comments.analyze({ requestBody: { comment: { text: comment }, requestedAttributes: { TOXICITY: {} }, languages: ['en'], ...more } });

const { data } = await analyze('Hello 🦀 there. Oh fake:toxic=0.9 fool!', { spanAnnotations: true, doNotStore: true, clientToken: 'mine' });
assert.ok(Math.abs(data.attributeScores.TOXICITY.summaryScore.value - 0.9) < 1e-6);
assert.deepEqual(data.attributeScores.TOXICITY.spanScores.map(({ begin, end }) => [begin, end]), [[0, 15], [16, 39]]);
// What the offsets count in is what JavaScript counts in.
assert.equal('Hello 🦀 there. Oh fake:toxic=0.9 fool!'.slice(16, 39), 'Oh fake:toxic=0.9 fool!');
assert.equal(data.clientToken, 'mine');

const suggested = await client.comments.suggestscore({
  requestBody: { comment: { text: 'what a fool' }, attributeScores: { TOXICITY: { summaryScore: { value: 0.25 } } }, clientToken: 'mine', languages: ['en'] },
});
assert.equal(suggested.data.clientToken, 'mine');

const error = await analyze('hello', { languages: ['fr'] }).then(() => assert.fail('it passed'), (error) => error);
assert.equal(error.status ?? error.code, 400);
assert.match(error.message, /does not support request languages: fr/);
console.log('ok');
