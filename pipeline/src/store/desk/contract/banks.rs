//! Banks of known pictures, and copies.

use super::*;
use crate::{
    bank::{Bank, Holds, SeenPicture},
    pdq::Pdq,
    store::OutcomeRecord,
};

fn bank(name: &str) -> Bank {
    Bank {
        name: name.into(),
        note: "a \\ note".into(),
        holds: Holds::Bad,
        distance: 31,
        share: 1.0,
        disabled_until: None,
    }
}

fn hash(first: u8) -> Pdq {
    format!("{first:02x}{}", "0".repeat(62)).parse().unwrap()
}

/// A picture of `actor`, judged `second` seconds after noon.
fn picture(actor: &str, first: u8, second: i64) -> OutcomeRecord {
    let mut envelope = envelope("a", ItemKind::Image);
    envelope.actor = Some(actor.into());
    let seen = SeenPicture { envelope: envelope.clone(), hash: hash(first), at: noon() + TimeDelta::seconds(second) };
    OutcomeRecord { picture: Some(Box::new(seen)), ..record(envelope, ActionKind::Allow) }
}

pub(crate) async fn m4_banks_are_kept_and_every_change_raises_their_version(store: &Shared) {
    let (desk, clock) = desk(store);
    assert_eq!(desk.bank_version(&tenant()).await.unwrap(), 0);
    assert_eq!(code(desk.add_to_bank(&lead(), "removed", vec![(hash(1), String::new())], None).await), "not_found");
    assert!(desk.put_bank(&lead(), bank("removed")).await.unwrap());
    assert!(!desk.put_bank(&lead(), Bank { distance: 20, ..bank("removed") }).await.unwrap(), "changed");
    assert_eq!(code(desk.put_bank(&lead(), bank("Removed!")).await), "bank_invalid");
    let case = CaseId::new();
    let added = desk.add_to_bank(&lead(), "removed", vec![(hash(1), "\\ \0".into())], Some(case)).await.unwrap();
    assert_eq!((added.added, added.known), (1, 0));
    clock.advance(TimeDelta::seconds(1));
    let many: Vec<(Pdq, String)> = (1..=250_u8).chain([9, 9]).map(|first| (hash(first), "of a list".into())).collect();
    let added = desk.add_to_bank(&lead(), "removed", many, None).await.unwrap();
    assert_eq!((added.added, added.known), (249, 1), "what is twice in a list is there once");
    let set = desk.bank_set(&tenant()).await.unwrap();
    assert_eq!(set.version(), desk.bank_version(&tenant()).await.unwrap());
    assert!(!set.is_empty() && desk.bank_set(&"b".into()).await.unwrap().is_empty());

    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = desk.bank_entries(&tenant(), "removed", cursor, 100).await.unwrap();
        seen.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let hashes: BTreeSet<Pdq> = seen.iter().map(|entry| entry.hash).collect();
    assert_eq!((seen.len(), hashes.len()), (250, 250), "no gap, no repeat");
    let oldest = seen.last().unwrap();
    assert_eq!((oldest.note.as_str(), oldest.case, oldest.by.as_str()), ("\\ \0", Some(case), "lea"));
    assert_eq!(code(desk.bank_entries(&tenant(), "removed", Some("x".into()), 9).await), "cursor_invalid");

    let before = desk.bank_version(&tenant()).await.unwrap();
    desk.remove_from_bank(&lead(), "removed", hash(1)).await.unwrap();
    assert_eq!(code(desk.remove_from_bank(&lead(), "removed", hash(1)).await), "not_found");
    assert!(desk.bank_version(&tenant()).await.unwrap() > before);
    let banks = desk.banks(&tenant()).await.unwrap();
    assert_eq!((banks.len(), banks[0].entries, banks[0].bank.distance), (1, 249, 20));
    desk.remove_bank(&lead(), "removed").await.unwrap();
    assert_eq!(code(desk.remove_bank(&lead(), "removed").await), "not_found");
    assert!(desk.banks(&tenant()).await.unwrap().is_empty() && desk.bank_set(&tenant()).await.unwrap().is_empty());
    assert_eq!(desk.verify_audit(&tenant()).await.unwrap().broken, None);
}

