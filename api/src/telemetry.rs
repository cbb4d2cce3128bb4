//! Logs to stderr, metrics for Prometheus.
//!
//! Both are of the process, not of one service: tests start several services in one process, and the first one installs.

use std::{io::IsTerminal, sync::OnceLock, time::Duration};

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// Bounds of every histogram whose name ends with `_seconds`: from a tokenised text to a slow webhook.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of every histogram whose name ends with `_size` (inputs per batch).
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Histograms keep raw samples until they are folded into buckets; so often that happens.
const UPKEEP: Duration = Duration::from_secs(5);

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logging to stderr. A second call changes nothing. The environment variable `RUST_LOG` wins over `log.filter`.
pub fn init_logs(config: &LogConfig) -> Result<()> {
    let directives = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| config.filter.clone());
    let filter = EnvFilter::try_new(&directives).with_context(|| {
        format!("the log filter `{directives}` is not understood: write for example `info,pipeline=debug`")
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    // An error means that somebody has installed a subscriber before: theirs stays.
    let _ = match config.format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            registry.with(fmt::layer().with_ansi(colours).with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
        }
    };
    // A panic's message can quote what was being judged (`byte index 3 is not a char boundary in "…"`): only its place is logged.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(panic.place = place, panic.thread = thread, "a panic; the item that caused it gets an error");
    }));
    Ok(())
}

/// Starts collecting metrics. A second call changes nothing.
pub fn init_metrics() -> Result<()> {
    if METRICS.get().is_some() {
        return Ok(());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZES)?
        .build_recorder();
    // Of two racing calls one wins `METRICS`; only its recorder may become the global one.
    let handle = recorder.handle();
    if METRICS.set(handle).is_ok() {
        metrics::set_global_recorder(recorder).context("another metrics recorder is installed in this process")?;
    }
    Ok(())
}

/// The text of `/metrics`, figures of the process included. Empty before [`init_metrics`].
pub fn render_metrics() -> String {
    record_process();
    METRICS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Folds histogram samples into buckets until `stop`, so that an unscraped service does not grow.
pub async fn upkeep(stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
        if let Some(metrics) = METRICS.get() {
            metrics.run_upkeep();
        }
    }
}

/// Sets the gauges that Prometheus client libraries usually offer of a process.
fn record_process() {
    if let Some(bytes) = resident_bytes() {
        metrics::gauge!("process_resident_memory_bytes").set(bytes as f64);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(files.count() as f64);
    }
}

/// Memory of this process that is in RAM, in bytes; `None` where `/proc` does not tell.
pub fn resident_bytes() -> Option<u64> {
    // Linux on the machines that we build for has pages of 4 KiB; `statm` counts in pages.
    const PAGE: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i6_metrics_render_with_buckets_and_process_figures() {
        init_metrics().unwrap();
        init_metrics().unwrap();
        metrics::histogram!("telemetry_test_seconds").record(0.003);
        metrics::counter!("telemetry_test_total").increment(2);
        let text = render_metrics();
        assert!(text.contains("telemetry_test_total 2"), "{text}");
        assert!(text.contains("telemetry_test_seconds_bucket{le=\"0.004\"} 1"), "{text}");
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
    }

    #[test]
    fn this_process_takes_memory() {
        let bytes = resident_bytes().unwrap();
        assert!((1 << 20..1 << 40).contains(&bytes), "{bytes}");
    }
}
