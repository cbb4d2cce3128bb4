use proptest::prelude::*;

use super::*;

/// The original characters behind the first occurrence of `needle` in the folded text.
fn behind(original: &str, needle: &str) -> String {
    behind_in(&Normalised::new(original), original, needle)
}

fn behind_in(folded: &Normalised, original: &str, needle: &str) -> String {
    let start = folded.text().find(needle).unwrap();
    let range = folded.original(start..start + needle.len());
    original.chars().skip(range.start).take(range.len()).collect()
}

#[test]
fn t6_characters_are_folded() {
    let table = [
        ("plain", "Hello you!", "Hello you!"),
        ("zero-width", "i\u{200b}d\u{200d}i\u{feff}ot", "idiot"),
        ("shown in reverse", "you \u{202e}toidi\u{202c}!", "you idiot!"),
        ("shown in reverse to the end of the line", "\u{202e}toidi\nhello", "idiot\nhello"),
        ("other bidirectional controls", "\u{202a}idiot\u{202c}\u{2066}!\u{2069}", "idiot!"),
        ("soft hyphen", "idi\u{ad}ot", "idiot"),
        ("full-width", "ｉｄｉｏｔ！", "idiot!"),
        ("mathematical", "𝐢𝐝𝐢𝐨𝐭 𝕚𝕕𝕚𝕠𝕥 𝓲𝓭𝓲𝓸𝓽", "idiot idiot idiot"),
        ("circled and squared", "ⓘⓓⓘⓞⓣ 🄸🄳🄸🄾🅃 🅸🅳🅸🅾🆃", "idiot IDIOT idiot"),
        ("small capitals", "ɪᴅɪᴏᴛ", "idiot"),
        ("ligature", "ﬁne", "fine"),
        ("composed", "cafe\u{301}", "café"),
        ("hidden between base and mark", "e\u{200b}\u{301}", "é"),
        ("stacked marks", "i\u{300}\u{301}\u{302}\u{303}d\u{311}\u{312}\u{313}iot", "idiot"),
        ("struck through", "i\u{336}d\u{336}i\u{336}o\u{336}t\u{336}", "idiot"),
        ("Cyrillic among Latin", "уоu аre аn іdіоt", "you are an idiot"),
        ("Greek among Latin", "yοu idiοt", "you idiot"),
        ("a whole word of look-alikes", "you are so ѕехy", "you are so sexy"),
        ("case stays", "ＩＤＩＯＴ", "IDIOT"),
        ("other scripts stay", "Привет, мир", "Привет, мир"),
        ("a foreign word stays", "the word мир means peace", "the word мир means peace"),
        ("look-alikes in their own text stay", "он сор и мы", "он сор и мы"),
        ("a Latin prefix stays", "VIPовский вход", "VIPовский вход"),
        ("letters of Latin orthographies stay", "ışık, əl, straße, ørn", "ışık, əl, straße, ørn"),
        ("marks of other scripts stay", "नमस्ते دُنيا", "नमस्ते دُنيا"),
        ("Hangul stays", "안녕하세요", "안녕하세요"),
        ("emoji stay", "👍🏽 👩‍👧 🇬🇧", "👍🏽 👩👧 🇬🇧"),
    ];
    for (name, original, expected) in table {
        assert_eq!(Normalised::new(original).text(), expected, "{name}");
    }
}

#[test]
fn t1_spans_lead_back_to_the_text_as_written() {
    assert_eq!(behind("you idiot!", "idiot"), "idiot");
    assert_eq!(behind("ä you i\u{200b}diot!", "idiot"), "i\u{200b}diot");
    assert_eq!(behind("ä ｉｄｉｏｔ", "idiot"), "ｉｄｉｏｔ");
    assert_eq!(behind("ﬁne", "i"), "ﬁ", "half of a ligature is the whole ligature");
    assert_eq!(behind("cafe\u{301} x", "é"), "e\u{301}");
    assert_eq!(behind("a \u{202e}toidi\u{202c} b", "idiot"), "\u{202e}toidi");
    assert_eq!(behind("ä plain b", "plain"), "plain");
}

#[test]
fn t6_spans_of_disguised_words_lead_back_to_the_disguise() {
    for (original, needle, expected) in [
        ("you 1d10t!", "idiot", "1d10t"),
        ("so y o u i d i o t there", "idiot", "i d i o t"),
        ("so y o u i d i o t there", "you", "y o u"),
        ("😀 you i\u{200b}.d.i.o.t", "idiot", "i\u{200b}.d.i.o.t"),
        ("hello st*pid 😀", "stupid", "st*pid"),
        ("hello st*pid 😀", "hello", "hello"),
        ("а 1d10t ѕтuріd", "stupid", "ѕтuріd"),
    ] {
        let unmasked = Normalised::new(original).unmasked().unwrap();
        assert_eq!(behind_in(&unmasked, original, needle), expected, "{original}");
    }
}

