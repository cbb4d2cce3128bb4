use super::*;
use crate::store::contract::{envelope, noon, text};

fn parcel(item: Item) -> Parcel {
    Parcel { item, attempts: 0, lost: 0, trace: None }
}

fn picture(kind: ItemKind, bytes: &'static [u8]) -> Item {
    let mut envelope = envelope("a", kind);
    envelope.call = Some("call".into());
    Item { envelope, content: Content::Picture(Bytes::from_static(bytes)) }
}

fn opened(letter: Letter) -> Vec<Parcel> {
    let opened = open(letter.body, &letter.properties, noon());
    opened.parcels.into_iter().map(Result::unwrap).collect()
}

#[test]
fn items_survive_being_written_and_read() {
    let mut odd = text("a", "ünï \"quoted\" \n ✓");
    odd.envelope.reference = Some("msg-1".into());
    odd.envelope.message = Some("msg-1".into());
    let items = [
        odd,
        picture(ItemKind::Frame, b"\xFF\xD8\xFF"),
        picture(ItemKind::Image, b"\x89PNG"),
        picture(ItemKind::Image, b"RIFF0000WEBP"),
        picture(ItemKind::Image, b"nothing known"),
    ];
    for item in items {
        let trace = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
        let parcel = Parcel { item, attempts: 3, lost: 1, trace };
        assert_eq!(opened(write_one(&parcel)), [parcel]);
    }
}

#[test]
fn texts_share_messages_and_everything_else_is_alone() {
    let texts: Vec<Parcel> = (0..600).map(|n| parcel(text("a", &format!("message {n}")))).collect();
    let sizes = |parcels: &[Parcel]| write(parcels).iter().map(|(_, range)| range.len()).collect::<Vec<_>>();
    assert_eq!(sizes(&texts), [256, 256, 88]);
    let back: Vec<Parcel> = write(&texts).into_iter().flat_map(|(letter, _)| opened(letter)).collect();
    assert_eq!(back, texts, "in order");

    let mut mixed = texts[..3].to_vec();
    mixed.insert(1, parcel(picture(ItemKind::Image, b"x")));
    assert_eq!(sizes(&mixed), [1, 1, 2]);
    let mut tried = texts[..4].to_vec();
    tried[2].attempts = 1;
    assert_eq!(sizes(&tried), [2, 1, 1], "what was tried differently often");
    tried[3].attempts = 1;
    assert_eq!(sizes(&tried), [2, 2]);
    tried[3].lost = 1;
    assert_eq!(sizes(&tried), [2, 1, 1], "what was lost differently often");
    let long = "x".repeat(100_000);
    let long: Vec<Parcel> = (0..5).map(|_| parcel(text("a", &long))).collect();
    assert_eq!(sizes(&long), [2, 2, 1], "batches stay small");
    assert!(write(&[]).is_empty());
}

fn json_message(body: &str) -> Opened {
    open(body.as_bytes().to_vec(), &properties("application/json; charset=utf-8", FieldTable::default()), noon())
}

