//! The OpenAPI document. CONTRACT: `document_json` is fixed; the body is being written (helper `routes`).

/// The OpenAPI document as it is committed (`api/openapi.json`) and served (`/openapi.json`): pretty JSON with a final newline.
pub fn document_json() -> anyhow::Result<String> {
    todo!()
}
