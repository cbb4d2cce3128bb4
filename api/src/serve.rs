//! The running service: HTTP, consumers, outbox and duties; watched while they run, drained when they stop.

use std::{future::Future, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, anyhow};
use axum::serve::ListenerExt;
use chrono::TimeDelta;
use models::Repository;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use workers::{Drained, Setup, Workers, backoff::Jitter, minimum_permits};

use crate::{app, config::show::redact_url, services::Services, telemetry};

/// What flushing the index and joining the models may take after the deadline: both hold only what is safe in the store already.
const CLOSING: Duration = Duration::from_secs(10);

/// Serves HTTP on `listener` and runs consumers, outbox and duties until `stop` resolves; then drains: stops accepting, finishes what is
/// in flight up to `server.drain_seconds`, closes queue, engine and index. An error means that a long-lived task died.
pub async fn run(
    services: Services,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    telemetry::init_metrics()?;
    let started = Instant::now();
    let address = listener.local_addr().context("the listener has no address")?;
    let stopping = CancellationToken::new();
    let router = app::router(services.clone(), stopping.clone())?;
    let mut workers = Workers::start(setup(&services)?)?;
    let _upkeep = AbortOnDropHandle::new(tokio::spawn(telemetry::upkeep(stopping.clone())));
    // Answers are small and a caller waits: never hold one back to fill a packet.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let http = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stopping.clone().cancelled_owned());
    let mut http = AbortOnDropHandle::new(tokio::spawn(async move { http.await }));
    announce(&services, address);

    let failure = tokio::select! {
        () = stop => None,
        error = workers.failed() => Some(anyhow!(error)),
        ended = &mut http => Some(anyhow!("the HTTP listener ended although nobody asked it to: {ended:?}")),
    };
    if let Some(error) = &failure {
        tracing::error!(error = format!("{error:#}"), "a long-lived task died: stopping");
    }

    stopping.cancel();
    let limit = Duration::from_secs(services.config.server.drain_seconds);
    let http_ended = async {
        // Polling a finished task again would panic.
        http.is_finished() || tokio::time::timeout(limit, &mut http).await.is_ok()
    };
    let (http_ended, drained) = tokio::join!(http_ended, workers.drain(limit));
    if !http_ended {
        tracing::warn!(?limit, "some requests did not end in time and are cut off");
    }
    close(&services).await;
    let Drained { acked, retried, dead, told, cut_off } = drained;
    tracing::info!(acked, retried, dead, told, ?cut_off, seconds = started.elapsed().as_secs(), "drained");
    failure.map_or(Ok(()), Err)
}

/// What the workers work with.
fn setup(services: &Services) -> Result<Setup> {
    let config = &services.config;
    Ok(Setup {
        config: config.workers.clone(),
        webhooks: config.webhooks.clone(),
        minimum_permits: permits(services)?,
        retention: TimeDelta::days(i64::from(config.store.retention_days)),
        queue: services.queue.clone(),
        store: services.store.clone(),
        index: services.index.clone(),
        pipeline: services.pipeline.clone(),
        clock: services.clock.clone(),
        jitter: Jitter::random(),
    })
}

/// The fewest items in flight with which the loaded models' batches can fill.
fn permits(services: &Services) -> Result<usize> {
    let config = &services.config.models;
    let repository = Repository::open(&config.repository)?;
    let mut sizes = Vec::new();
    for name in &config.load {
        let spec = repository.spec(name.strip_prefix("fake:").unwrap_or(name))?;
        sizes.push((spec.batching.max_inputs, spec.instances));
    }
    Ok(minimum_permits(sizes))
}

/// One line that says what runs where.
fn announce(services: &Services, address: SocketAddr) {
    let models: Vec<String> =
        services.engine.models().iter().map(|model| format!("{} ({})", model.name, model.backend)).collect();
    let config = &services.config;
    tracing::info!(
        %address,
        models = models.join(", "),
        queue = redact_url(&config.queue.url),
        store = redact_url(&config.store.url),
        index = redact_url(&config.index.url),
        webhooks = config.webhooks.len(),
        keys = config.auth.keys.len(),
        "ready"
    );
}

/// Closes what is left, each within its time.
async fn close(services: &Services) {
    services.queue.close().await;
    match tokio::time::timeout(CLOSING, services.index.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the index is not flushed: it is rebuilt from the store when needed"),
        Err(_) => tracing::warn!("the index is not flushed in time: it is rebuilt from the store when needed"),
    }
    if tokio::time::timeout(CLOSING, services.engine.shutdown()).await.is_err() {
        tracing::warn!("the models did not stop in time");
    }
}
