//! Passwords, one-time codes and random tokens. Argon2id with the parameters that OWASP's password storage cheat sheet names first: 19 MiB, two
//! passes, one lane (those of the crate's default).

use anyhow::{Context, Result};
use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use totp_rs::{Algorithm, Secret, TOTP};

/// Seconds that a one-time code holds (RFC 6238).
const STEP: u64 = 30;
/// What authenticator apps show.
const ISSUER: &str = "Chaperone";

/// `N` random bytes of the operating system.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(bytes)
}

/// A random token of 256 bits, for cookies and the like.
pub fn token() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// A password as it is kept. Slow on purpose: call it off the async threads.
pub fn hash(password: &str) -> Result<String> {
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(|error| anyhow::anyhow!("no salt: {error}"))?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| anyhow::anyhow!("the password cannot be hashed: {error}"))?.to_string())
}

/// Is it the password? With no hash it takes as long, and says no: so nobody learns which logins exist. Call it off the async threads.
pub fn verify(password: &str, kept: Option<&str>) -> bool {
    // Of a random password that nobody knows.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo";
    let Ok(parsed) = PasswordHash::new(kept.unwrap_or(NOBODY)) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && kept.is_some()
}

/// A new secret of one-time codes, base32, and the address that authenticator apps read.
pub fn new_totp(login: &str) -> Result<(String, String)> {
    let secret = Secret::Raw(random::<20>()?.to_vec());
    let totp = totp(&secret.to_encoded().to_string(), login)?;
    Ok((totp.get_secret_base32(), totp.get_url()))
}

/// The time step of a code that is right at `now` (seconds since 1970), one step of clock difference allowed; `None` when it is wrong.
pub fn totp_step(secret: &str, login: &str, code: &str, now: u64) -> Option<i64> {
    let totp = totp(secret, login).ok()?;
    let right = |step: u64| {
        let expected = totp.generate(step * STEP);
        bool::from(subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), code.trim().as_bytes()))
    };
    let step = now / STEP;
    [step, step.saturating_sub(1), step + 1]
        .into_iter()
        .find(|step| right(*step))
        .and_then(|step| i64::try_from(step).ok())
}

fn totp(secret: &str, login: &str) -> Result<TOTP> {
    let bytes = Secret::Encoded(secret.to_owned()).to_bytes().map_err(|error| anyhow::anyhow!("{error:?}"))?;
    TOTP::new(Algorithm::SHA1, 6, 1, STEP, bytes, Some(ISSUER.to_owned()), login.to_owned())
        .map_err(|error| anyhow::anyhow!("{error:?}"))
        .context("the secret of the one-time codes cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c3_passwords_are_kept_as_argon2id_and_verified() {
        let kept = hash("correct horse battery").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(kept, hash("correct horse battery").unwrap(), "salted");
        assert!(verify("correct horse battery", Some(&kept)));
        assert!(!verify("correct horse batterz", Some(&kept)));
        assert!(!verify("anything", None) && !verify("x", Some("no hash")));
    }

    #[test]
    fn c3_codes_hold_for_their_step_and_its_neighbours() {
        let (secret, url) = new_totp("mia").unwrap();
        assert!(url.starts_with("otpauth://totp/Chaperone"), "{url}");
        let now = 1_800_000_000;
        let code = totp(&secret, "mia").unwrap().generate(now);
        let step = i64::try_from(now / STEP).unwrap();
        assert_eq!(totp_step(&secret, "mia", &code, now), Some(step));
        assert_eq!(totp_step(&secret, "mia", &code, now + STEP), Some(step));
        assert_eq!(totp_step(&secret, "mia", &code, now + 3 * STEP), None);
        assert_eq!(totp_step(&secret, "mia", "000000x", now), None);
    }
}
