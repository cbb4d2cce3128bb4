//! The context window: what an author wrote just before, judged together with the new message (T2).
//!
//! The rows live in the store, which reads the last few by an index; nothing is kept here that could fall out of step
//! with them. Messages that were flagged on their own never enter the window (see `process`): they have had their
//! answer, and one insult must not colour ten minutes of harmless talk.

use chrono::{DateTime, TimeDelta, Utc};

/// How far back a message is judged together with earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Most earlier messages.
    pub messages: usize,
    /// Oldest earlier message.
    pub age: TimeDelta,
    /// Most bytes of the joined text; the newest message always fits.
    pub bytes: usize,
}

impl Window {
    /// The text to judge: the author's `earlier` messages and `new`, oldest first, joined by blanks, as if the author
    /// had written them at once. `None` when nothing came before, so that nothing is judged twice.
    ///
    /// Messages at or after `at` are left out, whatever order they come in; so are empty ones and those that no
    /// longer fit: the oldest go first.
    pub fn join(&self, earlier: &[(DateTime<Utc>, String)], new: &str, at: DateTime<Utc>) -> Option<String> {
        let mut inside: Vec<_> =
            earlier.iter().filter(|(time, text)| *time < at && at - *time <= self.age && !text.is_empty()).collect();
        inside.sort_by_key(|(time, _)| *time);
        let mut room = self.bytes.saturating_sub(new.len());
        let newest_first = inside.iter().rev().take(self.messages).map_while(|(_, text)| {
            room = room.checked_sub(text.len() + 1)?;
            Some(text.as_str())
        });
        let mut parts: Vec<&str> = newest_first.collect();
        if parts.is_empty() {
            return None;
        }
        parts.reverse();
        parts.push(new);
        Some(parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(10_000 + seconds)
    }

    fn window() -> Window {
        Window { messages: 3, age: TimeDelta::seconds(60), bytes: 40 }
    }

    fn texts(rows: &[(i64, &str)]) -> Vec<(DateTime<Utc>, String)> {
        rows.iter().map(|(seconds, text)| (at(*seconds), (*text).to_owned())).collect()
    }

    #[test]
    fn t2_the_last_messages_are_joined_oldest_first() {
        type Row<'a> = (&'a str, &'a [(i64, &'a str)], Option<&'a str>);
        let table: &[Row<'_>] = &[
            ("nothing before", &[], None),
            ("one", &[(90, "go")], Some("go away")),
            ("out of order", &[(95, "b"), (90, "a")], Some("a b away")),
            ("at most three", &[(90, "a"), (91, "b"), (92, "c"), (93, "d")], Some("b c d away")),
            ("too old", &[(39, "a"), (40, "b")], Some("b away")),
            ("not the future, not itself", &[(100, "away"), (101, "later")], None),
            ("empty ones are nothing", &[(90, "")], None),
            (
                "too long a past is cut",
                &[(90, "0123456789012345678901234"), (91, "0123456789")],
                Some("0123456789 away"),
            ),
        ];
        for (name, earlier, expected) in table {
            assert_eq!(window().join(&texts(earlier), "away", at(100)).as_deref(), *expected, "{name}");
        }
    }

    #[test]
    fn t2_a_long_new_message_is_never_cut() {
        let new = "x".repeat(100);
        assert_eq!(window().join(&texts(&[(90, "a")]), &new, at(100)), None);
    }

    proptest! {
        #[test]
        fn t2_never_outside_the_window(rows in prop::collection::vec((0_i64..200, "[a-z]{0,12}"), 0..20)) {
            let earlier: Vec<_> = rows.iter().map(|(seconds, text)| (at(*seconds), text.clone())).collect();
            if let Some(joined) = window().join(&earlier, "new", at(100)) {
                prop_assert!(joined.len() <= 40);
                prop_assert!(joined.ends_with(" new"));
                let inside = |part: &str| earlier.iter().any(|(time, text)| {
                    text == part && *time < at(100) && at(100) - *time <= TimeDelta::seconds(60)
                });
                let parts: Vec<_> = joined.split(' ').collect();
                prop_assert!(parts.len() <= 4);
                prop_assert!(parts[..parts.len() - 1].iter().all(|part| inside(part)));
            }
        }

        #[test]
        fn t2_the_order_of_arrival_does_not_matter(
            (rows, shuffled) in prop::collection::btree_map(0_i64..100, "[a-z]{1,5}", 0..10).prop_flat_map(|rows| {
                let rows: Vec<_> = rows.into_iter().map(|(s, text)| (at(s), text)).collect();
                (Just(rows.clone()), Just(rows).prop_shuffle())
            })
        ) {
            prop_assert_eq!(window().join(&rows, "new", at(100)), window().join(&shuffled, "new", at(100)));
        }
    }
}
