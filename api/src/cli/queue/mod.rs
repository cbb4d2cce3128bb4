//! `chaperone queue`: how much waits, and what becomes of what was given up.

mod source;

use std::{
    collections::HashSet,
    io::{BufRead as _, IsTerminal as _, Write as _},
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use pipeline::item::ItemId;
use serde_json::{Value, json};
use uuid::Uuid;

use self::source::{Kept, Source};
use super::{
    Exit, Global,
    table::{Paint, bytes, one_line, rows},
};

/// Arguments of `chaperone queue`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    verb: Verb,
}

/// How to reach the queue.
#[derive(Debug, Clone, clap::Args)]
pub struct Reach {
    /// Ask the service at this address, e.g. http://127.0.0.1:8080, instead of the queue itself.
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// Key with the scope `admin`; better in the variable CHAPERONE_KEY, which other users of this machine cannot see.
    #[arg(long, global = true, value_name = "KEY", requires = "url")]
    key: Option<String>,
    /// JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show how many items wait and are in work, per lane.
    #[command(after_long_help = "\
Examples:
  chaperone queue stats                                   the queue of queue.url, when it is a RabbitMQ server
  chaperone queue stats --url http://127.0.0.1:8080       the queue of a running service
  chaperone queue stats --json | jq '.lanes[].waiting'    for a script")]
    Stats,
    /// Look at items that were given up, have them judged again, or forget them.
    #[command(
        subcommand,
        after_long_help = "\
Examples:
  chaperone queue dead-letters list
  chaperone queue dead-letters replay --all"
    )]
    DeadLetters(DeadLetters),
    /// Look at what the platform told over the bus and what was given up, have it told again, or forget it.
    #[command(
        subcommand,
        after_long_help = "\
Notices that could not be read, or that contradict what is known. They carry names of people and calls, no content.

Examples:
  chaperone queue notices list
  chaperone queue notices replay --all                    once what they speak of is known"
    )]
    Notices(Notices),
}

