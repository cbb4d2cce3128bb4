//! Starts the service on a free port, with fake models and its own folder, and talks to it.

use std::{path::Path, time::Duration};

use api::{
    app::{self, Stopping},
    auth::{mint, signature},
    config::Config,
    role::Role,
    serve,
    services::Services,
};
use pipeline::{clock::Clock, store::ApiKey};
use reqwest::{Client, Method, RequestBuilder, Response, header::HeaderMap};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// The longest that a test waits for one thing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running service.
pub(crate) struct Service {
    /// `http://127.0.0.1:<port>`.
    pub(crate) base: String,
    /// What it runs on.
    pub(crate) services: Services,
    client: Client,
    key: Option<String>,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    folder: TempDir,
}

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// All headers.
    pub(crate) headers: HeaderMap,
    /// The JSON body; a string when it is none.
    pub(crate) body: Value,
}

impl Answer {
    /// The error's code; empty when it is no error.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// One header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, if the status is as expected.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }
}

/// Configuration of a service in `folder`.
pub(crate) fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.server.drain_seconds = 5;
    config.store.url = format!("sqlite:{}", folder.join("chaperone.db").display());
    config.index.url = format!("edge:{}", folder.join("index").display());
    // The fake models tell colours apart that nobody sees: reuse has tests of its own.
    config.pipeline.frame_reuse_bits = 0;
    config.models.repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/repository");
    config.models.load = ["embed-minilm", "nsfw-mobilenet", "nsfw-inception", "toxicity", "spam"]
        .map(|name| format!("fake:{name}"))
        .to_vec();
    // Stand-ins need no cascade; these two keep what a text is asked short.
    config.pipeline.text_models = ["toxicity", "spam"].map(String::from).to_vec();
    config
}

/// Texts have the eleven scores of the default model, pictures none.
pub(crate) fn texts_by_one_model(config: &mut Config) {
    config.models.load = ["embed-minilm", "toxicity-minilm"].map(|name| format!("fake:{name}")).to_vec();
    config.pipeline.text_models = vec!["toxicity-minilm".to_owned()];
    config.pipeline.picture_models = Vec::new();
}

/// A key and its entry in `[auth]`.
pub(crate) fn key(name: &str, tenant: &str, scopes: &[api::config::Scope]) -> (String, api::config::KeyConfig) {
    use sha2::{Digest, Sha256};
    let key = format!("key-of-{name}");
    let sha256 = hex::encode(Sha256::digest(key.as_bytes()));
    let entry = api::config::KeyConfig {
        name: name.into(),
        sha256,
        tenant: tenant.into(),
        scopes: scopes.to_vec(),
        require_signature: false,
        limits: api::config::KeyLimits::new(),
    };
    (key, entry)
}

/// A key of the store, as its maker holds it.
#[derive(Debug, Clone)]
pub(crate) struct StoreKey {
    /// For `Authorization`.
    pub(crate) key: String,
    /// Of the row.
    pub(crate) id: String,
    /// For signatures, when [`SIGNING_MASTER`] is configured.
    pub(crate) signing_secret: String,
}

/// `auth.signing_secret` of tests that sign.
pub(crate) const SIGNING_MASTER: &str = "what the signing secrets of the tests are derived from";

impl Service {
    /// Makes a key in the store, with `change` to its row, and has the service take it in.
    pub(crate) async fn make_key(
        &self,
        name: &str,
        tenant: &str,
        scopes: &[api::config::Scope],
        change: impl FnOnce(&mut ApiKey),
    ) -> StoreKey {
        let wanted = mint::Wanted {
            name: name.into(),
            tenant: tenant.into(),
            scopes: scopes.to_vec(),
            expires_at: None,
            require_signature: false,
            limits: api::config::KeyLimits::new(),
        };
        let now = self.services.clock.now();
        let mut made = mint::mint(wanted, uuid::Uuid::now_v7(), &mint::random().unwrap(), now).unwrap();
        change(&mut made.row);
        self.services.store.put_key(&made.row).await.unwrap();
        self.services.keys.refresh().await.unwrap();
        let id = made.row.id.to_string();
        let signing_secret = signature::secret_of(SIGNING_MASTER, &id);
        StoreKey { key: made.secret, id, signing_secret }
    }

