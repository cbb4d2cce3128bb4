//! Addresses that open evidence for a short time: whoever has one may look until it ends, and no cache keeps what it shows.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How long an address holds.
pub const HOLDS: TimeDelta = TimeDelta::minutes(5);

/// Signs and checks addresses with one secret.
#[derive(Clone)]
pub struct Signer {
    secret: Vec<u8>,
}

impl std::fmt::Debug for Signer {
    /// Hides the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// With this secret.
    pub fn new(secret: Vec<u8>) -> Self {
        Self { secret }
    }

    fn mac(&self, path: &str, tenant: &str, expires: i64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        for part in [path, tenant] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&expires.to_le_bytes());
        Some(mac)
    }

    /// `path` with what opens it until [`HOLDS`] after `now`.
    pub fn sign(&self, path: &str, tenant: &str, now: DateTime<Utc>) -> String {
        let expires = (now + HOLDS).timestamp();
        let mac =
            self.mac(path, tenant, expires).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("tenant", tenant).append_pair("expires", &expires.to_string()).append_pair("signature", &mac);
        format!("{path}?{}", query.finish())
    }

    /// Does the signature open `path` at `now`?
    pub fn opens(&self, path: &str, tenant: &str, expires: i64, signature: &str, now: DateTime<Utc>) -> bool {
        let (Ok(given), Some(mac)) = (hex::decode(signature), self.mac(path, tenant, expires)) else { return false };
        mac.verify_slice(&given).is_ok() && now.timestamp() <= expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(address: &str) -> (String, i64, String) {
        let (_, query) = address.split_once('?').unwrap();
        let mut pairs = url::form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned());
        let (tenant, expires) = (pairs.next().unwrap(), pairs.next().unwrap().parse().unwrap());
        (tenant, expires, pairs.next().unwrap())
    }

    #[test]
    fn c3_an_address_opens_one_picture_of_one_tenant_for_minutes() {
        let (signer, now) = (Signer::new(vec![7; 32]), DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let (tenant, expires, signature) = parts(&signer.sign("/v1/x", "a & b", now));
        assert_eq!(tenant, "a & b");
        let opens =
            |path: &str, tenant: &str, expires, signature: &str, at| signer.opens(path, tenant, expires, signature, at);
        assert!(opens("/v1/x", &tenant, expires, &signature, now));
        assert!(opens("/v1/x", &tenant, expires, &signature, now + HOLDS));
        assert!(!opens("/v1/x", &tenant, expires, &signature, now + HOLDS + TimeDelta::seconds(1)));
        assert!(!opens("/v1/x", &tenant, expires + 1, &signature, now));
        assert!(!opens("/v1/y", &tenant, expires, &signature, now));
        assert!(!opens("/v1/x", "other", expires, &signature, now));
        assert!(!opens("/v1/x", &tenant, expires, "00", now));
        assert!(!Signer::new(vec![8; 32]).opens("/v1/x", &tenant, expires, &signature, now));
    }
}
