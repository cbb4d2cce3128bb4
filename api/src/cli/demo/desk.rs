//! What the story leaves for people: cases that its rules, three reports and an objection open, so that the console has something to show.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::client::Client;

/// Where the settings of review are.
const SETTINGS: &str = "/v1/review/settings";
/// Actions that open a case while the story is told: all that it leads to.
const DURING: [&str; 5] = ["warn", "review", "remove", "disconnect", "ban"];
/// Who objects to a warning.
const OBJECTS: &str = "rex_77";
/// Reports: by whom, about whom, why, in their words. The last one is unfounded: the first reporter is sore.
const REPORTS: [(&str, &str, &str, &str); 3] = [
    ("jun", "bestdeals", "spam", "Third advertisement tonight, and it is always the same link."),
    ("kai", "vik", "harassment", "He threatened Noor over a board game."),
    ("rex_77", "ada", "harassment", "She keeps telling me what I may write."),
];

/// Has actions of the policy open cases, and answers those that did before.
async fn change(client: &Client, actions: &Value) -> Result<Value> {
    let kept = client.get(SETTINGS).await?;
    let mut settings = kept.get("settings").cloned().context("the settings of review")?;
    let slot = settings.get_mut("case_actions").context("`case_actions` of the settings of review")?;
    let before = std::mem::replace(slot, actions.clone());
    client.put(SETTINGS, &json!({ "version": kept.get("version"), "settings": settings })).await?;
    Ok(before)
}

/// From now on everything that the policy does becomes a case. Answers what [`leave_cases`] puts back.
pub(super) async fn open_cases(client: &Client) -> Result<Value> {
    change(client, &json!(DURING)).await
}

/// Adds what people say about each other, puts the settings back, and counts the cases that wait.
pub(super) async fn leave_cases(client: &Client, before: &Value) -> Result<u64> {
    change(client, before).await?;
    for (reporter, subject, reason, note) in REPORTS {
        let report = json!({ "reporter": reporter, "subject": subject, "reason": reason, "note": note });
        client.post("/v1/reports", &report).await?;
    }
    let done = client.get(&format!("/v1/actors/{OBJECTS}/actions")).await?;
    let item = done.pointer("/actions/0/item").filter(|item| item.is_string());
    if let Some(item) = item {
        let appeal =
            json!({ "actor": OBJECTS, "item": item, "text": "I was only joking, everybody in the lounge knows me." });
        client.post("/v1/appeals", &appeal).await?;
    }
    let queues = client.get("/v1/review/queues").await?;
    let open = queues.as_array().into_iter().flatten().filter_map(|queue| queue.get("open")?.as_u64());
    Ok(open.sum())
}
