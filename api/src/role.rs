//! What one process does: everything, the HTTP door alone, or the work of some lanes.

use std::{collections::BTreeSet, net::SocketAddr};

use models::Lane;

use crate::config::{Config, show::redact_url};

/// The role of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Everything in one process. With server URLs several of them may stand beside each other.
    Serve,
    /// The HTTP door: publishes, and judges what `POST /v1/check` brings; takes nothing from the queue.
    Api,
    /// Judges what comes through these lanes; background duties; of HTTP only health and metrics.
    Worker {
        /// In the order of [`Lane::ALL`], each once.
        lanes: Vec<Lane>,
    },
}

impl Role {
    /// A worker of these lanes; none at all means every lane.
    pub fn worker(lanes: &[Lane]) -> Self {
        let lanes = Lane::ALL.into_iter().filter(|lane| lanes.is_empty() || lanes.contains(lane)).collect();
        Self::Worker { lanes }
    }

    /// Name for logs and metrics, and the verb that starts it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Api => "api",
            Self::Worker { .. } => "worker",
        }
    }

    /// Where its HTTP face listens: key of the configuration, and address.
    pub fn listens(&self, config: &Config) -> (&'static str, SocketAddr) {
        match self {
            Self::Worker { .. } => ("workers.listen", config.workers.listen),
            Self::Serve | Self::Api => ("server.listen", config.server.listen),
        }
    }

    /// Lanes that this process takes items from.
    pub fn lanes(&self) -> &[Lane] {
        match self {
            Self::Serve => &Lane::ALL,
            Self::Api => &[],
            Self::Worker { lanes } => lanes,
        }
    }

    /// Does it judge what waits in the queue, tell webhooks, do the background duties?
    pub fn works(&self) -> bool {
        !matches!(self, Self::Api)
    }

    /// Does it answer the whole HTTP interface?
    pub fn answers(&self) -> bool {
        !matches!(self, Self::Worker { .. })
    }

    /// The URLs that this role cannot work with, one sentence each: what is embedded belongs to one process.
    pub fn refuse_embedded(&self, config: &Config) -> Vec<String> {
        if *self == Self::Serve {
            return Vec::new();
        }
        let rows = [
            ("queue.url", &config.queue.url, "memory", "an `amqp://` URL (RabbitMQ)"),
            ("store.url", &config.store.url, "sqlite", "a `postgres://` URL (PostgreSQL)"),
            ("index.url", &config.index.url, "edge", "an `http://` URL (Qdrant)"),
        ];
        let embedded = rows.into_iter().filter(|(_, url, scheme, _)| scheme_of(url) == *scheme);
        let sentence = |(key, url, _, server): (&str, &String, &str, &str)| {
            format!(
                "{key} is `{}`, which lives inside one process, and `chaperone {}` shares its work with others: set {key} to {server}, \
                 or run `chaperone serve`, which needs no server",
                redact_url(url),
                self.as_str(),
            )
        };
        embedded.map(sentence).collect()
    }

    /// The entries of `models.load` that this role needs: a worker of live frames leaves the text models alone.
    pub fn models(&self, config: &Config) -> Vec<String> {
        let Self::Worker { lanes } = self else { return config.models.load.clone() };
        let pipeline = &config.pipeline;
        let mut wanted = BTreeSet::new();
        for lane in lanes {
            // A batch with an upload in it waits in the bulk lane as a whole, its texts too.
            let (texts, pictures) = match lane {
                Lane::Interactive => (true, false),
                Lane::Live => (false, true),
                Lane::Bulk => (true, true),
            };
            wanted.extend(pipeline.text_models.iter().filter(|_| texts));
            // Who has time for uploads embeds for a model that is to take over, too.
            wanted.extend(pipeline.next_embedding_model.iter().filter(|_| *lane == Lane::Bulk));
            wanted.extend(pipeline.picture_models.iter().chain([&pipeline.second_opinion.model]).filter(|_| pictures));
        }
        let needed = |entry: &&String| wanted.iter().any(|name| model_name(entry) == name.as_str());
        config.models.load.iter().filter(needed).cloned().collect()
    }
}

/// The part of a URL before its first colon.
pub(crate) fn scheme_of(url: &str) -> &str {
    url.split_once(':').map_or("", |(scheme, _)| scheme)
}

/// Does it live inside this process?
pub(crate) fn is_embedded(url: &str) -> bool {
    matches!(scheme_of(url), "memory" | "sqlite" | "edge")
}

/// `fake:NAME`, `NAME@BACKEND` → `NAME`.
pub(crate) fn model_name(entry: &str) -> &str {
    let entry = entry.strip_prefix("fake:").unwrap_or(entry);
    entry.split_once('@').map_or(entry, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers() -> Config {
        let mut config = Config::default();
        config.queue.url = "amqp://guest:hush@h/%2f".into();
        config.store.url = "postgres://u:hush@h/db".into();
        config.index.url = "http://h:6334".into();
        config
    }

    #[test]
    fn i7_split_roles_refuse_what_is_embedded() {
        let all = ["queue.url is `memory:`", "store.url is `sqlite:", "index.url is `edge:"];
        let table: [(Role, Config, &[&str]); 5] = [
            (Role::Serve, Config::default(), &[]),
            (Role::Api, Config::default(), &all),
            (Role::worker(&[]), Config::default(), &all),
            (Role::Api, servers(), &[]),
            (Role::worker(&[Lane::Live]), Config { index: Default::default(), ..servers() }, &all[2..]),
        ];
        for (role, config, expected) in table {
            let problems = role.refuse_embedded(&config);
            assert_eq!(problems.len(), expected.len(), "{role:?}: {problems:?}");
            for (problem, part) in problems.iter().zip(expected) {
                assert!(problem.contains(part) && problem.contains("chaperone serve"), "{problem}");
                assert!(problem.contains(&format!("chaperone {}", role.as_str())), "{problem}");
            }
        }
    }

    #[test]
    fn a_worker_loads_what_its_lanes_need() {
        let config = Config::default();
        let all = ["embed-minilm", "nsfw-mobilenet", "nsfw-inception", "toxicity-minilm"];
        let table: [(Role, &[&str]); 6] = [
            (Role::Serve, &all),
            (Role::Api, &all),
            (Role::worker(&[Lane::Interactive]), &["toxicity-minilm"]),
            (Role::worker(&[Lane::Live]), &["nsfw-mobilenet", "nsfw-inception"]),
            (Role::worker(&[Lane::Bulk]), &["nsfw-mobilenet", "nsfw-inception", "toxicity-minilm"]),
            (Role::worker(&[]), &["nsfw-mobilenet", "nsfw-inception", "toxicity-minilm"]),
        ];
        for (role, expected) in table {
            assert_eq!(role.models(&config), expected, "{role:?}");
        }
    }

    #[test]
    fn entries_of_the_load_list_name_models() {
        for (entry, name) in [("spam", "spam"), ("fake:spam", "spam"), ("embed-minilm@candle", "embed-minilm")] {
            assert_eq!(model_name(entry), name);
        }
    }

    #[test]
    fn lanes_come_in_order_and_once() {
        assert_eq!(Role::worker(&[Lane::Bulk, Lane::Live, Lane::Bulk]).lanes(), [Lane::Live, Lane::Bulk]);
        assert_eq!(Role::worker(&[]).lanes(), Lane::ALL);
        assert!(Role::Api.lanes().is_empty());
    }
}
