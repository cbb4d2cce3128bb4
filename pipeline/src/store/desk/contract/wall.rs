//! What holds for people in calls.

use super::*;
use crate::{
    item::CallId,
    record::{Inverse, taken_back},
};

/// Something done to `actor` by hand, in a call or everywhere, `second` seconds after noon.
fn done(actor: &str, call: Option<&str>, kind: ActionKind, second: i64, seconds: Option<i64>) -> Action {
    let mut subject = envelope("a", ItemKind::Frame);
    (subject.actor, subject.call) = (Some(actor.into()), call.map(CallId::from));
    let at = noon() + TimeDelta::seconds(second);
    Action {
        id: ActionId::new(),
        kind,
        subject,
        rule: "by_hand".into(),
        reason: "A moderator stepped in.".into(),
        confidence: 1.0,
        policy: "p@1".into(),
        violations: 0,
        decided_at: at,
        expires_at: seconds.map(|seconds| at + TimeDelta::seconds(seconds)),
        strikes: 0,
        instead_of: None,
        cause: None,
    }
}

pub(crate) async fn c4_what_holds_in_a_call_is_known_whoever_did_it(store: &Shared) {
    let (desk, clock) = desk(store);
    let muted = done("ann", Some("c"), ActionKind::Mute, 1, None);
    for action in [
        muted.clone(),
        done("ann", Some("c"), ActionKind::Blur, 2, Some(60)),
        done("ann", Some("other"), ActionKind::Disconnect, 3, None),
        done("bob", None, ActionKind::Ban, 4, None),
        done("bob", None, ActionKind::Warn, 5, None),
        done("cid", Some("c"), ActionKind::Mute, -60, None),
        done("eve", Some("c"), ActionKind::Mute, 6, None),
    ] {
        desk.act_by_hand(&lead(), action, None, Terms::default()).await.unwrap();
    }
    let people = ["ann", "bob", "cid"].map(ActorId::from);
    let now = async |desk: &Desk| {
        let found = desk.in_force(&tenant(), &"c".into(), noon(), &people).await.unwrap();
        let of = |(actor, actions): (ActorId, Vec<_>)| {
            let kinds: Vec<String> =
                actions.into_iter().map(|entry: crate::enforcement::entry::ActionEntry| entry.kind).collect();
            (actor.0, kinds)
        };
        found.into_iter().map(of).collect::<Vec<_>>()
    };
    let kinds = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>();
    let expected = [("ann".into(), kinds(&["blur", "mute"])), ("bob".into(), kinds(&["ban"]))];
    assert_eq!(now(&desk).await, expected, "newest first; of this call, or everywhere; not of before it");
    clock.advance(TimeDelta::seconds(90));
    assert_eq!(now(&desk).await[0].1, kinds(&["mute"]), "the blur has ended by itself");

    let known = store.load_action(&tenant(), muted.id).await.unwrap().unwrap();
    let how = Inverse {
        id: ActionId::new(),
        kind: "unmute",
        by: "lea",
        reason: "A mistake.",
        expired: false,
        at: clock.now(),
    };
    store.reverse_action(taken_back(&known.entry, &how), false, Default::default()).await.unwrap();
    assert_eq!(now(&desk).await, [("bob".into(), kinds(&["ban"]))]);
    assert!(desk.in_force(&"b".into(), &"c".into(), noon(), &people).await.unwrap().is_empty());
    assert!(desk.in_force(&tenant(), &"c".into(), noon(), &[]).await.unwrap().is_empty());
}
