//! The reviewers' desk over HTTP: from a message to a decision, its appeal and its audit; sessions, roles, and that answers are what the document says.

use api::{config::Scope, routes::desk::views};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{Answer, Service, form, key, png};

/// Reads an answer as the document describes it.
#[track_caller]
fn fits<T: DeserializeOwned>(value: &Value) {
    if let Err(error) = serde_json::from_value::<T>(value.clone()) {
        panic!("{error}: {value:#}");
    }
}

async fn setting(service: &Service, change: impl FnOnce(&mut Value)) {
    let mut kept = service.get("/v1/review/settings").await.expect(200);
    fits::<views::KeptSettingsView>(&kept);
    change(&mut kept["settings"]);
    let body = json!({ "version": kept["version"], "settings": kept["settings"] });
    service.put("/v1/review/settings", &body).await.expect(200);
}

async fn next(service: &Service) -> Value {
    let case = service.post("/v1/review/next", &json!({})).await.expect(200);
    fits::<views::CaseView>(&case);
    case
}

async fn decide(service: &Service, case: &Value, ruling: &str, more: Value) -> Answer {
    let mut body =
        json!({ "key": uuid::Uuid::now_v7(), "ruling": ruling, "seen": case["version"], "looked_seconds": 3 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service.post(&format!("/v1/cases/{}/decision", case["id"].as_str().unwrap()), &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_a_message_becomes_a_case_and_a_decision_reaches_the_platform() {
    let service = Service::start().await;
    setting(&service, |settings| settings["case_actions"] = json!(["review", "remove"])).await;
    let text = "you fake:threat=0.99 fool";
    service.post("/v1/check", &json!({ "text": text, "actor": "ann", "conversation": "room" })).await.expect(200);
    let page = service.get("/v1/cases?state=open").await.expect(200);
    fits::<views::CaseList>(&page);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let case = next(&service).await;
    assert_eq!((&case["subject"], &case["source"], &case["queue"]), (&json!("ann"), &json!("rule"), &json!("threats")));
    let path = format!("/v1/cases/{}", case["id"].as_str().unwrap());
    let shown = service.get(&path).await;
    assert_eq!(shown.header("cache-control"), "no-store");
    let shown = shown.expect(200);
    let exhibit = &shown["evidence"][0]["exhibit"];
    fits::<Vec<views::EvidenceView>>(&shown["evidence"]);
    assert_eq!((&exhibit["text"], &exhibit["kind"]), (&json!(text), &json!("item")));
    assert!(
        exhibit["thresholds"]["threat"].is_number() && exhibit["signals"].as_array().is_some_and(|all| !all.is_empty())
    );
    assert_eq!(service.post("/v1/review/next", &json!({})).await.status, 204);

    service.post(&format!("{path}/steps"), &json!({ "step": "heartbeat" })).await.expect(200);
    service.post(&format!("{path}/notes"), &json!({ "text": "seen before" })).await.expect(204);
    let stale = decide(&service, &case, "act", json!({ "action": "ban" })).await;
    assert_eq!((stale.status, stale.code()), (409, "case_changed"));
    let case = service.get(&path).await.expect(200)["case"].clone();
    let decided =
        decide(&service, &case, "act", json!({ "action": "suspend", "seconds": 60, "reason": "No threats." }))
            .await
            .expect(201);
    fits::<views::DecidedView>(&decided);
    let mut events = service.events("after=0&kinds=moderation.action").await;
    let told = loop {
        let event = events.next().await.data;
        if event["data"]["action"] == "suspend" {
            break event;
        }
    };
    assert_eq!((&told["data"]["actor"], told["data"]["expires_at"].is_string()), (&json!("ann"), true));
    let id = decided["decision"]["id"].as_str().unwrap().to_owned();
    fits::<views::DecisionView>(&service.get(&format!("/v1/decisions/{id}")).await.expect(200));
    let statement = service.get(&format!("/v1/decisions/{id}/statement")).await.expect(200);
    fits::<views::StatementView>(&statement);
    assert_eq!(statement["decision_account"], "DECISION_ACCOUNT_SUSPENDED");

    let appeal = json!({ "actor": "ann", "decision": id, "text": "I was quoting" });
    let appeal = service.post("/v1/appeals", &appeal).await.expect(201);
    fits::<views::AppealView>(&appeal);
    assert_eq!(service.post("/v1/review/next", &json!({})).await.status, 204, "never to who decided");
    let undone = service.post(&format!("/v1/decisions/{id}/undo"), &json!({})).await.expect(200);
    assert!(undone["overturned_at"].is_string());
    let found = service.get("/v1/review/search?q=fool").await.expect(200);
    fits::<Vec<views::FoundView>>(&found);
    assert_eq!(found.as_array().unwrap().len(), 1);

    for (path, fit) in [
        ("/v1/review/queues", fits::<Vec<views::QueueCountView>> as fn(&Value)),
        ("/v1/stats", fits::<views::StatsView>),
        ("/v1/review/quality", fits::<views::QualityView>),
        ("/v1/review/golden", fits::<Vec<views::GoldenView>>),
        ("/v1/audit?limit=5", fits::<views::AuditList>),
        ("/v1/appeals", fits::<views::AppealList>),
        ("/v1/decisions", fits::<views::DecisionList>),
        ("/v1/reporters/ann", fits::<views::ReporterView>),
        ("/v1/review/calls", fits::<Vec<views::WallCallView>>),
    ] {
        fit(&service.get(path).await.expect(200));
    }
    let numbers = service.get("/v1/stats/export").await;
    assert_eq!(numbers.header("content-type"), "text/csv; charset=utf-8");
    let table = numbers.body.as_str().unwrap();
    assert!(table.starts_with("day,what,name,count\n"), "{table}");
    for row in [",automatic_action_by_label,\"threat\",1\n", ",decision_by_action,\"suspend\",1\n"] {
        assert!(table.contains(row), "{row} in {table}");
    }
    let verified = service.get("/v1/audit/verify").await.expect(200);
    fits::<views::VerifiedView>(&verified);
    assert!(verified.get("broken").is_none() && verified["entries"].as_i64().unwrap() > 5);
    let export = service.get("/v1/audit/export").await;
    let lines = export.body.as_str().unwrap().lines().count() as i64;
    assert_eq!(lines, verified["entries"].as_i64().unwrap() + 1, "and the export itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_a_case_shows_how_others_decided_what_is_like_it() {
    let service = Service::start().await;
    setting(&service, |settings| settings["case_actions"] = json!(["remove"])).await;
    for (actor, words) in [("ann", "miserable coward"), ("bob", "miserable coward, again"), ("cid", "something else")] {
        let message = json!({ "text": format!("fake:threat=0.99 {words}"), "actor": actor });
        service.post("/v1/check", &message).await.expect(200);
    }
    let first = next(&service).await;
    assert_eq!(first["subject"], "ann");
    decide(&service, &first, "uphold", json!({})).await.expect(201);
    let second = next(&service).await;
    let path = format!("/v1/cases/{}/similar", second["id"].as_str().unwrap());
    let found = service.get(&path).await.expect(200);
    let alike = found.as_array().unwrap().iter().find(|alike| alike["case"]["subject"] == "ann").unwrap();
    assert_eq!((&alike["decision"]["ruling"], alike["score"].as_f64().unwrap() > 0.35), (&json!("uphold"), true));
    assert!(found.as_array().unwrap().iter().all(|alike| alike["case"]["id"] != second["id"]), "{found:#}");
    assert_eq!(service.get(&format!("/v1/cases/{}/similar", uuid::Uuid::now_v7())).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_evidence_pictures_open_by_short_lived_addresses_only() {
    let service = Service::start().await;
    setting(&service, |settings| settings["case_actions"] = json!(["remove"])).await;
    // Label number 3 is porn.
    let (media_type, body) = form(&[("image", &png(3, 250)), ("actor", b"ann")]);
    service.post_bytes("/v1/check", &media_type, body).await.expect(200);
    let case = next(&service).await;
    assert_eq!(case["graphic"], true);
    let shown = service.get(&format!("/v1/cases/{}", case["id"].as_str().unwrap())).await.expect(200);
    let url = shown["media"][0]["url"].as_str().unwrap().to_owned();
    let picture = service.get(&url).await;
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/jpeg"));
    assert!(picture.header("cache-control").contains("no-store"));
    let (bare, query) = url.split_once('?').unwrap();
    for wrong in [bare.to_owned(), format!("{bare}?{}", query.replace("expires=1", "expires=2"))] {
        assert!(matches!(service.get(&wrong).await.status, 400 | 403), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_people_sign_in_and_their_role_is_enforced_here() {
    let service = Service::start().await;
    let password = "correct horse battery staple";
    for (login, role) in [("ada", "admin"), ("mia", "reviewer")] {
        let user = json!({ "login": login, "password": password, "role": role });
        fits::<views::UserView>(&service.post("/v1/users", &user).await.expect(201));
    }
    let wrong = service.post("/v1/session", &json!({ "login": "mia", "password": "x" })).await;
    assert_eq!((wrong.status, wrong.code()), (401, "sign_in_failed"));
    let signed = service.post("/v1/session", &json!({ "login": "mia", "password": password })).await;
    let cookie = signed.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let me = signed.expect(200);
    assert_eq!((&me["role"], &me["comfort"]["blur"]), (&json!("reviewer"), &json!(true)));
    let with = |method: &str, path: &str| service.request(method, path).header("cookie", &cookie);
    assert_eq!(service.send(with("GET", "/v1/cases")).await.status, 200);
    let claim = service.send(with("POST", "/v1/review/next").json(&json!({}))).await;
    assert_eq!((claim.status, claim.code()), (403, "csrf_missing"));
    let csrf = me["csrf"].as_str().unwrap();
    let claim = with("POST", "/v1/review/next").header("x-csrf-token", csrf).json(&json!({}));
    assert_eq!(service.send(claim).await.status, 204);
    for path in ["/v1/audit", "/v1/review/quality", "/v1/stats", "/v1/users", "/v1/people/ann/export"] {
        let refused = service.send(with("GET", path)).await;
        assert_eq!((refused.status, refused.code()), (403, "permission_missing"), "{path}");
    }
    let delete = with("DELETE", "/v1/people/ann").header("x-csrf-token", csrf);
    assert_eq!(service.send(delete).await.code(), "permission_missing");
    service.send(with("DELETE", "/v1/session")).await.expect(204);
    assert_eq!(service.send(with("GET", "/v1/cases")).await.code(), "session_ended");
    for _ in 0..5 {
        service.post("/v1/session", &json!({ "login": "mia", "password": "x" })).await;
    }
    let locked = service.post("/v1/session", &json!({ "login": "mia", "password": password })).await;
    let wait: u64 = locked.header("retry-after").parse().unwrap();
    assert!(locked.status == 429 && (800..=900).contains(&wait), "{} {wait}", locked.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_keys_have_the_role_of_their_scope() {
    let (reviewer, reviewer_key) = key("r", "acme", &[Scope::Review]);
    let (lead, lead_key) = key("l", "acme", &[Scope::Lead]);
    let (items, items_key) = key("i", "acme", &[Scope::Items]);
    let service = Service::start_with(|config| config.auth.keys = vec![reviewer_key, lead_key, items_key]).await;
    let service = service.with_key(&reviewer);
    assert_eq!(service.get("/v1/session").await.expect(200)["role"], "reviewer");
    assert_eq!(service.get("/v1/audit").await.code(), "permission_missing");
    let service = service.with_key(&lead);
    service.get("/v1/audit").await.expect(200);
    let service = service.with_key(&items);
    assert_eq!(service.get("/v1/cases").await.code(), "scope_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_a_session_counts_where_keys_are_asked_for() {
    let (admin, admin_key) = key("a", "acme", &[Scope::Admin]);
    let service = Service::start_with(|config| config.auth.keys = vec![admin_key]).await.with_key(&admin);
    let password = "correct horse battery staple";
    for (login, role) in [("ada", "admin"), ("lea", "lead"), ("mia", "reviewer")] {
        let user = json!({ "login": login, "password": password, "role": role });
        service.post("/v1/users", &user).await.expect(201);
    }
    let service = service.with_key("unknown");
    assert_eq!(service.get("/v1/keys").await.status, 401);
    for (login, keys, policies, actors) in [("ada", 200, 200, 200), ("lea", 403, 200, 200), ("mia", 403, 403, 200)] {
        let signed = service.post("/v1/session", &json!({ "login": login, "password": password })).await;
        let cookie = signed.header("set-cookie").split(';').next().unwrap().to_owned();
        let csrf = signed.expect(200)["csrf"].as_str().unwrap().to_owned();
        let get = |path: &'static str| service.request("GET", path).header("cookie", &cookie);
        for (path, status) in [
            ("/v1/keys", keys),
            ("/v1/webhooks/deliveries", keys),
            ("/v1/policies/current", policies),
            ("/v1/breakers", policies),
            ("/metrics", policies),
            ("/v1/actors/ann", actors),
            ("/v1/cases", 200),
        ] {
            assert_eq!(service.send(get(path)).await.status, status, "{login} {path}");
        }
        let made = json!({ "name": "by session", "scopes": ["check"] });
        let make = |token: &str| {
            service.request("POST", "/v1/keys").header("cookie", &cookie).header("x-csrf-token", token).json(&made)
        };
        assert_eq!(service.send(make("wrong")).await.code(), "csrf_missing");
        assert_eq!(service.send(make(&csrf)).await.status, if keys == 200 { 201 } else { 403 }, "{login}");
        if keys == 200 {
            let entry = service.send(get("/v1/audit?limit=1")).await.expect(200)["items"][0].clone();
            assert_eq!((&entry["kind"], &entry["actor"]), (&json!("key.created"), &json!("ada")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_a_person_is_exported_held_and_erased_over_http() {
    let service = Service::start().await;
    service.post("/v1/reports", &json!({ "reporter": "bob", "subject": "ann", "reason": "spam" })).await.expect(201);
    service.put("/v1/profiles/ann", &json!({ "interests": ["chess"] })).await.expect(200);
    let export = service.get("/v1/people/ann/export").await.expect(200);
    assert_eq!(export["profile"]["interests"], json!(["chess"]));
    service.put("/v1/people/ann/hold", &json!({ "reason": "file 7" })).await.expect(204);
    assert_eq!(service.get("/v1/people/ann").await.expect(200)["hold"]["reason"], "file 7");
    assert_eq!(service.delete("/v1/people/ann").await.code(), "preservation_hold");
    service.delete("/v1/people/ann/hold").await.expect(204);
    let receipt = service.delete("/v1/people/ann").await.expect(200);
    fits::<views::ReceiptView>(&receipt);
    service.get(&format!("/v1/receipts/{}", receipt["id"].as_str().unwrap())).await.expect(200);
    service.get("/v1/profiles/ann").await.expect(404);
    assert_eq!(service.get("/v1/cases?subject=ann").await.expect(200)["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_the_console_is_told_of_cases_and_numbers_and_may_act_in_calls() {
    let service = Service::start().await;
    let response = service.request("GET", "/v1/review/events").send().await.unwrap();
    let mut body = String::new();
    let mut response = response;
    service.post("/v1/reports", &json!({ "reporter": "bob", "subject": "ann", "reason": "spam" })).await.expect(201);
    while !(body.contains("event: case.opened") && body.contains("event: numbers")) {
        let chunk =
            tokio::time::timeout(std::time::Duration::from_secs(20), response.chunk()).await.expect("told in time");
        body.push_str(std::str::from_utf8(&chunk.unwrap().expect("the stream goes on")).unwrap());
    }
    service.post("/v1/calls", &json!({ "id": "c", "participants": ["ann", "bob"] })).await.expect(201);
    let wall = service.get("/v1/review/calls").await.expect(200);
    fits::<Vec<views::WallCallView>>(&wall);
    assert_eq!(wall[0]["participants"].as_array().map(Vec::len), Some(2));
    let act = |actor: &str| json!({ "call": "c", "actor": actor, "action": "blur", "seconds": 60, "reason": "Please dress." });
    service.post("/v1/review/actions", &act("eve")).await.expect(404);
    let done = service.post("/v1/review/actions", &act("ann")).await.expect(201);
    let mut events = service.events("after=0&kinds=moderation.action").await;
    let told = events.next().await.data;
    assert_eq!(
        (&told["key"], &told["data"]["action"], &told["data"]["call"]),
        (&done["id"], &json!("blur"), &json!("c"))
    );
    // Any other window reads it from the store, until it is taken back.
    let in_force = async || {
        let wall = service.get("/v1/review/calls").await.expect(200);
        fits::<Vec<views::WallCallView>>(&wall);
        let all = wall[0]["participants"].as_array().unwrap().clone();
        let of = |actor: &str| all.iter().find(|one| one["actor"] == actor).unwrap()["actions"].clone();
        (of("ann"), of("bob"))
    };
    let (ann, bob) = in_force().await;
    assert_eq!((&ann[0]["id"], &ann[0]["kind"], &ann[0]["by_hand"]), (&done["id"], &json!("blur"), &json!(true)));
    assert_eq!(bob, json!([]));
    let id = done["id"].as_str().unwrap();
    service.post(&format!("/v1/actions/{id}/undo"), &json!({ "reason": "A mistake." })).await.expect(200);
    assert_eq!(in_force().await.0, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_an_edited_message_is_judged_again_and_its_case_shows_every_version() {
    let service = Service::start().await;
    let said = |text: &str| json!({ "text": text, "actor": "ann", "conversation": "room", "message": "m-7" });
    let first = service.post("/v1/check", &said("good evening")).await.expect(200);
    assert_eq!((&first["action"], &first["message"]), (&json!("allow"), &json!("m-7")));
    let seen = service.post("/v1/check", &said("you fake:threat=0.99 fool")).await.expect(200);
    assert_eq!(seen["action"], "remove", "an edit is judged like any text");
    let report = json!({ "reporter": "bob", "subject": "ann", "reason": "harassment", "message": "m-7" });
    let report = service.post("/v1/reports", &report).await.expect(201);
    assert_eq!(report["message"], "m-7");
    service.post("/v1/check", &said("good evening, friends")).await.expect(200);

    let case = next(&service).await;
    let page = service.get(&format!("/v1/cases/{}", case["id"].as_str().unwrap())).await.expect(200);
    fits::<Vec<views::MessageHistoryView>>(&page["versions"]);
    let versions = page["versions"][0]["versions"].as_array().unwrap();
    let texts: Vec<&str> = versions.iter().map(|version| version["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["good evening", "you fake:threat=0.99 fool", "good evening, friends"]);
    assert!(versions.iter().all(|version| version["signals"].as_array().is_some_and(|scores| !scores.is_empty())));
    let evidence = page["evidence"].as_array().unwrap();
    let reported = evidence.iter().find(|piece| piece["exhibit"]["kind"] == "report").unwrap();
    assert_eq!(reported["exhibit"]["item"], seen["id"], "the report names what was seen, not what it says today");
    let shown = evidence.iter().filter(|piece| piece["exhibit"]["kind"] == "item").count();
    assert_eq!(shown, 1);

    for (body, code) in [
        (json!({ "text": "hello", "message": "m-7" }), "message_without_actor"),
        (json!({ "image": "AQID", "actor": "ann", "message": "m-7" }), "message_not_text"),
        (json!({ "text": "hello", "actor": "ann", "message": "" }), "name_empty"),
    ] {
        let refused = service.post("/v1/check", &body).await;
        assert_eq!((refused.status, refused.code()), (400, code));
    }
    setting(&service, |settings| settings["version_days"] = json!(0)).await;
    let other = |text: &str| json!({ "text": text, "actor": "cid", "message": "m-8" });
    service.post("/v1/check", &other("one")).await.expect(200);
    let report = json!({ "reporter": "bob", "subject": "cid", "reason": "harassment", "message": "m-8" });
    service.post("/v1/reports", &report).await.expect(201);
    let cases = service.get("/v1/cases?subject=cid").await.expect(200);
    let page = service.get(&format!("/v1/cases/{}", cases["items"][0]["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(page["versions"], json!([]), "a tenant that keeps none keeps none");
}
