//! JSON Schemas (draft 2020-12) of what goes out (`events`) and what comes in (`notices`): the contract with other teams, as
//! files in `schemas/`. Within a version only optional fields are added; anything else is a new version beside the old one.

macro_rules! schema {
    ($group:literal, $file:literal) => {
        ($group, $file, include_str!(concat!("../schemas/", $group, "/", $file)))
    };
}

/// Group, file name, text.
pub const ALL: [(&str, &str, &str); 27] = [
    schema!("events", "action.unacknowledged.v1.json"),
    schema!("events", "breaker.closed.v1.json"),
    schema!("events", "breaker.opened.v1.json"),
    schema!("events", "appeal.resolved.v1.json"),
    schema!("events", "appeal.submitted.v1.json"),
    schema!("events", "call.ended.v1.json"),
    schema!("events", "call.joined.v1.json"),
    schema!("events", "call.left.v1.json"),
    schema!("events", "call.started.v1.json"),
    schema!("events", "case.changed.v1.json"),
    schema!("events", "case.decided.v1.json"),
    schema!("events", "case.opened.v1.json"),
    schema!("events", "evasion.suspected.v1.json"),
    schema!("events", "item.judged.v1.json"),
    schema!("events", "match.created.v1.json"),
    schema!("events", "match.ended.v1.json"),
    schema!("events", "moderation.action.v1.json"),
    schema!("events", "policy.changed.v1.json"),
    schema!("events", "report.resolved.v1.json"),
    schema!("events", "report.submitted.v1.json"),
    schema!("events", "statement.queued.v1.json"),
    schema!("notices", "call.ended.v1.json"),
    schema!("notices", "call.joined.v1.json"),
    schema!("notices", "call.left.v1.json"),
    schema!("notices", "call.started.v1.json"),
    schema!("notices", "user.connected.v1.json"),
    schema!("notices", "user.disconnected.v1.json"),
];

/// The text of one schema.
pub fn find(group: &str, file: &str) -> Option<&'static str> {
    ALL.iter().find(|(its_group, its_file, _)| *its_group == group && *its_file == file).map(|(.., text)| *text)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn i1_every_schema_file_is_served_and_is_a_schema() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        let mut files = BTreeSet::new();
        for group in fs::read_dir(&root).unwrap() {
            let group = group.unwrap();
            for file in fs::read_dir(group.path()).unwrap() {
                let name = |name: std::ffi::OsString| name.into_string().unwrap();
                files.insert((name(group.file_name()), name(file.unwrap().file_name())));
            }
        }
        let listed = ALL.iter().map(|(group, file, _)| ((*group).to_owned(), (*file).to_owned())).collect();
        assert_eq!(files, listed);
        for (group, file, text) in ALL {
            let schema: serde_json::Value = serde_json::from_str(text).unwrap();
            jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{group}/{file}: {error}"));
            let kind = file.strip_suffix(".v1.json").unwrap();
            assert_eq!(schema["title"], kind);
            assert_eq!(schema["$id"], format!("urn:chaperone:{group}:{kind}:v1"));
            assert_eq!(find(group, file), Some(text));
        }
        assert_eq!(find("events", "../Cargo.toml"), None);
    }
}
