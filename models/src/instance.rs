//! One OS thread that owns one backend and runs the batches it is handed.
//!
//! A batch that fails or panics is retried entry by entry, once, so that only the offender gets the error. A backend
//! that answers [`ModelError::Stopped`] is lost: its thread ends and the model is no longer ready.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Instant,
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    Lane, ModelError, Output,
    backend::Backend,
    batch::{Answer, Batch, EntryId, Prepared},
    metering::Meters,
    postprocess::Postprocess,
};

/// One input that waits or is being inferred.
pub(crate) struct Entry {
    pub(crate) id: EntryId,
    pub(crate) lane: Lane,
    pub(crate) prepared: Prepared,
    pub(crate) reply: oneshot::Sender<Result<Output, ModelError>>,
    pub(crate) queued: Instant,
    /// The entry's place in the bounded queue; given back when its execution begins or its caller left.
    pub(crate) place: Place,
}

/// A place among the inputs that may wait.
pub(crate) struct Place {
    taken: Arc<AtomicUsize>,
    gauge: metrics::Gauge,
}

impl Place {
    /// Takes a place, or says how many are taken.
    pub(crate) fn take(taken: &Arc<AtomicUsize>, most: usize, meters: &Meters) -> Result<Self, usize> {
        let before = taken.fetch_add(1, Ordering::Relaxed);
        if before >= most {
            taken.fetch_sub(1, Ordering::Relaxed);
            return Err(before);
        }
        meters.waiting.increment(1.0);
        Ok(Self { taken: Arc::clone(taken), gauge: meters.waiting.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        self.gauge.decrement(1.0);
    }
}

/// What an instance needs.
pub(crate) struct InstanceSetup {
    /// Thread name.
    pub(crate) name: String,
    /// Position among the model's instances: the name of its slot.
    pub(crate) slot: usize,
    /// Loads the backend, on the instance's own thread.
    pub(crate) load: Box<dyn FnOnce() -> Result<Box<dyn Backend>, ModelError> + Send>,
    /// Batches to run before it is ready.
    pub(crate) warm_up: Vec<Vec<Prepared>>,
    pub(crate) postprocess: Arc<Postprocess>,
    pub(crate) meters: Meters,
    /// Where the slot goes when the instance is idle.
    pub(crate) idle: mpsc::Sender<usize>,
    /// Instances of this model that are alive.
    pub(crate) alive: Arc<AtomicUsize>,
}

/// A running instance.
pub(crate) struct Instance {
    /// Room for one batch: there is one only after the slot was reserved, so sending never waits.
    pub(crate) jobs: SyncSender<Vec<Entry>>,
    pub(crate) thread: JoinHandle<()>,
}

impl Instance {
    /// Starts the thread. The receiver hears when the backend is loaded and warm, or why it is not.
    pub(crate) fn spawn(setup: InstanceSetup) -> Result<(Self, oneshot::Receiver<Result<(), ModelError>>), ModelError> {
        let (jobs, queue) = sync_channel(1);
        let (ready, readiness) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(setup.name.clone())
            .spawn(move || run(setup, &queue, ready))
            .map_err(|error| ModelError::Io { context: "starting a thread".into(), message: error.to_string() })?;
        Ok((Self { jobs, thread }, readiness))
    }
}

/// Counts an instance as alive for as long as it exists, however its thread ends.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

fn run(setup: InstanceSetup, queue: &Receiver<Vec<Entry>>, ready: oneshot::Sender<Result<(), ModelError>>) {
    let InstanceSetup { name, slot, load, warm_up, postprocess, meters, idle, alive } = setup;
    let started = catch_unwind(AssertUnwindSafe(|| {
        let mut backend = load()?;
        for inputs in &warm_up {
            let batch = Batch::assemble((0..).map(EntryId).zip(inputs));
            for answer in backend.infer(&batch)? {
                postprocess.finish(answer)?;
            }
        }
        Ok(backend)
    }));
    let started = started.unwrap_or_else(|_| Err(postprocess.broken("loading panicked")));
    let backend = match started {
        Ok(backend) => backend,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    alive.fetch_add(1, Ordering::Release);
    let _alive = Alive(alive);
    let _ = ready.send(Ok(()));
    drop(warm_up);

    let mut running = Running { backend, postprocess, meters };
    // The batcher is gone when the slot cannot be given back.
    while idle.try_send(slot).is_ok() {
        let Ok(entries) = queue.recv() else { return };
        if !running.execute(entries) {
            tracing::error!(instance = name, "the backend is lost: this instance ends");
            return;
        }
    }
}

struct Running {
    backend: Box<dyn Backend>,
    postprocess: Arc<Postprocess>,
    meters: Meters,
}

/// What an entry still needs once its input is in the batch.
type Waiting = HashMap<EntryId, oneshot::Sender<Result<Output, ModelError>>>;

impl Running {
    /// Runs a batch and answers every entry. False when the backend is lost.
    fn execute(&mut self, entries: Vec<Entry>) -> bool {
        let begin = Instant::now();
        let mut inputs = Vec::with_capacity(entries.len());
        let mut waiting = Waiting::with_capacity(entries.len());
        for Entry { id, prepared, reply, queued, place, .. } in entries {
            self.meters.queued(begin.saturating_duration_since(queued));
            drop(place);
            inputs.push((id, prepared));
            waiting.insert(id, reply);
        }
        match self.attempt(&inputs) {
            Ok(answers) => self.deliver(answers, waiting),
            Err(error @ ModelError::Stopped(_)) => return refuse(waiting, &error),
            Err(error) if inputs.len() == 1 => {
                refuse(waiting, &error);
            }
            Err(error) => {
                tracing::warn!(inputs = inputs.len(), %error, "a batch failed: trying its inputs one by one");
                return self.one_by_one(&inputs, waiting);
            }
        }
        true
    }

    fn one_by_one(&mut self, inputs: &[(EntryId, Prepared)], mut waiting: Waiting) -> bool {
        for input in inputs {
            let Some(reply) = waiting.remove(&input.0) else { continue };
            let alone = Waiting::from([(input.0, reply)]);
            match self.attempt(std::slice::from_ref(input)) {
                Ok(answers) => self.deliver(answers, alone),
                Err(error) => {
                    refuse(alone, &error);
                    if matches!(error, ModelError::Stopped(_)) {
                        return refuse(waiting, &error);
                    }
                }
            }
        }
        true
    }

    fn attempt(&mut self, inputs: &[(EntryId, Prepared)]) -> Result<Vec<Answer>, ModelError> {
        let begin = Instant::now();
        let batch = Batch::assemble(inputs.iter().map(|(id, prepared)| (*id, prepared)));
        let result = catch_unwind(AssertUnwindSafe(|| self.backend.infer(&batch)));
        self.meters.executed(batch.len(), begin.elapsed());
        result.unwrap_or_else(|_| Err(self.postprocess.broken("the backend panicked")))
    }

    fn deliver(&self, answers: Vec<Answer>, mut waiting: Waiting) {
        for answer in answers {
            if let Some(reply) = waiting.remove(&answer.id) {
                self.meters.inferences.increment(1);
                let _ = reply.send(self.postprocess.finish(answer));
            }
        }
        refuse(waiting, &self.postprocess.broken("the backend gave no answer for this input"));
    }
}

/// Gives everybody who still waits the same error; false, for the tail of a lost backend.
fn refuse(waiting: Waiting, error: &ModelError) -> bool {
    for reply in waiting.into_values() {
        let _ = reply.send(Err(error.clone()));
    }
    false
}
