//! The reviewers' desk over HTTP: what the console is built on. Every handler names the permission that it needs (`Seat<…>`).

pub mod alike;
pub mod appeals;
pub mod audit;
pub mod banks;
pub mod cases;
pub mod decisions;
pub mod people;
pub mod quality;
pub mod reports;
pub mod session;
pub mod settings;
pub mod statements;
pub mod stats;
pub mod stream;
pub mod users;
pub mod views;
pub mod wall;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Shared, error::ApiError};

/// Rows on a page when nobody says.
const PAGE: usize = 50;

/// A page's length, within its limits.
pub(super) fn length(limit: Option<usize>) -> Result<usize, ApiError> {
    let limit = limit.unwrap_or(PAGE);
    if (1..=pipeline::store::desk::MAX_PAGE).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::invalid("limit_invalid", "`limit` is 1 to 200.").at("limit"))
}

/// A cursor that is an id.
fn id_cursor<T: std::str::FromStr>(cursor: Option<&str>) -> Result<Option<T>, ApiError> {
    let wrong = |_| {
        ApiError::invalid("cursor_invalid", "`cursor` is not one of ours: send the `next` of the page before.")
            .at("cursor")
    };
    cursor.map(|text| text.parse().map_err(wrong)).transpose()
}

/// A word of a closed list.
pub(super) fn word<T>(
    field: &'static str,
    text: Option<&str>,
    named: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let wrong = |text: &str| ApiError::invalid("query_invalid", format!("`{field}` does not know `{text}`.")).at(field);
    text.map(|text| named(text).ok_or_else(|| wrong(&text.chars().take(40).collect::<String>()))).transpose()
}

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(session::sign_in, session::me, session::sign_out))
        .routes(routes!(session::set_up))
        .routes(routes!(session::change_profile))
        .routes(routes!(session::change_tenant))
        .routes(routes!(session::change_password))
        .routes(routes!(session::new_code, session::confirm_code, session::drop_code))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::change))
        .routes(routes!(users::let_in, users::keep_out))
        .routes(routes!(settings::show, settings::put))
        .routes(routes!(stats::queues))
        .routes(routes!(stats::stats))
        .routes(routes!(stats::export))
        .routes(routes!(stats::search))
        .routes(routes!(stream::stream))
        .routes(routes!(wall::calls))
        .routes(routes!(wall::act))
        .routes(routes!(quality::show))
        .routes(routes!(quality::golden))
        .routes(routes!(quality::put_golden, quality::remove_golden))
        .routes(routes!(cases::list, cases::open))
        .routes(routes!(cases::next))
        .routes(routes!(cases::show))
        .routes(routes!(alike::similar))
        .routes(routes!(banks::copies))
        .routes(routes!(banks::list))
        .routes(routes!(banks::put, banks::remove))
        .routes(routes!(banks::entries, banks::add))
        .routes(routes!(banks::take_out))
        .routes(routes!(banks::export))
        .routes(routes!(banks::import))
        .routes(routes!(cases::claim))
        .routes(routes!(cases::step))
        .routes(routes!(cases::note))
        .routes(routes!(cases::media))
        .routes(routes!(decisions::decide))
        .routes(routes!(decisions::list))
        .routes(routes!(decisions::show))
        .routes(routes!(decisions::undo))
        .routes(routes!(decisions::statement))
        .routes(routes!(statements::list))
        .routes(routes!(statements::export))
        .routes(routes!(statements::queue, statements::withdraw))
        .routes(routes!(statements::sent))
        .routes(routes!(reports::move_report))
        .routes(routes!(reports::reporter, reports::mute))
        .routes(routes!(appeals::submit, appeals::list))
        .routes(routes!(appeals::show))
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
        .routes(routes!(audit::verify))
        .routes(routes!(people::card, people::erase))
        .routes(routes!(people::export))
        .routes(routes!(people::hold, people::release))
        .routes(routes!(people::receipt))
}
