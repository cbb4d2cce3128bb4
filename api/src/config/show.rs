//! The merged configuration for people's eyes: TOML, with secrets as stars.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::{Config, Sources};

/// What is printed instead of a secret.
pub const STARS: &str = "********";

impl Config {
    /// The configuration as a table in which nothing is secret: webhook secrets, key digests and passwords in URLs are stars.
    pub fn redacted(&self) -> Table {
        let mut table = match Value::try_from(self) {
            Ok(Value::Table(table)) => table,
            // A struct of sections serialises to a table; anything else would be a defect that the tests show.
            _ => Table::new(),
        };
        redact(&mut table);
        table
    }

    /// [`Config::redacted`] as TOML text; each value that is not a default says where it comes from.
    pub fn to_text(&self, sources: &Sources) -> String {
        let mut text = String::new();
        let (tables, lists): (Vec<_>, Vec<_>) = self.redacted().into_iter().partition(|(_, value)| value.is_table());
        for (section, value) in tables {
            let Value::Table(fields) = value else { continue };
            let _ = writeln!(text, "[{section}]");
            // Tables last: a plain key after one would belong to it.
            let (tables, plain): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(_, value)| is_tables(value));
            for (field, value) in plain {
                let origin = sources.origin(&format!("{section}.{field}"));
                let comment = origin.map(|origin| format!("  # {origin}")).unwrap_or_default();
                let _ = writeln!(text, "{field} = {value}{comment}");
            }
            for (field, value) in tables {
                let _ = write!(text, "{}", tables_of(&format!("{section}.{field}"), &value));
            }
            text.push('\n');
        }
        for (section, value) in lists {
            let _ = write!(text, "{}", tables_of(&section, &value));
        }
        text
    }
}

/// Is this a list of tables with something in it?
fn is_tables(value: &Value) -> bool {
    value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_table))
}

/// `[[name]]` for each table of a list.
fn tables_of(name: &str, value: &Value) -> String {
    let mut text = String::new();
    for table in value.as_array().into_iter().flatten().filter_map(Value::as_table) {
        let _ = writeln!(text, "\n[[{name}]]");
        for (field, value) in table {
            let _ = writeln!(text, "{field} = {value}");
        }
    }
    text
}

/// Replaces every secret in `table`, at any depth.
fn redact(table: &mut Table) {
    for (key, value) in table.iter_mut() {
        match value {
            Value::String(text)
                if matches!(key.as_str(), "secret" | "token" | "signing_secret" | "sha256" | "api_key") =>
            {
                STARS.clone_into(text);
            }
            Value::String(text) if key == "url" => *text = redact_url(text),
            Value::Table(inner) => redact(inner),
            Value::Array(list) => list.iter_mut().filter_map(Value::as_table_mut).for_each(redact),
            _ => {}
        }
    }
}

/// A URL for logs: its password and query, which may carry tokens, are stars.
pub fn redact_url(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return text.to_owned() };
    if url.password().is_none() && url.query().is_none() {
        return text.to_owned();
    }
    if url.password().is_some() && url.set_password(Some(STARS)).is_err() {
        return STARS.to_owned();
    }
    if url.query().is_some() {
        url.set_query(Some(STARS));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn secrets_are_stars_in_text_and_debug() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let digest = "ab".repeat(32);
        write!(
            file,
            "[server]\nmax_requests = 7\n[auth]\nsigning_secret = \"open-sesame-open-sesame-open-sesame\"\n[[auth.keys]]\nname = \"chat\"\nsha256 = \"{digest}\"\ntenant = \"t\"\nscopes = [\"check\"]\n\
             [[webhooks]]\nname = \"hook\"\nurl = \"https://u:open-sesame@a.example/p?token=open-sesame\"\nsecret = \"open-sesame-open-sesame\"\n\
             [[statements]]\ntenant = \"t\"\nurl = \"https://b.example/statement\"\ntoken = \"open-sesame\"\n\
             [index]\napi_key = \"open-sesame\"\n"
        )
        .unwrap();
        let (config, sources) = Config::load_with_sources(Some(file.path())).unwrap();
        let text = config.to_text(&sources);
        for shown in [text.clone(), format!("{config:?}"), format!("{config:#?}")] {
            assert!(!shown.contains("open-sesame"), "{shown}");
            assert!(!shown.contains(&digest), "{shown}");
            assert!(shown.contains("chat") && shown.contains("hook"), "{shown}");
        }
        assert!(text.contains(&format!("max_requests = 7  # {}", file.path().display())), "{text}");
        assert!(text.contains("[[webhooks]]") && text.contains("[[auth.keys]]"), "{text}");
        let parsed: Table = toml::from_str(&text).unwrap();
        assert_eq!(parsed, config.redacted());
    }

    #[test]
    fn urls_lose_password_and_query() {
        let cases = [
            ("sqlite:data/chaperone.db", "sqlite:data/chaperone.db"),
            ("memory:", "memory:"),
            ("postgres://u:p@h/db", "postgres://u:********@h/db"),
            ("https://h/p?token=1", "https://h/p?********"),
        ];
        for (url, shown) in cases {
            assert_eq!(redact_url(url), shown);
        }
    }
}
