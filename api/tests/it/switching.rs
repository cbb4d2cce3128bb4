//! Admins who work for several tenants, over HTTP.

use api::config::Scope;
use pipeline::review::staff::Role;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::harness::{Answer, Service, key};

const PASSWORD: &str = "correct horse battery staple";

/// Somebody at the console.
struct Person<'a> {
    service: &'a Service,
    cookie: String,
    csrf: String,
}

impl<'a> Person<'a> {
    async fn signs_in(service: &'a Service, login: &str) -> Self {
        let signed = service.post("/v1/session", &json!({ "login": login, "password": PASSWORD })).await;
        let cookie = signed.header("set-cookie").split(';').next().unwrap().to_owned();
        let csrf = signed.expect(200)["csrf"].as_str().unwrap().to_owned();
        Self { service, cookie, csrf }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let request = self.service.request(method, path).header("cookie", &self.cookie);
        request.header("x-csrf-token", &self.csrf)
    }

    async fn get(&self, path: &str) -> Value {
        self.service.send(self.request("GET", path)).await.expect(200)
    }

    async fn goes_to(&self, tenant: &str) -> Answer {
        let body = json!({ "tenant": tenant });
        self.service.send(self.request("PUT", "/v1/session/tenant").json(&body)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_an_admin_of_two_tenants_sees_one_at_a_time() {
    let (first, first_key) = key("first", "acme", &[Scope::Admin, Scope::Items]);
    let (second, second_key) = key("second", "globex", &[Scope::Admin, Scope::Items]);
    let service = Service::start_with(|config| config.auth.keys = vec![first_key, second_key]).await;
    let service = service.with_key(&second);
    service.post("/v1/reports", &json!({ "reporter": "cid", "subject": "dan", "reason": "spam" })).await.expect(201);
    let user = |login: &str, role: &str| json!({ "login": login, "password": PASSWORD, "role": role });
    service.post("/v1/users", &user("gus", "admin")).await.expect(201);
    let service = service.with_key(&first);
    service.post("/v1/reports", &json!({ "reporter": "bob", "subject": "ann", "reason": "spam" })).await.expect(201);
    for (login, role) in [("ada", "admin"), ("eve", "admin"), ("mia", "reviewer")] {
        service.post("/v1/users", &user(login, role)).await.expect(201);
    }
    let desk = service.services.pipeline.desk().clone();
    let subjects = |cases: Value| -> Vec<String> {
        let all = cases["items"].as_array().unwrap().clone();
        all.iter().map(|case| case["subject"].as_str().unwrap().to_owned()).collect()
    };

    let ada = Person::signs_in(&service, "ada").await;
    assert_eq!(ada.get("/v1/session").await["tenants"], json!(["acme"]));
    let refused = ada.goes_to("globex").await;
    assert_eq!((refused.status, refused.code()), (404, "not_found"), "nobody has let them in");
    assert_eq!(ada.goes_to("nowhere").await.code(), "not_found", "nor can they tell what there is");
    // An admin of one tenant cannot let anybody into another one that they are not in themselves.
    let grant = ada.request("PUT", "/v1/users/eve/tenants/globex");
    assert_eq!(service.send(grant).await.code(), "not_found");

    // Whoever runs the installation does (`chaperone users let-in`).
    let account = desk.account("ada").await.unwrap().unwrap().user;
    assert_eq!(account.role, Role::Admin);
    desk.let_in(&account, &"globex".into(), true, "command line").await.unwrap();
    assert_eq!(ada.get("/v1/session").await["tenants"], json!(["acme", "globex"]));
    assert_eq!(subjects(ada.get("/v1/cases").await), ["ann"]);
    let session = ada.goes_to("globex").await.expect(200);
    assert_eq!((&session["tenant"], &session["home"]), (&json!("globex"), &json!("acme")));
    assert_eq!(subjects(ada.get("/v1/cases").await), ["dan"]);
    let people = ada.get("/v1/users").await;
    assert_eq!(people.as_array().unwrap().len(), 1, "the accounts of the tenant that one is in");
    // One's own account is at home, wherever one is.
    let named = ada.request("PUT", "/v1/session/profile").json(&json!({ "name": "Ada" }));
    let renamed = service.send(named).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["tenant"]), (&json!("Ada"), &json!("globex")));

    // Now an admin of both lets a colleague in, and takes it back while they are there.
    let own = ada.goes_to("acme").await.expect(200);
    assert_eq!(own["tenant"], "acme");
    service.send(ada.request("PUT", "/v1/users/eve/tenants/globex")).await.expect(204);
    assert_eq!(service.send(ada.request("PUT", "/v1/users/mia/tenants/globex")).await.code(), "tenant_admins_only");
    let eve = Person::signs_in(&service, "eve").await;
    eve.goes_to("globex").await.expect(200);
    let mut stream = eve.request("GET", "/v1/review/events").send().await.unwrap();
    assert_eq!(stream.status().as_u16(), 200);
    let gus = Person::signs_in(&service, "gus").await;
    service.send(gus.request("DELETE", "/v1/users/eve/tenants/globex")).await.expect(204);
    assert_eq!(subjects(eve.get("/v1/cases").await), ["ann"], "the tenant that was visited shows its guests out");
    let end = async { while stream.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), end).await.expect("the stream does not outlive the visit");
    let guests = gus.get("/v1/audit?kind=session.moved").await;
    assert!(guests["items"].as_array().unwrap().len() >= 3, "{guests:#}");
    assert_eq!(service.put("/v1/session/tenant", &json!({ "tenant": "globex" })).await.code(), "session_needed");
}
