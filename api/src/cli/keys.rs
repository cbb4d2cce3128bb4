//! `chaperone keys`: API keys made, listed and revoked in the store itself, whether a service runs on it or not.

use std::{io::Write as _, str::FromStr, sync::Arc};

use anyhow::{Context, Result, anyhow, bail};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Subcommand;
use pipeline::{
    clock::Clock,
    item::TenantId,
    store::{self, KeyId, Store},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    Exit, Global,
    table::{Paint, one_line, rows},
};
use crate::{
    auth::{DEFAULT_TENANT, mint, signature},
    config::{Config, KeyLimits, LimitConfig, Scope, show::redact_url},
    error::ApiError,
    routes::keys::{KeyView, MadeKey, require_master},
};

/// Arguments of `chaperone keys`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    /// JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a key, and show it once: only its digest is kept.
    #[command(after_long_help = "\
It works on the database of store.url, also while services run on it; they take the key in within 2 seconds. Scopes: check, items,
profiles, search, review, lead, admin (everything). The first key of an installation ends its openness: from then on every call needs one.

Examples:
  chaperone keys create \"chat service\" --scopes check,items
  chaperone keys create console --scopes admin --tenant acme --expires-in 90d
  chaperone keys create partner --scopes check --require-signature --limit check=600/50
  KEY=$(chaperone keys create ci --scopes check --json | jq -r .key)")]
    Create(Create),
    /// Show the keys: whose, what they may do, when they were last used. Never the keys themselves.
    #[command(after_long_help = "\
Keys that stand in [auth] of the configuration are not among them.

Examples:
  chaperone keys list
  chaperone keys list --tenant acme --json")]
    List {
        /// Of this tenant only.
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
    },
    /// Revoke keys, for ever: every service refuses them within 2 seconds.
    #[command(after_long_help = "\
Examples:
  chaperone keys revoke 01890a5d-ac96-774b-bcce-b302099a8057")]
    Revoke {
        /// Ids of the keys; `chaperone keys list` shows them.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<Uuid>,
    },
    /// Show the secret with which a key's requests are signed.
    #[command(after_long_help = "\
It is derived from auth.signing_secret and the key's id, so it can be shown again. Keys of the configuration are called config:NAME.

Examples:
  chaperone keys signing-secret 01890a5d-ac96-774b-bcce-b302099a8057
  chaperone keys signing-secret \"config:chat service\"")]
    SigningSecret {
        /// Id of the key.
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// What it is used for.
    name: String,
    /// What it may do, separated by commas.
    #[arg(long, required = true, value_delimiter = ',', value_parser = scope)]
    scopes: Vec<Scope>,
    /// Whose rows it sees.
    #[arg(long, default_value = DEFAULT_TENANT, value_name = "NAME")]
    tenant: String,
    /// How long it is good: `90d`, `12h`, `30m`. Without: until it is revoked.
    #[arg(long, value_name = "TIME", value_parser = period)]
    expires_in: Option<TimeDelta>,
    /// Refuse its requests when they are not signed; needs auth.signing_secret.
    #[arg(long)]
    require_signature: bool,
    /// A limit of its own: CLASS=PER_MINUTE/BURST; may be given once for each scope.
    #[arg(long = "limit", value_name = "LIMIT")]
    limits: Vec<OwnLimit>,
}

/// `check=600/50`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct OwnLimit(Scope, LimitConfig);

impl FromStr for OwnLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('=').and_then(|(class, limit)| {
            let (per_minute, burst) = limit.split_once('/')?;
            let (requests_per_minute, burst) = (per_minute.parse().ok()?, burst.parse().ok()?);
            Some(Self(Scope::parse(class)?, LimitConfig { requests_per_minute, burst, block_seconds: 1 }))
        });
        parsed.ok_or_else(|| "write CLASS=PER_MINUTE/BURST, for example check=600/50".to_owned())
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text.trim()).ok_or_else(|| "known are check, items, profiles, search, review, lead, admin".to_owned())
}

fn period(text: &str) -> Result<TimeDelta, String> {
    let wrong = || "write a number and d, h or m, for example 90d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let time = match unit {
        'd' => TimeDelta::try_days(number),
        'h' => TimeDelta::try_hours(number),
        'm' => TimeDelta::try_minutes(number),
        _ => None,
    };
    time.filter(|time| *time > TimeDelta::zero()).ok_or_else(wrong)
}

/// Runs the verb.
pub async fn run(args: Args, global: &Global) -> Result<Exit> {
    let Args { json, verb } = args;
    let config = global.config()?;
    let now = Clock::system().now();
    match verb {
        Verb::Create(create) => made(create, &config, now, json).await,
        Verb::List { tenant } => {
            let tenant = tenant.map(TenantId);
            let keys = open(&config).await?.list_keys(tenant.as_ref()).await?;
            let keys: Vec<_> = keys.into_iter().map(|key| KeyView::new(key, now)).collect();
            let text = if json { format!("{:#}\n", json!({ "keys": keys })) } else { table(&keys) };
            print(&text)
        }
        Verb::Revoke { ids } => revoked(&ids, &config, now, json).await,
        Verb::SigningSecret { id } => {
            let master = config.auth.signing_secret.as_deref().ok_or_else(|| {
                anyhow!("auth.signing_secret is not set: set it to what `openssl rand -hex 32` prints, the same in every process")
            })?;
            known(&id, &config).await?;
            let secret = signature::secret_of(master, &id);
            print(&if json { format!("{:#}\n", json!({ "id": id, "signing_secret": secret })) } else { secret + "\n" })
        }
    }
}

