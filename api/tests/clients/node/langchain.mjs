// LangChain's OpenAI embeddings for JavaScript. Only base URL and key are ours.
import assert from 'node:assert/strict';
import { OpenAIEmbeddings } from '@langchain/openai';

const { CHAPERONE_URL: url, CHAPERONE_KEY: apiKey } = process.env;
const embeddings = new OpenAIEmbeddings({ apiKey, model: 'text-embedding-3-small', maxRetries: 0, configuration: { baseURL: `${url}/v1` } });
const vectors = await embeddings.embedDocuments(['hiking in the alps', 'a quiet evening with chess']);
assert.deepEqual(vectors.map((vector) => vector.length), [384, 384]);
const query = await embeddings.embedQuery('hiking in the alps');
assert.deepEqual(query, vectors[0]);
console.log('ok');