#[derive(Debug, Subcommand)]
enum Notices {
    /// Show what was given up, oldest first.
    List {
        /// Most to show.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Have notices told again, as if the platform had just told them.
    Replay(Which),
    /// Forget notices for ever. It asks first, unless --yes is given.
    Drop {
        #[command(flatten)]
        which: Which,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLetters {
    /// Show what was given up, oldest first.
    #[command(after_long_help = "\
Examples:
  chaperone queue dead-letters list
  chaperone queue dead-letters list --limit 20 --url http://127.0.0.1:8080")]
    List {
        /// Most to show.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show one: whose, which kind, why, how often it was tried.
    #[command(after_long_help = "\
What somebody wrote or showed is printed only with --content.

Examples:
  chaperone queue dead-letters show 01890a5d-ac96-774b-bcce-b302099a8057
  chaperone queue dead-letters show 01890a5d-ac96-774b-bcce-b302099a8057 --content --json")]
    Show {
        /// The item's id.
        id: Uuid,
        /// Its text or picture too.
        #[arg(long)]
        content: bool,
    },
    /// Have items judged again: they wait in their lanes as if never tried.
    #[command(after_long_help = "\
Examples:
  chaperone queue dead-letters replay 01890a5d-ac96-774b-bcce-b302099a8057
  chaperone queue dead-letters replay --all               once what broke them is mended")]
    Replay(Which),
    /// Forget items for ever.
    #[command(after_long_help = "\
It asks first, unless --yes is given.

Examples:
  chaperone queue dead-letters drop 01890a5d-ac96-774b-bcce-b302099a8057
  chaperone queue dead-letters drop --all --yes")]
    Drop {
        #[command(flatten)]
        which: Which,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Ids, as the list shows them.
    #[arg(value_name = "ID")]
    ids: Vec<Uuid>,
    /// Every one there is.
    #[arg(long)]
    all: bool,
}

/// Runs the verb.
pub async fn run(args: Args, global: &Global) -> Result<Exit> {
    let Args { reach, verb } = args;
    let source = Source::open(&reach, global).await?;
    let result = perform(&source, verb, reach.json).await;
    source.close().await;
    result
}

async fn perform(source: &Source, verb: Verb, json: bool) -> Result<Exit> {
    match verb {
        Verb::Stats => print(&source.stats().await?, json, stats_table)?,
        Verb::DeadLetters(DeadLetters::List { limit }) => {
            print(&source.list(Kept::Items, limit).await?, json, list_table)?;
        }
        Verb::DeadLetters(DeadLetters::Show { id, content }) => {
            print(&source.show(ItemId(id), content).await?, json, shown)?;
        }
        Verb::Notices(Notices::List { limit }) => {
            print(&source.list(Kept::Notices, limit).await?, json, notices_table)?;
        }
        Verb::DeadLetters(DeadLetters::Replay(which)) => return replay(source, Kept::Items, which, json).await,
        Verb::Notices(Notices::Replay(which)) => return replay(source, Kept::Notices, which, json).await,
        Verb::DeadLetters(DeadLetters::Drop { which, yes }) => {
            return drop_some(source, Kept::Items, which, yes, json).await;
        }
        Verb::Notices(Notices::Drop { which, yes }) => return drop_some(source, Kept::Notices, which, yes, json).await,
    }
    Ok(Exit::Fine)
}

async fn replay(source: &Source, kept: Kept, which: Which, json: bool) -> Result<Exit> {
    let (asked, done) = each(source, kept, which, Change::Replay).await?;
    told(asked, done, kept, "wait again", json)
}

async fn drop_some(source: &Source, kept: Kept, which: Which, yes: bool, json: bool) -> Result<Exit> {
    if !yes && !confirmed(kept, &which)? {
        writeln!(std::io::stderr(), "nothing was dropped")?;
        return Ok(Exit::Failed);
    }
    let (asked, done) = each(source, kept, which, Change::Drop).await?;
    told(asked, done, kept, "are gone", json)
}

#[derive(Clone, Copy)]
enum Change {
    Replay,
    Drop,
}

/// Changes these, or all there are. Answers how many were asked for and how many were changed.
async fn each(source: &Source, kept: Kept, which: Which, change: Change) -> Result<(usize, usize)> {
    let change = async |ids: Vec<Uuid>| match change {
        Change::Replay => source.replay(kept, ids).await,
        Change::Drop => source.discard(kept, ids).await,
    };
    if !which.all {
        return Ok((which.ids.len(), change(which.ids).await?));
    }
    let (mut seen, mut done) = (HashSet::new(), 0);
    loop {
        let mut ids = source.ids(kept).await?;
        // What comes back at once, because it fails again, must not keep us here.
        ids.retain(|id| seen.insert(*id));
        if ids.is_empty() {
            return Ok((seen.len(), done));
        }
        done += change(ids).await?;
    }
}

fn told(asked: usize, done: usize, kept: Kept, what: &str, json: bool) -> Result<Exit> {
    let mut stdout = std::io::stdout();
    if json {
        writeln!(stdout, "{}", json!({ "asked": asked, "done": done }))?;
    } else {
        writeln!(stdout, "{done} of {asked} {} {what}", kept.plural())?;
    }
    Ok(if done < asked { Exit::Failed } else { Exit::Fine })
}

/// Asks on the terminal.
fn confirmed(kept: Kept, which: &Which) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("dropping is for ever: add --yes, because nobody can be asked here");
    }
    let count = if which.all { "all".to_owned() } else { which.ids.len().to_string() };
    let what = format!("{count} {} that were given up", kept.plural());
    write!(std::io::stderr(), "Forget {what} for ever? Type yes: ")?;
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("reading the answer")?;
    Ok(answer.trim() == "yes")
}

fn print(value: &Value, json: bool, table: fn(&Value) -> String) -> Result<()> {
    let text = if json { format!("{value:#}\n") } else { table(value) };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// A member as one harmless line.
fn cell(value: &Value, member: &str) -> String {
    match &value[member] {
        Value::Null => String::new(),
        Value::String(text) => one_line(text),
        other => other.to_string(),
    }
}

fn table(heading: &[&str], list: &Value, members: &[&str]) -> String {
    let line = |value: &Value| members.iter().map(|member| cell(value, member)).collect();
    let lines: Vec<Vec<String>> = list.as_array().into_iter().flatten().map(line).collect();
    rows(heading, &lines, Paint::stdout())
}

fn stats_table(stats: &Value) -> String {
    table(&["lane", "waiting", "in flight", "capacity"], &stats["lanes"], &["lane", "waiting", "in_flight", "capacity"])
}

fn list_table(list: &Value) -> String {
    let letters = &list["dead_letters"];
    if letters.as_array().is_none_or(Vec::is_empty) {
        return "nothing was given up\n".to_owned();
    }
    let members = ["id", "kind", "lane", "reason", "attempts", "bytes", "at"];
    table(&["item", "kind", "lane", "reason", "tries", "bytes", "given up at"], letters, &members)
}

fn notices_table(list: &Value) -> String {
    let notices = &list["notices"];
    if notices.as_array().is_none_or(Vec::is_empty) {
        return "nothing was given up\n".to_owned();
    }
    let members = ["id", "type", "notice", "reason", "bytes", "at"];
    table(&["id", "type", "the platform's id", "reason", "bytes", "given up at"], notices, &members)
}

fn shown(letter: &Value) -> String {
    let mut text = String::new();
    let members = ["id", "kind", "lane", "reason", "attempts", "bytes", "at"];
    let of_item = ["tenant", "actor", "conversation", "call", "reference", "message", "occurred_at", "received_at"];
    let cells = members.iter().map(|member| (member, cell(letter, member)));
    let cells = cells.chain(of_item.iter().map(|member| (member, cell(&letter["item"], member))));
    for (name, value) in cells.filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{name:<12}  {value}\n"));
    }
    if let Some(content) = letter["text"].as_str() {
        text.push_str(&format!("{:<12}  {}\n", "text", one_line(content)));
    }
    if let Some(picture) = letter["image"].as_str() {
        let size = bytes(picture.len() as u64 * 3 / 4);
        text.push_str(&format!("{:<12}  {size}; --json prints it as base64\n", "image"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_line_up_and_text_cannot_steer_the_terminal() {
        let letter = json!({ "id": "i", "kind": "text", "lane": "interactive", "reason": "timed_out", "attempts": 5, "bytes": 12, "at": "2026" });
        let text = list_table(&json!({ "dead_letters": [letter] }));
        assert_eq!(
            text,
            "item  kind  lane         reason     tries  bytes  given up at\ni     text  interactive  timed_out  5      12     2026\n"
        );
        assert_eq!(list_table(&json!({ "dead_letters": [] })), "nothing was given up\n");
        let text = shown(&json!({ "id": "i", "item": { "actor": "a\u{1b}[2J" }, "text": "b\nc" }));
        assert_eq!(text, "id            i\nactor         a [2J\ntext          b c\n");
        assert!(!shown(&json!({ "id": "i", "image": "AAAA" })).contains("AAAA"));
    }
}