pub(crate) async fn c7_copies_of_a_cases_pictures_are_found_and_go_with_their_person(store: &Shared) {
    let (desk, clock) = desk(store);
    let shown = picture("ann", 0, 0);
    let (envelope, item) = (shown.outcome.envelope.clone(), shown.outcome.envelope.id);
    store.record_outcome(shown).await.unwrap();
    for (actor, first, second) in [("bob", 0b111, 5), ("cid", 0, 9), ("dan", 0xff, 7)] {
        store.record_outcome(picture(actor, first, second)).await.unwrap();
    }
    let mut far = picture("eve", 0, 8);
    far.picture.as_mut().unwrap().hash = "f".repeat(64).parse().unwrap();
    store.record_outcome(far).await.unwrap();
    let Exhibit::Item(mut exhibit) = exhibit("ann", "", None) else { unreachable!() };
    exhibit.envelope = envelope;
    let case = desk.open_case(CaseDraft { exhibits: vec![Exhibit::Item(exhibit)], ..find("ann") }).await.unwrap().0.id;

    let found = desk.copies(&tenant(), case).await.unwrap();
    let rows: Vec<(&str, u32)> =
        found.copies.iter().map(|copy| (copy.actor.as_deref().unwrap_or_default(), copy.distance)).collect();
    assert_eq!(rows, [("cid", 0), ("dan", 8), ("bob", 3)], "newest first, and not itself");
    assert_eq!((found.pictures, found.searched, found.complete), (1, 5, true));
    assert!(found.copies.iter().all(|copy| copy.of == item));
    // A report that names a picture is enough.
    let reported = Report { item: Some(item), ..super::people::report("eve", "fay", "ncii") };
    desk.take_report(&reported).await.unwrap();
    let other = desk.cases_of(&tenant(), "fay", 9).await.unwrap()[0].id;
    assert_eq!(desk.copies(&tenant(), other).await.unwrap().copies.len(), 3);
    assert_eq!(code(desk.copies(&"b".into(), case).await), "not_found");

    let admin = staff("ada", Role::Admin);
    assert_eq!(desk.erase_person(&admin, "cid").await.unwrap().rows["picture_hashes"], 1);
    assert_eq!(desk.copies(&tenant(), case).await.unwrap().copies.len(), 2);
    desk.hold(&admin, "dan", Some("file 7")).await.unwrap();
    clock.advance(TimeDelta::days(31));
    assert_eq!(desk.expire_hashes().await.unwrap(), 3, "those of ann, bob and eve");
    assert_eq!(desk.copies(&tenant(), case).await.unwrap().pictures, 0);
}

pub(crate) async fn c7_a_removal_takes_the_copies_down_and_undoing_brings_them_back(store: &Shared) {
    let (desk, _) = desk(store);
    let id = desk.open_case(find("ann")).await.unwrap().0.id;
    take(&desk, &mia(), id).await;
    let copies = ["bob", "cid"].map(|actor| picture(actor, 0, 1).outcome.envelope).to_vec();
    let removal = DecisionDraft { action: Some(ActionKind::Remove), seconds: None, copies: true, ..draft(Ruling::Act) };
    let following = Following { copies, strikes: 1, ..Following::default() };
    let decided = desk.decide(&mia(), id, removal, following).await.unwrap().decision;
    assert_eq!(decided.actions.len(), 3, "the case's own item, and two copies");
    let of = async |actor: &str| {
        let later = noon() + TimeDelta::hours(1);
        store.actions_of(&tenant(), &ActorId::from(actor), later, 9).await.unwrap()
    };
    for (actor, strikes) in [("ann", 1), ("bob", 0), ("cid", 0)] {
        let actions = of(actor).await;
        assert_eq!((actions[0].entry.kind.as_str(), actions[0].entry.strikes), ("remove", strikes), "{actor}");
    }
    desk.take_back(&mia(), decided.id).await.unwrap();
    assert!(of("bob").await.iter().any(|known| known.fate.reversed_by.is_some()));
}
