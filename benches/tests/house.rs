//! The house rules that a compiler does not check: who may know whom, and that every member inherits from the workspace.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

/// Allowed edges between members. `benches` may see all; nothing sees `benches`.
const EDGES: &[(&str, &[&str])] = &[
    ("api", &["datasets", "models", "pipeline", "workers"]),
    ("benches", &["api", "datasets", "models", "pipeline", "workers"]),
    ("datasets", &[]),
    ("models", &[]),
    ("pipeline", &["models"]),
    ("workers", &["models", "pipeline"]),
];

/// Packages that only one member may use directly: (name or prefix ending in `*`, the member).
const OWNED: &[(&str, &str)] = &[
    ("axum*", "api"),
    ("utoipa*", "api"),
    ("ort", "models"),
    ("openvino*", "models"),
    ("candle-*", "models"),
    ("tokenizers", "models"),
    ("lapin", "pipeline"),
    ("sqlx", "pipeline"),
    ("qdrant-*", "pipeline"),
    ("ffmpeg-*", "pipeline"),
    ("cel", "pipeline"),
];

fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("members lie in the workspace root")
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(workspace_root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// Direct dependencies that the product carries; test-only ones are left out.
fn dependencies(package: &Value) -> Vec<String> {
    let dependencies = package["dependencies"].as_array().expect("dependencies");
    dependencies
        .iter()
        .filter(|dependency| dependency["kind"] != "dev")
        .map(|dependency| dependency["name"].as_str().expect("name").to_owned())
        .collect()
}

#[test]
fn members_know_only_whom_the_house_plan_allows() {
    let members: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let packages = packages();
    let found: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().expect("name")).collect();
    assert_eq!(found, members, "a new member needs a row in EDGES and in ARCHITECTURE.md");
    for package in &packages {
        let name = package["name"].as_str().expect("name");
        let allowed = EDGES.iter().find(|(member, _)| *member == name).expect("checked above").1;
        for dependency in dependencies(package) {
            assert!(
                !members.contains(dependency.as_str()) || allowed.contains(&dependency.as_str()),
                "`{name}` must not know `{dependency}`: see «Who may know whom» in ARCHITECTURE.md"
            );
        }
    }
}

#[test]
fn some_packages_belong_to_one_member() {
    for package in packages() {
        let name = package["name"].as_str().expect("name");
        // The load generator speaks HTTP like a stranger and measures bare backends: it may use anything.
        if name == "benches" {
            continue;
        }
        for dependency in dependencies(&package) {
            let owner = OWNED.iter().find(|(pattern, _)| match pattern.strip_suffix('*') {
                Some(prefix) => dependency.starts_with(prefix),
                None => dependency == *pattern,
            });
            if let Some((pattern, owner)) = owner {
                assert_eq!(name, *owner, "`{pattern}` belongs to `{owner}` alone");
            }
        }
    }
}

#[test]
fn members_inherit_lints_versions_and_dependencies() {
    for (member, _) in EDGES {
        let path = workspace_root().join(member).join("Cargo.toml");
        let manifest = std::fs::read_to_string(&path).expect("member manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}: inherit the workspace lints");
        let manifest: toml::Value = toml::from_str(&manifest).expect("TOML");
        for table in ["dependencies", "dev-dependencies"] {
            let Some(table) = manifest.get(table).and_then(toml::Value::as_table) else { continue };
            for (dependency, value) in table {
                let inherits = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(inherits, "{member}: `{dependency}` takes its version from the workspace");
            }
        }
    }
}

#[test]
fn no_source_file_grows_past_600_lines() {
    let mut folders: Vec<_> = EDGES.iter().map(|(member, _)| workspace_root().join(member).join("src")).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("source folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = std::fs::read_to_string(&path).expect("source file").lines().count();
                assert!(
                    lines <= 600,
                    "{} has {lines} lines: split it along a seam a reader would guess",
                    path.display()
                );
            }
        }
    }
}

/// Every dependency with its features, as a build with these `edges` asks for them.
fn features(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--offline", "--prefix=none", "--format={p} [{f}]", "--edges", edges])
        .current_dir(workspace_root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("cargo tree prints UTF-8");
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn tests_ask_no_dependency_for_more_features_than_a_build_does() {
    let (build, tests) = (features("normal,build"), features("normal,build,dev"));
    let again: Vec<_> = build.difference(&tests).collect();
    assert!(
        again.is_empty(),
        "a build before the tests would compile these and all that use them a second time: {again:?}. Name the test's package \
         among the dependencies of `benches`, as jsonschema is"
    );
}
