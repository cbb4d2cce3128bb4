//! What must hold between keys, checked before anything is opened.

use std::collections::HashSet;

use pipeline::item::MAX_NAME_BYTES;

use super::{Config, KeyLimits, LimitConfig, Scope};
use crate::{
    cors,
    role::{model_name, scheme_of},
};

/// Shortest webhook secret, in bytes: below this, guessing a signature key becomes thinkable.
pub const MIN_SECRET_BYTES: usize = 16;
/// Shortest `auth.signing_secret`, in bytes: all signing secrets hang on it.
pub const MIN_SIGNING_SECRET_BYTES: usize = 32;
/// Most tokens of a bucket.
pub const MAX_BURST: u32 = 10_000_000;

impl Config {
    /// Everything that is wrong, one sentence each: what it is and what to do.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        self.check_server(&mut problems);
        self.check_keys(&mut problems);
        self.check_webhooks(&mut problems);
        self.check_statements(&mut problems);
        self.check_limits(&mut problems);
        self.check_urls(&mut problems);
        problems.extend(self.index.problem());
        self.check_models(&mut problems);
        self.compat.check(&mut problems);
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.filter) {
            problems.push(format!(
                "log.filter `{}` is not understood ({error}): write for example `info,pipeline=debug`",
                self.log.filter
            ));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn check_server(&self, problems: &mut Vec<String>) {
        let tls = &self.server.tls;
        if tls.certificate.is_some() != tls.key.is_some() {
            problems.push("server.tls needs both `certificate` and `key`, or none of them: add the other".to_owned());
        }
        cors::check(&self.server.cors, problems);
        if self.workers.lanes.is_empty() {
            problems.push(
                "workers.lanes is empty, so a worker would do nothing: list some of interactive, live, bulk".to_owned(),
            );
        }
    }

    fn check_keys(&self, problems: &mut Vec<String>) {
        let mut names = HashSet::new();
        let mut digests = HashSet::new();
        for key in &self.auth.keys {
            let name = &key.name;
            check_name("auth.keys: name", name, problems);
            check_name(&format!("auth.keys `{name}`: tenant"), key.tenant.as_str(), problems);
            if !names.insert(name) {
                problems.push(format!("two keys are called `{name}`: give each its own name"));
            }
            let is_hex = key.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if key.sha256.len() != 64 || !is_hex {
                problems.push(format!(
                    "auth.keys `{name}`: sha256 must be 64 lower-case hex digits: run `printf %s \"$KEY\" | sha256sum`"
                ));
            } else if !digests.insert(&key.sha256) {
                problems.push(format!(
                    "auth.keys `{name}`: another entry has the same key: make a new key for each caller"
                ));
            }
            if key.scopes.is_empty() {
                problems.push(format!(
                    "auth.keys `{name}`: scopes is empty, so the key may do nothing: list some of check, items, profiles, search, review, lead, admin"
                ));
            }
            if key.require_signature && self.auth.signing_secret.is_none() {
                problems.push(format!(
                    "auth.keys `{name}`: require_signature without auth.signing_secret refuses every request: set it to what `openssl rand -hex 32` prints"
                ));
            }
            check_key_limits(&format!("auth.keys `{name}`: limits"), &key.limits, problems);
        }
        if self.auth.signing_secret.as_ref().is_some_and(|secret| secret.len() < MIN_SIGNING_SECRET_BYTES) {
            problems.push(format!(
                "auth.signing_secret is shorter than {MIN_SIGNING_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`"
            ));
        }
        for scope in Scope::ALL {
            check_limit(&format!("limits.{}", scope.as_str()), self.limits.of(scope), problems);
        }
    }

    fn check_webhooks(&self, problems: &mut Vec<String>) {
        let mut names = HashSet::new();
        for webhook in &self.webhooks {
            let name = &webhook.name;
            check_name("webhooks: name", name, problems);
            if !names.insert(name) {
                problems.push(format!("two webhooks are called `{name}`: give each its own name"));
            }
            if !matches!(webhook.url.scheme(), "http" | "https") || webhook.url.host().is_none() {
                problems.push(format!("webhooks `{name}`: url must be http:// or https:// with a host"));
            }
            if webhook.secret.len() < MIN_SECRET_BYTES {
                problems.push(format!(
                    "webhooks `{name}`: secret is shorter than {MIN_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`"
                ));
            }
        }
    }

    fn check_statements(&self, problems: &mut Vec<String>) {
        let mut tenants = HashSet::new();
        for place in &self.statements {
            let tenant = place.tenant.as_str();
            check_name("statements: tenant", tenant, problems);
            if !tenants.insert(tenant) {
                problems.push(format!("two [[statements]] are of the tenant `{tenant}`: keep one"));
            }
            if !matches!(place.url.scheme(), "http" | "https") || place.url.host().is_none() {
                problems.push(format!("statements of `{tenant}`: url must be http:// or https:// with a host"));
            }
            if place.token.trim().is_empty() {
                problems.push(format!(
                    "statements of `{tenant}`: token is empty: the transparency database gives one to each platform"
                ));
            }
        }
    }

    /// Numbers that would make the service refuse or lose everything.
    fn check_limits(&self, problems: &mut Vec<String>) {
        let (server, queue, pipeline) = (&self.server, &self.queue, &self.pipeline);
        let positive = [
            ("server.max_body_bytes", server.max_body_bytes),
            ("server.max_requests", server.max_requests),
            ("server.request_seconds", usize::try_from(server.request_seconds).unwrap_or(usize::MAX)),
            ("workers.permits", self.workers.permits),
            ("workers.max_attempts", self.workers.max_attempts as usize),
            ("workers.item_seconds", usize::try_from(self.workers.item_seconds).unwrap_or(usize::MAX)),
            ("queue.interactive_capacity", queue.interactive_capacity),
            ("queue.live_capacity", queue.live_capacity),
            ("queue.bulk_capacity", queue.bulk_capacity),
            ("queue.live_max_age_ms", usize::try_from(queue.live_max_age_ms).unwrap_or(usize::MAX)),
            ("index.timeout_ms", usize::try_from(self.index.timeout_ms).unwrap_or(usize::MAX)),
            ("index.connect_timeout_ms", usize::try_from(self.index.connect_timeout_ms).unwrap_or(usize::MAX)),
            ("store.retention_days", self.store.retention_days as usize),
            ("pipeline.max_text_bytes", pipeline.max_text_bytes),
            ("pipeline.max_picture_bytes", pipeline.max_picture_bytes),
            ("pipeline.max_frame_bytes", pipeline.max_frame_bytes),
            ("pipeline.max_pixels", usize::try_from(pipeline.max_pixels).unwrap_or(usize::MAX)),
        ];
        for (key, _) in positive.iter().filter(|(_, value)| *value == 0) {
            problems.push(format!("{key} is 0: it must be at least 1"));
        }
        if let Err(error) = queue.check_prefetch(self.workers.permits) {
            problems.push(error.to_string());
        }
        for (key, bytes) in [
            ("pipeline.max_text_bytes", pipeline.max_text_bytes),
            ("pipeline.max_picture_bytes", pipeline.max_picture_bytes),
            ("pipeline.max_frame_bytes", pipeline.max_frame_bytes),
        ] {
            if bytes > server.max_body_bytes {
                problems.push(format!(
                    "{key} is {bytes}, more than server.max_body_bytes ({}): raise the body limit or lower {key}",
                    server.max_body_bytes
                ));
            }
        }
    }

    /// Only the schemes; whether the place is usable shows when it is opened.
    fn check_urls(&self, problems: &mut Vec<String>) {
        let rows: [(&str, &String, &[&str], &str); 3] = [
            (
                "queue.url",
                &self.queue.url,
                &["memory", "amqp", "amqps"],
                "`memory:` or `amqp://user:password@host/%2f`",
            ),
            (
                "store.url",
                &self.store.url,
                &["sqlite", "postgres", "postgresql"],
                "`sqlite:data/chaperone.db` or `postgres://user:password@host/database`",
            ),
            ("index.url", &self.index.url, &["edge", "http", "https"], "`edge:data/index` or `http://host:6334`"),
        ];
        for (key, url, schemes, examples) in rows {
            if !schemes.contains(&scheme_of(url)) {
                problems.push(format!(
                    "{key} `{}` is not known: write for example {examples}",
                    super::show::redact_url(url)
                ));
            }
        }
    }

    /// Models that the pipeline asks for must be loaded.
    fn check_models(&self, problems: &mut Vec<String>) {
        let loaded: Vec<&str> = self.models.load.iter().map(|entry| model_name(entry)).collect();
        let distinct: HashSet<&&str> = loaded.iter().collect();
        if distinct.len() < loaded.len() {
            problems.push("models.load names a model twice: remove one".to_owned());
        }
        let pipeline = &self.pipeline;
        if !(0.0..=1.0).contains(&pipeline.language_confidence) {
            problems.push("pipeline.language_confidence lies between 0 and 1".to_owned());
        }
        let opinion = &pipeline.second_opinion;
        if !(0.0..=1.0).contains(&opinion.from) {
            problems.push("pipeline.second_opinion.from lies between 0 and 1".to_owned());
        }
        if !opinion.model.is_empty() && !pipeline.picture_models.is_empty() && !loaded.contains(&opinion.model.as_str())
        {
            problems.push(format!(
                "pipeline.second_opinion.model asks for `{0}`, which models.load does not list: add it there, or write an empty name to do \
                 without a second opinion",
                opinion.model
            ));
        }
        let wanted = [("text_models", &pipeline.text_models), ("picture_models", &pipeline.picture_models)];
        let wanted = wanted.into_iter().flat_map(|(key, names)| names.iter().map(move |name| (key, name)));
        let next = pipeline.next_embedding_model.iter().map(|name| ("next_embedding_model", name));
        for (key, name) in wanted.chain([("embedding_model", &pipeline.embedding_model)]).chain(next) {
            if !loaded.contains(&name.as_str()) {
                problems
                    .push(format!("pipeline.{key} asks for `{name}`, which models.load does not list: add it there"));
            }
        }
    }
}

