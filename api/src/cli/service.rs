//! A running service, asked over HTTP.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use reqwest::{Method, StatusCode, header::AUTHORIZATION};
use serde_json::Value;

/// Variable that holds the key of a running service.
const KEY: &str = "CHAPERONE_KEY";
/// A service that has not answered by then will not.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running service.
pub(crate) struct Service {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

impl Service {
    /// Asks the service at `url`; without `key` with the one of the variable CHAPERONE_KEY.
    pub(crate) fn new(url: &str, key: Option<String>) -> Result<Self> {
        let parsed =
            url::Url::parse(url).with_context(|| format!("--url `{url}`: write for example http://127.0.0.1:8080"))?;
        let http = reqwest::Client::builder().timeout(PATIENCE);
        // A proxy from the environment would only be in the way on this machine.
        let local = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        let http = if local { http.no_proxy() } else { http }.build().context("building the HTTP client")?;
        let key = key.or_else(|| std::env::var(KEY).ok()).filter(|key| !key.is_empty());
        Ok(Self { http, base: url.trim_end_matches('/').to_owned(), key })
    }

    /// The answer, whatever its status. A body that is no JSON is null.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let response = request.send().await.with_context(|| format!("no service answers at {}", self.base))?;
        let status = response.status();
        let body = response.bytes().await.context("reading the answer")?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, body) = self.send(method, path, body).await?;
        if status.is_success() { Ok(body) } else { Err(self.refusal(status, &body)) }
    }

    /// GET; an error when it is refused.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// POST of JSON; an error when it is refused.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Why it was refused, in one line.
    pub(crate) fn refusal(&self, status: StatusCode, body: &Value) -> anyhow::Error {
        let message = body["error"]["message"].as_str().unwrap_or("no reason was given");
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                " (--key or CHAPERONE_KEY: a key with the scope `admin`)"
            }
            _ => "",
        };
        anyhow!("{} answered {status}: {message}{hint}", self.base)
    }
}
