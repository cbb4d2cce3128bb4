//! `/v1/policies`.

use api::config::Scope::{Admin, Items};
use serde_json::{Value, json};

use crate::harness::{Service, key};

const STRICT: &str = "name = \"strict\"\n[[rule]]\nname = \"words\"\nkinds = [\"text\"]\nwhen = \"score.insult >= 0.2\"\n\
                      action = \"remove\"\nreason = \"No.\"\n";
const LAX: &str = "name = \"lax\"\n";

async fn judge(service: &Service, actor: &str) -> Value {
    let item = json!({ "text": "you fake:insult=0.5 fellow", "actor": actor, "conversation": "room" });
    service.post("/v1/check", &item).await.expect(200)
}

async fn draft(service: &Service, text: &str) -> u64 {
    let version = service.post("/v1/policies", &json!({ "text": text, "note": "a note" })).await.expect(201);
    assert_eq!(version["state"], "draft");
    version["number"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_lead_hands_in_a_policy_puts_it_into_force_and_goes_back() {
    let service = Service::start().await;
    let before = judge(&service, "ann").await;
    assert_eq!(before["action"], "allow", "{before:#}");
    let strict = draft(&service, STRICT).await;
    assert_eq!(judge(&service, "ann").await["action"], "allow", "a draft is not in force");
    let same = service.post("/v1/policies", &json!({ "text": STRICT })).await.expect(200);
    assert_eq!((&same["number"], &same["note"]), (&json!(strict), &json!("a note")));

    let live = service.post(&format!("/v1/policies/{strict}/live"), &json!({ "note": "go" })).await.expect(200);
    assert_eq!((&live["live"], &live["revision"], &live["change"]), (&json!(strict), &json!(1), &json!("live")));
    let judged = judge(&service, "ann").await;
    assert_eq!(
        (&judged["action"], judged["policy"].as_str().unwrap().starts_with("strict@")),
        (&json!("remove"), true)
    );
    let current = service.get("/v1/policies/current").await.expect(200);
    assert_eq!((&current["policy"]["text"], &current["policy"]["state"]), (&json!(STRICT), &json!("live")));

    let again = service.post(&format!("/v1/policies/{strict}/live"), &json!({})).await;
    assert_eq!((again.status, again.code()), (409, "policy_in_force"));
    let back = service.post("/v1/policies/rollback", &json!({ "note": "too strict" })).await.expect(200);
    assert_eq!((&back["live"], &back["change"], &back["before"]), (&json!(0), &json!("rolled_back"), &json!(strict)));
    assert_eq!(judge(&service, "ann").await["action"], "allow");
    let history = service.get("/v1/policies/rollouts").await.expect(200);
    assert_eq!(history["rollouts"].as_array().unwrap().len(), 2);
    let mut events = service.events("after=0&kinds=policy.changed").await;
    for (revision, change) in [(1, "live"), (2, "rolled_back")] {
        let data = events.next().await.data["data"].clone();
        assert_eq!((&data["revision"], &data["change"]), (&json!(revision), &json!(change)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_trial_judges_its_share_of_the_people() {
    let service = Service::start().await;
    let strict = draft(&service, STRICT).await;
    let terms = json!({ "percent": 30, "alarm": { "limit": 0.05 } });
    service.post(&format!("/v1/policies/{strict}/live"), &terms).await.expect(200);
    let (mut on, tenant) = (0, "default".into());
    for n in 0..40 {
        let actor = format!("user-{n}");
        let expected = pipeline::policy::share(&tenant, &actor.as_str().into()) < 30;
        let removed = judge(&service, &actor).await["action"] == "remove";
        assert_eq!(removed, expected, "{actor}");
        on += u32::from(removed);
    }
    assert!((1..40).contains(&on), "{on}");
    let list = service.get("/v1/policies").await.expect(200);
    assert_eq!(list["versions"][0]["state"], "canary");
    let ended = service.post("/v1/policies/rollback", &json!({})).await.expect(200);
    assert_eq!((&ended["live"], ended.get("canary")), (&json!(0), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_trial_whose_pass_rate_moves_is_taken_back_by_its_alarm() {
    let service = Service::start().await;
    let strict = draft(&service, STRICT).await;
    let terms = json!({ "percent": 50, "alarm": { "limit": 0.1, "least": 30 } });
    service.post(&format!("/v1/policies/{strict}/live"), &terms).await.expect(200);
    let mut events = service.events("after=0&kinds=policy.changed").await;
    events.next().await;
    let items: Vec<Value> = (0..150)
        .map(|n| json!({ "text": "you fake:insult=0.5 fellow", "actor": format!("user-{n}"), "conversation": "room" }))
        .collect();
    service.post("/v1/items", &json!({ "items": items })).await.expect(202);
    let told = events.next().await.data["data"].clone();
    assert_eq!((&told["change"], &told["live"], &told["by"]), (&json!("alarm"), &json!(0), &json!("alarm")));
    assert!(told["note"].as_str().unwrap().starts_with("pass-rate 0.0 %"), "{told:#}");
    assert_eq!(service.get("/v1/policies/current").await.expect(200)["live"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_mistakes_are_shown_with_line_and_column_and_nothing_is_kept() {
    let service = Service::start().await;
    let wrong = json!({ "text": "name = \"x\"\nnope = 1\n" });
    let refused = service.post("/v1/policies", &wrong).await;
    assert_eq!((refused.status, refused.code()), (400, "policy_invalid"));
    assert_eq!(refused.body["error"]["field"], "text");
    assert!(refused.body["error"]["message"].as_str().unwrap().starts_with("Line 2, column 1: "), "{:#}", refused.body);
    let checked = service.post("/v1/policies/validate", &wrong).await.expect(200);
    assert_eq!(
        (&checked["valid"], &checked["error"]["line"], &checked["error"]["column"]),
        (&json!(false), &json!(2), &json!(1))
    );
    let checked = service.post("/v1/policies/validate", &json!({ "text": STRICT })).await.expect(200);
    assert_eq!((&checked["valid"], &checked["rules"][0]["mode"]), (&json!(true), &json!("live")));
    assert_eq!(service.get("/v1/policies").await.expect(200), json!({ "versions": [] }));
    assert!(service.get("/v1/policies/0").await.expect(200)["text"].as_str().unwrap().contains("[[rule]]"));
    for (path, body, status, code) in [
        ("/v1/policies/7/live", json!({}), 404, "not_found"),
        ("/v1/policies/0/live", json!({}), 409, "policy_in_force"),
        ("/v1/policies/0/live", json!({ "percent": 0 }), 400, "percent_out_of_range"),
        ("/v1/policies/rollback", json!({}), 409, "policy_nothing_before"),
        ("/v1/policies", json!({ "text": LAX, "note": "x".repeat(1001) }), 413, "note_too_long"),
        ("/v1/policies", json!({ "text": LAX, "colour": 1 }), 400, "unknown_field"),
    ] {
        let refused = service.post(path, &body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{path} {:#}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_tenants_have_their_own_policies_which_outlive_a_restart() {
    let ((ann, ann_key), (bob, bob_key)) = (key("ann", "first", &[Admin]), key("bob", "second", &[Admin]));
    let (items, items_key) = key("items", "first", &[Items]);
    let keys = vec![ann_key, bob_key, items_key];
    let with_keys = |config: &mut api::config::Config| config.auth.keys = keys.clone();
    let service = Service::start_with(with_keys).await.with_key(&ann);
    let strict = draft(&service, STRICT).await;
    service.post(&format!("/v1/policies/{strict}/live"), &json!({})).await.expect(200);
    let service = service.with_key(&bob);
    assert_eq!(judge(&service, "ann").await["action"], "allow");
    service.get(&format!("/v1/policies/{strict}")).await.expect(404);
    let service = service.with_key(&items);
    service.get("/v1/policies").await.expect(403);
    let folder = service.shut_down().await;
    let service = Service::start_in(folder, with_keys).await.with_key(&ann);
    assert_eq!(judge(&service, "ann").await["action"], "remove");
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_change_of_another_process_is_taken_up_without_a_restart() {
    let service = Service::start().await;
    let strict = draft(&service, STRICT).await;
    // What another process would write: this one is told of nothing.
    let (store, tenant) = (&service.services.store, "default".into());
    let hand =
        pipeline::policy::rollout::Hand { by: "other".into(), note: String::new(), at: service.services.clock.now() };
    let start = pipeline::policy::rollout::Rollout::initial(tenant);
    let next = start.go_live(u32::try_from(strict).unwrap(), 100, None, Default::default(), hand).unwrap();
    store.put_rollout(&next, vec![], vec![]).await.unwrap();
    let started = std::time::Instant::now();
    while judge(&service, "ann").await["action"] != "remove" {
        assert!(started.elapsed().as_secs() < 20, "not taken up");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