    /// Everything: HTTP, consumers, outbox, duties.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// [`Service::start`] with another configuration.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, change).await
    }

    /// [`Service::start_with`] in a folder that a service may have used before.
    pub(crate) async fn start_in(folder: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(folder.path());
        change(&mut config);
        let services = Services::connect(config, Clock::system(), Role::Serve).await.unwrap();
        let listener = TcpListener::bind(services.config.server.listen).await.unwrap();
        let (base, stop) = (base(&listener), CancellationToken::new());
        let (base, client) = match &services.config.server.tls.certificate {
            None => (base, Client::new()),
            Some(file) => (base.replace("http://127.0.0.1", "https://localhost"), trusting(file)),
        };
        let task = tokio::spawn(serve::run(services.clone(), listener, stop.clone().cancelled_owned()));
        Self::ready(base, client, services, stop, task, folder).await
    }

    /// HTTP alone: nobody takes from the queue. `swap` may put broken parts in.
    pub(crate) async fn face_only(change: impl FnOnce(&mut Config), swap: impl FnOnce(&mut Services)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let mut services = Services::connect(config, Clock::system(), Role::Serve).await.unwrap();
        swap(&mut services);
        let listener = TcpListener::bind(services.config.server.listen).await.unwrap();
        let (base, stop) = (base(&listener), CancellationToken::new());
        let router = app::router(services.clone(), Stopping::new(stop.clone())).unwrap();
        let task = tokio::spawn(async move { Ok(axum::serve(listener, router).await?) });
        Self { base, services, client: Client::new(), key: None, stop, task, folder }
    }

    async fn ready(
        base: String,
        client: Client,
        services: Services,
        stop: CancellationToken,
        task: JoinHandle<anyhow::Result<()>>,
        folder: TempDir,
    ) -> Self {
        let service = Self { base, services, client, key: None, stop, task, folder };
        // The listener is open before the service runs: the first request waits for it instead of failing.
        let ready = service.get("/health/ready").await;
        assert_eq!(ready.status, 200, "{:#}", ready.body);
        service
    }

    /// Sends this key from now on.
    #[must_use]
    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// A request to be completed, with the key if there is one.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        let request = self.client.request(method, format!("{}{path}", self.base)).timeout(PATIENCE);
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Reads the answer to its end.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status, headers, body }
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path)).await
    }

    /// POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("POST", path).json(body)).await
    }

    /// PUT of JSON.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("PUT", path).json(body)).await
    }

    /// POST of bytes.
    pub(crate) async fn post_bytes(&self, path: &str, media_type: &str, bytes: impl Into<reqwest::Body>) -> Answer {
        self.send(self.request("POST", path).header("content-type", media_type).body(bytes)).await
    }

    /// Opens the event stream; `query` is `after=0&kinds=…`.
    pub(crate) async fn events(&self, query: &str) -> Events {
        let response = self.request("GET", &format!("/v1/events?{query}")).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        Events::of(response)
    }

    /// Waits until the item is judged, and shows it.
    pub(crate) async fn judged(&self, id: &str) -> Value {
        let mut events = self.events("after=0&kinds=item.judged").await;
        while events.next().await.data["key"] != id {}
        self.get(&format!("/v1/items/{id}")).await.expect(200)
    }

    /// The service still works: ready, and a plain text passes.
    pub(crate) async fn assert_healthy(&self) {
        let ready = self.get("/health/ready").await;
        assert_eq!(ready.status, 200, "{:#}", ready.body);
        let checked = self.post("/v1/check", &serde_json::json!({ "text": "a plain text" })).await.expect(200);
        assert_eq!(checked["action"], "allow", "{checked:#}");
    }

    /// Stops it in good order; the folder stays for the next one.
    pub(crate) async fn shut_down(self) -> TempDir {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the service stops in time").unwrap().unwrap();
        self.folder
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Tells handlers that the service stops, without stopping it.
    pub(crate) fn announce_stop(&self) {
        self.stop.cancel();
    }
}

/// A client that trusts this certificate and no other.
pub(crate) fn trusting(certificate: &Path) -> Client {
    let pem = std::fs::read(certificate).unwrap();
    let certificate = reqwest::Certificate::from_pem(&pem).unwrap();
    Client::builder().tls_certs_only([certificate]).pool_max_idle_per_host(0).build().unwrap()
}

fn base(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}

/// A server-sent event.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Sequence.
    pub(crate) id: i64,
    /// Kind.
    pub(crate) event: String,
    /// Body.
    pub(crate) data: Value,
}

/// An open event stream.
pub(crate) struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    /// Reads the body of `response` as it comes.
    pub(crate) fn of(response: Response) -> Self {
        Self { response, buffer: String::new() }
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Sent {
        self.try_next().await.expect("the stream goes on")
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn try_next(&mut self) -> Option<Sent> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse(&block) {
                    return Some(event);
                }
                continue;
            }
            let chunk =
                tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("an event in time").ok()??;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// `None` for a comment.
fn parse(block: &str) -> Option<Sent> {
    let field =
        |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(ToOwned::to_owned);
    Some(Sent {
        id: field("id")?.parse().unwrap(),
        event: field("event")?,
        data: serde_json::from_str(&field("data")?).unwrap(),
    })
}

/// A PNG of one colour. The fake picture model gives its label number `r % 5` (drawing, hentai, neutral, porn, sexy) the score `g / 255`.
pub(crate) fn png(r: u8, g: u8) -> Vec<u8> {
    picture(r, g, 32, 32, image::ImageFormat::Png)
}

/// A picture of one colour.
pub(crate) fn picture(r: u8, g: u8, width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb([r, g, 0])).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A form with these parts; answers its media type and its body.
pub(crate) fn form(parts: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, content) in parts {
        let file = if *name == "image" { "; filename=\"photo.jpg\"\r\nContent-Type: image/jpeg" } else { "" };
        body.extend_from_slice(
            format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    ("multipart/form-data; boundary=edge".to_owned(), body)
}
