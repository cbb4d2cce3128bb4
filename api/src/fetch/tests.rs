//! The guard on real sockets: servers on this machine, reached by names that a made-up resolver knows.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body, http::StatusCode, response::IntoResponse, routing::get};
use tokio::net::TcpListener;

use super::*;
use crate::config::compat::FetchAllowance;

/// Stands for a public address.
const OUTSIDE: [u8; 4] = [127, 0, 0, 2];
/// Stands for an address that must not be reached.
const INSIDE: [u8; 4] = [127, 0, 0, 1];

fn rule(address: IpAddr) -> bool {
    address == IpAddr::from(OUTSIDE)
}

/// A server on `host` with a picture, and all the ways to be led astray; counts its requests.
async fn serve(host: [u8; 4], inside: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(SocketAddr::from((host, 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let to = |target: String| async move { (StatusCode::FOUND, [(header::LOCATION, target)]).into_response() };
    let png = async || ([(header::CONTENT_TYPE, "image/png")], "picture").into_response();
    let endless = async || {
        let pieces = futures::stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[0; 64])));
        ([(header::CONTENT_TYPE, "image/png")], Body::from_stream(pieces)).into_response()
    };
    let silent = async || std::future::pending::<axum::response::Response>().await;
    let count = asked.clone();
    let app = Router::new()
        .route("/ok.png", get(png))
        .route("/endless.png", get(endless))
        .route("/silent.png", get(silent))
        .route("/page", get(async || ([(header::CONTENT_TYPE, "text/html")], "<p>")))
        .route("/missing.png", get(async || StatusCode::NOT_FOUND))
        .route("/near", get(move || to("/ok.png".into())))
        .route("/loop", get(move || to("/loop".into())))
        .route("/inside", get(move || to(format!("http://inside.example:{}/ok.png", inside.port()))))
        .route("/literal", get(move || to(format!("http://127.0.0.1:{}/ok.png", inside.port()))))
        .route("/file", get(move || to("file:///etc/passwd".into())))
        .route("/elsewhere", get(move || to("http://elsewhere.example/ok.png".into())))
        .layer(axum::middleware::from_fn(move |request: axum::extract::Request, next: axum::middleware::Next| {
            count.fetch_add(1, Ordering::Relaxed);
            next.run(request)
        }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, asked)
}

struct Stage {
    fetcher: Fetcher,
    outside: SocketAddr,
    inside: SocketAddr,
    /// Requests that reached what must not be reached.
    trespasses: Arc<AtomicUsize>,
}

async fn stage() -> Stage {
    let (inside, trespasses) = serve(INSIDE, ([127, 0, 0, 1], 9).into()).await;
    let (outside, _) = serve(OUTSIDE, inside).await;
    let hosts = ["img.example", "inside.example", "both.example", "127.0.0.1", "[::ffff:7f00:1]"];
    let hosts = hosts.iter().flat_map(|host| [outside, inside].map(|address| format!("{host}:{}", address.port())));
    let config = ImageFetchConfig {
        timeout_ms: 2_000,
        max_bytes: 1_000,
        max_redirects: 2,
        concurrent: 4,
        allow: vec![FetchAllowance { tenant: "a".into(), hosts: hosts.collect() }],
    };
    let lookup: Lookup = Arc::new(|name| {
        let addresses: Vec<[u8; 4]> = match name.as_str() {
            "img.example" => vec![OUTSIDE],
            "both.example" => vec![INSIDE, OUTSIDE],
            _ => vec![INSIDE],
        };
        Box::pin(async move { Ok(addresses.into_iter().map(|address| SocketAddr::from((address, 0))).collect()) })
    });
    Stage { fetcher: Fetcher::with(&config, rule, lookup).unwrap(), outside, inside, trespasses }
}

impl Stage {
    async fn fetch(&self, url: &str) -> Result<Bytes, Refused> {
        self.fetcher.follow(&"a".into(), url.parse().unwrap()).await
    }
}

#[tokio::test]
async fn i5_a_picture_is_fetched_from_a_public_address() {
    let stage = stage().await;
    let port = stage.outside.port();
    for url in [format!("http://img.example:{port}/ok.png"), format!("http://img.example:{port}/near")] {
        assert_eq!(stage.fetch(&url).await.unwrap(), "picture", "{url}");
    }
    // Of a name's addresses only the public one is connected to.
    assert_eq!(stage.fetch(&format!("http://both.example:{port}/ok.png")).await.unwrap(), "picture");
}

#[tokio::test]
async fn i5_no_way_leads_inside() {
    let stage = stage().await;
    let (outside, inside) = (stage.outside.port(), stage.inside.port());
    for (url, refused) in [
        (format!("http://inside.example:{inside}/ok.png"), Refused::NotPublic),
        (format!("http://127.0.0.1:{inside}/ok.png"), Refused::NotPublic),
        (format!("http://0x7f000001:{inside}/ok.png"), Refused::NotPublic),
        (format!("http://[::ffff:127.0.0.1]:{inside}/ok.png"), Refused::NotPublic),
        (format!("http://img.example:{outside}/inside"), Refused::NotPublic),
        (format!("http://img.example:{outside}/literal"), Refused::NotPublic),
        (format!("http://img.example:{outside}/file"), Refused::Scheme),
        (format!("http://img.example:{outside}/elsewhere"), Refused::NotAllowed),
        (format!("http://user:word@img.example:{outside}/ok.png"), Refused::Credentials),
        ("ftp://img.example/ok.png".to_owned(), Refused::Scheme),
        ("http://elsewhere.example/ok.png".to_owned(), Refused::NotAllowed),
    ] {
        assert_eq!(stage.fetch(&url).await.unwrap_err(), refused, "{url}");
    }
    assert_eq!(stage.trespasses.load(Ordering::Relaxed), 0, "a request reached the inside");
}

#[tokio::test]
async fn i5_size_time_type_and_redirects_have_their_caps() {
    let stage = stage().await;
    let port = stage.outside.port();
    for (path, refused) in [
        ("endless.png", Refused::TooLarge),
        ("page", Refused::Type),
        ("missing.png", Refused::Status(404)),
        ("loop", Refused::Redirects),
    ] {
        assert_eq!(stage.fetch(&format!("http://img.example:{port}/{path}")).await.unwrap_err(), refused, "{path}");
    }
    let late = stage.fetcher.fetch(&"a".into(), &format!("http://img.example:{port}/silent.png")).await.unwrap_err();
    assert_eq!(late.code(), "image_fetch_failed");
}

#[tokio::test]
async fn i5_nothing_is_fetched_for_a_tenant_without_a_list() {
    let stage = stage().await;
    let url = format!("http://img.example:{}/ok.png", stage.outside.port());
    assert_eq!(stage.fetcher.fetch(&"b".into(), &url).await.unwrap_err().code(), "image_url_not_fetched");
    let off = Fetcher::new(&ImageFetchConfig::default()).unwrap();
    assert_eq!(off.fetch(&"a".into(), &url).await.unwrap_err().code(), "image_url_not_fetched");
    assert_eq!(off.fetch(&"a".into(), "no address").await.unwrap_err().code(), "image_url_malformed");
}
