//! One loaded model: admission, preprocessing, the batcher task, the instances.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::SyncSender,
    },
    thread,
    time::Instant,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use crate::{
    Input, Lane, ModelError, ModelSpec, ModelState, Output, Scores, backend,
    batch::{EntryId, Prepared},
    batcher::BatchState,
    cascade::{Cascade, Compared, FirstLook, Stage},
    execution::Execution,
    instance::{Entry, Instance, InstanceSetup, Place},
    metering::Meters,
    plan::Plan,
    postprocess::Postprocess,
    prepare::Preparer,
};

/// Parts of one text that are judged at the same time.
const PARTS_AT_ONCE: usize = 8;
/// Parts of one text that the large encoder reads: what is in 20,000 bytes of abuse is known from fewer, and a text must not cost what
/// hundreds cost.
const PARTS_READ: usize = 32;

/// The batcher and the instances' threads, to be joined at the end.
type Tasks = (JoinHandle<()>, Vec<thread::JoinHandle<()>>);

pub(crate) struct Served {
    pub(crate) spec: Arc<ModelSpec>,
    pub(crate) preparer: Arc<Preparer>,
    execution: Execution,
    queue: mpsc::Sender<Entry>,
    waiting: Arc<AtomicUsize>,
    /// Callers that left since the batcher last looked.
    left: Arc<AtomicUsize>,
    instances: usize,
    alive: Arc<AtomicUsize>,
    stopping: AtomicBool,
    stop: watch::Sender<bool>,
    tasks: Mutex<Option<Tasks>>,
    meters: Meters,
    cascade: Option<Arc<Cascade>>,
    /// Asked before this model, with the same token ids.
    glance: Option<Box<Served>>,
}

impl Served {
    /// Loads and warms up the instances of a settled plan, then starts the batcher; the small encoder first, when there is one.
    pub(crate) async fn start(plan: Plan) -> Result<Self, ModelError> {
        let Plan { spec, folder, settings, preparer, execution, mut opened, cascade, glance, .. } = plan;
        let glance = match glance {
            Some(plan) => Some(Box::new(Box::pin(Self::start(*plan)).await?)),
            None => None,
        };
        let name = backend::name(execution.backend);
        let postprocess = Arc::new(Postprocess::new(&spec, name));
        let meters = Meters::new(&spec.name);
        let mut warm_up = preparer.largest(&spec);
        if let Some(step) = backend::column_step(execution.backend) {
            warm_up.extend(preparer.small(&spec, step));
        }
        let count = spec.instances.max(1);
        let alive = Arc::new(AtomicUsize::new(0));
        let (idle, slots) = mpsc::channel(count);
        let (mut instances, mut starting) = (Vec::new(), Vec::new());
        for slot in 0..count {
            let (folder, settings, opened) = (Arc::clone(&folder), settings.clone(), opened.take());
            let (instance, ready) = Instance::spawn(InstanceSetup {
                name: format!("{}-{slot}", spec.name),
                slot,
                load: Box::new(move || opened.map_or_else(|| backend::open(execution, &folder, &settings), Ok)),
                warm_up: warm_up.clone(),
                postprocess: Arc::clone(&postprocess),
                meters: meters.clone(),
                idle: idle.clone(),
                alive: Arc::clone(&alive),
            })?;
            instances.push(instance);
            starting.push(ready);
        }
        // Only instances hold the sending side: when the last one dies, the batcher hears it.
        drop(idle);
        for ready in starting {
            ready.await.unwrap_or_else(|_| Err(ModelError::Stopped(spec.name.to_string())))?;
        }

        let (queue, incoming) = mpsc::channel(spec.batching.max_waiting.max(1));
        let (stop, stopped) = watch::channel(false);
        let left = Arc::new(AtomicUsize::new(0));
        let (jobs, threads) = instances.into_iter().map(|instance| (instance.jobs, instance.thread)).unzip();
        let batcher = Batcher {
            incoming,
            slots,
            jobs,
            stopped,
            state: BatchState::new(spec.batching.on(execution.device)),
            entries: HashMap::new(),
            left: Arc::clone(&left),
            meters: meters.clone(),
        };
        let task = tokio::spawn(batcher.run());
        Ok(Self {
            preparer,
            execution,
            queue,
            waiting: Arc::new(AtomicUsize::new(0)),
            left,
            instances: count,
            alive,
            stopping: AtomicBool::new(false),
            stop,
            tasks: Mutex::new(Some((task, threads))),
            meters,
            cascade: cascade.map(Arc::new),
            glance,
            spec,
        })
    }

