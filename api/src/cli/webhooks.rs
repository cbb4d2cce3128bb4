//! `chaperone webhooks`: what became of deliveries, and their replay, in the store itself.

use std::io::Write as _;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use clap::{Subcommand, ValueEnum};
use pipeline::{
    clock::Clock,
    item::TenantId,
    store::{DeliveryFilter, DeliveryState, Store},
};
use serde_json::json;

use super::{
    Exit, Global,
    keys::open,
    table::{Paint, one_line, rows},
};
use crate::routes::webhooks::{DeliveryPage, DeliveryView};

/// Deliveries that are replayed with one statement.
const PAGE: usize = 1000;

/// Arguments of `chaperone webhooks`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    /// JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what became of deliveries, newest first.
    #[command(after_long_help = "\
It works on the database of store.url, also while services run on it. Settled deliveries are kept for store.retention_days.

Examples:
  chaperone webhooks deliveries
  chaperone webhooks deliveries --state dead --webhook \"chat service\"
  chaperone webhooks deliveries --limit 20 --before 4711 --json")]
    Deliveries {
        #[command(flatten)]
        which: Which,
        /// In this state only.
        #[arg(long)]
        state: Option<StateName>,
        /// Most to show.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only those with a smaller id: the last one of the page before.
        #[arg(long, value_name = "ID")]
        before: Option<i64>,
    },
    /// Deliver once more: the same events with the same keys, as if never tried.
    #[command(after_long_help = "\
A service that runs takes them up within a second. Receivers must tell repeated keys apart, as always (docs/webhooks.md).

Examples:
  chaperone webhooks replay 4711 4712
  chaperone webhooks replay --dead                             once what broke the receiver is mended
  chaperone webhooks replay --dead --webhook \"chat service\"")]
    Replay {
        /// Ids of deliveries that are delivered or dead.
        #[arg(value_name = "ID", required_unless_present = "dead", conflicts_with = "dead")]
        ids: Vec<i64>,
        /// Every dead letter.
        #[arg(long)]
        dead: bool,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Clone, clap::Args)]
struct Which {
    /// To this webhook only.
    #[arg(long, value_name = "NAME")]
    webhook: Option<String>,
    /// Of this tenant's events only.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateName {
    /// Waits for its first or next try.
    Due,
    /// The webhook answered 2xx.
    Delivered,
    /// Given up.
    Dead,
}

impl From<StateName> for DeliveryState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Due => Self::Due,
            StateName::Delivered => Self::Delivered,
            StateName::Dead => Self::Dead,
        }
    }
}

/// Runs the verb.
pub async fn run(args: Args, global: &Global) -> Result<Exit> {
    let Args { json, verb } = args;
    let store = open(&global.config()?).await?;
    match verb {
        Verb::Deliveries { which, state, limit, before } => {
            let limit = limit as usize;
            let filter = DeliveryFilter { before, ..filter(which, state.map(DeliveryState::from)) };
            let page = DeliveryPage::new(store.deliveries(&filter, limit + 1).await?, limit);
            let text = if json { format!("{:#}\n", serde_json::to_value(&page)?) } else { table(&page) };
            std::io::stdout().write_all(text.as_bytes())?;
            Ok(Exit::Fine)
        }
        Verb::Replay { ids, dead, which } => {
            let (asked, done) = if dead {
                replay_dead(&*store, filter(which, Some(DeliveryState::Dead)), Clock::system().now()).await?
            } else {
                if which.webhook.is_some() {
                    bail!("--webhook goes with --dead: ids name their deliveries already");
                }
                let tenant = which.tenant.map(TenantId);
                (ids.len(), store.replay_deliveries(tenant.as_ref(), &ids, Clock::system().now()).await?)
            };
            let mut stdout = std::io::stdout();
            match json {
                true => writeln!(stdout, "{}", json!({ "asked": asked, "done": done }))?,
                false => writeln!(stdout, "{done} of {asked} deliveries are due now")?,
            }
            Ok(if done < asked { Exit::Failed } else { Exit::Fine })
        }
    }
}

fn filter(which: Which, state: Option<DeliveryState>) -> DeliveryFilter {
    DeliveryFilter { tenant: which.tenant.map(TenantId), webhook: which.webhook, state, before: None }
}

/// All that are dead now; one that dies again meanwhile is not replayed twice, because ids only fall.
async fn replay_dead(store: &dyn Store, mut filter: DeliveryFilter, now: DateTime<Utc>) -> Result<(usize, usize)> {
    let (mut asked, mut done) = (0, 0);
    loop {
        let ids: Vec<i64> = store.deliveries(&filter, PAGE).await?.iter().map(|delivery| delivery.id).collect();
        let Some(last) = ids.last() else { return Ok((asked, done)) };
        filter.before = Some(*last);
        asked += ids.len();
        done += store.replay_deliveries(filter.tenant.as_ref(), &ids, now).await?;
    }
}

fn table(page: &DeliveryPage) -> String {
    if page.deliveries.is_empty() {
        return "there are no such deliveries\n".to_owned();
    }
    let line = |row: &DeliveryView| {
        let time = row.next_at.or(row.delivered_at).unwrap_or(row.created_at);
        vec![
            row.id.to_string(),
            one_line(&row.webhook),
            row.state.to_owned(),
            row.attempts.to_string(),
            one_line(&row.event_kind),
            one_line(&row.event_key),
            time.format("%Y-%m-%d %H:%M:%S").to_string(),
            row.error.as_deref().map(one_line).unwrap_or_default(),
        ]
    };
    let lines: Vec<Vec<String>> = page.deliveries.iter().map(line).collect();
    let heading = ["id", "webhook", "state", "tries", "event", "key", "next, told or made at", "last error"];
    let mut text = rows(&heading, &lines, Paint::stdout());
    if let Some(cursor) = page.next_cursor {
        text.push_str(&format!("there are older ones: --before {cursor}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use pipeline::store::Delivery;

    use super::*;

    #[test]
    fn i3_a_page_ends_where_the_next_begins() {
        let row = |id| Delivery {
            id,
            webhook: "chat\u{1b}[2J".into(),
            tenant: "acme".into(),
            sequence: 1,
            kind: "item.judged".into(),
            key: "k".into(),
            state: DeliveryState::Dead,
            attempts: 12,
            created_at: DateTime::UNIX_EPOCH,
            next_at: None,
            delivered_at: None,
            error: Some("answered 500".into()),
        };
        let page = DeliveryPage::new(vec![row(9), row(7), row(4)], 2);
        assert_eq!((page.deliveries.len(), page.next_cursor), (2, Some(7)));
        let text = table(&page);
        assert!(!text.contains('\u{1b}') && text.contains("answered 500") && text.contains("--before 7"), "{text}");
        let last = DeliveryPage::new(vec![row(4)], 2);
        assert_eq!(last.next_cursor, None);
        assert!(table(&DeliveryPage::new(vec![], 2)).contains("no such"));
    }
}
