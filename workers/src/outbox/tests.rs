//! The outbox against a receiver that speaks just enough HTTP.

use std::sync::Mutex;

use pipeline::{
    item::{CallId, TenantId},
    store::Event,
    stream::call::Call,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::fixtures::empty_store;

const SECRET: &str = "a secret of the test";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

#[test]
fn i3_what_becomes_of_a_delivery() {
    let again = |seconds| Step::Again(now() + TimeDelta::seconds(seconds));
    for (tries, answer, expected) in [
        (0, Answer::Status(200), Step::Done),
        (0, Answer::Status(204), Step::Done),
        (11, Answer::Status(299), Step::Done),
        (0, Answer::Status(500), again(1)),
        (1, Answer::Status(500), again(2)),
        (4, Answer::TimedOut, again(16)),
        (10, Answer::Unreachable, again(1024)),
        (11, Answer::Status(503), Step::Dead),
        (u32::MAX, Answer::Broken, Step::Dead),
        (0, Answer::Status(302), again(1)),
        (0, Answer::Status(404), again(1)),
        (0, Answer::Status(199), again(1)),
    ] {
        assert_eq!(next_step(tries, answer, now(), 1.0), expected, "{answer:?} after {tries} tries");
    }
}

#[test]
fn headers_carry_any_key() {
    for (key, value) in [("0190-ab", "0190-ab"), ("call é 1", "call+%C3%A9+1"), ("a\r\nb", "a%0D%0Ab"), ("", "")] {
        assert_eq!(header(key).to_str().unwrap(), value);
    }
}

fn due(id: i64, webhook: &str) -> DueDelivery {
    DueDelivery { id, webhook: webhook.into(), attempts: 0, event: event("item.judged", &format!("key-{id}")) }
}

fn event(kind: &str, key: &str) -> Event {
    let data = serde_json::json!({ "answer": 42 });
    Event { sequence: 0, kind: kind.into(), tenant: TenantId::from("t"), key: key.into(), at: now(), data }
}

/// Hands out all that can go now.
fn start_all(board: &mut Board, at: DateTime<Utc>) -> Vec<String> {
    std::iter::from_fn(|| board.start(at)).map(|delivery| delivery.webhook).collect()
}

#[tokio::test]
async fn i3_a_slow_webhook_does_not_hide_the_others() {
    let mut board = Board::default();
    let slow = (0..MAX_WAITING as i64 - 3).map(|id| due(id, "slow"));
    let quick = (1_000_000..1_000_003).map(|id| due(id, "quick"));
    let rows: Vec<DueDelivery> = slow.chain(quick).collect();
    for chunk in rows.chunks(WINDOW) {
        assert!(board.room() > 0);
        board.add(chunk.to_vec(), now() + LEASE);
    }
    assert_eq!(board.room(), 0);
    let started = start_all(&mut board, now());
    assert_eq!(started.iter().filter(|name| *name == "slow").count(), PER_WEBHOOK);
    assert_eq!(started.iter().filter(|name| *name == "quick").count(), 3);

    let mut tasks = JoinSet::new();
    board.started(tasks.spawn(async {}).id(), "slow".into());
    board.ended(tasks.join_next_with_id().await.unwrap());
    assert_eq!(start_all(&mut board, now()), ["slow"]);
    board.started(tasks.spawn(async { panic!("a defect") }).id(), "slow".into());
    board.ended(tasks.join_next_with_id().await.unwrap());
    assert_eq!(start_all(&mut board, now()), ["slow"], "a panic gives its place back");
}

#[test]
fn i3_a_row_that_is_not_ours_long_enough_is_let_go() {
    let mut board = Board::default();
    board.add(vec![due(1, "hook")], now() + LEASE);
    board.add(vec![due(2, "hook")], now() + LEASE * 2);
    let late = now() + LEASE - NEEDED + TimeDelta::seconds(1);
    assert_eq!(board.start(late).map(|delivery| delivery.id), Some(2));
    assert_eq!(board.room(), WINDOW);
}

/// One request as the receiver saw it.
#[derive(Debug, Clone)]
struct Seen {
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

/// Answers the n-th request with the n-th of `answers`, the last one for ever.
async fn receiver(answers: Vec<&'static str>) -> (url::Url, Arc<Mutex<Vec<Seen>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let (head, body) = loop {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap();
                bytes.extend_from_slice(&buffer[..read]);
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if bytes.len() == end + 4 + length.parse::<usize>().unwrap() {
                    break (head, bytes[end + 4..].to_vec());
                }
            };
            let answer = {
                let mut log = log.lock().unwrap();
                log.push(Seen { head, body });
                answers[(log.len() - 1).min(answers.len() - 1)]
            };
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, seen)
}

struct Running {
    store: Arc<dyn Store>,
    clock: Clock,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    told: Arc<AtomicU64>,
}

/// An outbox with one webhook called `hook` that wants `events`.
async fn start(url: url::Url, events: Vec<String>) -> Running {
    let (store, clock, stop) = (empty_store().await, Clock::fixed(now()), CancellationToken::new());
    let hook = WebhookConfig { name: "hook".into(), url, secret: SECRET.into(), events, tenant: None };
    let told = Arc::new(AtomicU64::new(0));
    let outbox = Outbox {
        store: store.clone(),
        webhooks: HashMap::from([("hook".to_owned(), hook)]),
        client: client().unwrap(),
        clock: clock.clone(),
        jitter: Jitter::from_fn(|| 1.0),
        told: told.clone(),
    };
    let task = tokio::spawn(outbox.run(stop.clone()));
    Running { store, clock, stop, task, told }
}

