//! What one model tells the metrics recorder. Install the recorder before the engine starts: handles are bound once.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `chaperone_model_requests_total` | model | inputs offered |
//! | `chaperone_model_failures_total` | model, kind | inputs that got an error |
//! | `chaperone_model_inferences_total` | model | inputs answered |
//! | `chaperone_model_executions_total` | model | backend executions; inferences ÷ executions is the mean batch size |
//! | `chaperone_model_seconds` | model, stage: prepare, queue, infer | time by stage: per input, per input, per execution |
//! | `chaperone_model_batch_size` | model | inputs per execution |
//! | `chaperone_model_batches_total` | model, stop | why batches ended where they did |
//! | `chaperone_model_screened_total` | model, by: first, glance, encoder | texts that went through a cascade, by the stage that answered |
//! | `chaperone_model_waiting` | model | inputs between admission and execution |

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram};

use crate::{Kind, ModelError, batcher::StopReason, cascade::Stage};

/// Bound handles of one model.
#[derive(Clone)]
pub(crate) struct Meters {
    model: String,
    pub(crate) requests: Counter,
    pub(crate) inferences: Counter,
    executions: Counter,
    prepare: Histogram,
    queue: Histogram,
    infer: Histogram,
    batch_size: Histogram,
    stops: [Counter; StopReason::ALL.len()],
    screened: [Counter; Stage::ALL.len()],
    pub(crate) waiting: Gauge,
}

impl Meters {
    pub(crate) fn new(model: &str) -> Self {
        describe();
        let model = model.to_owned();
        let seconds = |stage: &'static str| metrics::histogram!("chaperone_model_seconds", "model" => model.clone(), "stage" => stage);
        Self {
            requests: counter!("chaperone_model_requests_total", "model" => model.clone()),
            inferences: counter!("chaperone_model_inferences_total", "model" => model.clone()),
            executions: counter!("chaperone_model_executions_total", "model" => model.clone()),
            prepare: seconds("prepare"),
            queue: seconds("queue"),
            infer: seconds("infer"),
            batch_size: metrics::histogram!("chaperone_model_batch_size", "model" => model.clone()),
            stops: StopReason::ALL.map(
                |stop| counter!("chaperone_model_batches_total", "model" => model.clone(), "stop" => stop.as_str()),
            ),
            screened: Stage::ALL.map(
                |stage| counter!("chaperone_model_screened_total", "model" => model.clone(), "by" => stage.as_str()),
            ),
            waiting: metrics::gauge!("chaperone_model_waiting", "model" => model.clone()),
            model,
        }
    }

    pub(crate) fn failed(&self, error: &ModelError) {
        let kind = match error.kind() {
            Kind::Invalid => "invalid",
            Kind::TooBusy => "full",
            Kind::Unavailable => "stopped",
            _ => "internal",
        };
        counter!("chaperone_model_failures_total", "model" => self.model.clone(), "kind" => kind).increment(1);
    }

    pub(crate) fn prepared(&self, took: Duration) {
        self.prepare.record(took.as_secs_f64());
    }

    pub(crate) fn queued(&self, waited: Duration) {
        self.queue.record(waited.as_secs_f64());
    }

    pub(crate) fn executed(&self, inputs: usize, took: Duration) {
        self.executions.increment(1);
        self.batch_size.record(inputs as f64);
        self.infer.record(took.as_secs_f64());
    }

    /// A text went through a cascade as far as this stage.
    pub(crate) fn answered_by(&self, stage: Stage) {
        self.screened[stage as usize].increment(1);
    }

    pub(crate) fn cut(&self, stop: StopReason) {
        self.stops[stop as usize].increment(1);
    }
}

fn describe() {
    describe_counter!("chaperone_model_requests_total", "Inputs offered to a model.");
    describe_counter!("chaperone_model_failures_total", "Inputs that got an error, by kind.");
    describe_counter!("chaperone_model_inferences_total", "Inputs answered.");
    describe_counter!("chaperone_model_executions_total", "Backend executions.");
    describe_histogram!("chaperone_model_seconds", Unit::Seconds, "Time by stage.");
    describe_histogram!("chaperone_model_batch_size", "Inputs per execution.");
    describe_counter!("chaperone_model_batches_total", "Batches cut, by the reason for their end.");
    describe_counter!(
        "chaperone_model_screened_total",
        "Texts that went through a cascade, by the stage that answered."
    );
    describe_gauge!("chaperone_model_waiting", "Inputs between admission and execution.");
}