/// A limit that lets nothing through is a mistake, and so is one that nobody means.
pub(crate) fn check_limit(place: &str, limit: &LimitConfig, problems: &mut Vec<String>) {
    if limit.burst > MAX_BURST {
        problems.push(format!("{place}: burst is {}: at most {MAX_BURST}", limit.burst));
    }
    if limit.requests_per_minute > 0 && limit.burst == 0 {
        problems.push(format!(
            "{place}: burst is 0, so nothing could pass: set at least 1, or requests_per_minute = 0 for no limit"
        ));
    }
}

/// [`check_limit`] for a key's own limits.
pub(crate) fn check_key_limits(place: &str, limits: &KeyLimits, problems: &mut Vec<String>) {
    for (scope, limit) in limits {
        check_limit(&format!("{place}.{}", scope.as_str()), limit, problems);
    }
}

/// A name for logs and rows: not empty, not long, printable.
fn check_name(key: &str, name: &str, problems: &mut Vec<String>) {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        problems.push(format!("{key} must have 1 to {MAX_NAME_BYTES} bytes and no control characters"));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::KeyConfig;

    use super::*;

    fn key(name: &str, digest: &str) -> KeyConfig {
        KeyConfig {
            name: name.into(),
            sha256: digest.repeat(32),
            tenant: "t".into(),
            scopes: vec![Scope::Check],
            require_signature: false,
            limits: KeyLimits::new(),
        }
    }

    fn webhook(name: &str, url: &str, secret: &str) -> workers::WebhookConfig {
        workers::WebhookConfig {
            name: name.into(),
            url: url.parse().unwrap(),
            secret: secret.into(),
            events: vec![],
            tenant: None,
        }
    }

    /// What is changed, and a part of the sentence that must come.
    type Case = (fn(&mut Config), &'static str);

    #[test]
    fn the_default_is_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        let cases: Vec<Case> = vec![
            (|c| c.auth.keys = vec![key("a", "ab"), key("a", "cd")], "two keys are called `a`"),
            (|c| c.auth.keys = vec![key("a", "ab"), key("b", "ab")], "same key"),
            (|c| c.auth.keys = vec![key("a", "AB")], "64 lower-case hex"),
            (|c| c.auth.keys = vec![key("a", "abc")], "64 lower-case hex"),
            (|c| c.auth.keys = vec![key("", "ab")], "name must have 1 to"),
            (|c| c.auth.keys = vec![KeyConfig { scopes: vec![], ..key("a", "ab") }], "scopes is empty"),
            (|c| c.webhooks = vec![webhook("w", "ftp://a.example", &"s".repeat(16))], "http:// or https://"),
            (|c| c.webhooks = vec![webhook("w", "https://a.example", "short")], "openssl rand"),
            (|c| c.webhooks = vec![webhook("w", "https://a.example", &"s".repeat(16)); 2], "two webhooks"),
            (|c| c.workers.permits = 0, "workers.permits is 0"),
            (|c| c.workers.max_attempts = 0, "workers.max_attempts is 0"),
            (|c| c.queue.live_capacity = 0, "queue.live_capacity is 0"),
            (|c| (c.queue.url, c.queue.prefetch) = ("amqp://h".into(), 127), "queue.prefetch is 127"),
            (|c| c.server.max_body_bytes = 1000, "server.max_body_bytes (1000)"),
            (|c| c.queue.url = "kafka://h".into(), "queue.url `kafka://h`"),
            (|c| c.store.url = "mysql://u:hush@h".into(), "store.url `mysql://u:********@h"),
            (|c| c.index.url = "edgeless:".into(), "index.url"),
            (|c| c.index.beam = 5, "index.beam"),
            (|c| c.index.second_neighbours = f64::NAN, "index.second_neighbours"),
            (|c| c.index.build_threads = 0, "index.build_threads"),
            (|c| c.server.tls.key = Some("tls.key".into()), "server.tls needs both"),
            (|c| c.server.cors.origins = vec!["forum.example".into()], "server.cors.origins: `forum.example`"),
            (|c| c.auth.signing_secret = Some("short".into()), "auth.signing_secret is shorter than 32"),
            (
                |c| c.auth.keys = vec![KeyConfig { require_signature: true, ..key("a", "ab") }],
                "without auth.signing_secret",
            ),
            (|c| c.limits.search.burst = 0, "limits.search: burst is 0"),
            (|c| c.limits.items.burst = u32::MAX, "limits.items: burst is 4294967295: at most"),
            (
                |c| {
                    let mut key = key("a", "ab");
                    key.limits.insert(Scope::Check, LimitConfig { burst: 0, ..LimitConfig::default() });
                    c.auth.keys = vec![key];
                },
                "auth.keys `a`: limits.check: burst is 0",
            ),
            (|c| c.workers.lanes.clear(), "workers.lanes is empty"),
            (|c| c.models.load.retain(|name| name != "toxicity-minilm"), "asks for `toxicity-minilm`"),
            (|c| c.models.load.push("fake:toxicity-minilm".into()), "twice"),
            (|c| c.log.filter = "info,[".into(), "log.filter"),
        ];
        for (change, expected) in cases {
            let mut config = Config::default();
            change(&mut config);
            let problems = config.validate().unwrap_err().join("\n");
            assert!(problems.contains(expected), "`{expected}` is not in: {problems}");
        }
    }

    #[test]
    fn fake_models_count_as_loaded() {
        let mut config = Config::default();
        config.models.load.iter_mut().for_each(|name| name.insert_str(0, "fake:"));
        assert_eq!(config.validate(), Ok(()));
    }
}
