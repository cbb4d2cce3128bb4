"""OpenAI's own Python client. Only its base URL and its key are ours."""

import base64
import math
import os
import struct

import openai

URL, KEY = os.environ["CHAPERONE_URL"], os.environ["CHAPERONE_KEY"]
client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)


def moderations():
    one = client.moderations.create(input="fake:insult=0.93")
    assert one.id.startswith("modr-") and one.model == "omni-moderation-latest", one
    assert one._request_id.startswith("req_"), one._request_id
    (result,) = one.results
    assert result.flagged and result.categories.harassment and not result.categories.hate, result
    assert abs(result.category_scores.harassment - 0.93) < 1e-6, result
    assert result.category_applied_input_types.harassment == ["text"], result
    assert result.category_applied_input_types.self_harm_intent == [], result
    assert result.categories.illicit is False and result.category_scores.sexual_minors == 0, result

    many = client.moderations.create(model="omni-moderation-latest", input=["hello", "fake:threat=0.9", "hello"])
    assert [result.flagged for result in many.results] == [False, True, False], many

    picture = base64.b64encode(open(os.environ["CHAPERONE_PICTURE"], "rb").read()).decode()
    parts = client.moderations.create(
        model="omni-moderation-latest",
        input=[
            {"type": "text", "text": "hello"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
        ],
    )
    (result,) = parts.results
    assert result.categories.sexual and result.category_applied_input_types.sexual == ["image"], result

    legacy = client.moderations.create(model="text-moderation-latest", input="fake:insult=0.93")
    assert legacy.results[0].categories.harassment and legacy.results[0].categories.illicit is None, legacy
    assert legacy.results[0].category_applied_input_types is None, legacy


def embeddings():
    # Says nothing of the encoding: this client then asks for base64, and unpacks it itself.
    answer = client.embeddings.create(model="text-embedding-3-small", input=["chess and jazz", "tax returns"])
    first = answer.data[0].embedding
    assert len(first) == 384 and [entry.index for entry in answer.data] == [0, 1], answer.model
    assert abs(math.fsum(x * x for x in first) - 1) < 1e-4
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0

    floats = client.embeddings.create(model="embed-minilm", input="chess and jazz", encoding_format="float")
    as_f32 = [struct.unpack("<f", struct.pack("<f", x))[0] for x in floats.data[0].embedding]
    assert as_f32 == [struct.unpack("<f", struct.pack("<f", x))[0] for x in first], "base64 holds the same numbers"

    short = client.embeddings.create(model="text-embedding-3-small", input="chess and jazz", dimensions=64)
    assert len(short.data[0].embedding) == 64
    assert abs(math.fsum(x * x for x in short.data[0].embedding) - 1) < 1e-4

    # «hello world» in cl100k_base.
    tokens = client.embeddings.create(model="text-embedding-3-small", input=[[15339, 1917]])
    text = client.embeddings.create(model="text-embedding-3-small", input="hello world")
    assert tokens.data[0].embedding == text.data[0].embedding


def models():
    names = [model.id for model in client.models.list()]
    assert "embed-minilm" in names and "omni-moderation-latest" in names, names
    assert client.models.retrieve("text-embedding-3-small").object == "model"


def refused(kind, status, call, **expected):
    try:
        call()
    except kind as error:
        assert error.status_code == status, error
        assert error.request_id.startswith("req_"), error.request_id
        assert error.response.headers["x-should-retry"] == "false", error.response.headers
        for name, value in expected.items():
            assert getattr(error, name) == value, (name, error.body)
    else:
        raise AssertionError(f"no {kind.__name__}")


def errors():
    bad = openai.BadRequestError
    refused(bad, 400, lambda: client.moderations.create(input=[]), param="input", type="invalid_request_error")
    refused(bad, 400, lambda: client.embeddings.create(model="embed-minilm", input=""), param="input[0]")
    refused(bad, 400, lambda: client.embeddings.create(model="embed-minilm", input="a", dimensions=999), param="dimensions")
    picture = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
    refused(bad, 400, lambda: client.moderations.create(input=picture), param="input[0].image_url.url", code="image_url_not_fetched")
    refused(openai.NotFoundError, 404, lambda: client.models.retrieve("gpt-9"), code="model_not_found")
    refused(openai.NotFoundError, 404, lambda: client.embeddings.create(model="gpt-9", input="a"), param="model")
    stranger = openai.OpenAI(base_url=f"{URL}/v1", api_key="wrong", max_retries=0)
    refused(openai.AuthenticationError, 401, lambda: stranger.models.list(), code="invalid_api_key")


def headers():
    raw = client.moderations.with_raw_response.create(input="hello")
    assert raw.headers["openai-version"] == "2020-10-01" and int(raw.headers["openai-processing-ms"]) >= 0, raw.headers


for check in [moderations, embeddings, models, errors, headers]:
    check()
print("ok")