    /// How the model is executed.
    pub(crate) fn execution(&self) -> Execution {
        self.execution
    }

    /// See [`crate::Engine::infer`].
    pub(crate) async fn infer(&self, input: Input, lane: Lane) -> Result<Output, ModelError> {
        self.meters.requests.increment(1);
        let result = match (&self.cascade, input) {
            (Some(cascade), Input::Text(text)) => self.cascaded(cascade, text, lane).await,
            (_, input) => self.answer(input, lane).await,
        };
        if let Err(error) = &result {
            self.meters.failed(error);
        }
        result
    }

    /// The cascade's cheaper models one after the other, and the encoder when neither is sure; the parts of a long text beside it.
    async fn cascaded(&self, cascade: &Arc<Cascade>, text: Arc<str>, lane: Lane) -> Result<Output, ModelError> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(self.stopped());
        }
        let look = cascade.look_at(&text).await?;
        if look.clean {
            self.meters.answered_by(Stage::First);
            return Ok(Output::Scores(cascade.answer(&look)));
        }
        // The place is taken before any work is done, so that what waits is bounded in memory too.
        let place = self.place()?;
        let (prepared, parts) = self.prepare_with_parts(cascade, Arc::clone(&text)).await?;
        let whole = async {
            let glance = self.glance_at(&prepared, lane).await;
            if let Some(answer) = glance.as_ref().and_then(|glance| cascade.answer_at_a_glance(&look, glance)) {
                return Ok((answer, Stage::Glance));
            }
            let own = self.scores_of(self.queued(place, prepared, lane).await?)?;
            Ok((cascade.combine(&text, &look, glance.as_ref(), &own), Stage::Encoder))
        };
        let parts = self.judge_parts((cascade, &look), parts, lane, true);
        let ((answer, stage), parts) = futures::future::try_join(whole, parts).await?;
        self.meters.answered_by(if parts.is_empty() { stage } else { Stage::Encoder });
        Ok(Output::Scores(cascade.with_worst(answer, &parts, &text)))
    }

    /// See [`crate::Engine::compare`].
    pub(crate) async fn compare(&self, text: Arc<str>, lane: Lane) -> Result<Option<Compared>, ModelError> {
        let Some(cascade) = &self.cascade else { return Ok(None) };
        let look = cascade.look_at(&text).await?;
        let place = self.place()?;
        let (prepared, parts) = self.prepare_with_parts(cascade, Arc::clone(&text)).await?;
        let glance = self.glance_at(&prepared, lane).await;
        let seen = || Some((cascade.answer_at_a_glance(&look, glance.as_ref()?)?, Stage::Glance));
        let early = if look.clean { Some((cascade.answer(&look), Stage::First)) } else { seen() };
        let own = self.scores_of(self.queued(place, prepared, lane).await?)?;
        let whole = cascade.combine(&text, &look, glance.as_ref(), &own);
        let (served, by) = early.unwrap_or_else(|| (whole.clone(), Stage::Encoder));
        let every = self.judge_parts((cascade, &look), parts.clone(), lane, false).await?;
        let whole = cascade.with_worst(whole, &every, &text);
        if by == Stage::First {
            return Ok(Some(Compared { served, by, whole }));
        }
        let doubted = self.judge_parts((cascade, &look), parts, lane, true).await?;
        let by = if doubted.is_empty() { by } else { Stage::Encoder };
        Ok(Some(Compared { served: cascade.with_worst(served, &doubted, &text), by, whole }))
    }

    /// The logits of those parts that the encoder read: with `screened` those that the small one doubts, of very many the most doubtful.
    async fn judge_parts(
        &self,
        (cascade, look): (&Cascade, &FirstLook),
        parts: Vec<Prepared>,
        lane: Lane,
        screened: bool,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let glanced = few_at_once(parts.into_iter().map(|part| async move {
            let glance = self.glance_at(&part, lane).await;
            Ok(cascade.doubt(look, glance.as_ref(), screened).map(|doubt| (doubt, part, glance)))
        }));
        let doubted = most_doubtful(glanced.await?.into_iter().flatten().collect());
        few_at_once(doubted.into_iter().map(|(_, part, glance)| async move {
            let own = self.scores_of(self.queued(self.place()?, part, lane).await?)?;
            Ok(cascade.part(look, glance.as_ref(), &own))
        }))
        .await
    }

    async fn prepare_with_parts(
        &self,
        cascade: &Cascade,
        text: Arc<str>,
    ) -> Result<(Prepared, Vec<Prepared>), ModelError> {
        if !cascade.has_parts() {
            return Ok((self.prepare(Input::Text(text)).await?, Vec::new()));
        }
        let begin = Instant::now();
        let prepared = self.preparer.prepare_parts(text).await?;
        self.meters.prepared(begin.elapsed());
        Ok(prepared)
    }

    fn scores_of(&self, output: Output) -> Result<Scores, ModelError> {
        match output {
            Output::Scores(scores) => Ok(scores),
            Output::Embedding(_) => {
                Err(ModelError::InvalidInput(format!("model `{}` is no classifier", self.spec.name)))
            }
        }
    }

    /// What the small encoder makes of a text. One that fails or is full leaves the text to the large one.
    async fn glance_at(&self, prepared: &Prepared, lane: Lane) -> Option<Scores> {
        let glance = self.glance.as_deref()?;
        match glance.answer_prepared(prepared.clone(), lane).await {
            Ok(Output::Scores(own)) => Some(own),
            Ok(Output::Embedding(_)) => None,
            Err(error) => {
                glance.meters.failed(&error);
                None
            }
        }
    }

    async fn answer_prepared(&self, prepared: Prepared, lane: Lane) -> Result<Output, ModelError> {
        self.meters.requests.increment(1);
        self.queued(self.place()?, prepared, lane).await
    }

    async fn answer(&self, input: Input, lane: Lane) -> Result<Output, ModelError> {
        // The place is taken before any work is done, so that what waits is bounded in memory too.
        let place = self.place()?;
        let prepared = self.prepare(input).await?;
        self.queued(place, prepared, lane).await
    }

    /// Room for one more.
    fn place(&self) -> Result<Place, ModelError> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(self.stopped());
        }
        let most = self.spec.batching.max_waiting.max(1);
        Place::take(&self.waiting, most, &self.meters).map_err(|waiting| self.full(waiting))
    }

    async fn prepare(&self, input: Input) -> Result<Prepared, ModelError> {
        let begin = Instant::now();
        let prepared = self.preparer.prepare(input).await?;
        self.meters.prepared(begin.elapsed());
        Ok(prepared)
    }

    async fn queued(&self, place: Place, prepared: Prepared, lane: Lane) -> Result<Output, ModelError> {
        let queued = Instant::now();
        let (reply, answer) = oneshot::channel();
        let entry = Entry { id: EntryId(0), lane, prepared, reply, queued, place };
        self.queue.try_send(entry).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => self.full(self.spec.batching.max_waiting.max(1)),
            mpsc::error::TrySendError::Closed(_) => self.stopped(),
        })?;
        let mut leaving = Leaving(Some(&self.left));
        let answer = answer.await;
        leaving.0 = None;
        answer.unwrap_or_else(|_| Err(self.stopped()))
    }

    fn full(&self, waiting: usize) -> ModelError {
        ModelError::Full { model: self.spec.name.to_string(), waiting }
    }

    fn stopped(&self) -> ModelError {
        ModelError::Stopped(self.spec.name.to_string())
    }

    pub(crate) fn state(&self) -> ModelState {
        let alive = self.alive.load(Ordering::Acquire);
        ModelState {
            name: Arc::clone(&self.spec.name),
            version: Arc::clone(&self.spec.version),
            backend: backend::name(self.execution.backend),
            device: self.execution.device.to_string(),
            precision: self.execution.precision.as_str(),
            ready: alive == self.instances && !self.stopping.load(Ordering::Acquire) && self.glance_ready(),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    #[cfg(test)]
    pub(crate) fn glance(&self) -> Option<&Self> {
        self.glance.as_deref()
    }

    fn glance_ready(&self) -> bool {
        self.glance.as_ref().is_none_or(|glance| glance.state().ready)
    }

    /// Stops accepting, lets the batchers finish what waits, joins the threads.
    pub(crate) async fn shutdown(&self) {
        if let Some(glance) = &self.glance {
            Box::pin(glance.shutdown()).await;
        }
        self.stopping.store(true, Ordering::Release);
        let _ = self.stop.send(true);
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((batcher, threads)) = tasks else { return };
        let _ = batcher.await;
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }
}

/// Of very many parts those that are doubted most, of equals the first ones.
fn most_doubtful<P, G>(mut doubted: Vec<(f32, P, G)>) -> Vec<(f32, P, G)> {
    if doubted.len() > PARTS_READ {
        doubted.sort_by(|(one, ..), (other, ..)| other.total_cmp(one));
        doubted.truncate(PARTS_READ);
    }
    doubted
}

/// The answers of all, [`PARTS_AT_ONCE`] at a time: one long text must not fill the queue.
async fn few_at_once<T>(
    mut asked: impl Iterator<Item = impl Future<Output = Result<T, ModelError>>>,
) -> Result<Vec<T>, ModelError> {
    let mut answers = Vec::new();
    loop {
        let some = futures::future::try_join_all(asked.by_ref().take(PARTS_AT_ONCE)).await?;
        if some.is_empty() {
            return Ok(answers);
        }
        answers.extend(some);
    }
}

/// Tells the batcher when a caller drops its future before the answer.
struct Leaving<'a>(Option<&'a AtomicUsize>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(left) = self.0 {
            left.fetch_add(1, Ordering::Release);
        }
    }
}

