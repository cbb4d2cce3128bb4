//! Reading and merging the sources of the configuration.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use figment::{
    Figment,
    error::{Actual, Kind, OneOf},
    providers::{Env, Format, Toml},
};

use super::Config;

/// The defaults, every key with its meaning. `check-config` and the tests compare it with `Config::default()`.
pub const DEFAULTS: &str = include_str!("../config.default.toml");
/// Read when no file is named and this one exists in the working directory.
pub const USUAL_FILE: &str = "chaperone.toml";
/// What variables of the environment begin with.
const PREFIX: &str = "CHAPERONE_";
/// What stands between section and field in a variable's name.
const SEPARATOR: &str = "__";

/// Where a configuration came from: answers which source set a key.
pub struct Sources {
    figment: Figment,
    file: Option<PathBuf>,
}

impl Sources {
    /// The file that was read, if any.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Where the value of a dotted key comes from: a file's path or a variable's name; `None` for a default.
    pub fn origin(&self, key: &str) -> Option<String> {
        let metadata = self.figment.find_metadata(key)?;
        match &metadata.source {
            Some(figment::Source::File(path)) => Some(path.display().to_string()),
            _ if metadata.name.contains("environment") => Some(variable(key)),
            _ => None,
        }
    }
}

impl Config {
    /// Merges defaults, file and environment, and checks the result. `file`: must exist when given; otherwise `./chaperone.toml` is read
    /// when it is there. The error names source and key, and says what is allowed.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let (config, _) = Self::load_with_sources(file)?;
        config
            .validate()
            .map_err(|problems| anyhow!("the configuration is not usable:\n  - {}", problems.join("\n  - ")))?;
        Ok(config)
    }

    /// As [`Config::load`], not yet checked by [`Config::validate`], with the sources.
    pub fn load_with_sources(file: Option<&Path>) -> Result<(Self, Sources)> {
        let file = match file {
            Some(file) => {
                std::fs::metadata(file).with_context(|| {
                    format!("cannot read the configuration file {}: check --config", file.display())
                })?;
                Some(file.to_path_buf())
            }
            None => Some(PathBuf::from(USUAL_FILE)).filter(|file| file.is_file()),
        };
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = &file {
            figment = figment.merge(Toml::file_exact(file));
        }
        // Variables without `__` (such as CHAPERONE_MODELS, which tests use) name no key of a section.
        let environment = Env::prefixed(PREFIX).filter(|key| key.as_str().contains(SEPARATOR)).split(SEPARATOR);
        figment = figment.merge(environment);
        match figment.extract::<Self>() {
            Ok(config) => Ok((config, Sources { figment, file })),
            Err(error) => {
                let problems: Vec<String> = error.into_iter().map(|error| sentence(&error)).collect();
                bail!("the configuration cannot be read:\n  - {}", problems.join("\n  - "))
            }
        }
    }
}

/// `server.listen` → `CHAPERONE_SERVER__LISTEN`.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', SEPARATOR).to_uppercase())
}

/// One problem of one key: where, what is wrong, what is allowed. Never shows a secret's value.
fn sentence(error: &figment::Error) -> String {
    let key = error.path.join(".");
    let origin = match error.metadata.as_ref() {
        Some(metadata) if metadata.name.contains("environment") => {
            format!("the environment variable {}", variable(&key))
        }
        Some(metadata) => match &metadata.source {
            Some(figment::Source::File(path)) => path.display().to_string(),
            _ => "the built-in defaults".to_owned(),
        },
        None => "the configuration".to_owned(),
    };
    let known = |allowed: &'static [&'static str]| format!("known here: {}", OneOf(allowed));
    let problem = match &error.kind {
        Kind::UnknownField(field, allowed) => format!("`{field}` is not a key; {}", known(allowed)),
        Kind::UnknownVariant(variant, allowed) => format!("`{variant}` is not allowed; {}", known(allowed)),
        Kind::MissingField(field) => format!("`{field}` is missing; add it"),
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("expected {expected}, found {}", type_name(actual))
        }
        other => other.to_string(),
    };
    if key.is_empty() { format!("{origin}: {problem}") } else { format!("{origin}, key `{key}`: {problem}") }
}

