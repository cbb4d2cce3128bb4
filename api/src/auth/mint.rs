//! New keys: what they look like, and what becomes of them. Pure: time and randomness are passed in.

use chrono::{DateTime, Utc};
use pipeline::{
    item::{TenantId, check_name},
    store::{ApiKey, KeyId},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    config::{KeyLimits, Scope, validate::check_key_limits},
    error::ApiError,
};

/// What keys begin with, so that people and secret scanners know one when they see it.
pub const PREFIX: &str = "chp_";
/// Random bytes that a key is made of; each becomes a symbol of five bits: 200 bits.
pub const RANDOM_BYTES: usize = 40;
/// Letters and digits that nobody confuses.
const SYMBOLS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Symbols at the end by which people tell which key they hold.
const HINT: usize = 4;

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// For people.
    pub name: String,
    /// Whose rows it sees.
    pub tenant: TenantId,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// From then on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
    /// Are requests without a signature refused?
    pub require_signature: bool,
    /// Its own limits.
    pub limits: KeyLimits,
}

/// A new key, for once: only its digest is kept.
pub struct Minted {
    /// The key.
    pub secret: String,
    /// Its row.
    pub row: ApiKey,
}

/// Digest by which a key is known.
pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Makes a key out of `random`. Errors, all `Invalid`: `name_…`, `scopes_empty`, `expiry_past`, `limits_invalid`.
pub fn mint(wanted: Wanted, id: Uuid, random: &[u8; RANDOM_BYTES], now: DateTime<Utc>) -> Result<Minted, ApiError> {
    let Wanted { name, tenant, mut scopes, expires_at, require_signature, limits } = wanted;
    for (field, text) in [("name", &name), ("tenant", &tenant.0)] {
        check_name(field, text).map_err(|error| ApiError::from(error).at(field))?;
    }
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        let message = "`scopes` is empty, so the key could do nothing: list some of check, items, profiles, search, review, lead, admin.";
        return Err(ApiError::invalid("scopes_empty", message).at("scopes"));
    }
    if expires_at.is_some_and(|at| at <= now) {
        let message = "`expires_at` is over: name a time to come, or leave it out.";
        return Err(ApiError::invalid("expiry_past", message).at("expires_at"));
    }
    let mut problems = Vec::new();
    check_key_limits("limits", &limits, &mut problems);
    if let Some(problem) = problems.pop() {
        return Err(ApiError::invalid("limits_invalid", format!("{problem}.")).at("limits"));
    }
    let symbols: String = random.iter().map(|byte| char::from(SYMBOLS[usize::from(byte % 32)])).collect();
    let secret = format!("{PREFIX}{symbols}");
    let row = ApiKey {
        id: KeyId(id),
        tenant,
        name,
        digest: digest(&secret),
        hint: symbols[symbols.len() - HINT..].to_owned(),
        scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        require_signature,
        limits: serde_json::to_value(limits).map_err(|error| ApiError::internal(error.to_string()))?,
        created_at: now,
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    Ok(Minted { secret, row })
}

/// Randomness of the operating system.
pub fn random() -> Result<[u8; RANDOM_BYTES], ApiError> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| ApiError::internal(format!("no randomness: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::config::LimitConfig;

    fn wanted() -> Wanted {
        Wanted {
            name: "chat".into(),
            tenant: "acme".into(),
            scopes: vec![Scope::Items, Scope::Check, Scope::Items],
            expires_at: None,
            require_signature: false,
            limits: KeyLimits::new(),
        }
    }

    fn made(wanted: Wanted) -> Result<Minted, ApiError> {
        let random = std::array::from_fn(|position| u8::try_from(position * 7 % 256).unwrap());
        mint(wanted, Uuid::nil(), &random, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn i2_a_key_has_a_prefix_and_only_its_digest_is_kept() {
        let Minted { secret, row } = made(wanted()).unwrap();
        let symbols = secret.strip_prefix(PREFIX).unwrap();
        assert_eq!(symbols.len(), RANDOM_BYTES);
        assert!(symbols.bytes().all(|byte| SYMBOLS.contains(&byte)));
        assert_eq!(row.digest, digest(&secret));
        assert_eq!(row.scopes, ["check", "items"], "each once, in order");
        assert!(secret.ends_with(&row.hint) && row.hint.len() == 4);
        assert_ne!(random().unwrap(), random().unwrap());
        assert_eq!(SYMBOLS.iter().collect::<std::collections::BTreeSet<_>>().len(), 32);
    }

    #[test]
    fn i2_each_mistake_has_its_code() {
        let nothing = LimitConfig { requests_per_minute: 5, burst: 0, block_seconds: 1 };
        let past = DateTime::UNIX_EPOCH - TimeDelta::seconds(1);
        for (wanted, code) in [
            (Wanted { name: String::new(), ..wanted() }, "name_empty"),
            (Wanted { tenant: "".into(), ..wanted() }, "name_empty"),
            (Wanted { scopes: vec![], ..wanted() }, "scopes_empty"),
            (Wanted { expires_at: Some(past), ..wanted() }, "expiry_past"),
            (Wanted { expires_at: Some(DateTime::UNIX_EPOCH), ..wanted() }, "expiry_past"),
            (Wanted { limits: [(Scope::Check, nothing)].into(), ..wanted() }, "limits_invalid"),
        ] {
            assert_eq!(made(wanted.clone()).err().map(|error| error.code()), Some(code), "{wanted:?}");
        }
    }
}
