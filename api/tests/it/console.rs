//! The review console as a browser meets it: how its files are served, and a day at the desk in Chromium (`api/console/e2e/review.mjs`).
//!
//! Without what `make console` builds, the service says how to build it, and the day at the desk fails: `make test` builds it first.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Service, form, png};

/// What the browser has for its day.
const DAY: Duration = Duration::from_secs(240);
const PASSWORD: &str = "correct horse battery staple";

/// A service with the page of its console; `None` when the console was not built, which the service has to say.
async fn built() -> Option<(Service, String)> {
    let service = Service::start().await;
    let page = service.get("/console/").await;
    let text = page.body.as_str().unwrap().to_owned();
    if page.status == 503 {
        assert!(text.contains("make console") && page.header("x-content-type-options") == "nosniff", "{text}");
        return None;
    }
    assert_eq!(page.status, 200, "{text}");
    Some((service, text))
}

/// What follows `start` up to the next quotation mark.
fn after<'a>(text: &'a str, start: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split('"').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn console_c1_the_page_allows_nothing_from_elsewhere_and_no_inline_script() {
    let Some((service, html)) = built().await else { return };
    let page = service.get("/console/cases/0198f3a0-5a41-7cc1-9a3e-5d0c2b7e9f10").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "the browser routes");
    let policy = page.header("content-security-policy");
    for part in
        ["default-src 'none'", "script-src 'self';", "img-src 'self';", "connect-src 'self';", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cache-control", "no-store")]
    {
        assert_eq!(page.header(name), value, "{name}");
    }
    let nonce = |html: &str| after(html, "name=\"csp-nonce\" content=\"").to_owned();
    let (first, second) = (nonce(&html), nonce(page.body.as_str().unwrap()));
    assert!(first.len() >= 22 && first != second, "a nonce is used once: {first} {second}");
    assert!(policy.contains(&format!("'nonce-{second}'")));
    assert!(!html.contains("<script>") && !html.contains("http://") && !html.contains("https://"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn console_c1_hashed_files_are_kept_by_browsers_and_others_asked_for_again() {
    let Some((service, html)) = built().await else { return };
    let script = after(&html, "type=\"module\" crossorigin src=\"");
    let file = service.get(script).await;
    assert_eq!((file.status, file.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
    let etag = file.header("etag").to_owned();
    let again = service.send(service.request("GET", script).header("if-none-match", &etag)).await;
    assert_eq!((again.status, &again.body), (304, &json!("")));
    let icon = service.get("/console/icon.svg").await;
    assert_eq!(
        (icon.status, icon.header("cache-control"), icon.header("content-type")),
        (200, "no-cache", "image/svg+xml")
    );
    for gone in ["/console/assets/index-0000.js", "/console/assets/..%2f..%2fCargo.toml"] {
        assert_eq!(service.get(gone).await.code(), "route_not_found", "{gone}");
    }
    let bare = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let moved = bare.get(format!("{}/console", service.base)).send().await.unwrap();
    assert_eq!((moved.status().as_u16(), moved.headers()["location"].to_str().unwrap()), (308, "/console/"));
}

/// Accounts, messages and a picture that violate, a report: what somebody finds in the morning.
async fn fill(service: &Service) {
    for (login, role) in [("ada", "admin"), ("lea", "lead"), ("mia", "reviewer"), ("tom", "reviewer")] {
        service.post("/v1/users", &json!({ "login": login, "password": PASSWORD, "role": role })).await.expect(201);
    }
    let kept = service.get("/v1/review/settings").await.expect(200);
    let mut settings: Value = kept["settings"].clone();
    settings["case_actions"] = json!(["review", "remove", "warn", "ban"]);
    let body = json!({ "version": kept["version"], "settings": settings });
    service.put("/v1/review/settings", &body).await.expect(200);
    for number in 0..16 {
        let text = format!("you fake:threat=0.9{} fool, number {number}", number % 10);
        let message = json!({ "text": text, "actor": format!("person-{number}"), "conversation": "lobby" });
        service.post("/v1/check", &message).await.expect(200);
    }
    // Red 3 is the label «porn» of the fake model, green its score: a picture of one dark red.
    let (media_type, body) = form(&[("image", &png(3, 250)), ("actor", b"painter")]);
    service.post_bytes("/v1/check", &media_type, body).await.expect(200);
    for text in ["good evening", "you fake:threat=0.99 fool", "good evening, friends"] {
        let message = json!({ "text": text, "actor": "editor", "conversation": "lobby", "message": "m-1" });
        service.post("/v1/check", &message).await.expect(200);
    }
    let desk = service.services.pipeline.desk();
    let ada = desk.account("ada").await.unwrap().unwrap().user;
    desk.let_in(&ada, &"globex".into(), true, "command line").await.unwrap();
    let report = json!({ "reporter": "bob", "subject": "person-3", "reason": "harassment", "note": "every day" });
    service.post("/v1/reports", &report).await.expect(201);
}

/// The first of these programs that is installed.
fn program(names: &[&str]) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = names.iter().flat_map(|name| std::env::split_paths(&paths).map(move |folder| folder.join(name)));
    let message = || format!("none of {names:?} is installed: install Chromium and Node.js");
    found.into_iter().find(|path| path.is_file()).unwrap_or_else(|| panic!("{}", message()))
}

#[tokio::test(flavor = "multi_thread")]
async fn console_c1_c2_c3_c4_c5_c7_a_day_at_the_desk_in_a_browser() {
    let (service, _) = built().await.expect("the console is built: run `make console`, then build again");
    fill(&service).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
    assert!(folder.join("node_modules/playwright-core").is_dir(), "run `make console`");
    let mut browser = Command::new(program(&["node"]));
    browser
        .arg("e2e/review.mjs")
        .current_dir(folder)
        .env("CONSOLE_URL", &service.base)
        .env("PASSWORD", PASSWORD)
        .env("FRAME", STANDARD.encode(png(3, 250)))
        .env("CHROMIUM", program(&["chromium", "chromium-browser", "google-chrome"]))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(DAY, browser.output()).await.expect("the day ends in time").unwrap();
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{wrong}");
}
