//! Known again: traces of people, made alike and then unreadable, by which somebody who was banned is recognised.
//!
//! A match is a hint for a reviewer, never a reason to ban: people share devices, networks and names.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{error::PipelineError, item::MAX_NAME_BYTES};

/// What the platform tells of a person's traces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// A device's fingerprint, as the platform makes it.
    pub device: Option<String>,
    /// An address on the internet.
    pub ip: Option<IpAddr>,
    /// An e-mail address.
    pub email: Option<String>,
}

impl Traces {
    /// Every trace as its kind and its keyed digest: what is kept. `key` is the tenant's. Errors, all `Invalid`: `trace_invalid`.
    pub fn digests(&self, key: &str) -> Result<Vec<(String, String)>, PipelineError> {
        let mut digests = Vec::new();
        let mut put = |kind: &str, value: &str| digests.push((kind.to_owned(), digest(key, kind, value)));
        if let Some(device) = &self.device {
            if device.trim().is_empty() || device.len() > MAX_NAME_BYTES {
                return Err(unreadable("device", "1 to 200 bytes"));
            }
            put("device", device.trim());
        }
        if let Some(ip) = self.ip {
            put("ip", &range(ip));
        }
        if let Some(email) = &self.email {
            put(
                "email",
                &pattern(email).ok_or_else(|| unreadable("email", "an address with one `@`, at most 200 bytes"))?,
            );
        }
        Ok(digests)
    }
}

/// No message quotes the value.
fn unreadable(field: &str, right: &str) -> PipelineError {
    PipelineError::invalid("trace_invalid", format!("`{field}` cannot be read: send {right}"))
}

/// HMAC-SHA-256 with the tenant's key: of two tenants the same trace has two digests, and nobody without the key can try out
/// addresses.
fn digest(key: &str, kind: &str, value: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(kind.as_bytes());
    mac.update(&[0]);
    mac.update(value.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// The neighbourhood of an address: what a provider gives one customer one after the other. /24 of IPv4, /48 of IPv6 (RIPE-690 asks
/// providers to give a site at least a /56, usually a /48).
fn range(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

/// What addresses of one maker have in common: `J.Doe4+news@x.org` and `jdoe17@x.org` are both `jdoe#@x.org`. `None`: no address.
fn pattern(email: &str) -> Option<String> {
    let email = email.trim().to_lowercase();
    let (local, domain) = email.split_once('@')?;
    let local = local.split('+').next().unwrap_or_default();
    let letters: String = local.chars().filter(|letter| !letter.is_ascii_digit() && !"._-".contains(*letter)).collect();
    let numbered = local.contains(|letter: char| letter.is_ascii_digit());
    let whole = !local.is_empty() && !domain.is_empty() && !domain.contains('@') && email.len() <= MAX_NAME_BYTES;
    whole.then(|| format!("{letters}{}@{domain}", if numbered { "#" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p3_addresses_of_one_maker_look_alike() {
        for (one, other, alike) in [
            ("J.Doe+news@Example.org", "jdoe@example.org", true),
            ("jdoe17@example.org", "j_doe_4@example.org", true),
            ("jdoe17@example.org", "jdoe@example.org", false),
            ("jdoe@example.org", "jdoe@example.com", false),
            ("jdoe@example.org", "jane@example.org", false),
        ] {
            assert_eq!(pattern(one) == pattern(other), alike, "{one} {other}");
        }
        for none in ["", "jdoe", "@x", "a@", "a@b@c", &format!("{}@x", "a".repeat(200))] {
            assert_eq!(pattern(none), None, "{none}");
        }
    }

    #[test]
    fn p3_addresses_are_known_by_their_range() {
        let of = |text: &str| range(text.parse().unwrap());
        assert_eq!(of("192.0.2.17"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.99"), "192.0.2.0/24", "IPv4 in IPv6's clothes");
        assert_eq!(of("2001:db8:1:2::3"), "2001:db8:1::/48");
        assert_ne!(of("192.0.2.17"), of("192.0.3.17"));
    }

    #[test]
    fn p3_traces_are_kept_as_keyed_digests_only() {
        let traces = Traces {
            device: Some("phone-SECRET".into()),
            ip: Some("192.0.2.17".parse().unwrap()),
            email: Some("jdoe@example.org".into()),
        };
        let digests = traces.digests("key").unwrap();
        assert_eq!(digests.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["device", "ip", "email"]);
        assert!(digests.iter().all(|(_, digest)| digest.len() == 64 && !digest.contains("SECRET")));
        assert_eq!(digests, traces.digests("key").unwrap());
        let others = traces.digests("another").unwrap();
        assert!(digests.iter().zip(&others).all(|(one, other)| one.1 != other.1));
        let same_value = Traces { device: Some("jdoe@example.org".into()), ..Traces::default() };
        assert_ne!(same_value.digests("key").unwrap()[0].1, digests[2].1, "kinds do not meet");
        let wrong = Traces { email: Some("SECRET".into()), ..Traces::default() }.digests("key").unwrap_err();
        assert!(!wrong.to_string().contains("SECRET"), "{wrong}");
    }
}
