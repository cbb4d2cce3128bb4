//! What picture models see, and what a larger one says to it.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use models::{Engine, Input, Lane};

use super::{Pipeline, Work};
use crate::{
    decode::{self, Detail, Picture, decode_on_pool},
    error::PipelineError,
    fallback::is_model_failure,
    item::ItemKind,
    judge::Judged,
    signal,
    signal::Signal,
};

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
    /// when it is late already; for an upload, which waits for its turn, that is the model's failure. `bytes` are what `picture` was decoded from.
    pub(super) async fn judge_picture(
        &self,
        picture: Picture,
        bytes: Bytes,
        work: &Work<'_>,
    ) -> Result<Seen, PipelineError> {
        let opinion = &self.config.second_opinion;
        let lacks = self.engine.spec(&opinion.model).is_ok_and(|spec| picture.lacks(spec.image_size));
        let pixels = Arc::new(picture.pixels);
        let answers = self
            .config
            .picture_models
            .iter()
            .map(|model| self.engine.classify(model, Input::Image(Arc::clone(&pixels)), work.lane));
        let first = Judged::from(try_join_all(answers).await?).signals;
        if opinion.model.is_empty() || !opinion.suspects(&first) {
            return Ok(Seen { suspected: opinion.suspects(&first), signals: first, unconfirmed: false });
        }
        // An upload can wait: that many others ask is no failure of the model. Frames and callers are told at once.
        let _place = match work.lane {
            Lane::Bulk => self.opinions.acquire().await.ok(),
            Lane::Interactive | Lane::Live => None,
        };
        // The second model costs as much as twelve frames. Suspects that wait for it until they are late would make their neighbours late as well.
        let asked = async {
            let pixels = match lacks {
                true => Arc::new(self.look_closer(bytes, &opinion.model).await?),
                false => pixels,
            };
            self.engine.classify(&opinion.model, Input::Image(pixels), work.lane).await.map_err(PipelineError::from)
        };
        match self.in_time(work, asked).await.transpose() {
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

    /// How much is decoded of a picture that needs no hash: all of it, or what the models that see every picture take.
    pub(super) fn picture_detail(&self) -> Detail {
        if !self.config.reduced_decoding {
            return Detail::Whole;
        }
        let side = |model: &String| self.engine.spec(model).map_or(0, |spec| spec.image_size);
        Detail::for_side(self.config.picture_models.iter().map(side).max().unwrap_or(0))
    }

    /// The picture once more, as large as `model` takes it.
    async fn look_closer(&self, bytes: Bytes, model: &str) -> Result<models::Pixels, PipelineError> {
        let side = self.engine.spec(model)?.image_size;
        let limits = decode::Limits { bytes: bytes.len(), pixels: self.config.max_pixels };
        Ok(decode_on_pool(bytes, limits, Detail::for_side(side)).await?.pixels)
    }
}

/// Uploads that ask for a second opinion at the same time: half of its model's places, the others are for who does not wait.
pub(super) fn places(engine: &Engine, model: &str) -> usize {
    engine.spec(model).map_or(1, |spec| (spec.batching.max_waiting / 2).max(1))
}

fn count(answer: &'static str) {
    metrics::counter!("chaperone_second_opinions_total", "answer" => answer).increment(1);
}
