//! What `deploy/` says is what the code knows: configuration keys, ports, paths, metrics, times. The files themselves cannot be run here;
//! `make lint-deploy` looks at their form.

use std::{collections::BTreeSet, fs, path::PathBuf};

use api::config::Config;
use clap::CommandFactory as _;
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below `folder`, with its text.
fn files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push((path.display().to_string(), fs::read_to_string(&path).unwrap_or_default())),
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// What follows `name` on its line, for every line that begins with it: `name: value`, `- name: value`, `name=value`.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let value = |line: &'a str| {
        let line = line.trim().trim_start_matches("- ");
        let rest = line.strip_prefix(name)?;
        let rest = rest.strip_prefix(':').or_else(|| rest.strip_prefix('='))?;
        Some(rest.trim().trim_matches('"'))
    };
    text.lines().filter_map(value).collect()
}

/// Every word of `text` that begins with `start`.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c: char| !is_part(c)).filter(|word| word.starts_with(start)).collect()
}

fn seconds(text: &str) -> u64 {
    let text = text.trim_end_matches('s');
    text.parse().unwrap_or_else(|_| panic!("`{text}` are no seconds"))
}

/// Is this a value of that key? As a number or a list, or as a text, just as the environment is read.
fn accepted(section: &str, key: &str, value: &str) -> Result<Config, String> {
    let try_it = |value: &str| toml::from_str::<Config>(&format!("[{section}]\n{key} = {value}\n"));
    try_it(value).or_else(|_| try_it(&format!("{value:?}"))).map_err(|error| error.to_string())
}

