//! A report: one person tells of another. Pure.
//!
//! The reporter's words are user content: they stay in the store, out of events and logs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    error::PipelineError,
    item::{ActorId, CallId, ConversationId, ItemId, ReportId, TenantId, check_name},
    store::Event,
};

/// What somebody reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Unique; given by the platform or made at acceptance.
    pub id: ReportId,
    /// Whose report.
    pub tenant: TenantId,
    /// Who tells.
    pub reporter: ActorId,
    /// Of whom.
    pub subject: ActorId,
    /// Where it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// In which call it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// Which message or picture it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
    /// Which message it is about, by the platform's id: the version that stood at `at` is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// A code of the platform's: `harassment`, `nudity`, …
    pub reason: String,
    /// The reporter's own words. User content: never logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was made.
    pub at: DateTime<Utc>,
}

/// Event kind: somebody reported somebody.
pub const REPORT_SUBMITTED: &str = "report.submitted";
/// Event kind: a report was decided; tell its reporter.
pub const REPORT_RESOLVED: &str = "report.resolved";
/// Longest reason code, in bytes.
pub const MAX_REASON_BYTES: usize = 64;
/// Longest note, in bytes.
pub const MAX_NOTE_BYTES: usize = 4000;

impl Report {
    /// Checks names, reason and note. No message quotes the note.
    pub fn check(&self) -> Result<(), PipelineError> {
        check_name("reporter", self.reporter.as_str())?;
        check_name("subject", self.subject.as_str())?;
        if let Some(conversation) = &self.conversation {
            check_name("conversation", conversation.as_str())?;
        }
        if let Some(message) = &self.message {
            check_name("message", message)?;
        }
        if let Some(call) = &self.call {
            check_name("call", call.as_str())?;
        }
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
        if !(1..=MAX_REASON_BYTES).contains(&self.reason.len()) || !self.reason.bytes().all(fits) {
            let message = format!(
                "`reason` is a code of 1 to {MAX_REASON_BYTES} of a-z, 0-9, `_`, `.`, `-`: what people write goes into `note`"
            );
            return Err(PipelineError::invalid("reason_invalid", message));
        }
        match self.note.as_ref().map(String::len) {
            Some(bytes) if bytes > MAX_NOTE_BYTES => {
                let message = format!("`note` has {bytes} bytes, at most {MAX_NOTE_BYTES}: shorten it");
                Err(PipelineError::invalid("note_too_long", message))
            }
            _ => Ok(()),
        }
    }

    /// Is it the same report, sent again? The time may differ: it is ours when the platform names none.
    pub fn says_the_same(&self, other: &Self) -> bool {
        *self == Self { at: self.at, ..other.clone() }
    }

    /// What the outside is told: who, whom, why and where; never the reporter's words.
    pub fn event(&self) -> Event {
        let mut data = serde_json::Map::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                data.insert(name.to_owned(), value.into());
            }
        };
        put("report", Some(self.id.to_string()));
        put("reporter", Some(self.reporter.to_string()));
        put("subject", Some(self.subject.to_string()));
        put("reason", Some(self.reason.clone()));
        put("item", self.item.as_ref().map(ToString::to_string));
        put("message", self.message.clone());
        put("conversation", self.conversation.as_ref().map(ToString::to_string));
        put("call", self.call.as_ref().map(ToString::to_string));
        data.insert("has_note".to_owned(), self.note.is_some().into());
        Event {
            sequence: 0,
            kind: REPORT_SUBMITTED.to_owned(),
            tenant: self.tenant.clone(),
            key: self.id.to_string(),
            at: self.at,
            data: data.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            id: ReportId(uuid::Uuid::from_u128(7)),
            tenant: "acme".into(),
            reporter: "ann".into(),
            subject: "bob".into(),
            conversation: None,
            call: Some("room".into()),
            item: None,
            message: None,
            reason: "harassment".into(),
            note: Some("SECRET".into()),
            at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn c5_a_report_is_checked() {
        assert!(report().check().is_ok());
        let rows = [
            (Report { reporter: "".into(), ..report() }, "name_empty"),
            (Report { subject: "x".repeat(201).as_str().into(), ..report() }, "name_too_long"),
            (Report { call: Some("\n".into()), ..report() }, "name_empty"),
            (Report { conversation: Some("a\nb".into()), ..report() }, "name_invalid"),
            (Report { message: Some(String::new()), ..report() }, "name_empty"),
            (Report { reason: String::new(), ..report() }, "reason_invalid"),
            (Report { reason: "he was rude".into(), ..report() }, "reason_invalid"),
            (Report { reason: "x".repeat(65), ..report() }, "reason_invalid"),
            (Report { note: Some("SECRET".repeat(1000)), ..report() }, "note_too_long"),
        ];
        for (report, expected) in rows {
            let error = report.check().unwrap_err();
            assert!(matches!(error, PipelineError::Invalid { code, .. } if code == expected), "{expected}: {error:?}");
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn i1_the_event_of_a_report_has_no_words_of_the_reporter() {
        let event = report().event();
        assert_eq!((event.kind.as_str(), event.key.as_str()), (REPORT_SUBMITTED, report().id.to_string().as_str()));
        assert_eq!(event.data["has_note"], true);
        assert!(event.data.get("item").is_none());
        assert!(!serde_json::to_string(&event).unwrap().contains("SECRET"));
    }

    #[test]
    fn c5_the_same_report_again_may_have_another_time_only() {
        let later = Report { at: DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(1), ..report() };
        assert!(report().says_the_same(&later));
        assert!(!report().says_the_same(&Report { note: None, ..report() }));
    }
}
