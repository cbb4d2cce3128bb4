//! What the platform tells us: who is connected, how calls go. One parser for the bus and for `POST /v1/events`. Pure.
//!
//! ```json
//! {"type": "call.joined", "version": 1, "id": "n-17", "tenant": "acme", "at": "2026-01-02T03:04:05Z", "data": {"call": "room", "actor": "ann"}}
//! ```
//!
//! Other teams write these: fields that we do not know are passed over, and so are types (counted). The schemas are in
//! `schemas/notices/`. Messages of errors name fields, never values.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::{
    error::PipelineError,
    item::{ActorId, CallId, TenantId, check_name},
};

/// The version of notices that is understood.
pub const VERSION: u64 = 1;
/// How far a notice's time may lie ahead of our clock. One from farther ahead would hide all that is told after it.
pub const MAX_AHEAD: TimeDelta = TimeDelta::minutes(5);

/// Something that happened on the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The platform's id of it, for logs. Telling twice is told apart by `at`, not by the id.
    pub id: String,
    /// Whose.
    pub tenant: TenantId,
    /// When it happened: what is older never undoes what is newer.
    pub at: DateTime<Utc>,
    /// What happened.
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// `user.connected`: the first connection of a person is there.
    UserConnected(ActorId),
    /// `user.disconnected`: the last connection of a person is gone.
    UserDisconnected(ActorId),
    /// `call.started`, with the people who are in it from the beginning.
    CallStarted(CallId, Vec<ActorId>),
    /// `call.joined`.
    CallJoined(CallId, ActorId),
    /// `call.left`.
    CallLeft(CallId, ActorId),
    /// `call.ended`.
    CallEnded(CallId),
    /// A type that this version does not know. It changes nothing.
    Unknown,
}

impl Fact {
    /// Every type that is understood.
    pub const TYPES: [&str; 6] =
        ["user.connected", "user.disconnected", "call.started", "call.joined", "call.left", "call.ended"];

    /// For logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::UserConnected(_) => "user.connected",
            Self::UserDisconnected(_) => "user.disconnected",
            Self::CallStarted(..) => "call.started",
            Self::CallJoined(..) => "call.joined",
            Self::CallLeft(..) => "call.left",
            Self::CallEnded(_) => "call.ended",
            Self::Unknown => "unknown",
        }
    }
}

