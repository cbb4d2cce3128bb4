//! A model that is found and not loaded yet. How it is executed is settled here, while nothing else computes: whoever measures beside
//! others takes what they happened to leave.

use std::sync::Arc;

use crate::{
    ModelError, ModelSpec,
    backend::{Backend, BackendSettings},
    cascade::Cascade,
    device::{Device, Hardware},
    execution::{self, Chosen, Execution, Precision},
    prepare::Preparer,
    repository::ModelFolder,
    spec::BackendKind,
};

/// What [`Plan::new`] needs to know of a model.
pub(crate) struct Setup {
    pub(crate) kind: BackendKind,
    pub(crate) folder: ModelFolder,
    pub(crate) settings: BackendSettings,
    /// Which device, which precision.
    pub(crate) wish: (Device, Precision),
    pub(crate) cascade: Option<Cascade>,
    /// The cascade's small encoder, planned.
    pub(crate) glance: Option<Box<Plan>>,
}

/// A model with all that [`crate::served::Served::start`] loads.
pub(crate) struct Plan {
    pub(crate) spec: Arc<ModelSpec>,
    pub(crate) folder: Arc<ModelFolder>,
    pub(crate) settings: BackendSettings,
    pub(crate) preparer: Arc<Preparer>,
    pub(crate) execution: Execution,
    /// The chosen engine, where it was opened to be measured: the first instance takes it.
    pub(crate) opened: Option<Box<dyn Backend>>,
    pub(crate) cascade: Option<Cascade>,
    pub(crate) glance: Option<Box<Plan>>,
    kind: BackendKind,
    wish: (Device, Precision),
}

impl Plan {
    /// Loads the tokenizer.
    pub(crate) async fn new(setup: Setup) -> Result<Self, ModelError> {
        let Setup { kind, folder, settings, wish, cascade, glance } = setup;
        let (spec, folder) = (Arc::new(folder.spec.clone()), Arc::new(folder));
        let load = {
            let folder = Arc::clone(&folder);
            tokio::task::spawn_blocking(move || Preparer::load(kind, &folder))
        };
        let preparer = Arc::new(load.await.map_err(|_| ModelError::Stopped(spec.name.to_string()))??);
        let execution = Execution { backend: kind, device: Device::Cpu, precision: Precision::Fp32 };
        Ok(Self { spec, folder, settings, preparer, execution, opened: None, cascade, glance, kind, wish })
    }

    /// Chooses how the model is executed: see [`execution::choose`].
    pub(crate) async fn settle(&mut self, hardware: &Hardware) -> Result<(), ModelError> {
        if let Some(glance) = &mut self.glance {
            Box::pin(glance.settle(hardware)).await?;
        }
        let (folder, settings, preparer) =
            (Arc::clone(&self.folder), self.settings.clone(), Arc::clone(&self.preparer));
        let (kind, wish, hardware) = (self.kind, self.wish, hardware.clone());
        let choice = move || execution::choose(kind, &folder, &settings, wish, &hardware, || preparer.samples());
        let choice = tokio::task::spawn_blocking(choice).await;
        let Chosen { execution, opened } = choice.map_err(|_| ModelError::Stopped(self.spec.name.to_string()))??;
        (self.execution, self.opened) = (execution, opened);
        Ok(())
    }
}