#[test]
fn i9_every_variable_is_a_key_of_the_configuration() {
    let mut seen = BTreeSet::new();
    for (path, text) in files("deploy") {
        for name in words(&text, "CHAPERONE_").into_iter().filter(|name| name.contains("__")) {
            let (section, key) = name["CHAPERONE_".len()..].split_once("__").unwrap();
            let (section, key) = (section.to_lowercase(), key.to_lowercase());
            // What stands there, or anything when it comes from a secret: an unknown key is refused whatever its value.
            let given: Vec<&str> = values(&text, name);
            let given = given.into_iter().filter(|value| !value.is_empty()).map(|value| value.trim_end_matches(" \\"));
            for value in given.chain(["1"]) {
                if let Err(error) = accepted(&section, &key, value)
                    && (value != "1" || error.contains("unknown field"))
                {
                    panic!("{path}: {name}={value}: {error}");
                }
            }
            seen.insert(name.to_owned());
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");
    assert!(accepted("server", "lisen", "1").unwrap_err().contains("unknown field"), "the check can fail");
}

/// The text of `chaperone.toml` in the chart's values.
fn chart_file() -> String {
    let values = read("deploy/helm/chaperone/values.yaml");
    let begin = values.find("  file: |\n").expect("config.file") + "  file: |\n".len();
    let block = values[begin..].lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    block.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn loaded(text: &str) -> Config {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    fs::write(file.path(), text).unwrap();
    Config::load(Some(file.path())).unwrap()
}

#[test]
fn i9_the_files_load() {
    let chart = loaded(&chart_file());
    assert!(!chart.auth.keys.is_empty() && !chart.server.listen.ip().is_loopback());
    let example = loaded(&read("deploy/chaperone.example.toml"));
    assert!(!example.auth.keys.is_empty());
}

#[test]
fn i7_everything_is_given_longer_than_it_needs_to_drain() {
    // Closing index and models takes up to 10 s each after the drain.
    const CLOSING: u64 = 20;
    let drain = |config: &Config| config.server.drain_delay_seconds + config.server.drain_seconds + CLOSING;
    let values_of = read("deploy/helm/chaperone/values.yaml");
    let grace = seconds(values(&values_of, "terminationGracePeriodSeconds")[0]);
    assert!(grace >= drain(&loaded(&chart_file())), "the chart: {grace}");

    let compose = read("deploy/compose.yaml");
    let drains = seconds(values(&compose, "CHAPERONE_SERVER__DRAIN_SECONDS")[0]);
    let grace = seconds(values(&compose, "stop_grace_period")[0]);
    assert!(grace >= drains + CLOSING, "compose: {grace}");

    let unit = read("deploy/chaperone.service");
    let grace = seconds(values(&unit, "TimeoutStopSec")[0]);
    assert!(grace >= drain(&Config::default()), "systemd: {grace}");
}

#[test]
fn i9_images_are_pinned() {
    let pinned = |image: &str| {
        let tag = image.rsplit_once(':').map(|(_, tag)| tag).unwrap_or_default();
        assert!(tag.contains(|c: char| c.is_ascii_digit()) && tag != "latest", "`{image}` has no version");
    };
    let compose = read("deploy/compose.yaml");
    let images: Vec<&str> = values(&compose, "image").into_iter().filter(|image| !image.starts_with("${")).collect();
    assert_eq!(images.len(), 3, "{images:?}");
    images.into_iter().for_each(pinned);
    pinned(values(&read("deploy/.env.example"), "CHAPERONE_IMAGE")[0]);
    for file in ["deploy/Dockerfile", "deploy/Dockerfile.cuda"] {
        let text = read(file);
        let bases: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
        assert!(bases.len() >= 2);
        bases.into_iter().for_each(|base| pinned(base.split(' ').next().unwrap()));
        assert!(text.contains("\nUSER 10001") && text.contains("\nHEALTHCHECK "), "{file}");
        let toolchain = read("rust-toolchain.toml");
        let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
        assert!(text.contains(&format!("FROM rust:{channel}")), "{file}: the toolchain is {channel}");
    }
    // The GPU library is the CPU library's version: they answer alike.
    let version = |text: &str, name: &str| {
        let at = text.find(name).unwrap() + name.len();
        text[at..].split_whitespace().next().unwrap().trim_matches('"').to_owned()
    };
    let cuda = version(&read("deploy/Dockerfile.cuda"), "ORT_VERSION=");
    assert_eq!(cuda, version(&read("models/lib.toml"), "version = "));
}

#[test]
fn i6_probes_ask_for_paths_that_are_there() {
    let document: Value = serde_json::from_str(&read("api/openapi.json")).unwrap();
    let mut seen = 0;
    for (path, text) in files("deploy") {
        for (at, _) in text.match_indices("/health/") {
            let asked: String = text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect();
            assert!(document["paths"].get(&asked).is_some(), "{path}: {asked}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
    assert!(document["paths"].get("/metrics").is_some());
}

#[test]
fn i9_the_roles_that_are_started_are_verbs_of_the_program() {
    let command = api::cli::Cli::command();
    let verbs: BTreeSet<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let compose = read("deploy/compose.yaml");
    let commands = values(&compose, "command").into_iter().filter(|line| line.contains("--config"));
    let started: Vec<&str> = commands.filter_map(|line| line.trim_matches(['[', ']']).split(", ").nth(2)).collect();
    assert_eq!(started, ["api", "worker", "worker"]);
    for verb in started.into_iter().chain(["serve", "models"]) {
        assert!(verbs.contains(verb), "{verb}: {verbs:?}");
    }
}

#[test]
fn i8_alerts_watch_metrics_that_exist() {
    let rules = read("deploy/prometheus/chaperone.rules.yaml");
    let mut code = String::new();
    for folder in ["models/src", "pipeline/src", "workers/src", "api/src"] {
        files(folder).into_iter().for_each(|(_, text)| code.push_str(&text));
    }
    let watched = words(&rules, "chaperone_");
    assert!(watched.len() >= 10, "{watched:?}");
    for metric in watched {
        let name = metric.strip_suffix("_bucket").unwrap_or(metric);
        let is_made = ["counter", "gauge", "histogram"].into_iter().any(|kind| {
            let plain = format!("{kind}!(\"{name}\"");
            code.contains(&plain)
        });
        assert!(is_made, "no code makes `{name}`");
    }
    // Every alert says what to do.
    let count = |part: &str| rules.matches(part).count();
    assert_eq!(count("- alert:"), count("action: \""));
}
