//! Committed documents agree with the code.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn i4_the_openapi_document_is_committed() {
    let path = root().join("api/openapi.json");
    let made = api::openapi::document_json().unwrap();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "api/openapi.json is not what the handlers say. Run `UPDATE_OPENAPI=1 cargo nextest run --release -p api openapi_document`, read the difference, commit it."
    );
}

#[test]
fn i4_every_documented_operation_explains_itself() {
    let document: serde_json::Value = serde_json::from_str(&api::openapi::document_json().unwrap()).unwrap();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "{method} {path}: another operation is called so"
            );
            let has = |member: &str| operation[member].as_str().is_some_and(|text| !text.is_empty());
            assert!(has("summary") && has("operationId"), "{method} {path}");
            assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{method} {path}");
        }
    }
}

#[test]
fn i4_every_request_body_has_an_example() {
    let document: serde_json::Value = serde_json::from_str(&api::openapi::document_json().unwrap()).unwrap();
    let mut bodies = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let content = &operation["requestBody"]["content"]["application/json"];
            if content.is_null() {
                continue;
            }
            bodies += 1;
            let reference = content["schema"]["$ref"].as_str().unwrap_or_default();
            let schema = document.pointer(reference.trim_start_matches('#')).unwrap_or(&content["schema"]);
            let has = |name: &str| !schema[name].is_null() || !content[name].is_null();
            assert!(
                has("example") || has("examples"),
                "{method} {path} has no example: `#[schema(example = json!(…))]`"
            );
        }
    }
    assert!(bodies > 10, "{bodies}");
}

/// Codes that the sources write down, found by the calls that make errors.
fn codes_in_sources() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for folder in ["api/src", "pipeline/src"] {
        // The command line has words of its own.
        for file in rust_files(&root().join(folder))
            .into_iter()
            .filter(|file| !file.components().any(|part| part.as_os_str() == "cli"))
        {
            let text = fs::read_to_string(&file).unwrap();
            // Tests make up codes of their own.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for marker in [
                "invalid(",
                "conflict(",
                "forbidden(",
                "unauthenticated(",
                "unavailable(",
                "code: ",
                "Kind::NotFound,",
                "Kind::TooBusy,",
                "Kind::Internal,",
                "let code =",
            ] {
                for (at, _) in text.match_indices(marker) {
                    codes.extend(first_literal(&text[at + marker.len()..]));
                }
            }
        }
    }
    codes
}

/// The string literal that follows at once, if it looks like a code.
fn first_literal(text: &str) -> Option<String> {
    let literal = text.trim_start().strip_prefix('"')?.split('"').next()?;
    let fits = !literal.is_empty()
        && literal.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    fits.then(|| literal.to_owned())
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn i4_every_error_code_is_documented() {
    let document = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let documented: BTreeSet<&str> =
        document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let sources = codes_in_sources();
    assert!(sources.len() > 30, "the search finds too little: {sources:?}");
    let missing: Vec<_> = sources.iter().filter(|code| !documented.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks {missing:?}");
    // The other way round: what is documented can happen.
    let folders = ["api/src", "pipeline/src", "workers/src", "models/src"];
    let files = folders.into_iter().flat_map(|folder| rust_files(&root().join(folder)));
    let source: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let gone: Vec<_> = documented.iter().filter(|code| !source.contains(&format!("\"{code}\""))).collect();
    assert!(gone.is_empty(), "docs/errors.md explains {gone:?}, which no source knows");
}

#[test]
fn i4_every_error_code_has_a_cause_and_a_cure() {
    let document = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    for line in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let told = cells.len() >= 3 && cells.iter().all(|cell| !cell.trim_matches('|').trim().is_empty());
        assert!(told, "docs/errors.md: cause and cure, please: {line}");
    }
}
