//! What picture models see, and what a larger one says to it.

use std::sync::Arc;

use futures::future::try_join_all;
use models::{Engine, Input, Lane, Pixels};

use super::{Pipeline, Work};
use crate::{error::PipelineError, fallback::is_model_failure, item::ItemKind, judge::Judged, signal, signal::Signal};

/// What is known about a picture alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) signals: Vec<Signal>,
    /// Something in it is suspicious, after the second opinion if there was one.
    pub(super) suspected: bool,
    /// The second opinion that this needed could not be had: only frames before it can make it count.
    pub(super) unconfirmed: bool,
}

impl Pipeline {
    /// All picture models on one picture, then the second opinion on what they suspect. A frame goes on without it when it cannot be had or
    /// when it is late already; for an upload, which waits for its turn, that is the model's failure.
    pub(super) async fn judge_picture(&self, pixels: Arc<Pixels>, work: &Work<'_>) -> Result<Seen, PipelineError> {
        let answers = self
            .config
            .picture_models
            .iter()
            .map(|model| self.engine.classify(model, Input::Image(Arc::clone(&pixels)), work.lane));
        let first = Judged::from(try_join_all(answers).await?).signals;
        let opinion = &self.config.second_opinion;
        if opinion.model.is_empty() || !opinion.suspects(&first) {
            return Ok(Seen { suspected: opinion.suspects(&first), signals: first, unconfirmed: false });
        }
        // An upload can wait: that many others ask is no failure of the model. Frames and callers are told at once.
        let _place = match work.lane {
            Lane::Bulk => self.opinions.acquire().await.ok(),
            Lane::Interactive | Lane::Live => None,
        };
        // The second model costs as much as twelve frames. Suspects that wait for it until they are late would make their neighbours late as well.
        let asked = self.engine.classify(&opinion.model, Input::Image(pixels), work.lane);
        match self.in_time(work, asked).await.transpose().map_err(PipelineError::from) {
            Ok(None) => {
                count("late");
                Ok(Seen { signals: first, suspected: true, unconfirmed: true })
            }
            Ok(Some(second)) => {
                let second: Vec<Signal> = signal::signals(&second).collect();
                let signals = opinion.combined(first, &second);
                let suspected = opinion.suspects(&signals);
                count(if suspected { "agreed" } else { "cleared" });
                Ok(Seen { signals, suspected, unconfirmed: false })
            }
            Err(error) if work.envelope.kind == ItemKind::Frame && is_model_failure(&error) => {
                count("none");
                Ok(Seen { signals: first, suspected: true, unconfirmed: true })
            }
            Err(error) => Err(error),
        }
    }
}

/// Uploads that ask for a second opinion at the same time: half of its model's places, the others are for who does not wait.
pub(super) fn places(engine: &Engine, model: &str) -> usize {
    engine.spec(model).map_or(1, |spec| (spec.batching.max_waiting / 2).max(1))
}

fn count(answer: &'static str) {
    metrics::counter!("chaperone_second_opinions_total", "answer" => answer).increment(1);
}
