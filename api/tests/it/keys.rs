//! Keys made, listed and revoked: over HTTP, and on the command line beside a running service.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use api::config::Scope::{Admin, Check, Items};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::harness::{SIGNING_MASTER, Service};

/// What docs/authentication.md promises: within 2 seconds. The rest is for a machine that does other things.
const BOUND: Duration = Duration::from_secs(6);

/// Runs `chaperone keys …` on the service's database.
fn keys(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chaperone"))
        .arg("keys")
        .args(args)
        .env("CHAPERONE_STORE__URL", format!("sqlite:{}", folder.join("chaperone.db").display()))
        .env("CHAPERONE_AUTH__SIGNING_SECRET", SIGNING_MASTER)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_keys_are_made_listed_and_revoked_over_http() {
    let service = Service::start_with(|config| config.auth.signing_secret = Some(SIGNING_MASTER.into())).await;
    // The first key is made by whoever is on this machine, and ends that.
    let first = json!({ "name": "console", "scopes": ["admin"] });
    let made = service.post("/v1/keys", &first).await.expect(201);
    let admin = made["key"].as_str().unwrap();
    assert!(admin.starts_with("chp_") && made["signing_secret"].as_str().unwrap().starts_with("chs_"), "{made:#}");
    assert_eq!(service.get("/v1/keys").await.code(), "key_missing", "the door has closed");

    let service = service.with_key(admin);
    let limits = json!({ "check": { "requests_per_minute": 600, "burst": 5, "block_seconds": 2 } });
    let expires = "2100-01-01T00:00:00Z";
    let wanted = json!({
        "name": "chat", "scopes": ["items", "check", "check"], "expires_at": expires, "require_signature": true, "limits": limits,
    });
    let made = service.post("/v1/keys", &wanted).await.expect(201);
    assert_eq!(made["scopes"], json!(["check", "items"]));
    assert_eq!(
        (&made["limits"], &made["require_signature"], &made["state"]),
        (&limits, &json!(true), &json!("active"))
    );
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert!(key.ends_with(made["hint"].as_str().unwrap()));

    let listed = service.get("/v1/keys").await;
    let text = listed.body.to_string();
    assert!(!text.contains(key) && !text.contains("digest") && !text.contains("chs_"), "{text}");
    let listed = listed.expect(200);
    let listed: Vec<&Value> = listed["keys"].as_array().unwrap().iter().collect();
    let names: Vec<_> = listed.iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["console", "chat"], "oldest first");
    assert_eq!(listed[1]["tenant"], "default", "that of its maker");
    let used: DateTime<Utc> = listed[0]["last_used_at"].as_str().unwrap().parse().unwrap();
    assert!(service.services.clock.now() - used < TimeDelta::minutes(1));
    assert!(listed[1].get("last_used_at").is_none());

    let revoked = service.delete(&format!("/v1/keys/{id}")).await.expect(200);
    assert_eq!(revoked["state"], "revoked");
    let again = service.delete(&format!("/v1/keys/{id}")).await.expect(200);
    assert_eq!(again["revoked_at"], revoked["revoked_at"]);
    assert_eq!(service.delete("/v1/keys/01890a5d-ac96-774b-bcce-b302099a8057").await.status, 404);
    let service = service.with_key(key);
    assert_eq!(service.post("/v1/check", &json!({ "text": "hello" })).await.code(), "key_revoked", "at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_wrong_wish_for_a_key_is_told() {
    let service = Service::start().await;
    let rows = [
        (json!({ "name": "", "scopes": ["check"] }), "name_empty", "name"),
        (json!({ "name": "a", "scopes": [] }), "scopes_empty", "scopes"),
        (json!({ "name": "a", "scopes": ["fly"] }), "unknown_value", "scopes[0]"),
        (
            json!({ "name": "a", "scopes": ["check"], "expires_at": "2020-01-01T00:00:00Z" }),
            "expiry_past",
            "expires_at",
        ),
        (
            json!({ "name": "a", "scopes": ["check"], "limits": { "check": { "requests_per_minute": 1, "burst": 0 } } }),
            "limits_invalid",
            "limits",
        ),
        (
            json!({ "name": "a", "scopes": ["check"], "require_signature": true }),
            "signature_unavailable",
            "require_signature",
        ),
    ];
    for (wanted, code, field) in rows {
        let refused = service.post("/v1/keys", &wanted).await;
        assert_eq!((refused.status, refused.code()), (400, code), "{wanted} {:#}", refused.body);
        assert_eq!(refused.body["error"]["field"], field, "{wanted}");
    }
    assert_eq!(service.get("/v1/keys").await.expect(200), json!({ "keys": [] }), "and the door is open still");
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_the_command_line_makes_and_revokes_keys_beside_a_running_service() {
    let service = Service::start().await;
    let folder = service.folder().to_owned();
    assert!(keys(&folder, &["list"]).1.contains("keys create"));
    let (code, out, err) = keys(&folder, &["create", "chat", "--scopes", "check", "--expires-in", "90d", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    let (key, id) = (made["key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned());
    assert!(made["expires_at"].as_str().is_some());

    let service = service.with_key(&key);
    // Until the service looks, it has no keys, and whoever is here may do everything: so another route tells.
    let started = Instant::now();
    while service.get("/v1/keys").await.status != 403 {
        assert!(started.elapsed() < BOUND, "the new key is not taken in");
    }
    service.post("/v1/check", &json!({ "text": "hello" })).await.expect(200);

    let (code, out, _) = keys(&folder, &["signing-secret", &id]);
    assert_eq!((code, out.trim()), (Some(0), made["signing_secret"].as_str().unwrap()));
    assert_eq!(keys(&folder, &["signing-secret", "config:nobody"]).0, Some(1));

    let (code, out, _) = keys(&folder, &["revoke", &id]);
    assert_eq!(code, Some(0));
    assert!(out.contains(&id) && out.contains("chat"));
    let started = Instant::now();
    loop {
        let answer = service.post("/v1/check", &json!({ "text": "hello" })).await;
        if answer.status == 401 {
            assert_eq!(answer.code(), "key_revoked");
            break;
        }
        assert_eq!(answer.status, 200);
        assert!(started.elapsed() < BOUND, "the revoked key still works");
    }
    let (code, out, _) = keys(&folder, &["list"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("revoked") && !out.contains(&key), "{out}");
    let (code, _, err) = keys(&folder, &["revoke", "01890a5d-ac96-774b-bcce-b302099a8057"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no key"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_keys_of_the_store_and_of_the_configuration_stand_side_by_side() {
    let (configured, entry) = crate::harness::key("old", "acme", &[Admin]);
    let service = Service::start_with(|config| config.auth.keys = vec![entry]).await;
    let stored = service.make_key("new", "acme", &[Items], |_| {}).await;
    let service = service.with_key(&stored.key);
    service.get("/v1/calls").await.expect(200);
    let service = service.with_key(&configured);
    assert_eq!(service.get("/v1/keys").await.expect(200)["keys"].as_array().unwrap().len(), 1);
    assert_eq!(service.services.store.list_keys(None).await.unwrap()[0].id.to_string(), stored.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_scope_of_a_later_version_allows_nothing() {
    let service = Service::start().await;
    let key = service.make_key("later", "acme", &[Check], |row| row.scopes = vec!["review".into()]).await;
    let service = service.with_key(&key.key);
    assert_eq!(service.post("/v1/check", &json!({ "text": "hello" })).await.code(), "scope_missing");
}
