use proptest::prelude::*;

use super::*;

fn detect(text: &str) -> Option<&'static str> {
    Detector::new(0.7).detect(text).code
}

#[test]
fn t6_sentences_have_their_language() {
    for (code, text) in [
        ("en", "do you want to come over later?"),
        ("en", "u r so dumb lol, just shut up already"),
        ("en", "The committee published its findings yesterday in a report of two hundred pages."),
        ("de", "Ich habe keine Lust mehr, mit dir darüber zu reden, es reicht mir wirklich."),
        ("fr", "Je ne comprends pas pourquoi tu dis toujours des choses comme ça."),
        ("es", "No entiendo por qué siempre tienes que decir cosas así a la gente."),
        ("ru", "Это самый большой город в мире, и здесь живёт очень много людей."),
        ("uk", "Я не розумію, чому ти завжди так говориш із людьми."),
        ("ja", "どうしてそんなことを言うのですか"),
        ("zh", "我不明白你为什么总是这样说话"),
        ("ko", "왜 항상 그렇게 말하는지 모르겠어요"),
        ("el", "δεν καταλαβαίνω"),
        ("th", "ฉันไม่เข้าใจ"),
        ("ar", "لا أفهم لماذا تتحدث دائما مع الناس بهذه الطريقة"),
        ("fa", "من نمی‌فهمم چرا همیشه این‌طور با مردم حرف می‌زنی"),
        ("hi", "मुझे समझ नहीं आता कि तुम हमेशा ऐसा क्यों कहते हो"),
    ] {
        assert_eq!(detect(text), Some(code), "{text}");
    }
}

#[test]
fn t6_what_cannot_be_told_is_undetermined() {
    for text in [
        "",
        "ok",
        "haha",
        "12345 67890",
        "👍👍👍",
        "https://example.org/de/der-die-das",
        "@anna @otto",
        "gm",
        "xqzzt vbnm",
        "privet",
        "Да",
    ] {
        assert_eq!(detect(text), None, "{text}");
    }
}

#[test]
fn t6_english_inside_another_language_is_never_foreign() {
    for text in [
        "Guten Morgen zusammen, ich wünsche euch allen einen schönen Tag, you stupid people",
        "Доброе утро всем, как у вас дела сегодня? fuck you",
        "今日はいい天気ですね you are stupid",
        "was für ein schöner Tag, ihr bitches, wir sehen uns morgen früh im Büro",
    ] {
        assert_eq!(detect(text), None, "{text}");
    }
}

#[test]
fn t6_a_model_knows_its_languages_and_what_is_undetermined() {
    let (german, nothing) = (Detected { code: Some("de"), confidence: 0.9 }, Detected::default());
    for (detected, languages, known) in
        [(german, &["en"][..], false), (german, &["en", "de"], true), (german, &[], true), (nothing, &["en"], true)]
    {
        assert_eq!(detected.is_known_to(languages), known, "{detected:?}, {languages:?}");
    }
}

proptest! {
    #[test]
    fn t6_any_text_has_an_answer(text in any::<String>()) {
        let detected = Detector::new(0.5).detect(&text);
        prop_assert!((0.0..=1.0).contains(&detected.confidence));
    }
}
