//! What came of the demo: counted, told, and checked, since the demo is also a smoke test.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use super::{
    ledger::Performed,
    matching::{Match, QUESTIONS},
    play::Row,
};
use crate::cli::{
    latency::{Latencies, rate},
    table::Paint,
};

/// What the ladder is known to do in the bundled call.
const STORY: [&str; 3] = ["warn", "warn", "disconnect"];

/// The fewest cases that the story leaves: one for each of those who misbehave.
const CASES: u64 = 5;

/// What becomes of the service after the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// It ends.
    Ended,
    /// It stays up while somebody asks for something.
    Lingering,
    /// It stays up until Ctrl-C.
    Kept,
}

/// Everything that is told at the end.
pub(super) struct Summary {
    pub(super) rows: Vec<Row>,
    pub(super) sent: usize,
    pub(super) story_time: Duration,
    pub(super) paced: bool,
    pub(super) burst: Latencies,
    pub(super) burst_time: Duration,
    pub(super) performed: Vec<Performed>,
    /// Cases that wait for people.
    pub(super) cases: u64,
    /// In the order of [`QUESTIONS`].
    pub(super) matches: Vec<Vec<Match>>,
    pub(super) people: usize,
}

impl Summary {
    fn latencies(&self) -> Latencies {
        let mut latencies = Latencies::default();
        self.rows.iter().for_each(|row| latencies.add(row.judged.latency_ms));
        latencies
    }

    fn flagged(&self, kind: &str) -> usize {
        self.rows.iter().filter(|row| row.kind == kind && row.judged.flagged).count()
    }

    fn by_context(&self) -> usize {
        self.rows.iter().filter(|row| row.by_context()).count()
    }

    /// Actions on the one camera that got any, in order.
    fn ladder(&self) -> (Option<&str>, Vec<&str>) {
        let of_call: Vec<&Performed> =
            self.performed.iter().filter(|performed| performed.item_kind == "frame").collect();
        let who = of_call.first().and_then(|performed| performed.actor.as_deref());
        (who, of_call.iter().map(|performed| performed.action.as_str()).collect())
    }

    /// What should have happened and did not: empty when all is well.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut demand = |holds: bool, sentence: String| {
            if !holds {
                failures.push(sentence);
            }
        };
        let texts = self.rows.iter().filter(|row| row.kind == "text").count();
        let flagged = self.flagged("text");
        let (_, ladder) = self.ladder();
        demand(
            self.rows.len() == self.sent,
            format!("{} items were sent, {} have a verdict", self.sent, self.rows.len()),
        );
        demand(flagged >= 5, format!("only {flagged} texts were flagged, at least 5 are plainly abusive or spam"));
        demand(flagged * 2 < texts, format!("{flagged} of {texts} texts were flagged, most are friendly"));
        demand(self.by_context() > 0, "no message was flagged for what came before it".to_owned());
        demand(
            ladder == STORY,
            format!("the call's ladder should go {}, it went: {}", STORY.join(", "), ladder.join(", ")),
        );
        demand(self.cases >= CASES, format!("only {} cases wait for people, at least {CASES} should", self.cases));
        for (question, matches) in QUESTIONS.iter().zip(&self.matches) {
            demand(!matches.is_empty(), format!("nobody was found for {}", question.who));
        }
        failures
    }

    pub(super) fn tell(&self, paint: Paint) -> String {
        let mut text = String::new();
        let mut say = |line: String| {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{line}");
        };
        let name = |name: &str| paint.bold(&format!("{name:<12}"));
        let seconds = self.story_time.as_secs_f64();
        let pace = if self.paced { ", paced for reading" } else { "" };
        let count = self.rows.len();
        say(format!("{}{count} items judged in {seconds:.1} s{pace}; {}", name("items"), self.latencies().sentence()));
        say(format!("{}{} texts and {} frames flagged", name(""), self.flagged("text"), self.flagged("frame")));
        if self.burst.len() > 0 {
            let per_second = rate(self.burst.len(), self.burst_time);
            let latencies = self.burst.sentence();
            say(format!(
                "{}{} more texts at once: {per_second:.0} items/s; {latencies}, waiting included",
                name("throughput"),
                self.burst.len()
            ));
        }
        say(format!("{}{}", name("actions"), self.actions()));
        say(format!("{}{} flagged for what came before, harmless alone", name("context"), self.by_context()));
        let (who, ladder) = self.ladder();
        say(format!("{}{}: {}", name("call"), who.unwrap_or("nobody"), ladder.join(", ")));
        say(format!("{}{} cases wait for people, in the review console", name("review"), self.cases));
        let found: usize = self.matches.iter().map(Vec::len).sum();
        say(format!("{}{found} found among {} people:", name("matches"), self.people));
        for (question, matches) in QUESTIONS.iter().zip(&self.matches) {
            say(format!("{}for {}{}", name(""), question.who, question.wish));
            for Match { id, score, reason } in matches {
                say(format!("{}  {score:.2}  {id:<9} {}", name(""), paint.dim(reason)));
            }
        }
        text
    }

    /// `warn 9, remove 3, disconnect 1`.
    fn actions(&self) -> String {
        let mut counts = BTreeMap::<&str, usize>::new();
        self.performed.iter().for_each(|performed| *counts.entry(&performed.action).or_default() += 1);
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(action, count)| (std::cmp::Reverse(*count), *action));
        let words: Vec<String> = counts.into_iter().map(|(action, count)| format!("{action} {count}")).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }
}

