//! The router and its middleware. CONTRACT: `router` is fixed; the body is being written (helper `routes`).

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::services::Services;

/// The whole HTTP face: every route, its limits, authentication, errors, request ids, metrics. Once `stop` is cancelled, event streams end
/// and `/health/ready` answers 503. Fails when `[auth]` holds a digest that is none.
pub fn router(services: Services, stop: CancellationToken) -> anyhow::Result<Router> {
    todo!()
}
