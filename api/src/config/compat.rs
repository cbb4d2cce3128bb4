//! Section `[compat]`: the routes that speak other services' languages.

use std::collections::HashSet;

use pipeline::item::TenantId;
use serde::{Deserialize, Serialize};

use crate::fetch::HostRule;

/// Section `[compat]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompatConfig {
    /// Pictures that a request names by their address.
    pub image_fetch: ImageFetchConfig,
}

/// Section `[compat.image_fetch]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageFetchConfig {
    /// Milliseconds that one picture may take, redirects included.
    pub timeout_ms: u64,
    /// Largest picture, in bytes; `pipeline.max_picture_bytes` holds too.
    pub max_bytes: usize,
    /// Redirects that are followed; each is checked like the first address.
    pub max_redirects: usize,
    /// Pictures that are fetched at the same time.
    pub concurrent: usize,
    /// Which tenants' pictures are fetched from where. Empty: none.
    pub allow: Vec<FetchAllowance>,
}

/// One `[[compat.image_fetch.allow]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchAllowance {
    /// Whose requests.
    pub tenant: TenantId,
    /// `img.example.org`, `*.cdn.example.org`, `img.example.org:8443`. Without a port: 80 and 443.
    pub hosts: Vec<String>,
}

impl Default for ImageFetchConfig {
    fn default() -> Self {
        Self { timeout_ms: 5_000, max_bytes: 20 << 20, max_redirects: 3, concurrent: 16, allow: Vec::new() }
    }
}

impl CompatConfig {
    /// What is wrong, one sentence each.
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        let fetch = &self.image_fetch;
        for (key, value) in [
            ("timeout_ms", usize::try_from(fetch.timeout_ms).unwrap_or(usize::MAX)),
            ("max_bytes", fetch.max_bytes),
            ("concurrent", fetch.concurrent),
        ] {
            if value == 0 {
                problems.push(format!("compat.image_fetch.{key} is 0: it must be at least 1"));
            }
        }
        let mut tenants = HashSet::new();
        for FetchAllowance { tenant, hosts } in &fetch.allow {
            if !tenants.insert(tenant) {
                problems.push(format!("compat.image_fetch.allow names the tenant `{tenant}` twice: join the two"));
            }
            for host in hosts {
                if let Err(problem) = HostRule::parse(host) {
                    problems.push(format!("compat.image_fetch.allow of `{tenant}`: {problem}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(change: impl FnOnce(&mut CompatConfig)) -> String {
        let mut config = CompatConfig::default();
        change(&mut config);
        let mut problems = Vec::new();
        config.check(&mut problems);
        problems.join("\n")
    }

    #[test]
    fn i5_each_mistake_has_its_sentence() {
        let allow = |host: &str| vec![FetchAllowance { tenant: "t".into(), hosts: vec![host.into()] }];
        assert_eq!(problems(|_| {}), "");
        assert!(problems(|c| c.image_fetch.timeout_ms = 0).contains("timeout_ms is 0"));
        assert!(problems(|c| c.image_fetch.allow = allow("https://a.example")).contains("host name"));
        assert!(
            problems(|c| c.image_fetch.allow = [allow("a.example"), allow("b.example")].concat()).contains("twice")
        );
    }
}