impl Notice {
    /// Reads one notice as it came over the bus. It must name its tenant.
    pub fn parse(body: &[u8]) -> Result<Self, PipelineError> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            wrong(format!("the notice is no JSON (line {} column {})", error.line(), error.column()))
        })?;
        Self::from_value(&value, None)
    }

    /// Reads one notice. `tenant`: whose it is when the door knows; a notice that names another one is refused.
    pub fn from_value(value: &Value, tenant: Option<&TenantId>) -> Result<Self, PipelineError> {
        let object = value.as_object().ok_or_else(|| wrong("the notice is no JSON object: send `{…}`"))?;
        let kind = text(object, "type", "type")?;
        let known = Fact::TYPES.contains(&kind);
        if !known {
            // Nothing else of it has to be as we expect it: it may have been made for others.
            let tenant = tenant.cloned().unwrap_or_else(|| TenantId(String::new()));
            return Ok(Self { id: String::new(), tenant, at: DateTime::UNIX_EPOCH, fact: Fact::Unknown });
        }
        match object.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(other) => {
                let message = format!("`version` is {other}: this service understands version {VERSION}");
                return Err(PipelineError::invalid("notice_version", message));
            }
            None => return Err(wrong(format!("`version` is missing or no number: send {VERSION}"))),
        }
        let id = name(object, "id", "id")?;
        let tenant = match (tenant, object.get("tenant")) {
            (Some(tenant), None | Some(Value::Null)) => tenant.clone(),
            (Some(tenant), Some(said)) if said.as_str() == Some(tenant.as_str()) => tenant.clone(),
            (Some(_), Some(_)) => {
                let message = "`tenant` is not the tenant of this key: use that tenant's key, or leave `tenant` out";
                return Err(PipelineError::invalid("notice_tenant", message));
            }
            (None, _) => TenantId(name(object, "tenant", "tenant")?),
        };
        let at = text(object, "at", "at")?;
        let at = DateTime::parse_from_rfc3339(at)
            .map_err(|_| wrong("`at` is no time: send RFC 3339, for example 2026-01-02T03:04:05Z"))?
            .to_utc();
        let data = object
            .get("data")
            .and_then(Value::as_object)
            .ok_or_else(|| wrong("`data` is missing or no object: see the schema of this type"))?;
        let actor = || name(data, "actor", "data.actor").map(ActorId);
        let call = || name(data, "call", "data.call").map(CallId);
        let fact = match kind {
            "user.connected" => Fact::UserConnected(actor()?),
            "user.disconnected" => Fact::UserDisconnected(actor()?),
            "call.started" => Fact::CallStarted(call()?, participants(data)?),
            "call.joined" => Fact::CallJoined(call()?, actor()?),
            "call.left" => Fact::CallLeft(call()?, actor()?),
            "call.ended" => Fact::CallEnded(call()?),
            _ => Fact::Unknown,
        };
        Ok(Self { id, tenant, at, fact })
    }

    /// Whom or what it is about: notices of one subject are best applied in order.
    pub fn subject(&self) -> (&TenantId, &str) {
        let subject = match &self.fact {
            Fact::UserConnected(actor) | Fact::UserDisconnected(actor) => actor.as_str(),
            Fact::CallJoined(_, actor) | Fact::CallLeft(_, actor) => actor.as_str(),
            Fact::CallStarted(call, _) | Fact::CallEnded(call) => call.as_str(),
            Fact::Unknown => "",
        };
        (&self.tenant, subject)
    }

    /// Refuses a time that lies farther ahead than clocks differ.
    pub fn check_time(&self, now: DateTime<Utc>) -> Result<(), PipelineError> {
        if self.at <= now + MAX_AHEAD {
            return Ok(());
        }
        let message = format!(
            "`at` lies more than {} minutes ahead of this service's clock: set the sender's clock right, send again",
            MAX_AHEAD.num_minutes()
        );
        Err(PipelineError::invalid("notice_time", message))
    }
}

fn wrong(message: impl Into<String>) -> PipelineError {
    PipelineError::invalid("notice_invalid", message)
}

fn text<'a>(object: &'a Map<String, Value>, field: &str, path: &str) -> Result<&'a str, PipelineError> {
    let text = object.get(field).and_then(Value::as_str);
    text.ok_or_else(|| wrong(format!("`{path}` is missing or no string")))
}

fn name(object: &Map<String, Value>, field: &str, path: &str) -> Result<String, PipelineError> {
    let text = text(object, field, path)?;
    check_name(path, text)?;
    Ok(text.to_owned())
}

