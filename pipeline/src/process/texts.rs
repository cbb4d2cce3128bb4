//! Which models judge a text, and what they say about it.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::{try_join, try_join_all};
use models::{Engine, Input, SpanScore};

use super::{Pipeline, Work, switch::versioned};
use crate::{
    error::PipelineError,
    hash::TextKey,
    highlight::refine,
    judge::{Judged, higher, offending_spans},
    language::{Detected, Language, UNDETERMINED},
    lists::WordLists,
    normalise::Normalised,
    policy::UnsupportedLanguages,
    signal::{Signal, Span},
};

/// What a signal of a word list has in the place of a model's name.
const WORD_LIST: &str = "word-list";

/// One of `pipeline.text_models`.
pub(super) struct TextModel {
    name: String,
    /// See [`versioned`].
    identity: String,
    /// What it has learnt; empty: any.
    languages: Vec<Arc<str>>,
}

impl TextModel {
    pub(super) fn of(engine: &Engine, name: &str) -> Self {
        let languages = engine.spec(name).map_or_else(|_| Vec::new(), |spec| spec.languages.clone());
        Self { name: name.to_owned(), identity: versioned(engine, name), languages }
    }
}

/// A text as it is judged.
pub(super) struct Folded {
    plain: Normalised,
    /// With its disguised words in plain, when it has any.
    unmasked: Option<Normalised>,
}

impl Folded {
    pub(super) fn new(original: &str) -> Self {
        let plain = Normalised::new(original);
        let unmasked = plain.unmasked();
        if unmasked.is_some() {
            metrics::counter!("chaperone_texts_unmasked_total").increment(1);
        }
        Self { plain, unmasked }
    }

    /// The text that is kept as context for what follows.
    pub(super) fn text(&self) -> &str {
        self.plain.text()
    }
}

/// What models said about both readings of a text.
pub(super) struct JudgedText {
    plain: Arc<Judged>,
    unmasked: Option<Arc<Judged>>,
}

impl JudgedText {
    /// Of both readings the higher scores.
    pub(super) fn signals(&self) -> Vec<Signal> {
        match &self.unmasked {
            Some(unmasked) => higher(&self.plain.signals, &unmasked.signals),
            None => self.plain.signals.clone(),
        }
    }

    /// Did no model know the language?
    pub(super) fn is_unread(&self) -> bool {
        let unsupported = self.language().is_some_and(|language| !language.supported);
        unsupported && self.plain.signals.is_empty()
    }

    /// The language, of the reading that some model can judge.
    pub(super) fn language(&self) -> Option<&Language> {
        let supported = |judged: &&Arc<Judged>| judged.language.as_ref().is_some_and(|language| language.supported);
        let readings = || std::iter::once(&self.plain).chain(&self.unmasked);
        readings().find(supported).unwrap_or(&self.plain).language.as_ref()
    }

    /// The offending stretches of the labels in `labels`, in the `original` text.
    pub(super) fn spans(
        &self,
        folded: &Folded,
        listed: &Listed,
        original: &str,
        labels: &BTreeSet<String>,
    ) -> Vec<Span> {
        let plain_spans = refine(folded.plain.text(), &self.plain.spans, labels);
        let plain = [(&*plain_spans, &folded.plain), (&*listed.plain, &folded.plain)];
        let unmasked = self.unmasked.as_ref().zip(folded.unmasked.as_ref());
        let unmasked = unmasked.map(|(judged, text)| (refine(text.text(), &judged.spans, labels), text));
        let unmasked = unmasked.as_ref().map(|(spans, text)| [(&**spans, *text), (&*listed.unmasked, *text)]);
        offending_spans(plain.into_iter().chain(unmasked.into_iter().flatten()), original, labels)
    }
}

/// What the word lists found in both readings.
pub(super) struct Listed {
    plain: Vec<SpanScore>,
    unmasked: Vec<SpanScore>,
}

impl Listed {
    pub(super) fn find(folded: &Folded, lists: &WordLists, language: Option<&Language>) -> Self {
        let language = language.map_or(UNDETERMINED, |language| language.code.as_str());
        let find = |text: &Normalised| lists.find(text, language);
        Self { plain: find(&folded.plain), unmasked: folded.unmasked.as_ref().map(find).unwrap_or_default() }
    }

    /// One signal for each list with a hit.
    pub(super) fn signals(&self, policy: &str) -> impl Iterator<Item = Signal> {
        let labels: BTreeSet<&str> = self.plain.iter().chain(&self.unmasked).map(|hit| &*hit.label).collect();
        labels.into_iter().map(move |label| Signal {
            model: WORD_LIST.to_owned(),
            version: policy.to_owned(),
            label: label.to_owned(),
            score: 1.0,
        })
    }
}

impl Pipeline {
    /// Both readings of a text, at the same time.
    pub(super) async fn judge_folded(&self, folded: &Folded, work: &Work<'_>) -> Result<JudgedText, PipelineError> {
        let unmasked = async {
            match &folded.unmasked {
                Some(unmasked) => self.judge_text(unmasked.text(), work).await.map(Some),
                None => Ok(None),
            }
        };
        let (plain, unmasked) = try_join(self.judge_text(folded.plain.text(), work), unmasked).await?;
        Ok(JudgedText { plain, unmasked })
    }

    /// The text models that know the text's language on `text`, or what they said last time.
    pub(super) async fn judge_text(&self, text: &str, work: &Work<'_>) -> Result<Arc<Judged>, PipelineError> {
        let all = work.any_language || work.policy.unsupported_languages() == UnsupportedLanguages::Judge;
        let skips = (!all).then_some("skip");
        let key = TextKey::new(self.text_models.iter().map(|model| model.identity.as_str()).chain(skips), text);
        if let Some(judged) = self.texts.get(&key) {
            metrics::counter!("chaperone_text_cache_hits_total").increment(1);
            return Ok(judged);
        }
        let detected = self.languages.detect(text);
        let input: Arc<str> = text.into();
        let answers = self
            .text_models
            .iter()
            .filter(|model| all || detected.is_known_to(&model.languages))
            .map(|model| self.engine.classify(&model.name, Input::Text(Arc::clone(&input)), work.lane));
        let judged = Judged::from(try_join_all(answers).await?);
        let language = self.language(detected);
        if !language.supported {
            metrics::counter!("chaperone_texts_unsupported_total", "language" => detected.code.unwrap_or(UNDETERMINED))
                .increment(1);
        }
        let judged = Arc::new(Judged { language: Some(language), ..judged });
        self.texts.insert(key, Arc::clone(&judged));
        Ok(judged)
    }

    pub(super) fn language(&self, detected: Detected) -> Language {
        let supported =
            self.text_models.is_empty() || self.text_models.iter().any(|model| detected.is_known_to(&model.languages));
        Language { code: detected.code.unwrap_or(UNDETERMINED).to_owned(), confidence: detected.confidence, supported }
    }
}
