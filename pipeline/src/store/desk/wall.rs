//! What holds for people in a call now, whoever did it: the policy, a decision, somebody at another desk.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Desk;
use crate::{
    enforcement::entry::ActionEntry,
    error::PipelineError,
    item::{ActorId, CallId, TenantId},
    store::{
        link::{Value, values},
        row::limit,
    },
};

/// Actions in one call that are looked at: the newest.
const MOST: usize = 200;

impl Desk {
    /// By person, newest first: what was done to them in `call` since `since`, or to them everywhere, and has neither ended nor been taken back.
    pub async fn in_force(
        &self,
        tenant: &TenantId,
        call: &CallId,
        since: DateTime<Utc>,
        actors: &[ActorId],
    ) -> Result<BTreeMap<ActorId, Vec<ActionEntry>>, PipelineError> {
        if actors.is_empty() {
            return Ok(BTreeMap::new());
        }
        let now = self.now();
        let mut values = values![tenant.as_str(), since, now, limit(MOST)];
        let first = values.len() + 1;
        values.extend(actors.iter().map(|actor| Value::from(actor.as_str())));
        let places: Vec<String> = (first..=values.len()).map(|place| format!("${place}")).collect();
        let sql = format!(
            "SELECT body FROM actions WHERE tenant = $1 AND actor IN ({}) AND at >= $2 AND reversed_by IS NULL AND expired = 0
                 AND (until IS NULL OR until > $3) ORDER BY at DESC LIMIT $4",
            places.join(", ")
        );
        let rows = self.read("in_force", move |mut link| Box::pin(async move { link.rows(sql, values).await })).await?;
        let mut found: BTreeMap<ActorId, Vec<ActionEntry>> = BTreeMap::new();
        for row in rows {
            let entry: ActionEntry = row.json(0)?;
            // What takes something back is no state of anybody.
            if entry.reverses.is_some() || !concerns(&entry, call) {
                continue;
            }
            if let Some(actor) = entry.actor.clone() {
                found.entry(actor).or_default().push(entry);
            }
        }
        Ok(found)
    }
}

/// Was it done in this call, or to the person wherever they are?
fn concerns(entry: &ActionEntry, call: &CallId) -> bool {
    match entry.told["call"].as_str() {
        Some(other) => other == call.as_str(),
        None => matches!(entry.kind.as_str(), "suspend" | "ban" | "mute" | "blur"),
    }
}
