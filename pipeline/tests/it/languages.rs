//! Texts in languages that no model has learnt.

use pipeline::action::ActionKind;

use crate::harness::{Harness, text};

const GERMAN: &str = "Ich habe wirklich keine Lust mehr, mit dir darüber zu reden fake:toxic=0.99 und zwar nie wieder";

#[tokio::test]
async fn t6_a_language_that_no_model_has_learnt_is_said_and_not_guessed() {
    let service = Harness::new().await;
    let outcome = service.record(&text(GERMAN, service.at(0))).await.unwrap().outcome;
    let language = outcome.verdict.language.as_ref().unwrap();
    assert_eq!((language.code.as_str(), language.supported), ("de", false));
    assert!(outcome.signals.is_empty() && !outcome.verdict.flagged, "{outcome:?}");
    assert_eq!((outcome.verdict.action, outcome.verdict.confidence), (ActionKind::Allow, 0.0), "no all-clear");
    let judged = &service.events().await[0].data;
    assert_eq!(judged["language"]["code"], "de");
    assert_eq!(judged["language"]["supported"], false);
}

#[tokio::test]
async fn t6_english_and_what_cannot_be_told_are_judged() {
    let service = Harness::new().await;
    for (words, codes) in [
        ("you are such a fool fake:toxic=0.99", &["en"][..]),
        ("fake:toxic=0.99", &["und"]),
        ("Guten Morgen liebe Leute fake:toxic=0.99 you stupid fools", &["und", "en"]),
    ] {
        let verdict = service.record(&text(words, service.at(0))).await.unwrap().outcome.verdict;
        let language = verdict.language.unwrap();
        assert!(codes.contains(&language.code.as_str()) && language.supported, "{words}: {language:?}");
        assert_eq!(verdict.action, ActionKind::Warn, "{words}");
    }
}

#[tokio::test]
async fn t6_a_policy_can_have_models_guess_and_can_read_the_language() {
    let service = Harness::new().await;
    let rule = |when: &str| {
        format!("[[rule]]\nname = \"r\"\nkinds = [\"text\"]\nwhen = \"{when}\"\naction = \"review\"\nreason = \"R.\"\n")
    };
    service.set_policy(&format!("name = \"a\"\n{}", rule("!item.language_supported && item.language == 'de'")));
    let told = service.record(&text(GERMAN, service.at(0))).await.unwrap().outcome;
    assert_eq!((told.verdict.action, told.signals.len()), (ActionKind::Review, 0));
    service.set_policy(&format!("name = \"b\"\nunsupported_languages = \"judge\"\n{}", rule("score.toxic > 0.9")));
    let guessed = service.record(&text(GERMAN, service.at(1))).await.unwrap().outcome;
    assert_eq!(guessed.verdict.action, ActionKind::Review, "the cache keeps the two apart");
    assert!(!guessed.verdict.language.unwrap().supported, "still said");
    service.set_policy(&format!("name = \"c\"\n{}", rule("score.toxic > 0.9")));
    let skipped = service.record(&text(GERMAN, service.at(2))).await.unwrap().outcome;
    assert_eq!(skipped.verdict.action, ActionKind::Allow);
}

#[tokio::test]
async fn t6_pictures_have_no_language() {
    let service = Harness::new().await;
    let frame = crate::harness::frame(crate::harness::NEUTRAL, 0.9, service.at(0));
    assert!(service.record(&frame).await.unwrap().outcome.verdict.language.is_none());
}