#[test]
fn t6_offsets_are_known_in_utf16() {
    let text = "a😀b𝐢c";
    let utf16 = Utf16::of(text);
    for (index, _) in text.chars().enumerate().map(|(index, _)| (index, ())) {
        let expected: usize = text.chars().take(index).map(char::len_utf16).sum();
        assert_eq!(utf16.unit(index), expected);
    }
    assert_eq!(utf16.unit(5), text.encode_utf16().count());
}

#[test]
fn blank_means_nothing_to_see() {
    for blank in ["", " \n\t", "\u{200b}\u{feff}", "\u{3164} \u{2060}"] {
        assert!(is_blank(blank), "{blank:?}");
    }
    assert!(!is_blank("\u{200b}."));
}

/// Seconds for which this thread has had a processor, so that neighbours on a busy machine do not count; where Linux does not say,
/// seconds since `began`.
fn worked(began: std::time::Instant) -> f64 {
    // Linux brings the figure up to date when the thread gives way.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| began.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

/// Long texts made to be slow take no longer than their length allows.
#[test]
fn t6_time_is_linear_on_hostile_texts() {
    let began = std::time::Instant::now();
    let took = |text: &str| {
        let runs = (0..3).map(|_| {
            let before = worked(began);
            let folded = Normalised::new(text);
            std::hint::black_box(folded.unmasked());
            worked(began) - before
        });
        runs.fold(f64::INFINITY, f64::min)
    };
    Normalised::new("1d10t").unmasked();
    for unit in [
        "f u c k ",
        "f.u.",
        "1!|1!|",
        "e\u{301}\u{301}",
        "аa",
        "\u{202e}a",
        "fu ck ",
        "****",
        "f*",
        "aaaa",
        "\u{fdfa}",
        "a-",
        "(((",
        "1 ",
    ] {
        let (short, long) = (unit.repeat(2_000), unit.repeat(16_000));
        let (short, long) = (took(&short), took(&long));
        assert!(long < short.max(2e-4) * 8.0 * 4.0, "{unit:?}: {short} s for 2,000, {long} s for 16,000");
    }
}

/// Texts that are full of what folding looks for.
fn tricky() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        any::<char>(),
        prop::sample::select(
            "abcdefiostuk 1305!$@*.-_ \u{200b}\u{202e}\u{202c}\u{301}\u{336}\u{308}аеіоѕһϳοｆｕ🅱🇫😀ﬁﾊﾞ가\u{1100}\u{1161}\n"
                .chars()
                .collect::<Vec<_>>()
        ),
    ];
    prop::collection::vec(character, 0..60).prop_map(|characters| characters.into_iter().collect())
}

fn check_map(folded: &Normalised, length: usize) -> Result<(), TestCaseError> {
    let (mut last, mut end) = (0, 0);
    for byte in 0..=folded.text().len() + 2 {
        let range = folded.original(byte..byte + 1);
        prop_assert!(range.start <= range.end && range.end <= length);
        prop_assert!(range.start >= last, "starts are monotone");
        if byte < folded.text().len() {
            prop_assert!(range.end >= end && !range.is_empty(), "ends are monotone, and no byte came from nothing");
            end = range.end;
        }
        last = range.start;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn t6_the_map_is_total_and_monotone(original in prop_oneof![any::<String>(), tricky()], a in 0_usize..200, b in 0_usize..200) {
        let folded = Normalised::new(&original);
        let length = original.chars().count();
        check_map(&folded, length)?;
        let range = folded.original(a..b);
        prop_assert!(range.start <= range.end && range.end <= length);
        let whole = folded.original(0..folded.text().len());
        prop_assert_eq!(whole.is_empty(), folded.text().is_empty());
        if let Some(unmasked) = folded.unmasked() {
            check_map(&unmasked, length)?;
        }
    }

    #[test]
    fn t6_folding_twice_is_folding_once(original in prop_oneof![any::<String>(), tricky()]) {
        let once = Normalised::new(&original);
        let twice = Normalised::new(once.text());
        prop_assert_eq!(twice.text(), once.text());
        // In a text of two scripts an unmasked word adds Latin letters, which can tip the balance for the others.
        if let Some(unmasked) = once.unmasked().filter(|unmasked| unmasked.text().is_ascii()) {
            let again = Normalised::new(unmasked.text());
            prop_assert_eq!(again.text(), unmasked.text());
        }
    }
}
