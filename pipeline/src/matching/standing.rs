//! What moderation thinks of a person, as far as matching must know: who is out, who counts less. Made from the events
//! `moderation.action`, `report.submitted` and `report.resolved`, which may come twice and out of order, and from what staff set.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a disconnection for a violation keeps a person out of live pairing, unless the platform configures otherwise.
pub const DISCONNECTED: TimeDelta = TimeDelta::minutes(10);
/// Strikes count so long when the event does not say.
const STRIKES_LAST: TimeDelta = TimeDelta::days(90);
/// News of the past that is kept to recognise repetitions and what was taken back.
const REMEMBERED: usize = 200;
/// Kind of the mark that a report leaves.
const REPORT: &str = "report";

/// One thing that was done to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// `ban`, `suspend`, `disconnect`, `report` or, for strikes alone, anything else.
    pub kind: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when it counts; for good when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Strikes that it gave.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub strikes: u32,
    /// How long they count; [`STRIKES_LAST`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strikes_until: Option<DateTime<Utc>>,
    /// It was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reversed: bool,
    /// Taken back because its time was over: its strikes stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strikes_stay: bool,
}

impl Mark {
    fn keeps_out(&self) -> bool {
        matches!(self.kind.as_str(), "ban" | "suspend")
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// A person's standing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// By the action's id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, Mark>,
    /// 0 (none) to 1, set by the platform or its staff; `None`: nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<f64>,
    /// Nobody is shown this person, and they are not told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadow_limited: bool,
}

/// Why a person is in no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Out {
    /// For good.
    Banned,
    /// For a time.
    Suspended,
    /// Without being told.
    ShadowLimited,
}

/// A `moderation.action` event, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// The action's id.
    pub id: String,
    /// What was done.
    pub kind: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when.
    pub until: Option<DateTime<Utc>>,
    /// Strikes that it gave.
    pub strikes: u32,
    /// How long they count.
    pub strikes_until: Option<DateTime<Utc>>,
    /// The action that it takes back.
    pub reverses: Option<String>,
    /// Its time was over: the strikes stay.
    pub expired: bool,
}

impl News {
    /// Reads the event's data; the person it is about comes with it. `None`: it is about nobody, or unreadable.
    pub fn read(data: &Value, at: DateTime<Utc>) -> Option<(String, Self)> {
        let text = |name: &str| data.get(name).and_then(Value::as_str);
        let time =
            |name: &str| text(name).and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|at| at.to_utc());
        let news = Self {
            id: text("id")?.to_owned(),
            kind: text("action")?.to_owned(),
            at: time("decided_at").unwrap_or(at),
            until: time("expires_at"),
            strikes: data.get("strikes").and_then(Value::as_u64).map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX)),
            strikes_until: time("strikes_until"),
            reverses: text("reverses").map(ToOwned::to_owned),
            expired: text("by") == Some("expiry"),
        };
        Some((text("actor")?.to_owned(), news))
    }

    /// Reads a `report.submitted`: it counts until it is dismissed, or old.
    pub fn reported(data: &Value, at: DateTime<Utc>) -> Option<(String, Self)> {
        let text = |name: &str| data.get(name).and_then(Value::as_str);
        let id = format!("{REPORT}:{}", text("report")?);
        let news = Self {
            id,
            kind: REPORT.to_owned(),
            at,
            until: None,
            strikes: 0,
            strikes_until: None,
            reverses: None,
            expired: false,
        };
        Some((text("subject")?.to_owned(), news))
    }

    /// Reads a `report.resolved`. `None`: it was right, and goes on counting.
    pub fn resolved(data: &Value, at: DateTime<Utc>) -> Option<(String, Self)> {
        let (person, report) = Self::reported(data, at)?;
        let dismissed = data.get("outcome").and_then(Value::as_str) == Some("dismissed");
        let id = format!("{}:dismissed", report.id);
        dismissed.then_some((person, Self { id, reverses: Some(report.id), ..report }))
    }
}

impl Standing {
    /// Takes in what was done. Twice is once. `false`: nothing changed.
    pub fn apply(&mut self, news: &News) -> bool {
        if let Some(reversed) = &news.reverses {
            // It may come before what it takes back.
            let blank = || Mark {
                kind: String::new(),
                at: news.at,
                until: None,
                strikes: 0,
                strikes_until: None,
                reversed: false,
                strikes_stay: false,
            };
            let mark = self.marks.entry(reversed.clone()).or_insert_with(blank);
            if mark.reversed {
                return false;
            }
            (mark.reversed, mark.strikes_stay) = (true, news.expired);
            return true;
        }
        let matters = news.strikes > 0 || matches!(news.kind.as_str(), "ban" | "suspend" | "disconnect" | REPORT);
        let known = self.marks.get(&news.id);
        if !matters || known.is_some_and(|mark| !mark.kind.is_empty()) {
            return false;
        }
        let until = match news.kind.as_str() {
            "disconnect" => Some(news.until.unwrap_or(news.at + DISCONNECTED)),
            "ban" | "suspend" => news.until,
            _ => Some(news.until.unwrap_or(news.at + STRIKES_LAST)),
        };
        let (reversed, strikes_stay) = known.map_or((false, false), |mark| (mark.reversed, mark.strikes_stay));
        let News { kind, at, strikes, strikes_until, .. } = news.clone();
        let mark = Mark { kind, at, until, strikes, strikes_until, reversed, strikes_stay };
        self.marks.insert(news.id.clone(), mark);
        self.forget();
        true
    }

