//! `chaperone policy`: check a policy here, and hand it in, try it and put it into force in a running service.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Subcommand;
use pipeline::policy::Policy;
use serde_json::{Value, json};

use super::{
    Exit,
    service::Service,
    table::{Paint, one_line, rows},
};

/// Time between two looks at a backtest.
const WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// Arguments of `chaperone policy`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    verb: Verb,
}

/// How to reach the service.
#[derive(Debug, Clone, clap::Args)]
struct Reach {
    /// The running service.
    #[arg(long, global = true, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Key with the scope `admin`; better in the variable CHAPERONE_KEY, which other users of this machine cannot see.
    #[arg(long, global = true, value_name = "KEY")]
    key: Option<String>,
    /// JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check a policy file here, without a service. Mistakes come with line and column.
    #[command(after_long_help = "\
Examples:
  chaperone policy validate policy.toml
  cat policy.toml | chaperone policy validate -")]
    Validate {
        /// The file; `-` is standard input.
        file: PathBuf,
    },
    /// List the versions, newest first.
    #[command(after_long_help = "\
Examples:
  chaperone policy list
  chaperone policy list --limit 5 --json")]
    List {
        /// Most to show.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Print the text of a version.
    #[command(after_long_help = "\
Version 0 is the installation's own policy: the place to start from.

Examples:
  chaperone policy show 0 > policy.toml
  chaperone policy show 3 --json")]
    Show {
        /// Its number.
        number: u32,
    },
    /// Show what is in force, and how many items pass.
    #[command(after_long_help = "\
Examples:
  chaperone policy current
  chaperone policy current --json | jq .canary_tally")]
    Current,
    /// Show what was in force when, and who changed it.
    #[command(after_long_help = "\
Examples:
  chaperone policy history")]
    History,
    /// Hand in a policy as the next version. It is not in force yet.
    #[command(after_long_help = "\
Examples:
  chaperone policy draft policy.toml --note \"insults from 0.75 on\"")]
    Draft {
        /// The file; `-` is standard input.
        file: PathBuf,
        /// Why, for whoever reads the history.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Run a version over what is recorded, and show what it would have done.
    #[command(after_long_help = "\
Nothing is acted on. Progress goes to standard error.

Examples:
  chaperone policy backtest 3                    over the last seven days
  chaperone policy backtest 3 --days 30 --json   for a script")]
    Backtest {
        /// Its number; 0 is the installation's own policy.
        number: u32,
        /// Days that it goes back.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
    },
    /// Find the cut of a label's score with a wanted precision, by what reviewers decided.
    #[command(after_long_help = "\
Write the cut into a draft's `[thresholds]`, and backtest it.

Examples:
  chaperone policy tune toxic --precision 0.95
  chaperone policy tune toxic --json                      precision and recall of every cut, for a plot")]
    Tune {
        /// The label, as rules read it: `toxic` of `score.toxic`.
        label: String,
        /// The share of flagged items that shall break the rules.
        #[arg(long, default_value_t = 0.95)]
        precision: f64,
    },
    /// Put a version into force: for everybody, or for a share of the people first.
    #[command(after_long_help = "\
Every process has it within seconds, without a restart.

Examples:
  chaperone policy live 3 --percent 10 --alarm 0.05       on trial with every tenth person; taken back by itself when the
                                                          share of items that pass moves by more than 5 in a hundred
  chaperone policy live 3                                 for everybody")]
    Live {
        /// Its number.
        number: u32,
        /// Of how many people in a hundred it judges the items.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
        percent: u8,
        /// Take it back by itself when the pass-rate moves by more than this (a share, e.g. 0.05).
        #[arg(long, value_name = "SHARE")]
        alarm: Option<f64>,
        /// Items that it must have judged before the alarm may sound.
        #[arg(long, value_name = "ITEMS", requires = "alarm")]
        least: Option<u64>,
        /// Why.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// End a trial, or go back to what was in force before.
    #[command(after_long_help = "\
Examples:
  chaperone policy rollback
  chaperone policy rollback --to 0 --note \"too strict\"     the installation's own policy again")]
    Rollback {
        /// The version to go back to.
        #[arg(long, value_name = "NUMBER")]
        to: Option<u32>,
        /// Why.
        #[arg(long, default_value = "")]
        note: String,
    },
}

