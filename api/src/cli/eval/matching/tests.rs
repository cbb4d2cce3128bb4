use super::*;

const DEFAULT: &[(&str, Sensitive)] = &[VIEWS[0]];

/// Evenings of four women and four men: everybody's mark `attr3_1` is how much they are liked.
fn evenings(folder: &Path, evenings: u32) {
    let mut people = "iid,wave,gender,age,attr3_1,sports,race,imprace,imprelig\n".to_owned();
    let mut dates = "wave,iid,pid,order,condtn,int_corr,samerace,match,dec\n".to_owned();
    let mark = |person: u32| person * 7 % 10;
    for evening in 0..evenings {
        let person = |gender: u32, n: u32| evening * 8 + gender * 4 + n + 1;
        for (gender, n) in (0..2).flat_map(|gender| (0..4).map(move |n| (gender, n))) {
            let iid = person(gender, n);
            people += &format!("{iid},{evening},{gender},{},{},5,2,1,1\n", 20 + n, mark(iid));
        }
        for (woman, man) in (0..4).flat_map(|woman| (0..4).map(move |man| (woman, man))) {
            let (a, b) = (person(0, woman), person(1, man));
            let order = (woman + man) % 4 + 1;
            let yes = |liked: u32| u32::from(mark(liked) >= 5);
            let both = yes(a) * yes(b);
            for (viewer, candidate) in [(a, b), (b, a)] {
                dates += &format!("{evening},{viewer},{candidate},{order},1,,1,{both},{}\n", yes(candidate));
            }
        }
    }
    std::fs::write(folder.join("speed_participants.csv"), people).unwrap();
    std::fs::write(folder.join("speed_dates.csv"), dates).unwrap();
}

#[test]
fn x2_what_is_there_to_learn_is_learned_on_unseen_evenings() {
    let folder = tempfile::tempdir().unwrap();
    evenings(folder.path(), 8);
    let report = report(folder.path(), DEFAULT).unwrap();
    assert_eq!((report.evenings, report.people, report.decisions), (8, 64, 256));
    let Line { profiles, history, .. } = &report.lines[0];
    assert!(profiles.said_yes > 0.9 && history.said_yes > 0.9 && profiles.matched > 0.9, "{report:?}");
    assert!(report.to_text().contains("said yes"));
}

#[test]
fn x2_a_missing_folder_says_where_the_data_is_from() {
    let error = report(Path::new("no/such/folder"), DEFAULT).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error:#}");
}

/// The data may not be given on, so this runs where it lies: `SPEED_DATING`, or beside the checkout.
#[test]
fn x2_speed_dating_figures_stay_where_they_are() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/matching");
    let folder = std::env::var_os("SPEED_DATING").map_or(beside, PathBuf::from);
    if !folder.join("speed_dates.csv.gz").exists() {
        return;
    }
    let report = report(&folder, DEFAULT).unwrap();
    let Line { profiles, history, .. } = &report.lines[0];
    assert!(profiles.matched > 0.595 && profiles.said_yes > 0.607, "{profiles:?}");
    assert!(history.matched > 0.72 && history.said_yes > 0.755, "{history:?}");
}
