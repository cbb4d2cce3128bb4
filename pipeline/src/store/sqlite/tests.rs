//! The contract on a file and in memory, and what only a file can show: restart and `kill -9`.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use models::Lane;
use sqlx::{ConnectOptions, Connection, Row};
use tempfile::TempDir;

use super::SqliteStore;
use crate::{
    action::ActionKind,
    error::PipelineError,
    item::{ItemId, ItemKind},
    store::{
        Recorded, Store, connect,
        contract::{LEASE, change, claim, envelope, noon, record, text},
    },
    stream::call::ParticipantState,
};

fn url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("deep/er/store.db").display())
}

async fn file() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (connect(&url(&folder)).await.unwrap(), folder)
}

async fn memory() -> (Arc<dyn Store>, ()) {
    (connect("sqlite::memory:").await.unwrap(), ())
}

mod on_file {
    crate::store::desk::contract::desk_contract!(super::file);
    crate::store::contract::store_contract!(super::file);
    crate::store::contract::store_contract!(super::file; i5_feedback_is_kept_and_erased_by_tenant, i5_old_feedback_expires);
    crate::store::contract::matching_contract!(super::file);
}

mod in_memory {
    crate::store::desk::contract::desk_contract!(super::memory);
    crate::store::contract::store_contract!(super::memory);
    crate::store::contract::store_contract!(super::memory; i5_feedback_is_kept_and_erased_by_tenant, i5_old_feedback_expires);
    crate::store::contract::matching_contract!(super::memory);
}

#[tokio::test]
async fn i7_everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (judged, waiting) = (record(envelope("a", ItemKind::Text), ActionKind::Warn), text("a", "waits"));
    {
        let store = SqliteStore::open(&url(&folder)).await.unwrap();
        store.record_outcome(judged.clone()).await.unwrap();
        store.journal_append(vec![(waiting.clone(), Lane::Live)]).await.unwrap();
    }
    let store = SqliteStore::open(&url(&folder)).await.unwrap();
    assert!(store.is_judged(judged.outcome.envelope.id).await.unwrap());
    assert_eq!(store.journal_load(waiting.envelope.id).await.unwrap(), Some(waiting));
    assert_eq!(*store.event_signal().borrow(), 1);
}

#[tokio::test]
async fn i7_what_was_claimed_is_due_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Warn);
    judged.webhooks = ["x", "y", "z"].map(|hook| (0, hook.to_owned())).into();
    {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&url(&folder)).await.unwrap());
        store.record_outcome(judged).await.unwrap();
        let due = claim(&store, noon(), 9).await;
        store.delivery_done(due[0].id, noon()).await.unwrap();
        store.delivery_failed(due[1].id, Some(noon() + LEASE * 9), "500").await.unwrap();
    }
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&url(&folder)).await.unwrap());
    let due: Vec<_> = claim(&store, noon(), 9).await.into_iter().map(|due| due.webhook).collect();
    assert_eq!(due, ["z"], "what was settled, or put off, stays so");
}

/// A database as the first version left it.
#[tokio::test]
async fn i7_a_database_of_the_first_version_opens_with_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    std::fs::create_dir(&first).unwrap();
    let sql = include_str!("../../../migrations/sqlite/0001_initial.sql");
    std::fs::write(first.join("0001_initial.sql"), sql).unwrap();
    let file = folder.path().join("store.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::migrate::Migrator::new(first.as_path())
        .await
        .unwrap()
        .run_direct(None, &mut connection, false)
        .await
        .unwrap();
    let (judged, dead) = (record(envelope("a", ItemKind::Frame), ActionKind::Warn), text("a", "poison"));
    let (id, outcome) = (judged.outcome.envelope.id, serde_json::to_string(&judged.outcome).unwrap());
    let event = serde_json::to_string(&judged.events[0].data).unwrap();
    let state = serde_json::to_string(&ParticipantState { frames: 3, ..Default::default() }).unwrap();
    let nanos = noon().timestamp_nanos_opt().unwrap();
    let rows = [
        sqlx::query("INSERT INTO items VALUES (?1, 'a', 'frame', 'warn', ?2, ?3)").bind(id.0).bind(nanos).bind(outcome),
        sqlx::query("INSERT INTO participants VALUES ('a', 'c', 'ann', ?, ?)").bind(nanos).bind(state),
        sqlx::query("INSERT INTO events VALUES (41, 'a', 'item.judged', 'k', ?, ?)").bind(nanos).bind(event),
        sqlx::query("INSERT INTO deliveries (event, webhook, created_at, due_at) VALUES (41, 'hook', ?1, ?1)")
            .bind(nanos),
        sqlx::query("INSERT INTO journal VALUES (1, ?, 'a', 2, 4, 6, 'broken', ?, 'poison', NULL)")
            .bind(dead.envelope.id.0)
            .bind(serde_json::to_string(&dead.envelope).unwrap()),
    ];
    for row in rows {
        row.execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();

    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&format!("sqlite:{}", file.display())).await.unwrap());
    assert!(store.is_judged(id).await.unwrap());
    let (state, version) = store.load_participant(&"a".into(), &"c".into(), &"ann".into()).await.unwrap().unwrap();
    assert_eq!((state.frames, version), (3, 1));
    let letters = store.journal_dead(9).await.unwrap();
    assert_eq!((letters[0].id, letters[0].at, letters[0].attempts), (dead.envelope.id, noon(), 4));
    assert_eq!(store.journal_revive(vec![dead.envelope.id]).await.unwrap().len(), 1);
    assert_eq!(claim(&store, noon(), 9).await[0].event.sequence, 41);
    let mut next = record(envelope("a", ItemKind::Frame), ActionKind::Warn);
    next.participant = Some(change("c", 4, 1));
    assert_eq!(store.record_outcome(next).await.unwrap(), Recorded::New);
    assert_eq!(store.last_sequence().await.unwrap(), 42);
}

