//! The files in git are what the manifest says, and a damaged file is a typed error that names the line.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use datasets::{DataError, Manifest, labelled, load};

fn manifest() -> Manifest {
    Manifest::open(env!("CARGO_MANIFEST_DIR")).unwrap()
}

fn written(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn every_file_has_its_digest_licence_and_source() {
    let manifest = manifest();
    assert!(manifest.sets().len() >= 10);
    for set in manifest.sets() {
        manifest.verify(&set.name).unwrap();
        assert!(!set.licence.is_empty() && !set.source.is_empty() && !set.columns.is_empty(), "{}", set.name);
    }
}

#[test]
fn every_data_file_is_in_the_manifest() {
    let manifest = manifest();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("data")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(manifest.sets().iter().any(|set| set.path.ends_with(&name)), "data/{name} is not in manifest.toml");
    }
}

#[test]
fn loaders_read_every_row_of_their_sets() {
    let manifest = manifest();
    let rows = |name: &str| manifest.set(name).unwrap().rows;
    let path = |name: &str| manifest.path(name).unwrap();
    for name in ["jigsaw_train", "jigsaw_dev", "jigsaw_test"] {
        assert_eq!(load::toxicity(&path(name)).unwrap().len(), rows(name), "{name}");
    }
    for name in ["sms_public", "youtube_public", "smishing_public"] {
        assert_eq!(load::spam(&path(name)).unwrap().len(), rows(name), "{name}");
    }
    for name in ["surge_public", "evasion_public"] {
        assert_eq!(load::marked(&path(name)).unwrap().len(), rows(name), "{name}");
    }
    assert_eq!(load::similarity(&path("stsb_dev_open")).unwrap().len(), rows("stsb_dev_open"));
    for name in labelled::SETS.into_iter().chain(["edos_train", "hatemoji_build_train", "smishing_public"]) {
        assert_eq!(labelled::read(name, &path(name)).unwrap().len(), rows(name), "{name}");
    }
    for name in ["toxic_spans_train", "toxic_spans_trial"] {
        assert_eq!(load::toxic_spans(&path(name)).unwrap().len(), rows(name), "{name}");
    }
}

#[test]
fn known_counts_hold() {
    let manifest = manifest();
    let test = load::toxicity(&manifest.path("jigsaw_test").unwrap()).unwrap();
    assert_eq!(test.iter().filter(|row| row.natural).count(), 10_000);
    assert_eq!(test.iter().filter(|row| row.labels[0]).count(), 1_255);
    let smishing = load::spam(&manifest.path("smishing_public").unwrap()).unwrap();
    assert_eq!(smishing.iter().filter(|row| row.spam).count(), 157 + 58);
}

#[test]
fn slices_cover_the_sets_that_have_them() {
    let manifest = manifest();
    for (name, least) in [("functional_heldout", 24), ("identity_templates_public", 49), ("evasion_public", 5)] {
        let rows = labelled::read(name, &manifest.path(name).unwrap()).unwrap();
        let slices: BTreeSet<&str> =
            rows.iter().map(|row| row.slice.as_str()).filter(|slice| !slice.is_empty()).collect();
        assert!(slices.len() >= least, "{name}: {slices:?}");
    }
    let suite = labelled::read("functional_heldout", &manifest.path("functional_heldout").unwrap()).unwrap();
    let hateful = suite.iter().filter(|row| row.marks == [("hate", true)]).count();
    assert!(hateful > 300 && suite.len() - hateful > 300, "{hateful} of {}", suite.len());
}

#[test]
fn a_damaged_row_is_an_error_with_its_line() {
    let header = "id,comment_text,toxic,severe_toxic,obscene,threat,insult,identity_hate,sample\n";
    for (name, rows, line) in [
        ("mark", "1,ok,0,0,0,0,0,0,natural\n2,\"two\nlines\",0,0,0,0,0,0,natural\n3,bad,2,0,0,0,0,0,natural\n", 5),
        ("short", "1,ok,0,0,0,0,0,0,natural\n2,bad,0\n", 3),
        ("word", "1,bad,yes,0,0,0,0,0,natural\n", 2),
    ] {
        let path = written(&format!("damaged-{name}.csv"), format!("{header}{rows}").as_bytes());
        match load::toxicity(&path) {
            Err(DataError::Row { line: found, message, .. }) => {
                assert_eq!(found, line, "{name}: {message}");
                assert!(!message.contains("bad"), "{name}: the message shows content: {message}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_damaged_file_is_an_error() {
    let not_utf8 = written("not-utf8.csv", b"toxic,text\n1,\xff\xfe\n");
    assert!(matches!(load::marked(&not_utf8), Err(DataError::Row { line: 2, .. })));
    let whole = std::fs::read(manifest().path("surge_public").unwrap()).unwrap();
    let cut = written("cut.csv.gz", &whole[..whole.len() / 2]);
    assert!(matches!(load::marked(&cut), Err(DataError::Row { .. })));
    let column = written("column.csv", b"poison,text\n1,a\n");
    assert!(matches!(load::marked(&column), Err(DataError::Row { line: 2, .. })));
    let empty = written("empty.csv", b"toxic,text\n");
    assert!(matches!(load::marked(&empty), Err(DataError::Empty { .. })));
    assert!(matches!(load::marked(Path::new("no/such.csv")), Err(DataError::Missing { .. })));
    let spans = written("spans.csv", b"spans,text\n0:9,short\n");
    assert!(matches!(load::toxic_spans(&spans), Err(DataError::Row { line: 2, .. })));
}

#[test]
fn an_unknown_set_lists_the_known_ones() {
    let error = manifest().verify("jigsaw").unwrap_err();
    assert!(error.to_string().contains("jigsaw_test"), "{error}");
}
