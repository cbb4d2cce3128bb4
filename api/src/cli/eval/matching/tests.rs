use super::*;

const DEFAULT: &[(&str, Sensitive)] = &[VIEWS[0]];

/// What anybody says of themselves by `attr3_1`.
fn mark(person: u32) -> u32 {
    person * 7 % 10
}

/// Evenings of so many women and men, each of whom meets each; `yes`: does the first like the second?
fn evenings(folder: &Path, evenings: u32, side: u32, yes: impl Fn(u32, u32) -> bool) {
    let mut people = "iid,wave,gender,age,attr3_1,sports,race,imprace,imprelig\n".to_owned();
    let mut dates = "wave,iid,pid,order,condtn,int_corr,samerace,match,dec\n".to_owned();
    for evening in 0..evenings {
        let person = |gender: u32, n: u32| evening * 2 * side + gender * side + n + 1;
        for (gender, n) in (0..2).flat_map(|gender| (0..side).map(move |n| (gender, n))) {
            let iid = person(gender, n);
            people += &format!("{iid},{evening},{gender},{},{},5,2,1,1\n", 20 + n, mark(iid));
        }
        for (woman, man) in (0..side).flat_map(|woman| (0..side).map(move |man| (woman, man))) {
            let (a, b) = (person(0, woman), person(1, man));
            let order = (woman + man) % side + 1;
            let both = u32::from(yes(a, b) && yes(b, a));
            for (viewer, candidate) in [(a, b), (b, a)] {
                let yes = u32::from(yes(viewer, candidate));
                dates += &format!("{evening},{viewer},{candidate},{order},1,,1,{both},{yes}\n");
            }
        }
    }
    std::fs::write(folder.join("speed_participants.csv"), people).unwrap();
    std::fs::write(folder.join("speed_dates.csv"), dates).unwrap();
}

#[test]
fn x2_what_is_there_to_learn_is_learned_on_unseen_evenings() {
    let folder = tempfile::tempdir().unwrap();
    evenings(folder.path(), 8, 4, |_, candidate| mark(candidate) >= 5);
    let report = report(folder.path(), DEFAULT).unwrap();
    assert_eq!((report.evenings, report.people, report.decisions), (8, 64, 256));
    let Line { profiles, history, .. } = &report.lines[0];
    assert!(profiles.said_yes > 0.9 && history.said_yes > 0.9 && profiles.matched > 0.9, "{report:?}");
    assert!(report.to_text().contains("said yes"));
}

#[test]
fn x2_what_no_profile_tells_is_learned_during_the_evening_and_never_before() {
    // How readily each says yes and is liked is a hash of who they are, and so is each decision about that.
    let drawn = |seed: u32| f64::from(seed.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
    let yes = |viewer: u32, candidate: u32| {
        let chance = 0.5 + 0.8 * (drawn(viewer + 7_000) - 0.5) + 0.8 * (drawn(candidate + 90_000) - 0.5);
        drawn(viewer * 1_009 + candidate * 31) < chance
    };
    let folder = tempfile::tempdir().unwrap();
    evenings(folder.path(), 4, 8, yes);
    let report = report(folder.path(), DEFAULT).unwrap();
    let Line { profiles, history, .. } = &report.lines[0];
    assert!((0.35..0.65).contains(&profiles.said_yes), "there is nothing to learn from profiles: {report:?}");
    assert!(history.said_yes > profiles.said_yes + 0.1, "{report:?}");
}

#[test]
fn x2_a_missing_folder_says_where_the_data_is_from() {
    let error = report(Path::new("no/such/folder"), DEFAULT).unwrap_err();
    assert!(error.to_string().contains("--data FOLDER"), "{error:#}");
}

/// The data may not be given on, so this runs only where somebody has it.
#[test]
#[ignore = "has no licence to come with the project: SPEED_DATING=FOLDER cargo test --release -p api -- --ignored x2_speed_dating"]
fn x2_speed_dating_figures_stay_where_they_are() {
    let folder = std::env::var_os("SPEED_DATING").expect("SPEED_DATING names the folder of speed_dates.csv.gz");
    let report = report(Path::new(&folder), DEFAULT).unwrap();
    let Line { profiles, history, .. } = &report.lines[0];
    assert!(profiles.matched > 0.62 && profiles.said_yes > 0.613, "{profiles:?}");
    assert!(history.matched > 0.735 && history.said_yes > 0.763, "{history:?}");
}