/// The task that owns the waiting entries. Reserves an idle instance first and cuts the batch then, so that a batch
/// grows for as long as the device is busy.
struct Batcher {
    incoming: mpsc::Receiver<Entry>,
    slots: mpsc::Receiver<usize>,
    jobs: Vec<SyncSender<Vec<Entry>>>,
    stopped: watch::Receiver<bool>,
    state: BatchState,
    entries: HashMap<EntryId, Entry>,
    left: Arc<AtomicUsize>,
    meters: Meters,
}

impl Batcher {
    async fn run(mut self) {
        while let Some(slot) = self.slots.recv().await {
            let Some(batch) = self.next_batch().await else { return };
            if let Err(error) = self.jobs[slot].try_send(batch) {
                // The instance died after it gave its slot: its batch goes to another one.
                let (std::sync::mpsc::TrySendError::Full(batch) | std::sync::mpsc::TrySendError::Disconnected(batch)) =
                    error;
                batch.into_iter().for_each(|entry| self.accept(entry));
            }
        }
        // Every instance is dead: dropping the entries tells their callers.
        self.incoming.close();
    }

    /// Waits for work and cuts a batch; `None` when the engine stops and nothing waits.
    async fn next_batch(&mut self) -> Option<Vec<Entry>> {
        loop {
            self.collect();
            if self.state.is_empty() {
                tokio::select! {
                    entry = self.incoming.recv() => self.accept(entry?),
                    // An error means that the engine was dropped.
                    _ = self.stopped.changed(), if !self.incoming.is_closed() => self.incoming.close(),
                }
                continue;
            }
            self.linger().await;
            let Some(cut) = self.state.cut() else { continue };
            let batch: Vec<_> = cut.ids.iter().filter_map(|id| self.entries.remove(id)).collect();
            let batch: Vec<_> = batch.into_iter().filter(|entry| !entry.reply.is_closed()).collect();
            if !batch.is_empty() {
                self.meters.cut(cut.stop);
                return Some(batch);
            }
        }
    }

