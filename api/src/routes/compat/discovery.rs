//! `GET /$discovery/rest`: the document from which Google's client libraries build their calls.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::perspective::Offer;
use crate::{
    app::Shared,
    error::{ApiError, GoogleErrorBody},
    extract::Query,
};

/// The version that we serve.
const VERSION: &str = "v1alpha1";

/// Which document.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DiscoveryQuery {
    /// `v1alpha1`, the default and the only one.
    #[param(example = "v1alpha1")]
    version: Option<String>,
}

/// Describe Perspective's API as served here
///
/// For Google's client libraries: `discovery.build("commentanalyzer", "v1alpha1", discoveryServiceUrl="http://HOST/$discovery/rest?version=v1alpha1", static_discovery=False)`.
#[utoipa::path(
    get, path = "/$discovery/rest", tag = "compat", operation_id = "describe_perspective", security(()),
    params(DiscoveryQuery),
    responses(
        (status = 200, description = "The document", body = Object),
        (status = "4XX", description = "There is no such version", body = GoogleErrorBody),
    ),
)]
pub async fn describe(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<DiscoveryQuery>,
) -> Result<Json<Value>, ApiError> {
    if query.version.is_some_and(|version| version != VERSION) {
        return Err(ApiError::route_not_found("$discovery/rest of this version"));
    }
    let offer = Offer::of(&app.services.engine, &app.services.config.pipeline.text_models);
    Ok(Json(document(&root(&headers, app.services.config.server.listen), &offer)))
}

/// Where the caller found us: a proxy in front says so in its headers.
fn root(headers: &HeaderMap, listen: std::net::SocketAddr) -> String {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(|value| value.split(',').next().unwrap_or_default().trim())
    };
    let scheme = text("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
    let host = text("x-forwarded-host")
        .or_else(|| text(header::HOST.as_str()))
        .map_or_else(|| listen.to_string(), ToOwned::to_owned);
    format!("{scheme}://{host}/")
}

fn document(root: &str, offer: &Offer) -> Value {
    let attributes: Vec<&str> = offer.names().collect();
    let text = |description: &str| json!({ "type": "string", "description": description });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let query = |description: &str| json!({ "type": "string", "location": "query", "description": description });
    let reference = |name: &str| json!({ "$ref": name });
    let map = |name: &str| json!({ "type": "object", "additionalProperties": { "$ref": name } });
    let schema = |id: &str, properties: Value| json!({ "id": id, "type": "object", "properties": properties });
    let method = |name: &str, schema: &str, description: &str| {
        let path = format!("{VERSION}/comments:{name}");
        json!({
            "id": format!("commentanalyzer.comments.{name}"),
            "path": path,
            "flatPath": path,
            "httpMethod": "POST",
            "description": description,
            "parameters": {},
            "parameterOrder": [],
            "request": { "$ref": format!("{schema}Request") },
            "response": { "$ref": format!("{schema}Response") },
        })
    };
    json!({
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "commentanalyzer:v1alpha1",
        "name": "commentanalyzer",
        "version": VERSION,
        "revision": "20260101",
        "canonicalName": "Comment Analyzer",
        "title": "Perspective Comment Analyzer API, as served by Chaperone",
        "description": format!("Attributes: {}.", attributes.join(", ")),
        "protocol": "rest",
        "rootUrl": root,
        "baseUrl": root,
        "basePath": "",
        "servicePath": "",
        "batchPath": "batch",
        "parameters": {
            "key": query("API key."),
            "fields": query("Only these members of the answer."),
            "alt": { "type": "string", "location": "query", "default": "json", "enum": ["json"], "description": "Always JSON." },
            "prettyPrint": { "type": "boolean", "location": "query", "default": "true", "description": "Indent the answer." },
            "quotaUser": query("Ignored."),
            "$.xgafv": { "type": "string", "location": "query", "enum": ["1", "2"], "description": "Ignored." },
        },
        "resources": { "comments": { "methods": {
            "analyze": method("analyze", "AnalyzeComment", "Scores a comment."),
            "suggestscore": method("suggestscore", "SuggestCommentScore", "Says what a comment's scores should have been."),
        } } },
        "schemas": {
            "AnalyzeCommentRequest": schema("AnalyzeCommentRequest", json!({
                "comment": reference("TextEntry"),
                "context": reference("Context"),
                "requestedAttributes": map("AttributeParameters"),
                "spanAnnotations": { "type": "boolean" },
                "languages": list(json!({ "type": "string" })),
                "doNotStore": { "type": "boolean" },
                "clientToken": text("Echoed."),
                "sessionId": text("Ignored."),
                "communityId": text("Ignored."),
            })),
            "AnalyzeCommentResponse": schema("AnalyzeCommentResponse", json!({
                "attributeScores": map("AttributeScores"),
                "languages": list(json!({ "type": "string" })),
                "detectedLanguages": list(json!({ "type": "string" })),
                "clientToken": text("Echoed."),
            })),
            "SuggestCommentScoreRequest": schema("SuggestCommentScoreRequest", json!({
                "comment": reference("TextEntry"),
                "context": reference("Context"),
                "attributeScores": map("AttributeScores"),
                "languages": list(json!({ "type": "string" })),
                "communityId": text("Kept."),
                "clientToken": text("Echoed."),
                "sessionId": text("Kept."),
            })),
            "SuggestCommentScoreResponse": schema("SuggestCommentScoreResponse", json!({
                "clientToken": text("Echoed."),
                "detectedLanguages": list(json!({ "type": "string" })),
                "requestedLanguages": list(json!({ "type": "string" })),
            })),
            "TextEntry": schema("TextEntry", json!({ "text": text("UTF-8."), "type": text("PLAIN_TEXT.") })),
            "Context": schema("Context", json!({
                "entries": list(reference("TextEntry")),
                "articleAndParentComment": reference("ArticleAndParentComment"),
            })),
            "ArticleAndParentComment": schema("ArticleAndParentComment", json!({
                "article": reference("TextEntry"),
                "parentComment": reference("TextEntry"),
            })),
            "AttributeParameters": schema("AttributeParameters", json!({
                "scoreType": text("PROBABILITY."),
                "scoreThreshold": { "type": "number", "format": "float" },
            })),
            "AttributeScores": schema("AttributeScores", json!({
                "summaryScore": reference("Score"),
                "spanScores": list(reference("SpanScore")),
            })),
            "Score": schema("Score", json!({ "value": { "type": "number", "format": "float" }, "type": text("PROBABILITY.") })),
            "SpanScore": schema("SpanScore", json!({
                "begin": { "type": "integer", "format": "int32" },
                "end": { "type": "integer", "format": "int32" },
                "score": reference("Score"),
            })),
        },
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn i5_the_document_points_at_whoever_was_asked() {
        let listen = ([127, 0, 0, 1], 8080).into();
        let with = |pairs: &[(&'static str, &'static str)]| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            root(&headers, listen)
        };
        assert_eq!(with(&[]), "http://127.0.0.1:8080/");
        assert_eq!(with(&[("host", "mod.example:81")]), "http://mod.example:81/");
        assert_eq!(
            with(&[("host", "inner"), ("x-forwarded-host", "a.example"), ("x-forwarded-proto", "https")]),
            "https://a.example/"
        );
    }

    #[test]
    fn i5_every_reference_leads_somewhere() {
        let document = document("http://h/", &Offer::default());
        let text = document.to_string();
        let schemas = document["schemas"].as_object().unwrap();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