/// Where to look, and commands to copy.
pub(super) fn what_next(base: &str, stay: Stay, paint: Paint) -> String {
    let console = format!("{base}/console/");
    let start = match stay {
        Stay::Kept => format!("The service keeps running at {base} until Ctrl-C."),
        Stay::Lingering => {
            format!(
                "The service stays up at {base} while somebody asks for something, and three minutes longer; Ctrl-C ends it."
            )
        }
        Stay::Ended => {
            "Next: `chaperone demo --keep` tells this again and keeps serving; `make serve` starts an empty service."
                .to_owned()
        }
    };
    // Whoever comes next uses the usual port.
    let (console, base) = match stay {
        Stay::Ended => ("http://127.0.0.1:8080/console/", "http://127.0.0.1:8080"),
        Stay::Kept | Stay::Lingering => (console.as_str(), base),
    };
    let json = "-H 'content-type: application/json'";
    [
        paint.bold(&start),
        format!("  Work the cases: open {console} in a browser on this machine. No account is needed: without API keys, whoever is"),
        "  here is an admin. Press \u{201c}Start reviewing\u{201d}; ? shows the keys. Accounts for others: Settings, People.".to_owned(),
        paint.bold("In another terminal:"),
        format!("  curl -s {base}/v1/check {json} -d '{{\"text\": \"have a lovely day\"}}'"),
        format!("  curl -s {base}/v1/check -F image=@datasets/demo/frames/melons.jpg"),
        format!("  curl -s {base}/v1/similar {json} -d '{{\"text\": \"long walks and photography\", \"limit\": 3}}'"),
        format!("  curl -sN {base}/v1/events"),
        format!("  curl -s {base}/metrics"),
        String::new(),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::ledger::Judged;

    fn summary() -> Summary {
        let row = |kind, flagged| Row {
            kind,
            who: "a".into(),
            item: "b".into(),
            judged: Judged { action: "warn".into(), flagged, scores: Vec::new(), latency_ms: 2.0 },
            misjudged: false,
            forbidden: false,
        };
        let mut rows: Vec<Row> = (0..20).map(|number| row("text", number < 6)).collect();
        rows[5].judged.scores = vec![("context.threat".into(), 0.93), ("toxic".into(), 0.33)];
        rows.extend((0..3).map(|_| row("frame", true)));
        let performed = |action: &str, item_kind: &str| Performed {
            action: action.into(),
            actor: Some("olaf".into()),
            item_kind: item_kind.into(),
        };
        let found = Match { id: "vera".into(), score: 0.714, reason: "wild camping ~ camping in the wild".into() };
        let mut burst = Latencies::default();
        (0..100).for_each(|_| burst.add(40.0));
        Summary {
            sent: rows.len(),
            rows,
            story_time: Duration::from_secs(14),
            paced: true,
            burst,
            burst_time: Duration::from_millis(250),
            performed: vec![
                performed("remove", "text"),
                performed("warn", "frame"),
                performed("warn", "frame"),
                performed("disconnect", "frame"),
            ],
            cases: 7,
            matches: vec![vec![found.clone()], vec![found.clone()], vec![found]],
            people: 40,
        }
    }

    #[test]
    fn the_summary_reads_so() {
        insta::assert_snapshot!(format!(
            "{}\n{}",
            summary().tell(Paint::plain()),
            what_next("http://127.0.0.1:8080", Stay::Lingering, Paint::plain())
        ));
    }

    #[test]
    fn a_whole_story_has_no_failures() {
        assert_eq!(summary().failures(), Vec::<String>::new());
    }

    #[test]
    fn what_did_not_happen_is_told() {
        type Spoil = fn(&mut Summary);
        let cases: [(Spoil, &str); 7] = [
            (|s| s.sent += 1, "24 items were sent, 23 have a verdict"),
            (|s| s.rows.iter_mut().for_each(|row| row.judged.flagged = false), "only 0 texts were flagged"),
            (|s| s.rows.iter_mut().for_each(|row| row.judged.flagged = true), "20 of 20 texts were flagged"),
            (|s| s.rows[5].judged.scores.clear(), "no message was flagged for what came before it"),
            (|s| s.performed.truncate(3), "it went: warn, warn"),
            (|s| s.cases = 4, "only 4 cases wait for people"),
            (|s| s.matches[1].clear(), "nobody was found for yusuf"),
        ];
        for (spoil, expected) in cases {
            let mut summary = summary();
            spoil(&mut summary);
            let failures = summary.failures();
            assert!(failures.iter().any(|failure| failure.contains(expected)), "{expected}: {failures:?}");
        }
    }
}
