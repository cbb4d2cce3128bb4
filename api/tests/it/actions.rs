//! `/v1/actions`, `/v1/actors`, `/v1/breakers`, backtests and tuning.

use api::config::Scope::{Admin, Items};
use serde_json::{Value, json};

use crate::harness::{Service, key};

const POLICY: &str = r#"
name = "strict"
[strikes]
days = 30
weights = { medium = 2 }
steps = [{ strikes = 4, action = "suspend", hours = 24 }]
[breaker]
ban = 1
[acknowledge]
seconds = 60
tries = 3
[[rule]]
name = "insult"
kinds = ["text"]
when = "score.insult >= 0.5"
action = "remove"
severity = "medium"
reason = "Be kind."
[[rule]]
name = "threat"
kinds = ["text"]
when = "score.threat >= 0.5"
action = "ban"
reason = "No threats."
"#;

async fn with_policy() -> Service {
    let service = Service::start().await;
    put_into_force(&service, POLICY).await;
    service
}

async fn put_into_force(service: &Service, text: &str) {
    let version = service.post("/v1/policies", &json!({ "text": text })).await.expect(201);
    service.post(&format!("/v1/policies/{}/live", version["number"]), &json!({})).await.expect(200);
}

async fn say(service: &Service, actor: &str, words: &str) -> Value {
    service.post("/v1/check", &json!({ "text": words, "actor": actor, "conversation": "room" })).await.expect(200)
}