impl Running {
    /// Commits one event for the webhooks called `names`.
    async fn commit(&self, event: Event, names: &[&str]) {
        let call = Call { id: CallId::from("c"), started_at: now(), ended_at: None, participants: vec![] };
        let webhooks = names.iter().map(|name| (0, (*name).to_owned())).collect();
        let (tenant, seen) = (TenantId::from("t"), self.store.load_call(&TenantId::from("t"), &call.id).await.unwrap());
        self.store.put_call(&tenant, &call, seen.as_ref(), vec![event], webhooks).await.unwrap();
    }

    /// Rows that are not settled, whenever they are due.
    async fn open(&self) -> Vec<DueDelivery> {
        self.store.open_deliveries(100).await.unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// Waits until `check` holds, at most ten seconds.
async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let wait = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn i3_an_event_is_told_signed_and_keyed() {
    let (url, seen) = receiver(vec!["200 OK"]).await;
    let running = start(url, vec![]).await;
    running.commit(event("moderation.action", "action-1"), &["hook"]).await;
    until("the row is settled", || async { running.open().await.is_empty() }).await;
    let request = seen.lock().unwrap()[0].clone();
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(request.header(EVENT_ID_HEADER), "action-1");
    assert_eq!(request.header(EVENT_KIND_HEADER), "moderation.action");
    assert_eq!(request.header(SIGNATURE_HEADER), sign(SECRET, now().timestamp(), &request.body));
    let told: Event = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((told.key.as_str(), &told.data), ("action-1", &serde_json::json!({ "answer": 42 })));
    assert_eq!(running.told.load(Ordering::Relaxed), 1);
    running.stop().await;
}

#[tokio::test]
async fn i3_a_failed_delivery_is_repeated_later_with_the_same_key() {
    let (url, seen) = receiver(vec!["500 Internal Server Error", "200 OK"]).await;
    let running = start(url, vec![]).await;
    running.commit(event("item.judged", "item-1"), &["hook"]).await;
    until("the failure is written", || async { running.open().await.first().is_some_and(|row| row.attempts == 1) })
        .await;
    running.clock.advance(TimeDelta::milliseconds(900));
    tokio::time::sleep(IDLE + Duration::from_millis(200)).await;
    assert_eq!(seen.lock().unwrap().len(), 1, "told again before its time");
    running.clock.advance(TimeDelta::milliseconds(200));
    until("the row is settled", || async { running.open().await.is_empty() }).await;
    let keys: Vec<String> = seen.lock().unwrap().iter().map(|seen| seen.header(EVENT_ID_HEADER).to_owned()).collect();
    assert_eq!(keys, ["item-1", "item-1"]);
    running.stop().await;
}

#[tokio::test]
async fn i3_redirects_are_not_followed() {
    let (elsewhere, stolen) = receiver(vec!["200 OK"]).await;
    let answer: &'static str = Box::leak(format!("302 Found\r\nlocation: {elsewhere}").into_boxed_str());
    let (url, seen) = receiver(vec![answer]).await;
    let running = start(url, vec![]).await;
    running.commit(event("item.judged", "item-1"), &["hook"]).await;
    until("the failure is written", || async { running.open().await.first().is_some_and(|row| row.attempts == 1) })
        .await;
    assert_eq!((seen.lock().unwrap().len(), stolen.lock().unwrap().len()), (1, 0));
    running.stop().await;
}

#[tokio::test]
async fn i3_the_last_try_is_followed_by_none() {
    let (url, seen) = receiver(vec!["500 Internal Server Error"]).await;
    let running = start(url, vec![]).await;
    running.commit(event("item.judged", "item-1"), &["hook"]).await;
    until("the row is given up", || async {
        running.clock.advance(TimeDelta::hours(2));
        // An event for nobody wakes the outbox: no waiting for its timer.
        running.commit(event("item.judged", "item-2"), &[]).await;
        running.open().await.is_empty()
    })
    .await;
    assert_eq!(seen.lock().unwrap().len(), MAX_TRIES as usize);
    assert_eq!(running.told.load(Ordering::Relaxed), 0);
    running.stop().await;
}

#[tokio::test]
async fn i3_unwanted_kinds_and_unknown_webhooks_are_settled_untold() {
    let (url, seen) = receiver(vec!["200 OK"]).await;
    let running = start(url, vec!["moderation.action".into()]).await;
    running.commit(event("item.judged", "item-1"), &["hook", "gone"]).await;
    running.commit(event("moderation.action", "action-1"), &["hook"]).await;
    until("all rows are settled", || async { running.open().await.is_empty() }).await;
    assert_eq!(seen.lock().unwrap().len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn i3_stop_finishes_what_is_on_its_way() {
    let (url, seen) = receiver(vec!["200 OK"]).await;
    let running = start(url, vec![]).await;
    running.commit(event("item.judged", "item-1"), &["hook"]).await;
    until("the request is there", || async { !seen.lock().unwrap().is_empty() }).await;
    let store = running.store.clone();
    running.stop().await;
    assert!(store.open_deliveries(100).await.unwrap().is_empty());
}
