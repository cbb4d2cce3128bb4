//! Half load: how much later does the slowest in a hundred get its answer than from a single queue in front of the bare backend?
//!
//! Requests come at random times (Poisson) at half of what the bare backend can take one after the other. The comparison is run, not computed:
//! the same texts at the same times, each alone, first come first served, in a process that sleeps in between as the service does. A backend
//! that is never idle is a tenth faster, because nothing else touches its caches. A service that groups texts well can be faster than the queue.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use models::batch::{Batch, EntryId, Prepared};
use serde::{Deserialize, Serialize};

use super::{EMBED_ONLY, ENCODER, Setting, embed_requests};
use crate::{
    open_loop,
    report::{Report, percentile_ms},
    service::{Service, Setup},
    workload::texts,
};

/// Requests of a round.
const REQUESTS: usize = 600;
/// Of the moments at which they come: the same in each round.
const SEED: u64 = 1;

/// Measures and compares.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let mut report = Report::new("latency");
    let [_, _, mixed] = texts::sets(&setting.datasets, setting.texts.as_deref(), &setting.encoder()?)?;
    let texts: Vec<String> = mixed.texts.iter().take(REQUESTS).cloned().collect();
    let requests = Arc::new(embed_requests(&texts, "base64"));
    let setup = Setup { binary: &setting.binary, models: &[ENCODER], core: Some(0), environment: &EMBED_ONLY };
    let service = Service::start(&setup)?;
    let precision = service.precision(ENCODER).await?;
    let mut rounds: [Vec<f64>; 6] = Default::default();
    for _ in 0..setting.rounds {
        let Bare { rate, times, mut queued } = setting.child("--bare-times", precision)?;
        let mut seen = open_loop::run(service.url(), &requests, &times).await?;
        ensure!(seen.refused == 0, "{} requests were refused at half load", seen.refused);
        let (p50, p99) = (percentile_ms(&mut seen.latencies, 0.5), percentile_ms(&mut seen.latencies, 0.99));
        let (queue_p50, queue_p99) = (percentile_ms(&mut queued, 0.5), percentile_ms(&mut queued, 0.99));
        let found = [rate, p50, p99, queue_p50, queue_p99, p99 - queue_p99];
        rounds.iter_mut().zip(found).for_each(|(figures, value)| figures.push(value));
    }
    let names = [
        "requests per second: half of the bare backend",
        "service over HTTP: p50 ms",
        "service over HTTP: p99 ms",
        "single queue before the bare backend: p50 ms",
        "single queue before the bare backend: p99 ms",
        "added by the service at half load: p99 ms",
    ];
    let mut added = f64::NAN;
    for (name, rounds) in names.into_iter().zip(rounds) {
        added = report.figure(name, rounds);
    }
    report.goal("p99 added at half load at most 5 ms", added, added <= 5.0);
    Ok(report)
}

/// What a single queue in front of the bare backend did.
#[derive(Debug, Serialize, Deserialize)]
pub struct Bare {
    /// Requests per second that came.
    rate: f64,
    /// When they came.
    times: Vec<Duration>,
    /// How long each took, waiting included.
    queued: Vec<Duration>,
}

/// The queue, run on the core that it is pinned to.
#[expect(clippy::disallowed_methods, reason = "the process has nothing to do until the next request comes")]
pub fn bare(setting: &Setting) -> anyhow::Result<Bare> {
    let (_, mut model) = setting.bare_backend(ENCODER)?;
    let encoder = setting.encoder()?;
    let [_, _, mixed] = texts::sets(&setting.datasets, setting.texts.as_deref(), &encoder)?;
    let mut infer = |text: &String| -> anyhow::Result<()> {
        let tokens = Prepared::Tokens(encoder.encode(text)?);
        model.infer(&Batch::assemble([(EntryId(0), &tokens)]))?;
        Ok(())
    };
    let texts = &mixed.texts[..REQUESTS.min(mixed.texts.len())];
    let begin = Instant::now();
    texts.iter().try_for_each(&mut infer)?;
    let rate = 0.5 * texts.len() as f64 / begin.elapsed().as_secs_f64();
    // Twice as long as so many requests take on average, then cut to as many as there are texts.
    let length = Duration::from_secs_f64(2.0 * texts.len() as f64 / rate);
    let mut times = open_loop::arrivals(rate, length, SEED);
    times.truncate(texts.len());
    let (begin, mut queued) = (Instant::now(), Vec::new());
    for (text, at) in texts.iter().zip(&times) {
        std::thread::sleep(at.saturating_sub(begin.elapsed()));
        infer(text)?;
        queued.push(begin.elapsed().saturating_sub(*at));
    }
    Ok(Bare { rate, times, queued })
}