#[test]
fn a_bad_item_in_a_batch_costs_only_itself() {
    let id = ItemId::new();
    let good = format!(r#"{{"id":"{id}","tenant":"a","text":"hi","unknown":[1]}}"#);
    let bad = r#"{"id":"x","tenant":"a","text":"hi"}"#;
    for body in [format!("[{good},{bad}]"), format!(r#" {{"items":[{good}, {bad} ]}}"#)] {
        let opened = json_message(&body);
        assert!(opened.batch);
        let first = opened.parcels[0].as_ref().unwrap();
        assert_eq!((first.item.envelope.id, &first.item.content), (id, &Content::Text("hi".into())));
        assert_eq!(first.item.envelope.received_at, noon(), "received now");
        assert_eq!(opened.parcels[1], Err(Malformed { code: "id_malformed", body: bad.into() }));
    }
}

#[test]
fn what_is_no_item_has_a_reason() {
    let id = ItemId::new();
    let many = format!("[{}]", vec!["1"; 257].join(","));
    for (code, body) in [
        ("body_not_json", ""),
        ("body_not_json", "hello"),
        ("body_not_json", "[1,2"),
        ("body_not_json", "{\"items\":5}"),
        ("batch_empty", "[]"),
        ("batch_too_large", many.as_str()),
        ("item_malformed", "{}"),
        ("item_malformed", "[7]"),
        ("item_malformed", r#"{"tenant":"a"}"#),
        ("id_missing", r#"{"tenant":"a","text":"x"}"#),
        ("id_malformed", r#"{"tenant":"a","text":"x","id":"7"}"#),
        ("kind_unknown", r#"{"tenant":"a","text":"x","kind":"image"}"#),
        ("item_malformed", r#"{"tenant":"a","text":"x","occurred_at":"yesterday"}"#),
    ] {
        let code_of = |parcel: &Result<Parcel, Malformed>| parcel.as_ref().err().map(|bad| bad.code);
        assert_eq!(json_message(body).parcels.iter().map(code_of).collect::<Vec<_>>(), [Some(code)], "{body}");
    }
    let with = |content_type: &'static str, headers: &[(&str, &str)], message_id: Option<String>| {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            headers::put(&mut table, name, value);
        }
        let mut properties = properties(content_type, table);
        if let Some(id) = message_id {
            properties = properties.with_message_id(ShortString::from(id));
        }
        open(b"\xFF\xD8".to_vec(), &properties, noon()).parcels.remove(0).map_err(|bad| bad.code)
    };
    let id = Some(id.to_string());
    assert_eq!(with("text/plain", &[], id.clone()), Err("content_type_unknown"));
    assert_eq!(with("", &[], id.clone()), Err("content_type_unknown"));
    assert_eq!(with("image/jpeg", &[], id.clone()), Err("tenant_missing"));
    assert_eq!(with("image/jpeg", &[("tenant", "a")], None), Err("id_missing"));
    assert_eq!(with("image/jpeg", &[("tenant", "a")], Some("7".into())), Err("id_malformed"));
    assert_eq!(with("image/jpeg", &[("tenant", "a"), ("kind", "text")], id.clone()), Err("kind_unknown"));
    assert_eq!(with("image/jpeg", &[("tenant", "a"), ("occurred_at", "noon")], id.clone()), Err("time_malformed"));
    let kind = |headers: &[(&str, &str)]| with("image/jpeg", headers, id.clone()).unwrap().item.envelope.kind;
    assert_eq!(kind(&[("tenant", "a")]), ItemKind::Image);
    assert_eq!(kind(&[("tenant", "a"), ("call", "c")]), ItemKind::Frame);
}

#[test]
fn times_from_the_future_are_clamped_and_other_forms_are_read() {
    use lapin::types::AMQPValue;
    let at = noon() - chrono::TimeDelta::seconds(90);
    let forms = [
        AMQPValue::LongString(at.to_rfc3339().into()),
        AMQPValue::LongLongInt(at.timestamp_millis()),
        AMQPValue::Timestamp(u64::try_from(at.timestamp()).unwrap()),
    ];
    for form in forms {
        let mut table = FieldTable::default();
        table.insert("occurred_at".into(), form);
        headers::put(&mut table, "tenant", "a");
        let properties = properties("image/png", table).with_message_id(ItemId::new().to_string().into());
        let opened = open(vec![1], &properties, noon()).parcels.remove(0).unwrap();
        assert_eq!(opened.item.envelope.occurred_at.timestamp(), at.timestamp());
    }
    let id = ItemId::new();
    let body = format!(r#"{{"id":"{id}","tenant":"a","text":"x","occurred_at":"2999-01-01T00:00:00Z"}}"#);
    assert_eq!(json_message(&body).parcels[0].as_ref().unwrap().item.envelope.occurred_at, noon());
}

#[test]
fn f5_frames_go_to_the_partition_of_their_participant() {
    let frame = picture(ItemKind::Frame, b"x");
    let expected = format!("live.{}", names::partition("a", "call", "ann", 16));
    assert_eq!(key(&frame, Lane::Live, 16), expected);
    assert_eq!(key(&frame, Lane::Bulk, 16), "bulk");
    assert_eq!(key(&text("a", "x"), Lane::Live, 16), "live");
    assert_eq!(key(&text("a", "x"), Lane::Interactive, 16), "interactive");
}