/// The kind of a value without the value, which might be a secret.
fn type_name(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "a boolean",
        Actual::Unsigned(_) | Actual::Signed(_) => "a whole number",
        Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn load(text: &str) -> Result<Config> {
        let file = file(text);
        Config::load(Some(file.path()))
    }

    /// Every leaf of `value` as a dotted key.
    fn leaves(prefix: &str, value: &serde_json::Value, into: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (key, value) in fields {
                    let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    leaves(&key, value, into);
                }
            }
            _ => into.push(prefix.to_owned()),
        }
    }

    #[test]
    fn the_default_file_is_the_default() {
        let parsed: Config = toml::from_str(DEFAULTS).unwrap();
        let parsed = serde_json::to_value(parsed).unwrap();
        assert_eq!(parsed, serde_json::to_value(Config::default()).unwrap());
    }

    #[test]
    fn the_default_file_documents_every_key() {
        let mut keys = Vec::new();
        leaves("", &serde_json::to_value(Config::default()).unwrap(), &mut keys);
        assert!(keys.len() > 25, "found only {keys:?}");
        let lines: Vec<&str> = DEFAULTS.lines().collect();
        for key in keys.iter().filter(|key| key.contains('.')) {
            let (section, field) = key.rsplit_once('.').unwrap();
            let first = lines.iter().position(|line| *line == format!("[{section}]"));
            let first = first.unwrap_or_else(|| panic!("no section [{section}]")) + 1;
            let body = lines[first..].iter().take_while(|line| !line.starts_with('['));
            let body: Vec<&&str> = body.collect();
            let at = body.iter().position(|line| line.trim_start_matches("# ").starts_with(&format!("{field} =")));
            let at = at.unwrap_or_else(|| panic!("`{key}` is not in the default file"));
            assert!(at > 0 && body[at - 1].starts_with("# "), "`{key}` has no line that explains it");
        }
    }

    #[test]
    fn a_file_overrides_and_leaves_the_rest() {
        let config = load("[server]\nlisten = \"127.0.0.1:9\"\n").unwrap();
        assert_eq!(config.server.listen.port(), 9);
        assert_eq!(config.server.max_requests, Config::default().server.max_requests);
    }

    #[test]
    fn the_example_file_loads() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/chaperone.example.toml");
        let config = Config::load(Some(&path)).unwrap();
        assert!(!config.auth.keys.is_empty() && !config.webhooks.is_empty());
    }

    #[test]
    fn errors_name_file_and_key_and_what_is_allowed() {
        let cases = [
            ("[server]\nlisen = \"127.0.0.1:9\"\n", vec!["lisen", "is not a key", "listen", "server"]),
            ("[log]\nformat = \"xml\"\n", vec!["log.format", "xml", "text", "json"]),
            ("[server]\nmax_requests = \"many\"\n", vec!["server.max_requests", "found a text"]),
            ("[server\n", vec!["expected"]),
            (
                "[[webhooks]]\nname = \"a\"\nurl = \"https://a.example\"\nsecret = 12345678\n",
                vec!["secret", "found a whole number"],
            ),
            ("[[webhooks]]\nname = \"a\"\nurl = \"https://a.example\"\n", vec!["`secret` is missing"]),
        ];
        for (text, parts) in cases {
            let file = file(text);
            let error = format!("{:#}", Config::load(Some(file.path())).unwrap_err());
            for part in parts {
                assert!(error.contains(part), "`{part}` is not in: {error}");
            }
            assert!(error.contains(&*file.path().file_name().unwrap().to_string_lossy()), "no file name in: {error}");
            assert!(!error.contains("12345678"), "a secret is shown: {error}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let error = format!("{:#}", Config::load(Some(Path::new("/nowhere/chaperone.toml"))).unwrap_err());
        assert!(error.contains("/nowhere/chaperone.toml") && error.contains("--config"), "{error}");
    }

    #[test]
    fn the_source_of_a_key_is_known() {
        let file = file("[server]\nmax_requests = 7\n");
        let (_, sources) = Config::load_with_sources(Some(file.path())).unwrap();
        assert_eq!(sources.origin("server.max_requests"), Some(file.path().display().to_string()));
        assert_eq!(sources.origin("server.listen"), None);
        assert_eq!(variable("server.max_requests"), "CHAPERONE_SERVER__MAX_REQUESTS");
    }
}
