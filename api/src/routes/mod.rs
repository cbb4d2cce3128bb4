//! One file per area. Every handler says in its signature whose scope it needs (`Allowed<…>`); what has none is open to everybody.

pub mod actions;
pub mod avatars;
pub mod backtests;
pub mod calls;
pub mod check;
pub mod compat;
pub mod console;
pub mod desk;
pub mod draft;
pub mod embeddings;
pub mod events;
pub mod feedback;
pub mod frames;
pub mod health;
pub mod items;
pub mod judgement;
pub mod keys;
pub mod market;
pub mod matches;
pub mod messages;
pub mod multipart;
pub mod notices;
pub mod pairing;
pub mod policies;
pub mod profiles;
pub mod queue;
pub mod rejected;
pub mod reports;
pub mod schemas;
pub mod similar;
pub mod standings;
pub mod switch;
pub mod terms;
pub mod webhooks;

use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Shared, openapi::Head};

/// What a worker answers: whoever watches it must see how it is.
pub(crate) fn watched() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Head::openapi())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

/// Every route with its documentation.
pub(crate) fn all() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Head::openapi())
        .routes(routes!(items::accept))
        .routes(routes!(items::show))
        .routes(routes!(check::check))
        .routes(routes!(calls::start, calls::list))
        .routes(routes!(calls::show))
        .routes(routes!(calls::join))
        .routes(routes!(calls::leave))
        .routes(routes!(calls::end))
        .routes(routes!(frames::accept))
        .routes(routes!(events::stream, notices::tell))
        .routes(routes!(notices::presence))
        .routes(routes!(reports::submit, reports::list))
        .routes(routes!(reports::show))
        .routes(routes!(schemas::schema))
        .routes(routes!(profiles::put, profiles::show, profiles::delete))
        .routes(routes!(profiles::put_profiles))
        .routes(routes!(avatars::put_avatar, avatars::fetch_avatar, avatars::delete_avatar))
        .routes(routes!(matches::recommend_people))
        .routes(routes!(matches::compare_people))
        .routes(routes!(matches::block_person, matches::unblock_person))
        .routes(routes!(matches::give_answer))
        .routes(routes!(matches::list))
        .routes(routes!(matches::show_match))
        .routes(routes!(matches::end_match))
        .routes(routes!(matches::rate_match))
        .routes(routes!(pairing::wait, pairing::place, pairing::leave))
        .routes(routes!(standings::show, standings::set))
        .routes(routes!(standings::list))
        .routes(routes!(market::exposure))
        .routes(routes!(market::score_model))
        .routes(routes!(similar::similar))
        .routes(routes!(messages::put))
        .routes(routes!(messages::search))
        .routes(routes!(messages::delete))
        .routes(routes!(embeddings::embed))
        .routes(routes!(switch::show))
        .routes(routes!(switch::serve))
        .routes(routes!(policies::list, policies::draft))
        .routes(routes!(policies::validate))
        .routes(routes!(policies::current))
        .routes(routes!(policies::rollouts))
        .routes(routes!(policies::roll_back))
        .routes(routes!(backtests::start))
        .routes(routes!(backtests::list))
        .routes(routes!(backtests::show))
        .routes(routes!(backtests::tune))
        .routes(routes!(actions::show))
        .routes(routes!(actions::acknowledge))
        .routes(routes!(actions::undo))
        .routes(routes!(actions::standing))
        .routes(routes!(actions::list))
        .routes(routes!(actions::tell))
        .routes(routes!(actions::breakers))
        .routes(routes!(actions::close_breaker))
        .routes(routes!(policies::show))
        .routes(routes!(policies::go_live))
        .routes(routes!(queue::stats))
        .routes(routes!(queue::list))
        .routes(routes!(queue::show, queue::discard))
        .routes(routes!(queue::replay))
        .routes(routes!(rejected::list))
        .routes(routes!(rejected::discard))
        .routes(routes!(rejected::replay))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(webhooks::list))
        .routes(routes!(webhooks::show))
        .routes(routes!(webhooks::replay))
        .routes(routes!(compat::moderations::moderate))
        .routes(routes!(compat::models::list))
        .routes(routes!(compat::models::show))
        .routes(routes!(compat::perspective::analyze))
        .routes(routes!(compat::perspective::suggest))
        .routes(routes!(compat::discovery::describe))
        .routes(routes!(feedback::list, feedback::erase))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(health::document))
        .routes(routes!(health::hint))
        .merge(desk::routes())
        .merge(console::routes())
}
