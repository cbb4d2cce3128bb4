//! Cheaper models in front of an encoder: most of what people write is plainly harmless, and says so to a linear model that
//! needs 20 µs, or to a small encoder that needs a fortieth of the large one's work. What neither is sure of goes on.
//!
//! ```text
//! text → first model → every score below its cut? ── yes → its scores, recalibrated
//!                                                └── no  → small encoder, if there is one
//!      → first's and the small one's scores, stacked, below their cuts? ── yes → these
//!                                                                      └── no  → encoder → all scores, stacked
//! ```
//!
//! A long text goes that way as a whole, and from the small encoder on in parts ([`crate::parts`]), of which the large one reads those that are
//! doubted. Of each label the highest logit counts, the parts' less a discount.
//!
//! The cuts and the weights of the stacks are data (`[cascade]` in `model.toml`), fitted by `models/training/encoder`. The
//! deciding part is pure; [`crate::engine`] calls it around the encoders.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::sync::oneshot;

use crate::{
    ModelError, ModelSpec, Repository, Score, Scores, SpanScore,
    linear::{LinearModel, RawSpan, Scratch},
    parts::PartsSpec,
    spec::{BackendKind, CascadeSpec, GlanceSpec, MixSpec, StackSpec},
    text,
};

/// Texts up to this many bytes are scored where they are: some 100 µs, about what handing them to another thread and back costs.
const INLINE_BYTES: usize = 1024;

thread_local! {
    /// A text's features need memory that is worth keeping.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The first model of a cascade, and what is made of its answers.
#[derive(Debug)]
pub struct Cascade {
    first: LinearModel,
    model: Arc<str>,
    version: Arc<str>,
    labels: Vec<Label>,
    /// In the order of `labels`; empty without a small encoder.
    glance: Vec<GlanceLabel>,
    /// What a part's logits are lessened by, in the order of `labels`; infinite for what only the whole has. `None`: there are no parts.
    discounts: Option<Vec<f32>>,
    screening: bool,
}

/// What one label of the small encoder is worth.
#[derive(Debug, Clone, Copy)]
struct GlanceLabel {
    /// `None`: does not decide.
    cut: Option<f32>,
    mix: MixSpec,
}

/// One label of the answer.
#[derive(Debug, Clone)]
struct Label {
    name: Arc<str>,
    /// Its place among the first model's labels.
    index: usize,
    /// `None`: does not decide.
    cut: Option<f32>,
    stack: StackSpec,
}

/// The model of a cascade that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The first one, alone.
    First,
    /// The small encoder, with the first one's opinion.
    Glance,
    /// The encoder, with the others' opinions.
    Encoder,
}

impl Stage {
    /// Cheapest first.
    pub const ALL: [Self; 3] = [Self::First, Self::Glance, Self::Encoder];

    /// Name for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Glance => "glance",
            Self::Encoder => "encoder",
        }
    }
}

/// What a cascade serves beside what its encoder would have said.
#[derive(Debug, Clone)]
pub struct Compared {
    /// What is served.
    pub served: Scores,
    /// Who answered it.
    pub by: Stage,
    /// What the encoder says with the others; the same where it was asked.
    pub whole: Scores,
}

/// What the first model said.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstLook {
    /// In the first model's label order.
    scores: Vec<f32>,
    /// Plainly harmless: the encoder need not be asked.
    pub clean: bool,
}

impl Cascade {
    /// Loads the first model of `spec`; `None` when it has no cascade.
    pub fn load(repository: &Repository, spec: &ModelSpec) -> Result<Option<Self>, ModelError> {
        let Some(cascade) = &spec.cascade else { return Ok(None) };
        let folder = repository.verify(&cascade.first)?;
        let path = repository.root().join(&*spec.name).join("model.toml");
        if folder.spec.backend != BackendKind::Linear {
            let message = format!("`cascade.first` is `{}`, whose backend is not `linear`", cascade.first);
            return Err(ModelError::BadSpec { path, message });
        }
        let first = LinearModel::load(&folder.file("weights")?)?;
        Self::new(first, spec, cascade).map(Some).map_err(|message| ModelError::BadSpec { path, message })
    }

