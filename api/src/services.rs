//! The only place where implementations are chosen. CONTRACT: names are fixed; the body is being written (helper `workers`).

use std::sync::Arc;

use models::Engine;
use pipeline::{clock::Clock, index::VectorIndex, policy::PolicySet, process::Pipeline, queue::Queue, store::Store};

use crate::config::Config;

/// Everything long-lived. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Merged configuration.
    pub config: Arc<Config>,
    /// Loaded models.
    pub engine: Engine,
    /// Policies in force.
    pub policies: Arc<PolicySet>,
    /// Rows.
    pub store: Arc<dyn Store>,
    /// Vectors.
    pub index: Arc<dyn VectorIndex>,
    /// Accepted items.
    pub queue: Arc<dyn Queue>,
    /// The stages.
    pub pipeline: Pipeline,
    /// Time.
    pub clock: Clock,
}

impl Services {
    /// Opens store, queue and index, loads the models and the policy. Fails with a sentence that says what to do.
    pub async fn connect(config: Config, clock: Clock) -> anyhow::Result<Self> {
        todo!()
    }
}
