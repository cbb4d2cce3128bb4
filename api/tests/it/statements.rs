//! Statements of reasons from a decision to a stand-in of the transparency database, as `StatementAPIController.php` of
//! `digital-services-act/transparency-database` answers: 201 with `uuid`, 422 with `errors`, 401 without the right token.

use std::sync::{Arc, Mutex};

use api::routes::desk::views;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::Service;

/// What the database got.
type Received = Arc<Mutex<Vec<Value>>>;

async fn take(
    State(received): State<Received>,
    headers: HeaderMap,
    Json(statement): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok());
    if token != Some("Bearer token-of-the-test") {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "message": "Unauthenticated." })));
    }
    if statement["category"] == "STATEMENT_CATEGORY_ODD" {
        let errors = json!({ "category": ["The selected category is invalid."] });
        return (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(json!({ "message": "The given data was invalid.", "errors": errors })),
        );
    }
    received.lock().unwrap().push(statement);
    (StatusCode::CREATED, Json(json!({ "uuid": "4b4e1a7e-6a2f-4d1c-9f0b-1f6f6f4f2c11" })))
}

/// A decision that restricts something.
async fn decided(service: &Service, subject: &str) -> String {
    let report = json!({ "reporter": "bob", "subject": subject, "reason": "harassment" });
    service.post("/v1/reports", &report).await.expect(201);
    let case = service.post("/v1/review/next", &json!({})).await.expect(200);
    let body = json!({ "key": uuid::Uuid::now_v7(), "ruling": "act", "action": "suspend", "seconds": 3600, "rule": "harassment", "reason": "Be kind." });
    let decided =
        service.post(&format!("/v1/cases/{}/decision", case["id"].as_str().unwrap()), &body).await.expect(201);
    decided["decision"]["id"].as_str().unwrap().to_owned()
}

/// Asks until the statement of a decision is in this state.
async fn until(service: &Service, decision: &str, state: &str) -> Value {
    loop {
        let page = service.get("/v1/statements").await.expect(200);
        serde_json::from_value::<views::KeptStatementList>(page.clone()).unwrap();
        let all = page["items"].as_array().unwrap();
        if let Some(found) = all.iter().find(|one| one["decision"] == decision && one["state"] == state) {
            return found.clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_statements_reach_the_database_once_a_person_lets_them_go() {
    let received = Received::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1/statement", listener.local_addr().unwrap());
    let router = Router::new().route("/api/v1/statement", post(take)).with_state(received.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let service = Service::start_with(|config| {
        let (tenant, token) = ("default".into(), "token-of-the-test".to_owned());
        config.statements = vec![workers::StatementsConfig { tenant, url: url.parse().unwrap(), token }];
    })
    .await;
    let early = decided(&service, "zed").await;
    assert_eq!(service.get("/v1/statements").await.expect(200), json!({ "items": [] }), "off by default");
    let mut kept = service.get("/v1/review/settings").await.expect(200);
    kept["settings"]["statements"] = json!(true);
    let body = json!({ "version": kept["version"], "settings": kept["settings"] });
    service.put("/v1/review/settings", &body).await.expect(200);
    let first = decided(&service, "ann").await;
    until(&service, &first, "draft").await;
    assert_eq!(service.get("/v1/statements/export").await.expect(200), json!({ "statements": [] }));

    service.put(&format!("/v1/statements/{first}"), &json!({})).await.expect(200);
    let sent = until(&service, &first, "sent").await;
    assert_eq!((&sent["remote"], &sent["tries"]), (&json!("4b4e1a7e-6a2f-4d1c-9f0b-1f6f6f4f2c11"), &json!(1)));
    let statement = received.lock().unwrap()[0].clone();
    assert_eq!(
        (&statement["puid"], &statement["decision_account"], &statement["incompatible_content_explanation"]),
        (&json!(first), &json!("DECISION_ACCOUNT_SUSPENDED"), &json!("Be kind."))
    );
    let again = service.put(&format!("/v1/statements/{first}"), &json!({})).await;
    assert_eq!((again.status, again.code()), (409, "statement_state"));
    let told = service.events("after=0&kinds=statement.queued").await.next().await.data;
    assert_eq!(told["data"]["statement"], statement, "the platform gets the same, should it send them itself");

    // What the database refuses waits for somebody to correct it.
    let mut odd = service.get(&format!("/v1/decisions/{early}/statement")).await.expect(200);
    odd["category"] = json!("STATEMENT_CATEGORY_ODD");
    service.put(&format!("/v1/statements/{early}"), &json!({ "statement": odd })).await.expect(200);
    let failed = until(&service, &early, "failed").await;
    assert_eq!(failed["error"], "category: The selected category is invalid.");
    odd["category"] = json!("odd");
    let wrong = service.put(&format!("/v1/statements/{early}"), &json!({ "statement": odd })).await;
    assert_eq!((wrong.status, wrong.code()), (400, "statement_invalid"));
    service.put(&format!("/v1/statements/{early}"), &json!({})).await.expect(200);
    until(&service, &early, "sent").await;

    let third = decided(&service, "cid").await;
    service.delete(&format!("/v1/statements/{third}")).await.expect(204);
    until(&service, &third, "withdrawn").await;
    assert_eq!(service.delete(&format!("/v1/statements/{first}")).await.code(), "statement_state");
    assert_eq!(received.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_without_a_place_to_send_them_statements_wait_for_the_export() {
    let service = Service::start().await;
    let decision = decided(&service, "ann").await;
    service.put(&format!("/v1/statements/{decision}"), &json!({})).await.expect(200);
    let batch = service.get("/v1/statements/export").await.expect(200);
    assert_eq!(batch["statements"][0]["puid"], json!(decision), "{batch:#}");
    let path = format!("/v1/statements/{decision}/sent");
    assert_eq!(service.post(&path, &json!({ "remote": " " })).await.code(), "statement_invalid");
    service.post(&path, &json!({ "remote": "by-hand" })).await.expect(204);
    assert_eq!(until(&service, &decision, "sent").await["remote"], "by-hand");
    assert_eq!(service.get("/v1/statements/export").await.expect(200), json!({ "statements": [] }));
}