    /// `first` in front of the model of this spec.
    pub(crate) fn new(first: LinearModel, spec: &ModelSpec, cascade: &CascadeSpec) -> Result<Self, String> {
        let label = |name: &Arc<str>| -> Result<Label, String> {
            let place = first.labels().iter().position(|label| label == name);
            let index = place.ok_or_else(|| format!("`{}` has no label `{name}`", cascade.first))?;
            let stack = *cascade.stack.get(name).ok_or_else(|| format!("`cascade.stack` has no `{name}`"))?;
            Ok(Label { name: Arc::clone(name), index, cut: cascade.screen.get(name).copied(), stack })
        };
        let labels = spec.labels.iter().map(label).collect::<Result<_, String>>()?;
        let glance = cascade.glance.as_ref().map_or(Ok(Vec::new()), |glance| glance_labels(glance, spec))?;
        let (model, version) = (Arc::clone(&spec.name), Arc::clone(&spec.version));
        let discounts = |parts: &PartsSpec| spec.labels.iter().map(|label| parts.discount_of(label)).collect();
        let discounts = cascade.parts.as_ref().map(discounts);
        Ok(Self { first, model, version, labels, glance, discounts, screening: true })
    }

    /// With or without the parts of long texts.
    #[must_use]
    pub fn with_parts(self, parts: bool) -> Self {
        Self { discounts: self.discounts.filter(|_| parts), ..self }
    }

    /// Are long texts judged in parts as well?
    pub(crate) fn has_parts(&self) -> bool {
        self.discounts.is_some()
    }

    /// With or without the cheaper models' right to answer alone.
    #[must_use]
    pub fn with_screening(self, screening: bool) -> Self {
        Self { screening, ..self }
    }

    /// Is there a small encoder?
    pub(crate) fn has_glance(&self) -> bool {
        !self.glance.is_empty()
    }

    /// Asks the first model: where the caller is, when the text is short, else on the rayon pool.
    pub(crate) async fn look_at(self: &Arc<Self>, text: &Arc<str>) -> Result<FirstLook, ModelError> {
        if text.len() <= INLINE_BYTES {
            return self.guarded(text);
        }
        let (reply, answer) = oneshot::channel();
        let (cascade, text) = (Arc::clone(self), Arc::clone(text));
        rayon::spawn(move || {
            let _ = reply.send(cascade.guarded(&text));
        });
        answer.await.unwrap_or_else(|_| Err(failed("the worker ended")))
    }

    /// A panic costs its own text and nothing else.
    fn guarded(&self, text: &str) -> Result<FirstLook, ModelError> {
        catch_unwind(AssertUnwindSafe(|| self.look(text))).unwrap_or_else(|_| Err(failed("it panicked")))
    }

    /// Asks the first model.
    pub fn look(&self, text: &str) -> Result<FirstLook, ModelError> {
        text::check(text)?;
        let scores = SCRATCH.with_borrow_mut(|scratch| self.first.score_with(scratch, text, false).0);
        let below = |label: &Label| label.cut.is_none_or(|cut| scores[label.index] < cut);
        Ok(FirstLook { clean: self.screening && self.labels.iter().all(below), scores })
    }

    /// The answer without the encoder.
    pub fn answer(&self, look: &FirstLook) -> Scores {
        let alone = |label: &Label| label.stack.slope * logit(look.scores[label.index]) + label.stack.shift;
        self.scores(alone, Vec::new())
    }

    /// The answer of the first model and the small encoder, when they call the text plainly harmless; `own` is the small one's.
    pub fn answer_at_a_glance(&self, look: &FirstLook, own: &Scores) -> Option<Scores> {
        let logits = self.mixed(look, own);
        let clean = logits.len() == self.labels.len() && self.below_cuts(&logits);
        let mut logits = self.glance.iter().zip(logits).map(|(glance, logit)| logit + glance.mix.shift);
        (self.screening && self.has_glance() && clean)
            .then(|| self.scores(|_| logits.next().unwrap_or(f32::MIN), Vec::new()))
    }

    /// The logits of the first two, label by label.
    fn mixed(&self, look: &FirstLook, own: &Scores) -> Vec<f32> {
        let mixed = |((label, glance), own): ((&Label, &GlanceLabel), &Score)| {
            let MixSpec { glance, first, offset, .. } = glance.mix;
            glance * logit(own.score) + first * logit(look.scores[label.index]) + offset
        };
        self.labels.iter().zip(&self.glance).zip(&own.scores).map(mixed).collect()
    }

    fn below_cuts(&self, logits: &[f32]) -> bool {
        let below = |(glance, logit): (&GlanceLabel, &f32)| glance.cut.is_none_or(|cut| logistic(*logit) < cut);
        self.glance.iter().zip(logits).all(below)
    }

    /// How far a part's logits, less their discounts, lie above the cuts at most; `None` when they lie below all of them and the encoder need not
    /// read it. `own` is what the small encoder makes of it, `look` what the first model made of all of the text.
    pub(crate) fn doubt(&self, look: &FirstLook, own: Option<&Scores>, screened: bool) -> Option<f32> {
        let Some(own) = own.filter(|own| self.has_glance() && own.scores.len() == self.labels.len()) else {
            // Nobody knows.
            return Some(f32::INFINITY);
        };
        let above = |((logit, discount), glance): ((f32, &f32), &GlanceLabel)| {
            Some(logit - discount - self::logit(glance.cut?))
        };
        let logits = self.mixed(look, own).into_iter().zip(self.discounts.iter().flatten()).zip(&self.glance);
        let most = logits.filter_map(above).fold(f32::NEG_INFINITY, f32::max);
        (most >= 0.0 || !(screened && self.screening)).then_some(most)
    }

