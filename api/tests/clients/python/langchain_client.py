"""LangChain's OpenAI embeddings as they come: they send tokens of OpenAI's vocabulary. Only base URL and key are ours."""

import os

import openai
from langchain_openai import OpenAIEmbeddings

URL, KEY = os.environ["CHAPERONE_URL"], os.environ["CHAPERONE_KEY"]

embeddings = OpenAIEmbeddings(base_url=f"{URL}/v1", api_key=KEY, model="text-embedding-3-small", max_retries=0)
texts = ["hiking in the alps", "a quiet evening with chess", "grüße 🦀"]
vectors = embeddings.embed_documents(texts)
plain = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY).embeddings.create(model="text-embedding-3-small", input=texts)
for text, vector, entry in zip(texts, vectors, plain.data, strict=True):
    assert len(vector) == 384
    assert max(abs(a - b) for a, b in zip(vector, entry.embedding)) < 1e-6, f"the tokens of «{text}» became another text"
assert len(embeddings.embed_query("chess")) == 384
print("ok")