    /// Keeps what keeps out, however many report, and of the rest what ends last.
    fn forget(&mut self) {
        while self.marks.len() > REMEMBERED {
            let ends =
                |mark: &Mark| if mark.reversed { mark.at } else { mark.until.unwrap_or(DateTime::<Utc>::MAX_UTC) };
            let worth = |mark: &Mark| (mark.keeps_out() && !mark.reversed, ends(mark));
            let first = self.marks.iter().min_by_key(|(_, mark)| worth(mark)).map(|(id, _)| id.clone());
            let Some(first) = first else { return };
            self.marks.remove(&first);
        }
    }

    fn lasting(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Mark> {
        self.marks.values().filter(move |mark| !mark.reversed && mark.until.is_none_or(|until| until > now))
    }

    /// What keeps the person out of every answer at `now`.
    pub fn out(&self, now: DateTime<Utc>) -> Option<Out> {
        let has = |kind: &str| self.lasting(now).any(|mark| mark.kind == kind);
        if has("ban") {
            Some(Out::Banned)
        } else if has("suspend") {
            Some(Out::Suspended)
        } else {
            self.shadow_limited.then_some(Out::ShadowLimited)
        }
    }

    /// When what keeps the person out ends by itself, if it does.
    pub fn out_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let keeps = self.lasting(now).filter(|mark| mark.keeps_out());
        keeps
            .map(|mark| mark.until.unwrap_or(DateTime::<Utc>::MAX_UTC))
            .max()
            .filter(|end| *end < DateTime::<Utc>::MAX_UTC)
    }

    /// Out of live pairing at `now`: out of everything, or just disconnected for a violation.
    pub fn may_pair(&self, now: DateTime<Utc>) -> bool {
        self.out(now).is_none() && !self.lasting(now).any(|mark| mark.kind == "disconnect")
    }

    /// Strikes that count at `now`.
    pub fn strikes(&self, now: DateTime<Utc>) -> u32 {
        // A restriction may last for good; its strikes do not.
        let lasts = |mark: &Mark| now < mark.strikes_until.unwrap_or(mark.at + STRIKES_LAST);
        let counts = |mark: &&Mark| (!mark.reversed || mark.strikes_stay) && lasts(mark);
        self.marks.values().filter(counts).map(|mark| mark.strikes).sum()
    }

