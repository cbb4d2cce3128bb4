//! Statements of reasons to the European Commission's transparency database: those that a person has let go, by one process at a time, again until
//! the database says yes or no.
//!
//! Its API takes one statement by `POST …/api/v1/statement` with a bearer token: 201 with the statement's `uuid`, 422 with what is wrong with it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use pipeline::{
    PipelineError,
    clock::Clock,
    store::{
        Store,
        desk::{
            Desk,
            statements::{KeptStatement, Sending},
        },
    },
};
use reqwest::header::ACCEPT;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    StatementsConfig,
    backoff::{Backoff, Jitter},
};

/// Name of the duty.
const DUTY: &str = "statements";
/// Time between two turns: nobody waits for it.
const PERIOD: Duration = Duration::from_secs(5);
/// How long a process that vanished keeps others from it: longer than the slowest turn.
const LEASE: TimeDelta = TimeDelta::seconds(300);
/// Statements of one tenant in one turn.
const AT_ONCE: usize = 20;
/// Waits between tries.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(30), most: Duration::from_secs(6 * 3600) };
/// The most of an answer that is read.
const MAX_ANSWER: usize = 64 << 10;

/// How the database answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// With this status, and this body.
    Status(u16, String),
    /// Not at all.
    Nothing,
}

/// What becomes of a statement that had been tried `tries` times before this answer. Only what is wrong with the statement itself ends it: a wrong token or
/// a database that is down is for whoever runs this to put right, and then it goes on.
pub fn next_step(tries: u32, answer: &Answer, now: DateTime<Utc>, jitter: f64) -> Sending {
    let again = |error: String| {
        let wait = TimeDelta::from_std(BACKOFF.wait(tries.saturating_add(1), jitter)).unwrap_or(TimeDelta::hours(6));
        Sending::Again(now + wait, error)
    };
    match answer {
        Answer::Status(200..=299, body) => Sending::Taken(id_in(body)),
        Answer::Status(400 | 409 | 413 | 422, body) => Sending::Refused(errors_in(body)),
        Answer::Status(status @ (401 | 403), _) => {
            again(format!("answered {status}: check the token in [[statements]]"))
        }
        Answer::Status(status, _) => again(format!("answered {status}")),
        Answer::Nothing => again("no answer".to_owned()),
    }
}

/// The database's id of a statement that it took.
fn id_in(body: &str) -> String {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    answer["uuid"].as_str().unwrap_or_default().to_owned()
}

/// Its words about what is wrong.
fn errors_in(body: &str) -> String {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    let fields = answer["errors"].as_object().into_iter().flatten();
    let words: Vec<String> = fields
        .map(|(field, errors)| {
            let errors = errors.as_array().into_iter().flatten().filter_map(Value::as_str);
            format!("{field}: {}", errors.collect::<Vec<_>>().join(" "))
        })
        .collect();
    match (words.is_empty(), answer["message"].as_str()) {
        (false, _) => words.join("; "),
        (true, Some(message)) => message.to_owned(),
        (true, None) => "refused without a word".to_owned(),
    }
}

/// What sending needs.
pub struct Statements {
    /// Whose statements go where.
    pub places: Vec<StatementsConfig>,
    /// Where they are kept.
    pub store: Arc<dyn Store>,
    /// Without redirects.
    pub client: reqwest::Client,
    /// Time.
    pub clock: Clock,
    /// Spreads retries.
    pub jitter: Jitter,
    /// Names this process among those that share the store.
    pub holder: String,
}

impl Statements {
    /// Sends what is due again and again until `stop`. A failure is logged, and the next turn tries again.
    pub async fn run(self, stop: CancellationToken) {
        let mut failing = false;
        while stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
            let Some(turn) = stop.run_until_cancelled(self.turn()).await else { return };
            if let Err(error) = &turn
                && !failing
            {
                tracing::warn!(%error, "statements of reasons are not sent: the next turn tries again");
            }
            failing = turn.is_err();
        }
    }

    /// Sends what is due. Answers how many the database took.
    pub async fn turn(&self) -> Result<usize, PipelineError> {
        let now = self.clock.now();
        if !self.store.claim_duty(DUTY, &self.holder, now, now + LEASE).await? {
            return Ok(0);
        }
        let desk = Desk::new(self.store.tables(), self.clock.clone(), Arc::default());
        let mut sent = 0;
        for place in &self.places {
            for statement in desk.due_statements(&place.tenant, AT_ONCE).await? {
                let answer = self.post(place, &statement).await;
                let step = next_step(statement.tries, &answer, self.clock.now(), self.jitter.draw());
                let result = match &step {
                    Sending::Taken(_) => "sent",
                    Sending::Again(..) => "retry",
                    Sending::Refused(_) => "refused",
                };
                sent += usize::from(result == "sent");
                if let Sending::Again(at, error) = &step {
                    tracing::warn!(tenant = %place.tenant, decision = %statement.decision, error, next = %at, "a statement of reasons was not taken, again later");
                }
                metrics::counter!("chaperone_statements_total", "result" => result).increment(1);
                desk.statement_tried(&place.tenant, statement.decision, step).await?;
            }
        }
        Ok(sent)
    }

    async fn post(&self, place: &StatementsConfig, statement: &KeptStatement) -> Answer {
        let request = self.client.post(place.url.clone()).bearer_auth(&place.token).header(ACCEPT, "application/json");
        let Ok(mut response) = request.json(&statement.statement).send().await else { return Answer::Nothing };
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                break;
            }
        }
        Answer::Status(status, String::from_utf8_lossy(&body).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7_only_a_statement_that_is_wrong_is_given_up() {
        let now = DateTime::UNIX_EPOCH;
        let status = |status, body: &str| Answer::Status(status, body.to_owned());
        assert_eq!(next_step(0, &status(201, r#"{"uuid":"abc","puid":"x"}"#), now, 1.0), Sending::Taken("abc".into()));
        let wrong = r#"{"message":"The given data was invalid.","errors":{"category":["The category is wrong."],"puid":["Taken."]}}"#;
        assert_eq!(
            next_step(3, &status(422, wrong), now, 1.0),
            Sending::Refused("category: The category is wrong.; puid: Taken.".into())
        );
        assert_eq!(next_step(0, &status(422, "nonsense"), now, 1.0), Sending::Refused("refused without a word".into()));
        for (tries, answer, seconds) in [
            (0, status(503, ""), 30),
            (1, status(429, ""), 60),
            (2, status(401, ""), 120),
            (99, Answer::Nothing, 6 * 3600),
        ] {
            match next_step(tries, &answer, now, 1.0) {
                Sending::Again(at, error) => {
                    assert_eq!((at - now).num_seconds(), seconds, "{answer:?}");
                    assert!(!error.is_empty());
                }
                other => panic!("{answer:?}: {other:?}"),
            }
        }
    }
}