/// Runs the verb.
pub async fn run(args: Args) -> Result<Exit> {
    let Args { reach: Reach { url, key, json }, verb } = args;
    if let Verb::Validate { file } = &verb {
        return validate(file, json);
    }
    let service = Service::new(&url, key)?;
    match verb {
        Verb::Validate { .. } => {}
        Verb::List { limit } => print(&service.get(&format!("/v1/policies?limit={limit}")).await?, json, versions)?,
        Verb::Show { number } => print(&service.get(&format!("/v1/policies/{number}")).await?, json, text)?,
        Verb::Current => print(&service.get("/v1/policies/current").await?, json, current)?,
        Verb::History => print(&service.get("/v1/policies/rollouts").await?, json, history)?,
        Verb::Draft { file, note } => {
            let body = json!({ "text": read(&file)?, "note": note });
            print(&service.post("/v1/policies", &body).await?, json, drafted)?;
        }
        Verb::Live { number, percent, alarm, least, note } => {
            let mut body = json!({ "percent": percent, "note": note });
            if let Some(limit) = alarm {
                body["alarm"] = json!({ "limit": limit, "least": least });
            }
            print(&service.post(&format!("/v1/policies/{number}/live"), &body).await?, json, in_force)?;
        }
        Verb::Tune { label, precision } => {
            let body = json!({ "label": label, "precision": precision, "verdicts": [] });
            print(&service.post("/v1/policies/tune", &body).await?, json, tuned)?;
        }
        Verb::Backtest { number, days } => print(&backtest(&service, number, days).await?, json, compared)?,
        Verb::Rollback { to, note } => {
            let body = json!({ "to": to, "note": note });
            print(&service.post("/v1/policies/rollback", &body).await?, json, in_force)?;
        }
    }
    Ok(Exit::Fine)
}

/// Starts a backtest and waits for its end.
async fn backtest(service: &Service, number: u32, days: u32) -> Result<Value> {
    #[expect(clippy::disallowed_methods, reason = "the command line has no clock of its own")]
    let from = chrono::Utc::now() - chrono::TimeDelta::days(days.into());
    let mut run = service.post("/v1/policies/backtest", &json!({ "number": number, "from": from })).await?;
    let path = format!("/v1/policies/backtests/{}", cell(&run, "id"));
    while run["state"] == "running" {
        tokio::time::sleep(WAIT).await;
        run = service.get(&path).await?;
        writeln!(std::io::stderr(), "{} items", run["items"])?;
    }
    anyhow::ensure!(run["state"] == "done", "the backtest is {}: {}", cell(&run, "state"), cell(&run, "error"));
    Ok(run)
}

fn compared(run: &Value) -> String {
    let report = &run["report"];
    let mut text = format!(
        "{} items: {} passed, {} would pass\n",
        cell(run, "items"),
        cell(report, "passed_before"),
        cell(report, "passed_after")
    );
    let members = ["before", "after", "people_before", "people_after", "people_gained", "people_lost"];
    let line = |(action, diff): (&String, &Value)| {
        std::iter::once(action.clone()).chain(members.iter().map(|member| cell(diff, member))).collect()
    };
    let lines: Vec<Vec<String>> = report["actions"].as_object().into_iter().flatten().map(line).collect();
    let heading = ["action", "times", "would be", "people", "would be", "more", "fewer"];
    text.push_str(&rows(&heading, &lines, Paint::stdout()));
    let (overturned, repeated) = (cell(report, "overturned"), cell(report, "overturned_repeated"));
    text.push_str(&format!("{overturned} items were taken back by humans; on {repeated} of them it would act again\n"));
    text
}

fn tuned(tuning: &Value) -> String {
    let (items, violating) = (cell(tuning, "items"), cell(tuning, "violating"));
    let mut text = format!(
        "{items} items were decided about by reviewers and have this score; {violating} of them break the rules\n"
    );
    for (name, what) in [("likely", "by its figure"), ("sure", "beyond doubt")] {
        let cut = &tuning[name];
        let share = |member: &str| cut[member].as_f64().unwrap_or_default() * 100.0;
        let bound = |member: &str, end: usize| cut[member][end].as_f64().unwrap_or_default() * 100.0;
        let line = match cut["cut"].as_f64() {
            Some(value) => format!(
                "{what}: from {value:.4} on, precision {:.1} % ({:.1} to {:.1}), recall {:.1} % ({:.1} to {:.1})\n",
                share("precision"),
                bound("precision_interval", 0),
                bound("precision_interval", 1),
                share("recall"),
                bound("recall_interval", 0),
                bound("recall_interval", 1),
            ),
            None => format!("{what}: no cut; have more items with this score looked at\n"),
        };
        text.push_str(&line);
    }
    text
}

fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).context("reading standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn validate(file: &Path, json: bool) -> Result<Exit> {
    let policy = match Policy::parse(&file.display().to_string(), &read(file)?) {
        Ok(policy) => policy,
        Err(error) if json => {
            let (line, column, message) = (error.line, error.column, error.message);
            let flaw = json!({ "line": line, "column": column, "message": message });
            writeln!(std::io::stdout(), "{:#}", json!({ "valid": false, "error": flaw }))?;
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(error.into()),
    };
    let value = json!({ "valid": true, "version": policy.version(), "rules": policy.rules().len() });
    print(&value, json, |value| format!("{}: {} rules, no mistakes\n", cell(value, "version"), value["rules"]))?;
    Ok(Exit::Fine)
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

/// A member that is a time, to the second.
fn moment(value: &Value, member: &str) -> String {
    let text = cell(value, member);
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// The trial of a rollout.
fn trial(value: &Value) -> String {
    match &value["canary"] {
        Value::Object(_) => {
            format!("{} for {} %", cell(&value["canary"], "version"), cell(&value["canary"], "percent"))
        }
        _ => String::new(),
    }
}

fn table(heading: &[&str], list: &Value, members: &[&str]) -> String {
    let member = |value: &Value, member: &str| match member {
        "at" | "created_at" => moment(value, member),
        "canary" => trial(value),
        _ => cell(value, member),
    };
    let line = |value: &Value| members.iter().map(|name| member(value, name)).collect();
    let lines: Vec<Vec<String>> = list.as_array().into_iter().flatten().map(line).collect();
    rows(heading, &lines, Paint::stdout())
}

fn versions(list: &Value) -> String {
    if list["versions"].as_array().is_none_or(Vec::is_empty) {
        return "no version was handed in: the installation's own policy (0) is in force\n".to_owned();
    }
    let members = ["number", "version", "state", "author", "created_at", "note"];
    table(&["number", "version", "state", "author", "handed in", "note"], &list["versions"], &members)
}

fn history(list: &Value) -> String {
    if list["rollouts"].as_array().is_none_or(Vec::is_empty) {
        return "nothing was changed: the installation's own policy (0) is in force\n".to_owned();
    }
    let members = ["revision", "change", "live", "canary", "by", "at", "note"];
    table(&["revision", "change", "live", "trial", "by", "at", "note"], &list["rollouts"], &members)
}

fn text(version: &Value) -> String {
    version["text"].as_str().unwrap_or_default().to_owned()
}

fn drafted(version: &Value) -> String {
    let (number, name) = (cell(version, "number"), cell(version, "version"));
    format!("version {number} ({name}), not in force: `chaperone policy live {number}` puts it into force\n")
}

fn in_force(rollout: &Value) -> String {
    let mut text = format!("version {} is in force\n", cell(rollout, "live"));
    if let Some(canary) = rollout["canary"].as_object() {
        let of = |member: &str| canary.get(member).map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("version {} is on trial with {} % of the people\n", of("version"), of("percent")));
    }
    text
}

fn current(current: &Value) -> String {
    let share = |tally: &Value| {
        if tally["judged"] == 0 {
            return "nothing was judged yet".to_owned();
        }
        let rate = tally["pass_rate"].as_f64().unwrap_or(1.0) * 100.0;
        format!("{rate:.1} % of {} items passed", cell(tally, "judged"))
    };
    let mut text = format!("version {} ({})", cell(current, "live"), cell(&current["policy"], "version"));
    text.push_str(&format!(" is in force: {}\n", share(&current["tally"])));
    if current["canary"].is_object() {
        let (version, percent) = (cell(&current["canary"], "version"), cell(&current["canary"], "percent"));
        let share = share(&current["canary_tally"]);
        text.push_str(&format!("version {version} is on trial with {percent} % of the people: {share}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p2_what_is_in_force_reads_so() {
        let tally = json!({ "judged": 200, "passed": 190, "pass_rate": 0.95 });
        let value = json!({
            "live": 2, "policy": { "version": "mine@1" }, "tally": tally, "canary_tally": tally,
            "canary": { "version": 3, "percent": 10 },
        });
        assert_eq!(
            current(&value),
            "version 2 (mine@1) is in force: 95.0 % of 200 items passed\n\
             version 3 is on trial with 10 % of the people: 95.0 % of 200 items passed\n"
        );
        assert_eq!(in_force(&value), "version 2 is in force\nversion 3 is on trial with 10 % of the people\n");
        let rollout = json!({
            "revision": 2, "change": "canary", "live": 1, "canary": { "version": 3, "percent": 10 }, "by": "lea",
            "at": "2026-01-02T03:04:05.678901Z", "note": "n",
        });
        let shown = history(&json!({ "rollouts": [rollout] }));
        assert!(shown.contains("3 for 10 %") && shown.contains("2026-01-02T03:04:05Z"), "{shown}");
        assert_eq!(
            versions(&json!({ "versions": [] })),
            "no version was handed in: the installation's own policy (0) is in force\n"
        );
    }

    #[test]
    fn p4_a_tuned_cut_reads_so() {
        let cut = json!({ "cut": 0.83, "precision": 0.96, "precision_interval": [0.91, 0.99], "recall": 0.7, "recall_interval": [0.6, 0.8] });
        let tuning = json!({ "items": 120, "violating": 40, "curve": [cut], "likely": cut, "sure": null });
        assert_eq!(
            tuned(&tuning),
            "120 items were decided about by reviewers and have this score; 40 of them break the rules\n\
             by its figure: from 0.8300 on, precision 96.0 % (91.0 to 99.0), recall 70.0 % (60.0 to 80.0)\n\
             beyond doubt: no cut; have more items with this score looked at\n"
        );
    }

    #[test]
    fn p2_a_file_is_checked_without_a_service() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.toml");
        std::fs::write(&file, "name = \"x\"\nnope = 1\n").unwrap();
        let error = validate(&file, false).unwrap_err().to_string();
        assert!(error.contains("p.toml:2:1: unknown field `nope`"), "{error}");
        assert_eq!(validate(&file, true).unwrap(), Exit::Failed);
        std::fs::write(&file, "name = \"x\"\n").unwrap();
        assert_eq!(validate(&file, false).unwrap(), Exit::Fine);
    }
}
