"""Google's own Python client, built from our discovery document. Only the document's address and the key are ours."""

import json
import os

from googleapiclient import discovery
from googleapiclient.errors import HttpError

URL, KEY = os.environ["CHAPERONE_URL"], os.environ["CHAPERONE_KEY"]

client = discovery.build(
    "commentanalyzer",
    "v1alpha1",
    developerKey=KEY,
    discoveryServiceUrl=f"{URL}/$discovery/rest?version=v1alpha1",
    static_discovery=False,
)


def request(text, **more):
    return {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}, "languages": ["en"]} | more


def analyze():
    text = "Hello 🦀 there. Oh fake:toxic=0.9 fool!"
    wanted = {"TOXICITY": {}, "INSULT": {"scoreThreshold": 0.5}, "SPAM@2": {"scoreType": "PROBABILITY"}}
    body = request(text, requestedAttributes=wanted, spanAnnotations=True, doNotStore=True, clientToken="mine")
    answer = client.comments().analyze(body=body).execute()
    scores = answer["attributeScores"]
    assert sorted(scores) == ["SPAM@2", "TOXICITY"], scores
    summary = scores["TOXICITY"]["summaryScore"]
    assert summary["type"] == "PROBABILITY" and abs(summary["value"] - 0.9) < 1e-6, summary
    spans = [(span["begin"], span["end"]) for span in scores["TOXICITY"]["spanScores"]]
    assert spans == [(0, 15), (16, 39)], spans
    assert answer["languages"] == ["en"] and answer["clientToken"] == "mine", answer


def partial():
    answer = client.comments().analyze(body=request("hello"), fields="attributeScores/TOXICITY/summaryScore/value").execute()
    assert list(answer) == ["attributeScores"], answer
    assert list(answer["attributeScores"]["TOXICITY"]["summaryScore"]) == ["value"], answer


def suggest():
    body = {
        "comment": {"text": "what a fool"},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": 0.25}}},
        "languages": ["en"],
        "clientToken": "mine",
    }
    answer = client.comments().suggestscore(body=body).execute()
    assert answer["clientToken"] == "mine" and answer["requestedLanguages"] == ["en"], answer


def refused(body, status, kind, phrase):
    try:
        client.comments().analyze(body=body).execute()
    except HttpError as error:
        assert error.resp.status == status, error
        detail = json.loads(error.content)["error"]["details"][0]
        assert detail["errorType"] == kind, detail
        assert phrase in error.reason, error.reason
    else:
        raise AssertionError(kind)


def errors():
    refused(request(""), 400, "COMMENT_EMPTY", "Comment must be non-empty.")
    refused(request("x" * 21_000), 400, "COMMENT_TOO_LONG", "Comment text too long.")
    refused(request("hello", requestedAttributes={}), 400, "NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes")
    refused(request("hello", languages=["fr"]), 400, "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE", "does not support request languages: fr")
    refused(request("hello", requestedAttributes={"NICE": {}}), 400, "INVALID_REQUEST", "Unknown requested attribute: NICE")


for check in [analyze, partial, suggest, errors]:
    check()
print("ok")
