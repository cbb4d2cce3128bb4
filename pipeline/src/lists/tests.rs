use proptest::prelude::*;

use super::*;

fn lists(toml: &str) -> WordLists {
    #[derive(Deserialize)]
    struct File {
        list: Vec<ListFile>,
    }
    WordLists::compile(&toml::from_str::<File>(toml).unwrap().list).unwrap()
}

fn found(lists: &WordLists, text: &str, language: &str) -> Vec<String> {
    let text = Normalised::new(text);
    lists.find(&text, language).iter().map(|hit| text.text()[hit.start..hit.end].to_owned()).collect()
}

const OWN: &str = "[[list]]\nname = \"own\"\nterms = [\"zorbix\", \"Blue Whale\", \"Straße\", \"坏话\"]\nallow = [\"blue whale watching\"]\n";

#[test]
fn t6_own_terms_are_found_as_whole_words_in_any_case() {
    let lists = lists(OWN);
    for (text, expected) in [
        ("you ZORBIX!", &["ZORBIX"][..]),
        ("zorbixes and prezorbix", &[]),
        ("zorbix-zorbix", &["zorbix", "zorbix"]),
        ("the blue whale", &["blue whale"]),
        ("BLUE WHALE watching is fun", &[]),
        ("in der STRASSE, in der Straße", &["Straße"]),
        ("ｚｏｒｂｉｘ", &["zorbix"]),
        ("z\u{200b}orbix", &["zorbix"]),
        ("这是坏话吗", &["坏话"]),
        ("", &[]),
    ] {
        assert_eq!(found(&lists, text, "en"), expected, "{text}");
    }
}

#[test]
fn t6_the_scunthorpe_problem() {
    let lists = lists("[[list]]\nname = \"profanity\"\nlanguages = [\"all\"]\n");
    for innocent in [
        "Scunthorpe, Penistone, Lightwater and Clitheroe are towns",
        "the assassin took a class in bass and grape",
        "therapist, analysis, cockpit, document, Dickens, Essex, Sussex, Arsenal",
        "shiitake mushrooms and a titmouse",
    ] {
        assert_eq!(found(&lists, innocent, "en"), [""; 0], "{innocent}");
    }
    assert_eq!(found(&lists, "what a cunt", "en"), ["cunt"]);
}

#[test]
fn t6_terms_count_in_their_language_and_where_it_cannot_be_told() {
    let lists = lists("[[list]]\nname = \"l\"\nlanguages = [\"de\", \"no\"]\nterms = [\"zorbix\"]\n");
    let german = terms("de").next().unwrap();
    for (language, expected) in [("de", true), ("und", true), ("en", false)] {
        assert_eq!(!found(&lists, german, language).is_empty(), expected, "{language}");
    }
    let norwegian = terms("no").next().unwrap();
    assert!(!found(&lists, norwegian, "nb").is_empty());
    assert_eq!(found(&lists, "zorbix", "fr"), ["zorbix"]);
}

#[test]
fn t6_every_language_has_terms_and_finds_them() {
    for language in LANGUAGES {
        let lists = lists(&format!("[[list]]\nname = \"l\"\nlanguages = [\"{language}\"]\n"));
        let (mut all, mut hit) = (0, 0);
        for term in terms(language) {
            all += 1;
            hit += usize::from(!found(&lists, term, "und").is_empty());
        }
        assert!(all > 10 && hit == all, "{language}: {hit} of {all}");
    }
}

#[test]
fn t6_a_wrong_list_says_what_is_wrong() {
    let message = |file: ListFile| WordLists::compile(&[file]).unwrap_err();
    let named = |name: &str| ListFile { name: name.into(), ..ListFile::default() };
    assert!(message(named("Bad Name")).contains("a name has"));
    assert!(message(ListFile { languages: vec!["xx".into()], ..named("l") }).contains("no built-in terms for `xx`"));
    assert!(message(ListFile { terms: vec![" ".into()], ..named("l") }).contains("1 to 200 bytes"));
    assert!(message(ListFile { terms: vec!["x".into(); MAX_TERMS + 1], ..named("l") }).contains("more than"));
}

proptest! {
    #[test]
    fn t6_hits_lie_inside_any_text(text in any::<String>()) {
        let lists = lists(OWN);
        let folded = Normalised::new(&format!("{text} zorbix {text}"));
        let hits = lists.find(&folded, "und");
        prop_assert!(!hits.is_empty());
        for hit in hits {
            prop_assert!(folded.text().get(hit.start..hit.end).is_some());
        }
    }
}
