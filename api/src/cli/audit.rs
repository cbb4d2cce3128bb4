//! `chaperone audit`: does the chain hold, and all of it as lines of JSON.

use std::io::Write as _;

use anyhow::{Context, Result};
use clap::Subcommand;
use pipeline::{
    clock::Clock,
    item::TenantId,
    store::{self, desk::Desk},
};

use super::{Exit, Global};

/// Entries read at once.
const STEP: usize = 1000;

/// Arguments of `chaperone audit`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    /// Only of this tenant; all, when absent.
    #[arg(long, global = true, value_name = "TENANT")]
    tenant: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Follow each tenant's chain of hashes from its first entry; say where it breaks.
    #[command(after_long_help = "\
Prints the number and hash of the newest entry: note them elsewhere. With them you can see later that no newer entries were cut off.
Exit code 1 when a chain is broken.

Examples:
  chaperone audit verify
  chaperone audit verify --tenant acme --head 9f2c…")]
    Verify {
        /// A hash that was noted before: it must still be in the chain.
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
    /// Print the entries, oldest first, one JSON object a line.
    #[command(after_long_help = "\
Examples:
  chaperone audit export > audit.jsonl
  chaperone audit export --tenant acme | jq 'select(.kind == \"case.decided\")'")]
    Export,
}

/// Runs `chaperone audit`.
pub async fn run(args: Args, global: &Global) -> Result<Exit> {
    let config = global.config()?;
    let store = store::connect(&config.store.url)
        .await
        .context("cannot open store.url: with `sqlite:`, stop the service first")?;
    let desk = Desk::new(store.tables(), Clock::system(), Default::default());
    let tenants = match args.tenant {
        Some(tenant) => vec![TenantId(tenant)],
        None => desk.audited_tenants().await?,
    };
    let mut out = std::io::stdout();
    let mut exit = Exit::Fine;
    for tenant in tenants {
        match &args.verb {
            Verb::Verify { head } => {
                let verified = desk.verify_audit(&tenant).await?;
                let missing = match head {
                    Some(head) => !contains(&desk, &tenant, head).await?,
                    None => false,
                };
                match (&verified.broken, missing) {
                    (None, false) => {
                        writeln!(out, "{tenant}: {} entries hold; newest {}", verified.entries, verified.head)?;
                    }
                    (Some(broken), _) => {
                        exit = Exit::Failed;
                        writeln!(out, "{tenant}: BROKEN at entry {}: {}", broken.number, broken.what)?;
                    }
                    (None, true) => {
                        exit = Exit::Failed;
                        writeln!(
                            out,
                            "{tenant}: BROKEN: the noted hash is not in the chain: entries were removed or written anew"
                        )?;
                    }
                }
            }
            Verb::Export => export(&desk, &tenant, &mut out).await?,
        }
    }
    Ok(exit)
}

async fn contains(desk: &Desk, tenant: &TenantId, head: &str) -> Result<bool> {
    let mut after = 0;
    loop {
        let entries = desk.audit_after(tenant, after, STEP).await?;
        if entries.iter().any(|entry| entry.hash == head) {
            return Ok(true);
        }
        let Some(last) = entries.last() else { return Ok(false) };
        after = last.number;
    }
}

async fn export(desk: &Desk, tenant: &TenantId, out: &mut impl std::io::Write) -> Result<()> {
    let mut after = 0;
    loop {
        let entries = desk.audit_after(tenant, after, STEP).await?;
        let Some(last) = entries.last().map(|entry| entry.number) else { return Ok(()) };
        for entry in &entries {
            let mut line = serde_json::to_value(entry)?;
            line["tenant"] = tenant.as_str().into();
            writeln!(out, "{line}")?;
        }
        after = last;
    }
}
