//! `GET /$discovery/rest`: the document from which Google's client libraries build their calls.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
};
use serde_json::{Value, json};

use super::perspective::Attribute;
use crate::app::Shared;

/// Describe Perspective's API as served here
///
/// For Google's client libraries: `discovery.build("commentanalyzer", "v1alpha1", discoveryServiceUrl="http://HOST/$discovery/rest?version=v1alpha1", static_discovery=False)`.
#[utoipa::path(get, path = "/$discovery/rest", tag = "compat", security(()), responses((status = 200, description = "The document", body = Object)))]
pub async fn describe(State(app): State<Shared>, headers: HeaderMap) -> Json<Value> {
    Json(document(&root(&headers, app.services.config.server.listen)))
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

fn document(root: &str) -> Value {
    let attributes: Vec<&str> = Attribute::names().collect();
    let text = |description: &str| json!({ "type": "string", "description": description });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let reference = |name: &str| json!({ "$ref": name });
    let map = |name: &str| json!({ "type": "object", "additionalProperties": { "$ref": name } });
    let schema = |id: &str, properties: Value| json!({ "id": id, "type": "object", "properties": properties });
    json!({
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "commentanalyzer:v1alpha1",
        "name": "commentanalyzer",
        "version": "v1alpha1",
        "title": "Perspective Comment Analyzer API, as served by Chaperone",
        "description": format!("Attributes: {}.", attributes.join(", ")),
        "protocol": "rest",
        "rootUrl": root,
        "baseUrl": root,
        "basePath": "",
        "servicePath": "",
        "batchPath": "batch",
        "parameters": {
            "key": { "type": "string", "location": "query", "description": "API key." },
            "fields": { "type": "string", "location": "query", "description": "Ignored." },
            "alt": { "type": "string", "location": "query", "default": "json", "enum": ["json"], "description": "Always JSON." },
            "prettyPrint": { "type": "boolean", "location": "query", "default": "true", "description": "Ignored." },
            "quotaUser": { "type": "string", "location": "query", "description": "Ignored." },
        },
        "resources": { "comments": { "methods": { "analyze": {
            "id": "commentanalyzer.comments.analyze",
            "path": "v1alpha1/comments:analyze",
            "flatPath": "v1alpha1/comments:analyze",
            "httpMethod": "POST",
            "description": "Scores a comment.",
            "parameters": {},
            "parameterOrder": [],
            "request": reference("AnalyzeCommentRequest"),
            "response": reference("AnalyzeCommentResponse"),
        } } } },
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
        let document = document("http://h/");
        let text = document.to_string();
        let schemas = document["schemas"].as_object().unwrap();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
