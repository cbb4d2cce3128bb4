//! Sections of the configuration that this crate owns.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

/// Section `[workers]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkersConfig {
    /// Items in flight at once.
    pub permits: usize,
    /// Tries before an item is dead-lettered.
    pub max_attempts: u32,
    /// Seconds that one item may take.
    pub item_seconds: u64,
    /// Address of the small HTTP face of `chaperone worker`.
    pub listen: SocketAddr,
    /// Lanes that `chaperone worker` takes items from when the command line names none.
    pub lanes: Vec<models::Lane>,
}

impl Default for WorkersConfig {
    fn default() -> Self {
        Self {
            permits: 128,
            max_attempts: 5,
            item_seconds: 30,
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            lanes: models::Lane::ALL.to_vec(),
        }
    }
}

/// What is told to the platform's bus. Section `[bus]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusConfig {
    /// Event kinds that are published; empty: all.
    pub kinds: Vec<String>,
}

/// One receiver of events, `[[webhooks]]`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// For logs and rows; unique.
    pub name: String,
    /// Where events are posted.
    pub url: url::Url,
    /// Signing secret; printed as stars.
    pub secret: String,
    /// Event kinds; empty: all.
    #[serde(default)]
    pub events: Vec<String>,
    /// Only this tenant's events; absent: every tenant's.
    #[serde(default)]
    pub tenant: Option<pipeline::item::TenantId>,
}

impl fmt::Debug for WebhookConfig {
    /// Hides the secret, and of the URL all that may carry a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("name", &self.name)
            .field("host", &self.url.host_str())
            .field("secret", &"********")
            .field("events", &self.events)
            .field("tenant", &self.tenant)
            .finish()
    }
}

/// Where a tenant's statements of reasons go, `[[statements]]`. Without one nothing is sent.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementsConfig {
    /// Whose.
    pub tenant: pipeline::item::TenantId,
    /// Where one statement is posted: `https://transparency.dsa.ec.europa.eu/api/v1/statement`, or the sandbox's.
    pub url: url::Url,
    /// The database's token for this platform; printed as stars.
    pub token: String,
}

impl fmt::Debug for StatementsConfig {
    /// Hides the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatementsConfig")
            .field("tenant", &self.tenant)
            .field("host", &self.url.host_str())
            .field("token", &"********")
            .finish()
    }
}

impl WebhookConfig {
    /// Does this webhook want events of `kind`?
    pub fn wants(&self, kind: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|wanted| wanted == kind)
    }
}

/// The fewest items in flight with which batches can fill while the last one runs: 2 × largest batch × instances, the largest over all
/// models. `models`: each model's largest batch and number of instances (0 counts as 1).
pub fn minimum_permits(models: impl IntoIterator<Item = (usize, usize)>) -> usize {
    models.into_iter().map(|(batch, instances)| 2 * batch * instances.max(1)).max().unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_cover_two_batches_of_the_hungriest_model() {
        for (models, permits) in [
            (vec![], 1),
            (vec![(32, 1)], 64),
            (vec![(32, 0)], 64),
            (vec![(32, 2), (64, 1)], 128),
            (vec![(8, 1), (64, 3), (1, 1)], 384),
        ] {
            assert_eq!(minimum_permits(models.clone()), permits, "{models:?}");
        }
    }

    #[test]
    fn debug_hides_the_secret() {
        let webhook = WebhookConfig {
            name: "chat".into(),
            url: "https://user:hush@a.example/path?token=hush".parse().unwrap(),
            secret: "hush-hush".into(),
            events: vec![],
            tenant: None,
        };
        let shown = format!("{webhook:?}");
        assert!(!shown.contains("hush") && shown.contains("a.example"), "{shown}");
        let url = "https://b.example/hush".parse().unwrap();
        let place = StatementsConfig { tenant: "t".into(), url, token: "hush-hush".into() };
        let shown = format!("{place:?}");
        assert!(!shown.contains("hush") && shown.contains("b.example"), "{shown}");
    }

    #[test]
    fn an_empty_list_of_kinds_means_all() {
        let mut webhook = WebhookConfig {
            name: "a".into(),
            url: "https://a.example".parse().unwrap(),
            secret: "s".into(),
            events: vec![],
            tenant: None,
        };
        assert!(webhook.wants("item.judged"));
        webhook.events = vec!["moderation.action".into()];
        assert!(webhook.wants("moderation.action") && !webhook.wants("item.judged"));
    }
}
