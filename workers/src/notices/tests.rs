//! Lanes, settling, and what is decided.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use pipeline::{item::ActorId, notice::Fact};

use super::*;
use crate::fixtures::{Bus, NoticeSettled};

fn notice(actor: &str, second: i64) -> Notice {
    Notice {
        id: format!("{actor}-{second}"),
        tenant: "t".into(),
        at: chrono::DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap(),
        fact: Fact::UserConnected(ActorId::from(actor)),
    }
}

#[test]
fn i1_what_becomes_of_a_notice() {
    let unavailable = PipelineError::Unavailable { part: "store", message: String::new() };
    let internal = PipelineError::Internal { part: "store", message: String::new() };
    let conflict = PipelineError::Conflict { code: "call_ended", message: String::new() };
    let missing = PipelineError::NotFound { what: "call", id: String::new() };
    for (applied, step) in [
        (Ok(Applied::Done), Step::Ack),
        (Ok(Applied::Ignored), Step::Ack),
        (Err(unavailable), Step::Again),
        (Err(internal), Step::Again),
        (Err(PipelineError::Full { what: "store", retry_after_s: 1 }), Step::Again),
        (Err(PipelineError::invalid("notice_time", "")), Step::Reject("notice_time")),
        (Err(conflict), Step::Reject("call_ended")),
        (Err(missing), Step::Reject("not_found")),
    ] {
        assert_eq!(next_step(&applied), step, "{applied:?}");
    }
}

#[tokio::test]
async fn i1_notices_of_one_person_keep_their_order_and_others_do_not_wait_for_them() {
    let (queue, send, settled) = Bus::with_notices();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let most = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let apply = {
        let (seen, most) = (seen.clone(), most.clone());
        move |notice: Notice| {
            let (seen, most) = (seen.clone(), most.clone());
            async move {
                most.1.fetch_max(most.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await;
                most.0.fetch_sub(1, Ordering::SeqCst);
                seen.lock().unwrap().push(notice.id);
                Ok(Applied::Done)
            }
        }
    };
    for second in 0..5 {
        for actor in 0..20 {
            send.send(Ok(notice(&format!("actor{actor}"), second))).await.unwrap();
        }
    }
    drop(send);
    run(queue, apply, CancellationToken::new()).await;
    let seen = seen.lock().unwrap();
    for actor in 0..20 {
        let own: Vec<_> = seen.iter().filter(|id| id.starts_with(&format!("actor{actor}-"))).cloned().collect();
        assert_eq!(own, (0..5).map(|second| format!("actor{actor}-{second}")).collect::<Vec<_>>());
    }
    assert!((2..=LANES).contains(&most.1.load(Ordering::SeqCst)), "{most:?}");
    assert!(settled.lock().unwrap().iter().all(|settled| *settled == NoticeSettled::Ack));
}

#[tokio::test]
async fn i1_a_bad_notice_costs_only_itself() {
    let (queue, send, settled) = Bus::with_notices();
    let apply = |notice: Notice| {
        assert!(!notice.id.starts_with("poison"), "a defect");
        async move {
            match notice.id.starts_with("down") {
                true => Err(PipelineError::Unavailable { part: "store", message: String::new() }),
                false => Ok(Applied::Done),
            }
        }
    };
    let unreadable = || Err(PipelineError::invalid("notice_invalid", "no JSON"));
    for told in [Ok(notice("poison", 1)), unreadable(), Ok(notice("down", 1)), Ok(notice("ann", 1))] {
        send.send(told).await.unwrap();
    }
    drop(send);
    run(queue, apply, CancellationToken::new()).await;
    let mut settled = settled.lock().unwrap().clone();
    settled.sort();
    assert_eq!(
        settled,
        [
            NoticeSettled::Ack,
            NoticeSettled::Again(AGAIN),
            NoticeSettled::Reject("notice_invalid".into()),
            NoticeSettled::Reject("panicked".into()),
        ]
    );
}