    /// Reports against them that count at `now`: neither dismissed nor old.
    pub fn reports(&self, now: DateTime<Utc>) -> u32 {
        let count = self.lasting(now).filter(|mark| mark.kind == REPORT).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Nothing is held against them, and nobody set anything.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + minute * 60, 0).unwrap()
    }

    fn news(id: &str, kind: &str, until: Option<i64>, strikes: u32) -> News {
        let (id, kind, until) = (id.into(), kind.into(), until.map(at));
        News { id, kind, at: at(0), until, strikes, strikes_until: None, reverses: None, expired: false }
    }

    fn undo(id: &str) -> News {
        News { reverses: Some(id.into()), ..news("undo", "unban", None, 0) }
    }

    #[test]
    fn x7_bans_suspensions_and_limits_keep_out() {
        let mut standing = Standing::default();
        assert_eq!((standing.out(at(1)), standing.may_pair(at(1))), (None, true));
        assert!(standing.apply(&news("a", "suspend", Some(60), 1)));
        assert!(!standing.apply(&news("a", "suspend", Some(60), 1)), "twice is once");
        assert_eq!((standing.out(at(1)), standing.strikes(at(1))), (Some(Out::Suspended), 1));
        assert_eq!(standing.out_until(at(1)), Some(at(60)));
        assert_eq!(standing.out(at(60)), None, "its time is over");
        standing.apply(&news("b", "ban", None, 0));
        assert_eq!((standing.out(at(90)), standing.out_until(at(90))), (Some(Out::Banned), None));
        assert!(standing.apply(&undo("b")) && !standing.apply(&undo("b")));
        assert_eq!(standing.out(at(90)), None);
        standing.shadow_limited = true;
        assert_eq!(standing.out(at(90)), Some(Out::ShadowLimited));
    }

    #[test]
    fn x7_a_disconnection_keeps_out_of_pairing_alone_and_for_a_time() {
        let mut standing = Standing::default();
        standing.apply(&news("a", "disconnect", None, 0));
        assert!(standing.out(at(1)).is_none() && !standing.may_pair(at(1)) && standing.may_pair(at(10)));
    }

    #[test]
    fn x7_strikes_count_until_they_are_given_back_or_old() {
        let mut standing = Standing::default();
        standing.apply(&news("a", "warn", None, 1));
        standing.apply(&news("b", "ban", None, 2));
        assert!(!standing.apply(&news("c", "warn", None, 0)), "nothing that matters here");
        assert_eq!(standing.strikes(at(1)), 3);
        standing.apply(&undo("a"));
        assert_eq!((standing.strikes(at(1)), standing.strikes(at(60 * 24 * 91))), (2, 0));
    }

    #[test]
    fn x7_strikes_of_a_suspension_that_is_over_stay_until_their_own_time() {
        let mut standing = Standing::default();
        standing.apply(&News { strikes_until: Some(at(60 * 24)), ..news("a", "suspend", Some(60), 3) });
        standing.apply(&News { expired: true, ..undo("a") });
        assert_eq!((standing.out(at(30)), standing.strikes(at(90)), standing.strikes(at(60 * 24))), (None, 3, 0));
        standing.apply(&news("b", "suspend", Some(60), 2));
        standing.apply(&undo("b"));
        assert_eq!(standing.strikes(at(90)), 3, "what was taken back gives its strikes back");
    }

    #[test]
    fn x7_events_are_read() {
        let data = json!({ "id": "7", "action": "suspend", "actor": "ann", "decided_at": at(0), "expires_at": at(9), "strikes": 2 });
        let (actor, read) = News::read(&data, at(5)).unwrap();
        assert_eq!((actor.as_str(), &read), ("ann", &news("7", "suspend", Some(9), 2)));
        assert_eq!(News::read(&json!({ "id": "7", "action": "ban" }), at(0)), None, "about nobody");
    }

    #[test]
    fn x7_reports_count_until_they_are_dismissed_or_old() {
        let (one, other) = (json!({ "report": "1", "subject": "ann" }), json!({ "report": "2", "subject": "ann" }));
        let resolved = |outcome: &str| json!({ "report": "1", "subject": "ann", "outcome": outcome });
        let mut standing = Standing::default();
        assert!(standing.is_clean());
        for data in [&one, &other, &one] {
            let (person, news) = News::reported(data, at(0)).unwrap();
            assert_eq!(person, "ann");
            standing.apply(&news);
        }
        assert_eq!((standing.reports(at(1)), standing.strikes(at(1)), standing.out(at(1))), (2, 0, None));
        assert_eq!(News::resolved(&resolved("upheld"), at(1)), None);
        let (_, dismissed) = News::resolved(&resolved("dismissed"), at(1)).unwrap();
        assert!(standing.apply(&dismissed) && !standing.apply(&dismissed));
        assert_eq!((standing.reports(at(1)), standing.reports(at(60 * 24 * 91))), (1, 0));
        // Many who report together cannot push a suspension out of memory.
        standing.apply(&news("out", "suspend", Some(60), 0));
        for n in 0..1_000 {
            let (_, report) = News::reported(&json!({ "report": format!("r{n}"), "subject": "ann" }), at(2)).unwrap();
            standing.apply(&report);
        }
        assert_eq!((standing.marks.len(), standing.out(at(3))), (REMEMBERED, Some(Out::Suspended)));
    }

    #[test]
    fn x7_a_long_history_forgets_what_is_over_and_no_ban() {
        let mut standing = Standing::default();
        standing.apply(&news("ban", "ban", None, 0));
        for n in 0..1_000 {
            standing.apply(&news(&n.to_string(), "disconnect", Some(n), 0));
        }
        assert_eq!((standing.marks.len(), standing.out(at(0))), (REMEMBERED, Some(Out::Banned)));
    }

    proptest! {
        #[test]
        fn x7_the_order_of_the_news_does_not_matter(order in Just(vec![0, 1, 2, 3, 0, 1]).prop_shuffle()) {
            let all = [news("a", "ban", None, 1), undo("a"), news("b", "suspend", Some(5), 2), news("c", "warn", None, 1)];
            let apply = |order: &[usize]| {
                let mut standing = Standing::default();
                for index in order { standing.apply(&all[*index]); }
                (standing.out(at(1)), standing.out(at(6)), standing.strikes(at(1)), standing.marks)
            };
            prop_assert_eq!(apply(&order), apply(&[0, 1, 2, 3]));
        }
    }
}
