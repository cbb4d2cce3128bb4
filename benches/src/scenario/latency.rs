//! Half load: how much later does the slowest in a hundred get its answer than from a single queue in front of the bare backend?
//!
//! Requests come at random times (Poisson) at half of what the bare backend can take one by one. The comparison is computed:
//! the same texts at the same times, each alone, first come first served, with the times that the bare backend measured for
//! them. A service that groups texts well can be faster than that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use models::{
    Device, Precision,
    backend::{self, BackendSettings},
    batch::{Batch, EntryId, Prepared},
    execution::Execution,
};

use super::{EMBED_ONLY, ENCODER, Setting, embed_requests};
use crate::{
    open_loop,
    report::{Report, percentile_ms},
    service::{Service, Setup},
    workload::texts,
};

/// Requests of a round.
const REQUESTS: usize = 600;

/// Measures and compares.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let mut report = Report::new("latency");
    let [_, _, mixed] = texts::sets(&setting.datasets, setting.texts.as_deref(), &setting.encoder()?)?;
    let texts: Vec<String> = mixed.texts.iter().take(REQUESTS).cloned().collect();
    let requests = Arc::new(embed_requests(&texts, "base64"));
    let setup = Setup { binary: &setting.binary, models: &[ENCODER], core: Some(0), environment: &EMBED_ONLY };
    let service = Service::start(&setup)?;
    let mut rounds: [Vec<f64>; 6] = Default::default();
    for round in 0..setting.rounds {
        let alone: Vec<f64> = setting.child("--bare-times")?;
        let alone: Vec<Duration> = alone.into_iter().map(Duration::from_secs_f64).collect();
        let mean = alone.iter().sum::<Duration>().as_secs_f64() / alone.len() as f64;
        let rate = 0.5 / mean;
        // Twice as long as so many requests take on average, then cut to as many as there are texts.
        let length = Duration::from_secs_f64(2.0 * texts.len() as f64 / rate);
        let mut times = open_loop::arrivals(rate, length, round as u64 + 1);
        times.truncate(alone.len());
        let mut queued = single_queue(&times, &alone);
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
        "single queue before the bare backend, computed: p50 ms",
        "single queue before the bare backend, computed: p99 ms",
        "added by the service at half load: p99 ms",
    ];
    let mut added = f64::NAN;
    for (name, rounds) in names.into_iter().zip(rounds) {
        added = report.figure(name, rounds);
    }
    report.goal("p99 added at half load at most 5 ms", added, added <= 5.0);
    Ok(report)
}

/// Waiting and service of each request, one after the other.
fn single_queue(times: &[Duration], service: &[Duration]) -> Vec<Duration> {
    let mut free = Duration::ZERO;
    let mut one = |(at, takes): (&Duration, &Duration)| {
        free = free.max(*at) + *takes;
        free - *at
    };
    times.iter().zip(service).map(&mut one).collect()
}

/// Seconds that the first texts of the mixed set take, each alone. Run it pinned to one core.
pub fn bare(setting: &Setting) -> anyhow::Result<Vec<f64>> {
    let (folder, library) = setting.model(ENCODER)?;
    let encoder = setting.encoder()?;
    let [_, _, mixed] = texts::sets(&setting.datasets, setting.texts.as_deref(), &encoder)?;
    let execution = Execution { backend: folder.spec.backend, device: Device::Cpu, precision: Precision::Fp32 };
    let mut model = backend::open(execution, &folder, &BackendSettings::new(library, None, 1))?;
    let mut times = Vec::new();
    for text in mixed.texts.iter().take(REQUESTS) {
        let begin = Instant::now();
        let tokens = Prepared::Tokens(encoder.encode(text)?);
        model.infer(&Batch::assemble([(EntryId(0), &tokens)]))?;
        times.push(begin.elapsed().as_secs_f64());
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_queue_waits_for_the_one_before() {
        let ms = Duration::from_millis;
        let took = single_queue(&[ms(0), ms(1), ms(50)], &[ms(10), ms(10), ms(5)]);
        assert_eq!(took, [ms(10), ms(19), ms(5)]);
    }
}