    /// Takes in what arrived meanwhile and drops entries whose callers left.
    fn collect(&mut self) {
        while let Ok(entry) = self.incoming.try_recv() {
            self.accept(entry);
        }
        if self.left.swap(0, Ordering::Acquire) > 0 {
            let state = &mut self.state;
            self.entries.retain(|id, entry| {
                let left = entry.reply.is_closed();
                if left {
                    state.remove(*id);
                }
                !left
            });
        }
    }

    fn accept(&mut self, mut entry: Entry) {
        entry.id = self.state.push(entry.lane, entry.prepared.length(), entry.queued);
        self.entries.insert(entry.id, entry);
    }

    /// Waits `max_delay_us` for company, when the model asks for that.
    async fn linger(&mut self) {
        loop {
            let patience = self.state.patience(Instant::now());
            if patience.is_zero() || self.incoming.is_closed() {
                return;
            }
            match tokio::time::timeout(patience, self.incoming.recv()).await {
                Ok(Some(entry)) => self.accept(entry),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_of_very_many_parts_the_most_doubtful_are_read() {
        let few = vec![(1.0, 0, ()), (3.0, 1, ()), (2.0, 2, ())];
        assert_eq!(most_doubtful(few.clone()), few, "all, in their order");
        let doubt = |part: usize| if part.is_multiple_of(2) { part as f32 } else { 0.0 };
        let many: Vec<_> = (0..100).map(|part| (doubt(part), part, ())).collect();
        let read: Vec<usize> = most_doubtful(many).into_iter().map(|(_, part, ())| part).collect();
        let worst: Vec<usize> = (0..100).rev().filter(|part| part % 2 == 0).take(PARTS_READ).collect();
        assert_eq!(read, worst);
        let nobody_knows: Vec<_> = (0..100).map(|part| (f32::INFINITY, part, ())).collect();
        let read: Vec<usize> = most_doubtful(nobody_knows).into_iter().map(|(_, part, ())| part).collect();
        assert_eq!(read, (0..PARTS_READ).collect::<Vec<_>>());
    }
}