async fn actions(service: &Service, actor: &str) -> Vec<Value> {
    let list = service.get(&format!("/v1/actors/{actor}/actions")).await.expect(200);
    list["actions"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_p5_strikes_suspend_and_undo_gives_them_back() {
    let service = with_policy().await;
    let nobody = service.get("/v1/actors/ann").await.expect(200);
    assert_eq!((&nobody["strikes"], &nobody["restricted"]), (&json!(0), &json!(false)));
    for _ in 0..2 {
        say(&service, "ann", "you fake:insult=0.93 fellow").await;
    }
    let standing = service.get("/v1/actors/ann").await.expect(200);
    assert_eq!((&standing["strikes"], &standing["restricted"]), (&json!(4), &json!(true)), "{standing:#}");
    assert_eq!(standing["restrictions"][0]["action"], "suspend");
    let done = actions(&service, "ann").await;
    let removal = done.iter().find(|action| action["action"] == "remove").unwrap()["id"].as_str().unwrap().to_owned();
    let suspension = done.iter().find(|action| action["action"] == "suspend").unwrap();
    let cause = suspension["cause"].as_str().unwrap().to_owned();
    assert!(suspension["expires_at"].is_string(), "{suspension:#}");

    let acknowledged = service.post(&format!("/v1/actions/{removal}/ack"), &json!({})).await.expect(200);
    assert_eq!(acknowledged["receipt"], "acknowledged");
    let reason = json!({ "reason": "It was a joke." });
    let undone = service.post(&format!("/v1/actions/{cause}/undo"), &reason).await.expect(200);
    assert!(undone["reversed_by"].is_string());
    assert_eq!(service.post(&format!("/v1/actions/{cause}/undo"), &reason).await.expect(200), undone);
    let standing = service.get("/v1/actors/ann").await.expect(200);
    assert_eq!((&standing["strikes"], &standing["restricted"]), (&json!(2), &json!(false)), "{standing:#}");
    let mut events = service.events("after=0&kinds=moderation.action").await;
    loop {
        let data = events.next().await.data["data"].clone();
        if data["action"] == "unsuspend" {
            assert_eq!((&data["reason"], &data["actor"]), (&json!("It was a joke."), &json!("ann")));
            break;
        }
    }
    for (path, body, status, code) in [
        (format!("/v1/actions/{cause}/undo"), json!({ "reason": "" }), 400, "undo_reason_invalid"),
        (format!("/v1/actions/{cause}/undo"), json!({}), 400, "missing_field"),
        (
            format!("/v1/actions/{}/undo", undone["reversed_by"].as_str().unwrap()),
            reason.clone(),
            409,
            "action_is_inverse",
        ),
        ("/v1/actions/01890a5d-ac96-774b-bcce-b302099a8057/undo".into(), reason.clone(), 404, "not_found"),
        ("/v1/actions/01890a5d-ac96-774b-bcce-b302099a8057/ack".into(), json!({}), 404, "not_found"),
        ("/v1/breakers/warn/close".into(), json!({}), 409, "breaker_closed"),
        ("/v1/breakers/dance/close".into(), json!({}), 404, "not_found"),
    ] {
        let refused = service.post(&path, &body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{path} {:#}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_breaker_is_seen_told_and_closed() {
    let service = with_policy().await;
    assert_eq!(say(&service, "one", "fake:threat=0.99").await["action"], "ban");
    assert_eq!(say(&service, "two", "fake:threat=0.99").await["action"], "review");
    let breakers = service.get("/v1/breakers").await.expect(200);
    let ban = &breakers["breakers"][0];
    assert_eq!(
        (&ban["action"], &ban["count"], &ban["cap"], &ban["open"]),
        (&json!("ban"), &json!(1), &json!(1), &json!(true))
    );
    let told = service.events("after=0&kinds=breaker.opened").await.next().await;
    assert_eq!(told.data["data"]["cap"], 1);
    service.post("/v1/breakers/ban/close", &json!({})).await;
    assert_eq!(say(&service, "three", "fake:threat=0.99").await["action"], "ban");
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_traces_of_the_banned_show_and_are_never_shown() {
    let service = with_policy().await;
    let facts = json!({ "device": "phone-SECRET", "ip": "192.0.2.17", "email": "J.Doe+1@example.org" });
    let known = service.put("/v1/actors/bad/facts", &facts).await.expect(200);
    assert_eq!(known, json!({ "traces": 3, "circumvention_attempts": 0 }));
    let facts = json!({ "ip": "192.0.2.99", "email": "jdoe+x@example.org", "circumvention_attempts": 1 });
    service.put("/v1/actors/new/facts", &facts).await.expect(200);
    say(&service, "bad", "fake:threat=0.99").await;
    let standing = service.get("/v1/actors/new").await.expect(200);
    assert_eq!((&standing["evasion"], &standing["restricted"]), (&json!(3), &json!(false)), "{standing:#}");
    assert_eq!(standing["alike"], json!([{ "actor": "bad", "trace": "email" }, { "actor": "bad", "trace": "ip" }]));
    assert!(!standing.to_string().contains("SECRET"));
    let refused = service.put("/v1/actors/new/facts", &json!({ "email": "SECRET" })).await;
    assert_eq!((refused.status, refused.code()), (400, "trace_invalid"));
    assert!(!refused.body.to_string().contains("SECRET"));
}

async fn backtest(service: &Service, asked: &Value) -> Value {
    let mut run = service.post("/v1/policies/backtest", asked).await.expect(202);
    let path = format!("/v1/policies/backtests/{}", run["id"].as_str().unwrap());
    while run["state"] == "running" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        run = service.get(&path).await.expect(200);
    }
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_what_reviewers_decide_feeds_backtests_and_tuning() {
    let service = with_policy().await;
    let mut kept = service.get("/v1/review/settings").await.expect(200);
    kept["settings"]["case_actions"] = json!(["remove"]);
    let settings = json!({ "version": kept["version"], "settings": kept["settings"] });
    service.put("/v1/review/settings", &settings).await.expect(200);
    for (actor, score, ruling, rule) in [("ann", 0.6, "dismiss", None), ("bob", 0.9, "uphold", Some("insult"))] {
        say(&service, actor, &format!("you fake:insult={score} fellow")).await;
        let case = service.post("/v1/review/next", &json!({})).await.expect(200);
        let decision = json!({
            "key": uuid::Uuid::now_v7(), "ruling": ruling, "seen": case["version"], "looked_seconds": 3, "rule": rule,
        });
        service.post(&format!("/v1/cases/{}/decision", case["id"].as_str().unwrap()), &decision).await.expect(201);
    }
    let draft = POLICY.replace("insult >= 0.5", "insult >= 0.8");
    let report = backtest(&service, &json!({ "text": draft })).await["report"].clone();
    let agreement = |caught, missed, false_alarms, passed| json!({ "caught": caught, "missed": missed, "false_alarms": false_alarms, "passed": passed });
    assert_eq!(report["agreement_before"], agreement(1, 0, 1, 0), "{report:#}");
    assert_eq!(report["agreement_after"], agreement(1, 0, 0, 1));
    assert_eq!((&report["overturned"], &report["overturned_repeated"]), (&json!(1), &json!(0)));

    let tune = async |label: &str| {
        service.post("/v1/policies/tune", &json!({ "label": label, "precision": 0.9 })).await.expect(200)
    };
    let tuned = tune("insult").await;
    assert_eq!((&tuned["items"], &tuned["violating"]), (&json!(2), &json!(1)));
    assert!((tuned["likely"]["cut"].as_f64().unwrap() - 0.9).abs() < 0.01, "{tuned:#}");
    let other = tune("threat").await;
    assert_eq!((&other["items"], &other["violating"]), (&json!(1), &json!(0)), "an insult says nothing about threats");
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_draft_is_backtested_before_it_may_go_live_and_a_cut_is_tuned() {
    let service = Service::start().await;
    put_into_force(&service, "name = \"careful\"\n[rollout]\nrequire_backtest = true\n").await;
    let mut verdicts = Vec::new();
    for (n, score) in [0.2, 0.4, 0.6, 0.8].into_iter().enumerate() {
        let judged = say(&service, &format!("user-{n}"), &format!("you fake:insult={score} fellow")).await;
        verdicts.push(json!({ "item": judged["id"], "violates": score > 0.5 }));
    }
    let version = service.post("/v1/policies", &json!({ "text": POLICY })).await.expect(201);
    let live = format!("/v1/policies/{}/live", version["number"]);
    let refused = service.post(&live, &json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "backtest_required"));

    let asked = json!({ "number": version["number"], "verdicts": verdicts });
    let run = backtest(&service, &asked).await;
    assert_eq!((&run["state"], &run["items"]), (&json!("done"), &json!(4)), "{run:#}");
    let report = &run["report"];
    assert_eq!((&report["passed_before"], &report["passed_after"]), (&json!(4), &json!(2)));
    let remove = &report["actions"]["remove"];
    assert_eq!((&remove["before"], &remove["after"], &remove["people_gained"]), (&json!(0), &json!(2), &json!(2)));
    assert_eq!(report["agreement_after"], json!({ "caught": 2, "missed": 0, "false_alarms": 0, "passed": 2 }));
    assert_eq!(report["harder"].as_array().unwrap().len(), 2);
    service.post(&live, &json!({})).await.expect(200);
    assert_eq!(service.get("/v1/policies/backtests").await.expect(200)["backtests"][0]["id"], run["id"]);

    let tuned = json!({ "label": "insult", "precision": 0.9, "verdicts": verdicts });
    let tuned = service.post("/v1/policies/tune", &tuned).await.expect(200);
    assert_eq!((&tuned["items"], &tuned["violating"], &tuned["sure"]), (&json!(4), &json!(2), &Value::Null));
    assert!((tuned["likely"]["cut"].as_f64().unwrap() - 0.6).abs() < 0.01, "{tuned:#}");
    for (path, body, code) in [
        ("/v1/policies/backtest", json!({}), "backtest_what"),
        ("/v1/policies/backtest", json!({ "text": "name = 1" }), "policy_invalid"),
        (
            "/v1/policies/backtest",
            json!({ "number": 0, "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z" }),
            "period_invalid",
        ),
        ("/v1/policies/tune", json!({ "label": "insult", "precision": 1.5, "verdicts": [] }), "precision_out_of_range"),
    ] {
        assert_eq!(service.post(path, &body).await.code(), code, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_only_those_who_may_take_back() {
    let ((admin, admin_key), (items, items_key)) = (key("lea", "first", &[Admin]), key("chat", "first", &[Items]));
    let service = Service::start_with(|config| config.auth.keys = vec![admin_key, items_key]).await.with_key(&admin);
    put_into_force(&service, POLICY).await;
    say(&service, "ann", "you fake:insult=0.93 fellow").await;
    let id = actions(&service, "ann").await[0]["id"].as_str().unwrap().to_owned();
    let service = service.with_key(&items);
    service.post(&format!("/v1/actions/{id}/ack"), &json!({})).await.expect(200);
    service.post(&format!("/v1/actions/{id}/undo"), &json!({ "reason": "No." })).await.expect(403);
    service.get("/v1/breakers").await.expect(403);
}
