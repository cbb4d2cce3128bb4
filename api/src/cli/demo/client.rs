//! The demo as a platform: everything through HTTP, as a stranger would do it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use pipeline::item::ItemId;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::bundle::{Line, Person};

/// How often a refused request (429, 503) is tried again.
const TRIES: u32 = 20;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A person found by similarity.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) score: f32,
}

/// A client of one running service. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub(super) fn new(base: String) -> Result<Self> {
        // The service is on this machine: a proxy from the environment would only be in the way.
        let http = reqwest::Client::builder().no_proxy().build().context("building the HTTP client")?;
        Ok(Self { http, base })
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        self.retry(path, || self.http.request(method.clone(), format!("{}{path}", self.base)).json(body)).await
    }

    /// Sends; a busy service is asked again after the time that it says.
    async fn retry(&self, path: &str, request: impl Fn() -> reqwest::RequestBuilder) -> Result<Value> {
        for _ in 0..TRIES {
            let response =
                request().timeout(REQUEST_TIMEOUT).send().await.with_context(|| format!("sending to {path}"))?;
            let status = response.status();
            if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
                let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                tokio::time::sleep(Duration::from_secs(after.unwrap_or(1))).await;
                continue;
            }
            let body = response.bytes().await.with_context(|| format!("reading the answer of {path}"))?;
            if !status.is_success() {
                bail!("{path} answered {status}: {}", String::from_utf8_lossy(&body));
            }
            return Ok(serde_json::from_slice(&body).unwrap_or(Value::Null));
        }
        bail!("{path} was too busy {TRIES} times")
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        self.retry(path, || self.http.get(format!("{}{path}", self.base))).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(Method::PUT, path, body).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(Method::POST, path, body).await
    }

    /// Is everything up?
    pub(super) async fn ready(&self) -> bool {
        let answer = self.http.get(format!("{}/health/ready", self.base)).timeout(REQUEST_TIMEOUT).send().await;
        answer.is_ok_and(|response| response.status().is_success())
    }

    pub(super) async fn text(&self, id: ItemId, line: &Line) -> Result<()> {
        let body = json!({ "id": id, "text": line.text, "actor": line.actor, "conversation": line.conversation });
        self.send(Method::POST, "/v1/items", &body).await.map(drop)
    }

    /// Several texts that nobody in particular wrote.
    pub(super) async fn texts(&self, texts: &[(ItemId, String)]) -> Result<()> {
        let items: Vec<Value> = texts.iter().map(|(id, text)| json!({ "id": id, "text": text })).collect();
        self.send(Method::POST, "/v1/items", &json!({ "items": items })).await.map(drop)
    }

    pub(super) async fn start_call(&self, call: &str, participants: &[String]) -> Result<()> {
        self.send(Method::POST, "/v1/calls", &json!({ "id": call, "participants": participants })).await.map(drop)
    }

    pub(super) async fn frame(
        &self,
        call: &str,
        actor: &str,
        id: ItemId,
        name: &str,
        jpeg: &'static [u8],
    ) -> Result<()> {
        let path = format!("/v1/calls/{call}/participants/{actor}/frames");
        let url = format!("{}{path}?frame_id={id}&reference={name}", self.base);
        let request = || self.http.post(&url).header("content-type", "image/jpeg").body(jpeg);
        self.retry(&path, request).await.map(drop)
    }

    pub(super) async fn leave_call(&self, call: &str, actor: &str) -> Result<()> {
        let path = format!("/v1/calls/{call}/participants/{actor}");
        self.retry(&path, || self.http.delete(format!("{}{path}", self.base))).await.map(drop)
    }

    pub(super) async fn end_call(&self, call: &str) -> Result<()> {
        let path = format!("/v1/calls/{call}/end");
        self.retry(&path, || self.http.post(format!("{}{path}", self.base))).await.map(drop)
    }

    pub(super) async fn put_profile(&self, person: &Person) -> Result<()> {
        let body = json!({ "interests": person.interests, "bio": person.bio, "attributes": person.attributes });
        self.send(Method::PUT, &format!("/v1/profiles/{}", person.id), &body).await.map(drop)
    }

    /// The people most like `profile`, among those that `filter` lets through.
    pub(super) async fn similar(&self, profile: &str, filter: &Value, limit: usize) -> Result<Vec<Found>> {
        #[derive(Deserialize)]
        struct Answer {
            hits: Vec<Found>,
        }
        let body = json!({ "profile": profile, "filter": filter, "limit": limit });
        let answer = self.send(Method::POST, "/v1/similar", &body).await?;
        let answer: Answer = serde_json::from_value(answer).context("the answer of /v1/similar")?;
        Ok(answer.hits)
    }

    /// One unit vector per text.
    pub(super) async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        #[derive(Deserialize)]
        struct Answer {
            data: Vec<Embedding>,
        }
        #[derive(Deserialize)]
        struct Embedding {
            embedding: Vec<f32>,
        }
        let body = json!({ "input": texts, "model": "embed-minilm", "encoding_format": "float" });
        let answer = self.send(Method::POST, "/v1/embeddings", &body).await?;
        let answer: Answer = serde_json::from_value(answer).context("the answer of /v1/embeddings")?;
        Ok(answer.data.into_iter().map(|data| data.embedding).collect())
    }

    /// Opens the stream of events, from the one after `last`.
    pub(super) async fn events(&self, last: &str) -> Result<reqwest::Response> {
        let mut request = self.http.get(format!("{}/v1/events", self.base)).header("accept", "text/event-stream");
        if !last.is_empty() {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.context("opening /v1/events")?;
        if !response.status().is_success() {
            bail!("/v1/events answered {}", response.status());
        }
        Ok(response)
    }
}
