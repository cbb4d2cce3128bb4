//! Signed requests: `chaperone-signature: v1=<unix seconds>:<hex HMAC-SHA256>` over time, method, path with query, and body. Pure.
//! The time may have a fraction, so that two equal requests within one second have two signatures.
//!
//! The signing secret of a key is no secret of the store: it is derived from `auth.signing_secret` and the key's id. Whoever reads the
//! database can sign nothing, and whoever sees the key in a request cannot either.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Header that carries the signature.
pub const SIGNATURE_HEADER: &str = "chaperone-signature";
/// How far a signature's time may be from ours, in either direction.
pub const MAX_AGE: TimeDelta = TimeDelta::minutes(5);
/// What derived secrets are bound to, so that `auth.signing_secret` can never be asked for a signature itself.
const PURPOSE: &str = "chaperone request signing v1";
/// What signing secrets begin with.
const PREFIX: &str = "chs_";

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Upper case.
    pub method: &'a str,
    /// As it stands in the request line, with the query.
    pub path: &'a str,
    /// The bytes as they are sent.
    pub body: &'a [u8],
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not read `v1=<unix seconds>:<64 hex digits>`.
    Malformed,
    /// Its time is more than [`MAX_AGE`] away.
    Stale,
    /// It is not what the secret makes of this request.
    Wrong,
}

/// A signature that is right. Whether it was seen before is another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Genuine {
    /// Tells it from every other.
    pub digest: [u8; 32],
    /// From then on it is stale, and need not be remembered.
    pub until: DateTime<Utc>,
}

/// The signing secret of the key with this id.
pub fn secret_of(master: &str, key_id: &str) -> String {
    let mut mac = keyed(master.as_bytes());
    for part in [PURPOSE.as_bytes(), b"\n", key_id.as_bytes()] {
        mac.update(part);
    }
    format!("{PREFIX}{}", hex::encode(mac.finalize().into_bytes()))
}

/// The header's value for a request that is sent at `timestamp` (unix seconds, perhaps with a fraction).
pub fn sign(secret: &str, timestamp: &str, request: Signed<'_>) -> String {
    format!("v1={timestamp}:{}", hex::encode(mac_of(secret, timestamp, request).finalize().into_bytes()))
}

/// Checks a header's value at `now`. Compares in constant time.
pub fn verify(secret: &str, header: &str, request: Signed<'_>, now: DateTime<Utc>) -> Result<Genuine, Fault> {
    let (timestamp, signature) =
        header.trim().strip_prefix("v1=").and_then(|rest| rest.split_once(':')).ok_or(Fault::Malformed)?;
    let at = time(timestamp).ok_or(Fault::Malformed)?;
    let mut given = [0; 32];
    hex::decode_to_slice(signature, &mut given).map_err(|_| Fault::Malformed)?;
    if (now - at).abs() > MAX_AGE {
        return Err(Fault::Stale);
    }
    let right = mac_of(secret, timestamp, request).finalize().into_bytes();
    if !bool::from(right.as_slice().ct_eq(&given)) {
        return Err(Fault::Wrong);
    }
    Ok(Genuine { digest: given, until: at + MAX_AGE + TimeDelta::seconds(1) })
}

/// `1700000000` or `1700000000.25`; the fraction, up to nine digits, only tells signatures apart.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (seconds, fraction) =
        text.split_once('.').map_or((text, None), |(seconds, fraction)| (seconds, Some(fraction)));
    let fine = digits(seconds) && fraction.is_none_or(|fraction| digits(fraction) && fraction.len() <= 9);
    fine.then(|| seconds.parse().ok()).flatten().and_then(|seconds| DateTime::from_timestamp(seconds, 0))
}