#[tokio::test]
async fn p1_audit_has_one_row_for_each_outcome_that_acts() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&url(&folder)).await.unwrap();
    for action in [ActionKind::Allow, ActionKind::Warn, ActionKind::Ban] {
        let judged = record(envelope("a", ItemKind::Text), action);
        store.record_outcome(judged.clone()).await.unwrap();
        store.record_outcome(judged).await.unwrap();
    }
    let sql = "SELECT actor, kind, number FROM audit_entries ORDER BY number";
    let rows = sqlx::query(sql).fetch_all(store.readers.as_ref().unwrap()).await.unwrap();
    let rows: Vec<(String, String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let expected = |kind: &str, number| ("policy".to_owned(), kind.to_owned(), number);
    assert_eq!(rows, [expected("item.warn", 1), expected("item.ban", 2)]);
}

#[tokio::test]
async fn a_newer_database_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&url(&folder)).await.unwrap();
    store
        .writer
        .write("test", |scope| {
            Box::pin(async move {
                let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                           VALUES (99990101000000, 'later', 1, x'00', 0)";
                sqlx::query(sql).execute(&mut scope.connection).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let error = SqliteStore::open(&url(&folder)).await.err().expect("refused");
    assert!(matches!(&error, PipelineError::Conflict { code: "store_newer", .. }), "{error:?}");
}

#[tokio::test]
async fn wrong_urls_and_places_are_typed_errors() {
    let wrong = connect("mysql://x").await.err().expect("refused");
    assert!(matches!(wrong, PipelineError::Invalid { code: "store_url", .. }));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "no database ".repeat(400)).unwrap();
    for path in ["file/store.db", "file"] {
        let url = format!("sqlite:{}", folder.path().join(path).display());
        let error = connect(&url).await.err().expect("refused");
        assert!(matches!(error, PipelineError::Unavailable { .. }), "{path}: {error:?}");
    }
}

/// Not a test: the process that [`i7_acknowledged_writes_survive_kill_9`] kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by i7_acknowledged_writes_survive_kill_9"]
async fn child_writes_until_it_is_killed() {
    let Ok(url) = std::env::var("CHAPERONE_TEST_STORE") else { return };
    let store = connect(&url).await.unwrap();
    let writers = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            loop {
                let (judged, item) = (record(envelope("a", ItemKind::Text), ActionKind::Warn), text("a", "waits"));
                let ids = (judged.outcome.envelope.id, item.envelope.id);
                store.record_outcome(judged).await.unwrap();
                println!("judged {}", ids.0);
                store.journal_append(vec![(item, Lane::Bulk)]).await.unwrap();
                println!("waits {}", ids.1);
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap();
}

#[tokio::test]
async fn i7_acknowledged_writes_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::sqlite::tests::child_writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env("CHAPERONE_TEST_STORE", url(&folder))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    while acknowledged.len() < 400 {
        acknowledged.push(lines.next().expect("the child writes").unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The last line may be cut in the middle: it counts only when it reads back.
    acknowledged.extend(lines.map_while(Result::ok));
    let store = SqliteStore::open(&url(&folder)).await.unwrap();
    let mut counted = 0;
    for line in &acknowledged {
        match line.split_once(' ').and_then(|(kind, id)| Some((kind, id.parse::<ItemId>().ok()?))) {
            Some(("judged", id)) => assert!(store.is_judged(id).await.unwrap(), "{line}"),
            Some(("waits", id)) => assert!(store.journal_load(id).await.unwrap().is_some(), "{line}"),
            _ => continue,
        }
        counted += 1;
    }
    assert!(counted >= 390, "{counted}");
    // Events and outcomes were committed together.
    let outcomes = store.last_sequence().await.unwrap();
    assert_eq!(store.events_after(None, 0, 1_000_000).await.unwrap().len() as i64, outcomes);
}

/// Measurement, not a check: `cargo nextest run --release -p pipeline --run-ignored all writes_per_second --no-capture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measurement"]
async fn writes_per_second() {
    for callers in [1, 64] {
        let (store, _folder) = file().await;
        let each = if callers == 1 { 500 } else { 200 };
        let started = Instant::now();
        let writers = (0..callers).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                for _ in 0..each {
                    let one = Instant::now();
                    store.record_outcome(record(envelope("a", ItemKind::Text), ActionKind::Warn)).await.unwrap();
                    slowest = slowest.max(one.elapsed());
                }
                slowest
            })
        });
        let slowest = futures::future::try_join_all(writers).await.unwrap().into_iter().max().unwrap();
        let rate = f64::from(callers * each) / started.elapsed().as_secs_f64();
        println!("{callers} callers: {rate:.0} outcomes/s, slowest {slowest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_fifty_thousand_cases_answer_in_time_from_a_file() {
    let (store, _folder) = file().await;
    crate::store::desk::measure::c1_fifty_thousand_cases_answer_in_time("sqlite", &store).await;
}

/// Compiled without it (see `.cargo/config.toml`), every statement with a bound limit would be parsed anew whenever it runs.
#[tokio::test]
async fn i6_a_statement_is_planned_once() {
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().connect().await.unwrap();
    let planned_once: bool =
        sqlx::query_scalar("SELECT sqlite_compileoption_used('ENABLE_QPSG')").fetch_one(&mut connection).await.unwrap();
    assert!(planned_once);
}