    /// A part's logits, less their discount; as [`Cascade::combine`].
    pub(crate) fn part(&self, look: &FirstLook, glance: Option<&Scores>, own: &Scores) -> Vec<f32> {
        let discounts = self.discounts.iter().flatten();
        self.stacked(look, glance, own).zip(discounts).map(|(logit, discount)| logit - discount).collect()
    }

    /// The answer for a text whose parts got these logits: of each label the highest score.
    pub(crate) fn with_worst(&self, mut answer: Scores, parts: &[Vec<f32>], text: &str) -> Scores {
        let mut raised = false;
        for part in parts {
            for (score, logit) in answer.scores.iter_mut().zip(part) {
                let own = logistic(*logit);
                raised |= own > score.score;
                score.score = score.score.max(own);
            }
        }
        if raised && answer.spans.is_empty() {
            answer.spans = self.spans_by_sentence(text);
        }
        answer
    }

    /// The answer of all; `own` is the encoder's, `glance` the small one's if it gave any.
    pub fn combine(&self, text: &str, look: &FirstLook, glance: Option<&Scores>, own: &Scores) -> Scores {
        let mut logits = self.stacked(look, glance, own);
        let spans = if own.spans.is_empty() { self.spans(text) } else { own.spans.clone() };
        self.scores(|_| logits.next().unwrap_or(f32::MIN), spans)
    }

    /// The logits of all, label by label.
    fn stacked<'a>(
        &'a self,
        look: &'a FirstLook,
        glance: Option<&'a Scores>,
        own: &'a Scores,
    ) -> impl Iterator<Item = f32> + 'a {
        self.labels.iter().zip(&own.scores).enumerate().map(move |(place, (label, own))| {
            let StackSpec { encoder, glance: quick, first, offset, .. } = label.stack;
            let seen = glance.and_then(|glance| glance.scores.get(place)).unwrap_or(own);
            encoder * logit(own.score) + quick * logit(seen.score) + first * logit(look.scores[label.index]) + offset
        })
    }

    /// The words that drove the first model: the encoder names none.
    fn spans(&self, text: &str) -> Vec<SpanScore> {
        let (_, spans) = SCRATCH.with_borrow_mut(|scratch| self.first.score_with(scratch, text, true));
        let named = |span: RawSpan| {
            let label = self.first.labels().get(span.label_index)?;
            Some(SpanScore { start: span.start, end: span.end, label: Arc::clone(label), score: span.score })
        };
        spans.into_iter().filter_map(named).collect()
    }

    /// The same where the words drown in what is around them: of each sentence for itself.
    fn spans_by_sentence(&self, text: &str) -> Vec<SpanScore> {
        let mut begin = 0;
        let sentences = text.split_inclusive(['.', '!', '?', '\n']).flat_map(|sentence| {
            let at = begin;
            begin += sentence.len();
            let moved = move |span: SpanScore| SpanScore { start: span.start + at, end: span.end + at, ..span };
            self.spans(sentence).into_iter().map(moved)
        });
        sentences.collect()
    }

    fn scores(&self, logit: impl FnMut(&Label) -> f32, spans: Vec<SpanScore>) -> Scores {
        let logits = self.labels.iter().map(logit);
        let named = self.labels.iter().zip(logits);
        let scores =
            named.map(|(label, logit)| Score { label: Arc::clone(&label.name), score: logistic(logit) }).collect();
        Scores { model: Arc::clone(&self.model), version: Arc::clone(&self.version), scores, spans }
    }
}

fn glance_labels(glance: &GlanceSpec, spec: &ModelSpec) -> Result<Vec<GlanceLabel>, String> {
    let label = |name: &Arc<str>| {
        let mix = *glance.stack.get(name).ok_or_else(|| format!("`cascade.glance.stack` has no `{name}`"))?;
        Ok(GlanceLabel { cut: glance.screen.get(name).copied(), mix })
    };
    spec.labels.iter().map(label).collect()
}

/// Finite for scores that were rounded to 0 or 1.
fn logit(score: f32) -> f32 {
    let score = score.clamp(1e-7, 1.0 - 1e-7);
    (score / (1.0 - score)).ln()
}

fn logistic(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

fn failed(message: &str) -> ModelError {
    ModelError::Backend { backend: "cascade", message: message.into() }
}

#[cfg(test)]
mod tests;
