//! The OpenAPI document: made from the handlers, committed as `api/openapi.json`, compared by a test.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use crate::routes;

/// The document's head; `routes::all` adds the routes and their schemas.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chaperone",
        description = "Moderates chats and calls, and finds similar people. Times are RFC 3339, names snake case, errors `ErrorBody`; docs/errors.md lists every code.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    security(("key" = [])),
    modifiers(&Key),
    tags(
        (name = "judge", description = "Have content judged: now, or through the queue."),
        (name = "calls", description = "Calls are sessions: who takes part, what they show."),
        (name = "events", description = "What happened, as a stream; and what the platform tells us."),
        (name = "reports", description = "What people report of each other."),
        (name = "review", description = "The reviewers' desk: queues, cases, decisions, appeals, audit, people. By the console's session, or a key with the scope `review`, `lead` or `admin`."),
        (name = "session", description = "Signing in to the console, and its accounts."),
        (name = "people", description = "Profiles and who is like whom."),
        (name = "compat", description = "Other services' shapes, so that their clients work here: OpenAI, Perspective."),
        (name = "operation", description = "Health, metrics, this document."),
    ),
)]
pub(crate) struct Head;

struct Key;

impl Modify for Key {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The OpenAPI document as it is committed (`api/openapi.json`) and served (`/openapi.json`): pretty JSON with a final newline.
pub fn document_json() -> anyhow::Result<String> {
    let mut json = routes::all().into_openapi().to_pretty_json()?;
    json.push('\n');
    Ok(json)
}