fn participants(data: &Map<String, Value>) -> Result<Vec<ActorId>, PipelineError> {
    let path = "data.participants";
    let names = match data.get("participants") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(names)) => names,
        Some(_) => return Err(wrong(format!("`{path}` is no list of strings"))),
    };
    let one = |value: &Value| {
        let text = value.as_str().ok_or_else(|| wrong(format!("`{path}` is no list of strings")))?;
        check_name(path, text)?;
        Ok(ActorId::from(text))
    };
    names.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn notice(kind: &str, data: &Value) -> Value {
        json!({ "type": kind, "version": 1, "id": "n-1", "tenant": "acme", "at": "2026-01-02T03:04:05.5+01:00", "data": data })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut notice = notice("user.connected", &json!({ "actor": "ann" }));
        notice[field] = value;
        notice
    }

    fn parse(value: &Value) -> Result<Notice, PipelineError> {
        Notice::parse(value.to_string().as_bytes())
    }

    #[test]
    fn i1_every_type_is_read() {
        let (ann, room) = (ActorId::from("ann"), CallId::from("room"));
        let rows = [
            ("user.connected", json!({ "actor": "ann" }), Fact::UserConnected(ann.clone())),
            ("user.disconnected", json!({ "actor": "ann" }), Fact::UserDisconnected(ann.clone())),
            ("call.started", json!({ "call": "room" }), Fact::CallStarted(room.clone(), vec![])),
            (
                "call.started",
                json!({ "call": "room", "participants": ["ann"] }),
                Fact::CallStarted(room.clone(), vec![ann.clone()]),
            ),
            ("call.joined", json!({ "call": "room", "actor": "ann" }), Fact::CallJoined(room.clone(), ann.clone())),
            ("call.left", json!({ "call": "room", "actor": "ann" }), Fact::CallLeft(room.clone(), ann)),
            ("call.ended", json!({ "call": "room" }), Fact::CallEnded(room)),
        ];
        for (kind, data, fact) in rows {
            let read = parse(&notice(kind, &data)).unwrap();
            assert_eq!((read.fact.as_str(), &read.fact), (kind, &fact));
            assert_eq!((read.id.as_str(), read.tenant.as_str()), ("n-1", "acme"));
            assert_eq!(read.at.to_rfc3339(), "2026-01-02T02:04:05.500+00:00");
        }
    }

    #[test]
    fn i1_what_others_add_is_passed_over() {
        let mut more = notice("user.connected", &json!({ "actor": "ann", "device": { "kind": "phone" } }));
        more["trace"] = json!("abc");
        assert_eq!(parse(&more).unwrap(), parse(&notice("user.connected", &json!({ "actor": "ann" }))).unwrap());
        for kind in ["user.renamed", "match.created", ""] {
            assert_eq!(parse(&json!({ "type": kind })).unwrap().fact, Fact::Unknown, "{kind}");
        }
    }

    #[test]
    fn i1_what_is_wrong_is_refused_by_code_without_being_quoted() {
        let rows = [
            (json!([]), "notice_invalid"),
            (json!({}), "notice_invalid"),
            (with("type", json!(7)), "notice_invalid"),
            (with("version", json!(2)), "notice_version"),
            (with("version", json!("SECRET")), "notice_invalid"),
            (with("id", Value::Null), "notice_invalid"),
            (with("id", json!(" ")), "name_empty"),
            (with("tenant", Value::Null), "notice_invalid"),
            (with("at", json!("SECRET")), "notice_invalid"),
            (with("at", json!(1_700_000_000)), "notice_invalid"),
            (with("data", json!(["SECRET"])), "notice_invalid"),
            (with("data", json!({})), "notice_invalid"),
            (with("data", json!({ "actor": "S".repeat(201) })), "name_too_long"),
            (with("data", json!({ "actor": "SECRET\n" })), "name_invalid"),
            (notice("call.started", &json!({ "call": "room", "participants": "SECRET" })), "notice_invalid"),
            (notice("call.started", &json!({ "call": "room", "participants": [["SECRET"]] })), "notice_invalid"),
            (notice("call.joined", &json!({ "call": "room" })), "notice_invalid"),
            (notice("call.ended", &json!({ "actor": "ann" })), "notice_invalid"),
        ];
        for (value, expected) in rows {
            let error = parse(&value).unwrap_err();
            assert!(matches!(error, PipelineError::Invalid { code, .. } if code == expected), "{value}: {error:?}");
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
        assert!(Notice::parse(b"{\"type\":\"SECRET").is_err_and(|error| !error.to_string().contains("SECRET")));
    }

    #[test]
    fn i1_the_door_says_whose_it_is() {
        let (acme, other) = (TenantId::from("acme"), TenantId::from("other"));
        let named = notice("user.connected", &json!({ "actor": "ann" }));
        let unnamed = with("tenant", Value::Null);
        assert_eq!(Notice::from_value(&named, Some(&acme)).unwrap().tenant, acme);
        assert_eq!(Notice::from_value(&unnamed, Some(&acme)).unwrap().tenant, acme);
        let error = Notice::from_value(&named, Some(&other)).unwrap_err();
        assert!(matches!(error, PipelineError::Invalid { code: "notice_tenant", .. }), "{error:?}");
    }

    #[test]
    fn i1_a_time_from_the_future_is_refused() {
        let notice = parse(&notice("user.connected", &json!({ "actor": "ann" }))).unwrap();
        assert!(notice.check_time(notice.at - MAX_AHEAD).is_ok());
        let error = notice.check_time(notice.at - MAX_AHEAD - TimeDelta::seconds(1)).unwrap_err();
        assert!(matches!(error, PipelineError::Invalid { code: "notice_time", .. }), "{error:?}");
    }
}
