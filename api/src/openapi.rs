//! The OpenAPI document: made from the handlers, committed as `api/openapi.json`, compared by a test.

use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{
        ContentBuilder, PathItem, Ref, ResponseBuilder,
        path::Operation,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    error::{Dialect, ErrorBody, GoogleErrorBody, OpenAiErrorBody},
    routes,
    seat::COOKIE,
};

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
        (name = "policy", description = "What is forbidden and what is done about it: versions, trials, roll-back."),
        (name = "enforcement", description = "What was done to whom: acknowledged, taken back, ended; strikes, breakers."),
        (name = "review", description = "The reviewers' desk: queues, cases, decisions, appeals, audit, people. By the console's session, or a key with the scope `review`, `lead` or `admin`."),
        (name = "session", description = "Signing in to the console, and its accounts."),
        (name = "people", description = "Profiles and who is like whom."),
        (name = "matching", description = "Who should meet whom: recommendations, likes, matches, live pairing."),
        (name = "messages", description = "Messages that can be searched by meaning and by words, by those who may find them."),
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
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(COOKIE)));
        components.add_security_scheme("session", cookie);
    }
}

/// The OpenAPI document as it is committed (`api/openapi.json`) and served (`/openapi.json`): pretty JSON with a final newline.
pub fn document_json() -> anyhow::Result<String> {
    let mut document = routes::all().into_openapi();
    for (path, item) in &mut document.paths.paths {
        let body = match Dialect::of(path) {
            Dialect::Own => ErrorBody::name(),
            Dialect::OpenAi => OpenAiErrorBody::name(),
            Dialect::Google => GoogleErrorBody::name(),
        };
        for operation in operations(item) {
            complete(operation, &body);
            open_to_sessions(operation);
            operation.operation_id = operation.operation_id.take().map(|handler| unique_id(&handler, path));
        }
    }
    let mut json = document.to_pretty_json()?;
    json.push('\n');
    Ok(json)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().filter_map(Option::as_mut)
}

/// What any route may answer: that the request is wrong, that the service is full, that a part is down.
fn complete(operation: &mut Operation, body: &str) {
    for (status, description) in
        [("4XX", "The request is wrong, or the service is full"), ("5XX", "A part is down, or it is our fault")]
    {
        let answer = || {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(body))).build();
            ResponseBuilder::new().description(description).content("application/json", content).build().into()
        };
        operation.responses.responses.entry(status.to_owned()).or_insert_with(answer);
    }
}

/// People who are signed in to the console may call what is for them, too; the header `x-csrf-token` goes with whatever changes something.
fn open_to_sessions(operation: &mut Operation) {
    let theirs = operation.tags.iter().flatten().any(|tag| matches!(tag.as_str(), "review" | "session" | "policy"));
    if theirs && operation.security.is_none() {
        let by = |scheme: &str| SecurityRequirement::new(scheme, Vec::<String>::new());
        operation.security = Some(vec![by("key"), by("session")]);
    }
}

/// A handler is called `show` or `list` in many files; in the document, whose ids become the functions of generated clients, it is `show_call`,
/// `list_calls`. The noun is the path's last word, in the singular where an id follows it. A name of several words stands as it is.
fn unique_id(handler: &str, path: &str) -> String {
    let segments: Vec<&str> = path.split(['/', ':']).filter(|segment| !segment.is_empty()).collect();
    let is_word = |segment: &str| !segment.starts_with('{') && !segment.starts_with("v1");
    let noun = segments.iter().enumerate().rev().find(|(_, segment)| is_word(segment) && **segment != handler);
    let Some((index, noun)) = noun.filter(|_| !handler.contains('_')) else { return handler.to_owned() };
    let of_one = segments.get(index + 1).is_some_and(|next| next.starts_with('{'));
    let noun = if of_one { noun.strip_suffix('s').unwrap_or(noun) } else { noun };
    format!("{handler}_{}", noun.replace(['-', '.', '$'], "_").trim_matches('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i4_operations_are_named_by_verb_and_noun() {
        for (handler, path, id) in [
            ("list", "/v1/calls", "list_calls"),
            ("show", "/v1/calls/{id}", "show_call"),
            ("end", "/v1/calls/{id}/end", "end_call"),
            ("accept", "/v1/calls/{id}/participants/{actor}/frames", "accept_frames"),
            ("leave", "/v1/calls/{id}/participants/{actor}", "leave_participant"),
            ("check", "/v1/check", "check"),
            ("presence", "/v1/presence/{actor}", "presence"),
            ("replay", "/v1/queue/dead-letters/{id}/replay", "replay_dead_letter"),
            ("analyze", "/v1alpha1/comments:analyze", "analyze_comments"),
            ("create_embedding", "/v1/embeddings", "create_embedding"),
            ("document", "/openapi.json", "document_openapi_json"),
            ("hint", "/", "hint"),
        ] {
            assert_eq!(unique_id(handler, path), id, "{handler} {path}");
        }
    }
}
