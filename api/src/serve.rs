//! The running service. CONTRACT: names are fixed; the body is being written (helper `workers`).

use std::future::Future;

use tokio::net::TcpListener;

use crate::services::Services;

/// Serves HTTP on `listener` and runs consumers, outbox and duties until `stop` resolves; then drains: stops accepting, finishes what is
/// in flight up to `server.drain_seconds`, closes queue, engine and index. An error means that a long-lived task died.
pub async fn run(
    services: Services,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    todo!()
}
