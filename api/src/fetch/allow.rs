//! Whose pictures are fetched, and from where.

use std::collections::HashMap;

use pipeline::item::TenantId;
use url::{Host, Url};

use crate::config::compat::FetchAllowance;

/// A host that pictures may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    host: Host<String>,
    /// The host's subdomains, not the host itself.
    below: bool,
    /// `None`: 80 and 443.
    port: Option<u16>,
}

impl HostRule {
    /// Reads `host`, `host:port` or `*.host`. The error says what is wrong and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no host name: write `img.example.org`, `*.example.org` or `img.example.org:8443`");
        let (below, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        // The last colon of a bare IPv6 address is none before a port: such an address stands in brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !rest.ends_with(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
            _ => (rest, None),
        };
        let host = Host::parse(host).map_err(|_| wrong())?;
        match &host {
            Host::Domain(name) if name.is_empty() || name.contains('*') => Err(wrong()),
            Host::Ipv4(_) | Host::Ipv6(_) if below => Err(wrong()),
            _ => Ok(Self { host, below, port }),
        }
    }

    fn holds(&self, host: &Host<&str>, port: u16) -> bool {
        let same = match (&self.host, host) {
            (Host::Domain(ours), Host::Domain(theirs)) => {
                // A final dot names the same host.
                let theirs: &str = theirs;
                let theirs = theirs.strip_suffix('.').unwrap_or(theirs);
                let prefix = theirs.strip_suffix(ours.as_str());
                prefix.is_some_and(|prefix| {
                    if self.below { prefix.len() > 1 && prefix.ends_with('.') } else { prefix.is_empty() }
                })
            }
            (Host::Ipv4(ours), Host::Ipv4(theirs)) => ours == theirs,
            (Host::Ipv6(ours), Host::Ipv6(theirs)) => ours == theirs,
            _ => false,
        };
        same && self.port.map_or(matches!(port, 80 | 443), |ours| ours == port)
    }
}

/// The allow-lists of all tenants.
#[derive(Debug, Default)]
pub(super) struct AllowLists(HashMap<TenantId, Vec<HostRule>>);

impl AllowLists {
    pub(super) fn new(allow: &[FetchAllowance]) -> anyhow::Result<Self> {
        let lists = allow.iter().map(|FetchAllowance { tenant, hosts }| {
            let rules = hosts.iter().map(|host| HostRule::parse(host).map_err(anyhow::Error::msg));
            Ok((tenant.clone(), rules.collect::<anyhow::Result<_>>()?))
        });
        lists.collect::<anyhow::Result<_>>().map(Self)
    }

    /// Is anything fetched for this tenant?
    pub(super) fn any(&self, tenant: &TenantId) -> bool {
        self.0.get(tenant).is_some_and(|rules| !rules.is_empty())
    }

    /// Is this address on the tenant's list?
    pub(super) fn holds(&self, tenant: &TenantId, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return false };
        self.0.get(tenant).is_some_and(|rules| rules.iter().any(|rule| rule.holds(&host, port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i5_an_address_must_be_on_its_tenants_list() {
        let hosts = ["img.example.org", "*.cdn.example", "media.example:8443", "192.0.2.7", "[2001:db8::1]:81"];
        let allow = [FetchAllowance { tenant: "a".into(), hosts: hosts.map(String::from).to_vec() }];
        let lists = AllowLists::new(&allow).unwrap();
        for (url, held) in [
            ("https://img.example.org/x.png", true),
            ("https://IMG.Example.ORG./x.png", true),
            ("http://img.example.org/", true),
            ("https://img.example.org:8443/", false),
            ("https://x.img.example.org/", false),
            ("https://evilimg.example.org/", false),
            ("https://a.cdn.example/", true),
            ("https://a.b.cdn.example/", true),
            ("https://cdn.example/", false),
            ("https://acdn.example/", false),
            ("https://media.example:8443/", true),
            ("https://media.example/", false),
            ("http://192.0.2.7/", true),
            ("http://0xc0.0x00.0x02.0x07/", true),
            ("http://192.0.2.8/", false),
            ("http://[2001:db8::1]:81/", true),
            ("http://[2001:db8::1]/", false),
        ] {
            assert_eq!(lists.holds(&"a".into(), &url.parse().unwrap()), held, "{url}");
        }
        assert!(!lists.holds(&"b".into(), &"https://img.example.org/".parse().unwrap()), "another tenant");
        assert!(lists.any(&"a".into()) && !lists.any(&"b".into()));
    }

    #[test]
    fn i5_what_is_no_host_is_refused() {
        for wrong in
            ["", "*", "*.", "https://a.example", "a.example/x", "a.*.example", "a.example:http", "*.192.0.2.1", "a b"]
        {
            assert!(HostRule::parse(wrong).is_err(), "{wrong}");
        }
    }
}