/// The store of `store.url`, beside whoever else has it open.
pub(super) async fn open(config: &Config) -> Result<Arc<dyn Store>> {
    let url = redact_url(&config.store.url);
    store::connect_beside(&config.store.url)
        .await
        .with_context(|| format!("cannot open store.url `{url}`: is the server running, may this user write there?"))
}

fn plain(error: &ApiError) -> anyhow::Error {
    anyhow!(error.message().to_owned())
}

async fn made(create: Create, config: &Config, now: DateTime<Utc>, json: bool) -> Result<Exit> {
    let Create { name, scopes, tenant, expires_in, require_signature, limits } = create;
    let master = config.auth.signing_secret.as_deref();
    require_master(require_signature, master).map_err(|error| plain(&error))?;
    let limits: KeyLimits = limits.into_iter().map(|OwnLimit(class, limit)| (class, limit)).collect();
    let expires_at =
        expires_in.map(|time| now.checked_add_signed(time).context("--expires-in is too long")).transpose()?;
    let wanted = mint::Wanted { name, tenant: TenantId(tenant), scopes, expires_at, require_signature, limits };
    let random = mint::random().map_err(|error| plain(&error))?;
    let made = mint::mint(wanted, Uuid::now_v7(), &random, now).map_err(|error| plain(&error))?;
    open(config).await?.put_key(&made.row).await?;
    let made = MadeKey::new(made, master, now);
    if json {
        return print(&format!("{:#}\n", serde_json::to_value(&made)?));
    }
    let mut text = format!("key             {}\n", made.key);
    if let Some(secret) = &made.signing_secret {
        text.push_str(&format!("signing secret  {secret}\n"));
    }
    text.push_str(&format!("id              {}\n", made.view.id));
    print(&text)?;
    writeln!(
        std::io::stderr(),
        "Keep the key now: it is not shown again. Services that run take it in within 2 seconds."
    )?;
    Ok(Exit::Fine)
}

async fn revoked(ids: &[Uuid], config: &Config, now: DateTime<Utc>, json: bool) -> Result<Exit> {
    let store = open(config).await?;
    let mut done = 0;
    for id in ids {
        match store.revoke_key(None, KeyId(*id), now).await? {
            Some(key) => {
                done += 1;
                if !json {
                    print(&format!("revoked {id} ({})\n", one_line(&key.name)))?;
                }
            }
            None => super::complain(&format!("there is no key `{id}`: `chaperone keys list` shows them")),
        }
    }
    if json {
        print(&format!("{:#}\n", json!({ "asked": ids.len(), "done": done })))?;
    }
    Ok(if done < ids.len() { Exit::Failed } else { Exit::Fine })
}

/// Refuses the id of a key that is not there: its secret would sign nothing.
async fn known(id: &str, config: &Config) -> Result<()> {
    if config.auth.keys.iter().any(|key| crate::auth::ring::configured_id(&key.name) == id) {
        return Ok(());
    }
    let keys = open(config).await?.list_keys(None).await?;
    if keys.iter().any(|key| key.id.to_string() == id) {
        return Ok(());
    }
    bail!("there is no key `{id}`: `chaperone keys list` shows those of the store, `config:NAME` is one of [auth]")
}

fn print(text: &str) -> Result<Exit> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Fine)
}

fn table(keys: &[KeyView]) -> String {
    if keys.is_empty() {
        return "there are no keys in the store: `chaperone keys create` makes one\n".to_owned();
    }
    let day = |at: Option<DateTime<Utc>>| at.map_or("-".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string());
    let line = |key: &KeyView| {
        vec![
            key.id.to_string(),
            one_line(&key.name),
            one_line(&key.tenant),
            format!("…{}", key.hint),
            key.scopes.join(","),
            key.state.to_owned(),
            if key.require_signature { "required" } else { "-" }.to_owned(),
            day(key.expires_at),
            day(key.last_used_at),
        ]
    };
    let lines: Vec<Vec<String>> = keys.iter().map(line).collect();
    let heading = ["id", "name", "tenant", "key", "scopes", "state", "signature", "expires", "last used"];
    rows(&heading, &lines, Paint::stdout())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i2_limits_and_periods_are_read() {
        let limit = LimitConfig { requests_per_minute: 600, burst: 50, block_seconds: 1 };
        assert_eq!("check=600/50".parse(), Ok(OwnLimit(Scope::Check, limit)));
        for wrong in ["", "check", "check=600", "nothing=1/1", "check=-1/1", "check=1/x"] {
            assert!(wrong.parse::<OwnLimit>().is_err(), "{wrong}");
        }
        for (text, time) in [("90d", TimeDelta::days(90)), ("12h", TimeDelta::hours(12)), ("5m", TimeDelta::minutes(5))]
        {
            assert_eq!(period(text), Ok(time));
        }
        for wrong in ["", "d", "5", "5s", "-5d", "0d", "9999999999999999999d", "99999999999999999d", "5é"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn i2_a_name_cannot_steer_the_terminal() {
        let key = KeyView {
            id: Uuid::nil(),
            tenant: "acme".into(),
            name: "a\u{1b}[2Jb".into(),
            hint: "3fq9".into(),
            scopes: vec!["check".into(), "items".into()],
            state: "active",
            require_signature: true,
            limits: json!({}),
            created_at: DateTime::UNIX_EPOCH,
            expires_at: Some(DateTime::UNIX_EPOCH),
            revoked_at: None,
            last_used_at: None,
        };
        let text = table(&[key]);
        assert!(
            !text.contains('\u{1b}') && text.contains("check,items") && text.contains("1970-01-01 00:00"),
            "{text}"
        );
        assert!(table(&[]).contains("keys create"));
    }
}