/// Time, method and path hold no line break, so nothing can move from one part into the next.
fn mac_of(secret: &str, timestamp: &str, request: Signed<'_>) -> Hmac<Sha256> {
    let mut mac = keyed(secret.as_bytes());
    for part in [timestamp, request.method, request.path] {
        mac.update(part.as_bytes());
        mac.update(b"\n");
    }
    mac.update(request.body);
    mac
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "1700000000";

    fn request() -> Signed<'static> {
        Signed { method: "POST", path: "/v1/check?dry_run=true", body: br#"{"text":"hello"}"# }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    /// The example of docs/authentication.md:
    /// printf '1700000000\nPOST\n/v1/check?dry_run=true\n{"text":"hello"}' | openssl dgst -sha256 -hmac chs_example
    #[test]
    fn i2_the_documented_example_is_right() {
        let header = sign("chs_example", AT, request());
        let document = include_str!("../../../docs/authentication.md");
        assert!(document.contains(&header), "docs/authentication.md does not show {header}");
        assert!(verify("chs_example", &header, request(), now()).is_ok());
    }

    #[test]
    fn i2_every_part_is_signed() {
        let header = sign("secret", AT, request());
        let others = [
            Signed { method: "PUT", ..request() },
            Signed { path: "/v1/check", ..request() },
            Signed { path: "/v1/check?dry_run=true\n", ..request() },
            Signed { body: br#"{"text":"hellO"}"#, ..request() },
        ];
        for other in others {
            assert_eq!(verify("secret", &header, other, now()), Err(Fault::Wrong), "{other:?}");
        }
        assert_eq!(verify("secreT", &header, request(), now()), Err(Fault::Wrong));
        let fine = sign("secret", "1700000000.5", request());
        let digest = |header: &str| verify("secret", header, request(), now()).unwrap().digest;
        assert_ne!(digest(&fine), digest(&header), "a fraction makes another signature");
        let moved = header.replace("1700000000", "1700000001");
        assert_eq!(verify("secret", &moved, request(), now()), Err(Fault::Wrong));
    }

    #[test]
    fn i2_a_signature_is_good_for_five_minutes_either_way() {
        let header = sign("secret", AT, request());
        for (seconds, good) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)] {
            let verified = verify("secret", &header, request(), now() + TimeDelta::seconds(seconds));
            assert_eq!(verified.is_ok(), good, "{seconds}");
            assert!(good || verified == Err(Fault::Stale));
        }
        let genuine = verify("secret", &header, request(), now()).unwrap();
        assert!(genuine.until > now() + MAX_AGE, "it is remembered for as long as it is good");
    }

    #[test]
    fn i2_other_forms_are_malformed() {
        let good = sign("secret", AT, request());
        let hex = &good[good.len() - 64..];
        for header in [
            "",
            "v1=",
            "v1=1700000000",
            "v1=1700000000:",
            "v1=1700000000:00",
            &format!("v2=1700000000:{hex}"),
            &format!("v1=:{hex}"),
            &format!("v1=+1700000000:{hex}"),
            &format!("v1=-1:{hex}"),
            &format!("v1=1700000000.:{hex}"),
            &format!("v1=1700000000.1234567891:{hex}"),
            &format!("v1=99999999999999999999:{hex}"),
            &format!("v1=9999999999999999:{hex}"),
            &format!("v1=1700000000:{hex}00"),
            &format!("v1=1700000000:{}", "zz".repeat(32)),
        ] {
            assert_eq!(verify("secret", header, request(), now()), Err(Fault::Malformed), "{header}");
        }
        // The same signature in capitals has the same digest: it is no way around the replay window.
        let capitals = format!("v1={AT}:{}", hex.to_uppercase());
        let (one, two) = (verify("secret", &good, request(), now()), verify("secret", &capitals, request(), now()));
        assert_eq!(one.unwrap().digest, two.unwrap().digest);
    }

    #[test]
    fn i2_signing_secrets_differ_by_key_and_master() {
        let secrets = [("m", "a"), ("m", "b"), ("n", "a")].map(|(master, id)| secret_of(master, id));
        assert!(secrets.iter().all(|secret| secret.starts_with("chs_") && secret.len() == 68));
        assert!(secrets[0] != secrets[1] && secrets[0] != secrets[2]);
    }
}
