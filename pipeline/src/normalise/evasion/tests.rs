use proptest::prelude::*;

use crate::normalise::Normalised;

fn unmask(text: &str) -> Option<String> {
    Normalised::new(text).unmasked().map(|unmasked| unmasked.text().to_owned())
}

#[test]
fn t6_every_trick_is_undone() {
    for (name, text, expected) in [
        ("digits", "you 1d10t", "you idiot"),
        ("symbols", "you a$$hole", "you asshole"),
        ("spelled out", "you s t u p i d person", "you stupid person"),
        ("spelled out, wide", "you s  t  u  p  i  d person", "you stupid person"),
        ("dots", "you s.t.u.p.i.d person", "you stupid person"),
        ("stars between", "s*t*u*p*i*d", "stupid"),
        ("one dot", "you stu.pid person", "you stupid person"),
        ("repeats", "you stuuupiiid person", "you stupid person"),
        ("swap", "you stpuid person", "you stupid person"),
        ("mask", "you st*pid person", "you stupid person"),
        ("two halves", "you stu pid person", "you stupid person"),
        ("accents", "you stúpìd person", "you stupid person"),
        ("brackets around", "(you \"1d10t\")", "(you \"idiot\")"),
        ("in a compound", "a big-1diot and 1diot-lover", "a big-idiot and idiot-lover"),
        ("others are read too", "y0ur an 1d10t", "your an idiot"),
        ("full-width digits", "１d１０t", "idiot"),
        ("Cyrillic with digits", "іd10t", "idiot"),
        ("emoji between", "i😂d😂i😂o😂t", "idiot"),
        ("in capitals", "YOU ST*PID PERSON", "YOU stupid PERSON"),
    ] {
        assert_eq!(unmask(text).as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn t6_clean_texts_are_left_as_they_are() {
    for text in [
        "",
        "Hello, how are you doing today?",
        "Call me at 555-0123 or +44 20 7946 0958 before 5pm.",
        "It costs $19.99 (was $24.50), i.e. 20% less.",
        "See https://example.org/a/55/h0le?x=1 and www.example.com/sh1t",
        "Mail a.55@example.com or b.1tch@example.org",
        "At 10 a.m. the U.S.A. and the U.K. met; J. R. R. Tolkien wrote it.",
        "let x = arr[i] + 1; if (a != b) { return foo(x, 3); }",
        "git commit -m \"v2.0.1-rc3\" && make -j8",
        "My cat :-) :P ;-) <3 xoxo (^_^) ¯\\_(ツ)_/¯",
        "x x x",
        "Scunthorpe, Penistone, Essex, Lightwater and Cockburn",
        "assassin, class, bass, grape, therapist, analysis, shitake, cockpit, document, Dickens",
        "1st 2nd 3rd 4th, 9/11, 24/7, h2o, co2, mp3, b2b, 4k, 3d, iPhone15",
        "Ça va? Où est l'école? Das Wetter ist schön. ¿Qué tal, señor?",
        "Привет, как дела? こんにちは 안녕하세요 مرحبا",
        "I'm so-so; it's well-known that co-op re-cap e-mails aren't read",
        "aaah nooo yesss brrr hmm zzz hahaha",
        "C++ and C# and F# and .NET, AT&T, R&D, Q&A",
        "A, B, C: choose one. a) yes b) no c) maybe",
        "the password is Tr0ub4dor&3",
        "👍🏽 🇬🇧 🇫🇷 family: 👩‍👩‍👧‍👦",
    ] {
        assert_eq!(unmask(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn t6_any_text_can_be_read(text in any::<String>()) {
        let _ = unmask(&text);
    }
}
