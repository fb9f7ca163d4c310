//! Cases and laws of the one spelling.

use proptest::prelude::*;

use super::*;
use crate::config::{Kind, NamespaceId, NamespaceName};

fn namespace(normaliser: Normaliser) -> Namespace {
    Namespace {
        id: NamespaceId::new(1),
        name: NamespaceName::parse("any").expect("a name"),
        kind: Kind::Person,
        priority: 500,
        exclusive: false,
        limit: None,
        normaliser,
        blocked: Vec::new(),
        blocked_patterns: Vec::new(),
    }
}

const FRANCE: Normaliser = Normaliser::Phone { region: Some(*b"FR") };
const ANYWHERE: Normaliser = Normaliser::Phone { region: None };

fn check(normaliser: Normaliser, value: &str, expected: Result<&str, Refused>) {
    let given = normalise(&namespace(normaliser), value);
    assert_eq!(given.as_deref().map_err(|refused| *refused), expected, "{normaliser:?} {value:?}");
}

#[test]
fn text() {
    let too_long = Err(Refused::TooLong { max: 512 });
    let (longest, longer) = ("x".repeat(512), "x".repeat(513));
    for (value, expected) in [
        ("  Ann \n", Ok("Ann")),
        ("\u{2003}Ann\u{a0}", Ok("Ann")),
        ("", Err(Refused::Empty)),
        (" \t\u{3000}", Err(Refused::Empty)),
        ("a\u{0}b", Err(Refused::ControlCharacter)),
        ("a\nb", Err(Refused::ControlCharacter)),
        ("a\u{85}b", Err(Refused::ControlCharacter)),
        ("Zoe\u{308}", Ok("Zo\u{eb}")),
        (&longest, Ok(&longest)),
        (&longer, too_long),
    ] {
        check(Normaliser::Trim, value, expected);
    }
    for unseen in "\u{ad}\u{34f}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{202a}\u{202e}\u{2060}\u{2064}\u{2066}\u{2069}\u{206f}\u{fe0f}\u{feff}\u{fffb}\u{e0041}\u{e0100}".chars() {
        for value in [format!("{unseen}Ann"), format!("Ann{unseen} "), format!("A{unseen}nn"), format!(" {unseen} Ann")] {
            check(Normaliser::Trim, &value, Ok("Ann"));
        }
    }
    check(Normaliser::Trim, "e\u{200d}\u{301}", Ok("é"));
    check(Normaliser::Trim, "\u{600}12", Ok("\u{600}12"));
    check(Normaliser::Lower, " ÀB\u{212a}", Ok("àbk"));
    check(Normaliser::Lower, "ΟΔΟΣ", Ok("οδος"));
    check(Normaliser::Lower, &"İ".repeat(200), too_long);
}

#[test]
fn email_addresses() {
    for (value, expected) in [
        (" Ann@Shop.Example ", Ok("ann@shop.example")),
        ("ann+tag@localhost", Ok("ann+tag@localhost")),
        ("JOSÉ@exämple.de", Ok("josé@exämple.de")),
        ("jose\u{301}@EXA\u{308}MPLE.de", Ok("josé@exämple.de")),
        ("josé@xn--exmple-cua.de", Ok("josé@exämple.de")),
        ("ann@XN--BCHER-KVA.example", Ok("ann@bücher.example")),
        ("ann@bücher.example", Ok("ann@bücher.example")),
        ("ann@ｂücher。example", Ok("ann@bücher.example")),
        ("ann@straße.example", Ok("ann@straße.example")),
        ("ann@mail.xn--bcher-kva.example", Ok("ann@mail.bücher.example")),
        // What the rules of international names do not read stays as it is.
        ("ann@xn--.example", Ok("ann@xn--.example")),
        ("ann@xn--a-ecp.ru", Ok("ann@xn--a-ecp.ru")),
        ("ann@my_host", Ok("ann@my_host")),
        ("\u{200f}ann@x.example", Ok("ann@x.example")),
        ("ann\u{ad}@x\u{200b}.example\u{feff}", Ok("ann@x.example")),
        ("\u{200b}", Err(Refused::Empty)),
        ("ann", Err(Refused::NotAnEmail)),
        ("@shop.example", Err(Refused::NotAnEmail)),
        ("ann@", Err(Refused::NotAnEmail)),
        ("ann@b@c", Err(Refused::NotAnEmail)),
        ("ann b@c", Err(Refused::NotAnEmail)),
        ("ann@.example", Err(Refused::NotAnEmail)),
        ("ann@example.", Err(Refused::NotAnEmail)),
        ("", Err(Refused::Empty)),
    ] {
        check(Normaliser::Email, value, expected);
    }
}

#[test]
fn phone_numbers() {
    for (value, expected) in [
        ("+33 6 12 34 56 78", Ok("+33612345678")),
        ("06 12 34 56 78", Ok("+33612345678")),
        ("0033612345678", Ok("+33612345678")),
        ("＋３３６１２３４５６７８", Ok("+33612345678")),
        ("+33 (0)6 12 34 56 78", Ok("+33612345678")),
        ("tel:+33-6-12-34-56-78", Ok("+33612345678")),
        ("+1 (202) 555-0173", Ok("+12025550173")),
        ("+1 555 555 5555", Ok("+15555555555")),
        ("+82 10-1234-5678", Ok("+821012345678")),
        ("+39 06 1234 5678", Ok("+390612345678")),
        ("+33612345678 ext 12", Err(Refused::NotAPhone)),
        ("+3361234567800000", Err(Refused::NotAPhone)),
        ("+999123456789", Err(Refused::NotAPhone)),
        ("+1 555 0173", Err(Refused::NotAPhone)),
        // Each reading would take one more zero.
        ("+4300000000", Err(Refused::NotAPhone)),
        ("hello", Err(Refused::NotAPhone)),
        ("+", Err(Refused::NotAPhone)),
    ] {
        check(FRANCE, value, expected);
    }
    check(ANYWHERE, "+33 6 12 34 56 78", Ok("+33612345678"));
    for value in [
        "0033 6 12 34 56 78",
        "00 33 6 12 34 56 78",
        "(00)33-612-345678",
        "\u{202a}0033612345678\u{202c}",
        "００３３６１２３４５６７８",
    ] {
        check(ANYWHERE, value, Ok("+33612345678"));
        check(Normaliser::Phone { region: Some(*b"US") }, value, Ok("+33612345678"));
    }
    check(Normaliser::Phone { region: Some(*b"US") }, "011 33 6 12 34 56 78", Ok("+33612345678"));
    check(ANYWHERE, "0000000000", Err(Refused::NotAPhone));
    check(ANYWHERE, "06 12 34 56 78", Err(Refused::NotAPhone));
    check(Normaliser::Phone { region: Some(*b"??") }, "06 12 34 56 78", Err(Refused::NotAPhone));
}

#[test]
fn blocked_values_are_compared_in_their_spelling() {
    let mut blocked = namespace(Normaliser::Lower);
    blocked.blocked = vec!["test".into()];
    blocked.blocked_patterns = vec![blocked_pattern("a|ab").expect("a pattern")];
    for (value, expected) in
        [(" TEST ", false), ("tests", true), ("A", false), ("AB", false), ("abc", true), ("ba", true)]
    {
        assert_eq!(normalise(&blocked, value).is_ok(), expected, "{value}");
    }
    blocked.blocked_patterns = vec![Arc::new(Regex::new("ab").expect("a pattern"))];
    assert!(normalise(&blocked, "abc").is_ok() && normalise(&blocked, "ab").is_err());
    assert!(blocked_pattern("a)|(b").is_err());
    assert!(blocked_pattern("(").is_err());
}

#[test]
fn nobody() {
    let mut blocked = namespace(Normaliser::Trim);
    blocked.blocked_patterns =
        NOBODY_PATTERNS.iter().map(|pattern| blocked_pattern(pattern).expect("a pattern")).collect();
    for value in [
        "0",
        "-1",
        "00000000-0000-0000-0000-000000000000",
        "null",
        "NULL",
        "(null)",
        "None",
        "NaN",
        "[object Object]",
        "distinct_id",
        "distinctId",
        "id",
        "email",
        "Email",
        "userId",
        "user_id",
        "anonymousId",
        "not_authenticated",
        "{}",
        "[]",
        "(not set)",
        "not set",
        "void",
        "<null>",
        "\"null\"",
        "'undefined'",
        "undefined:undefined",
        "[object Undefined]",
        "{{user.id}}",
        "${userId}",
        "<%= id %>",
        "%%EMAIL%%",
        "{userId}",
        "<user id>",
        "null\u{200b}",
    ] {
        assert_eq!(normalise(&blocked, value), Err(Refused::Blocked), "{value}");
    }
    for value in [
        "10",
        "-12",
        "nullable",
        "nanette",
        "guest-17",
        "00000000-0000-0000-0000-000000000001",
        "id-7",
        "ida",
        "emails",
        "{7001}",
        "user",
        "admin",
        "{3f2504e0-4f89-41d3-9a0c-0305e82c3301}",
        "true-north",
    ] {
        assert!(normalise(&blocked, value).is_ok(), "{value}");
    }
}

/// Every character alone, in the middle, and before a mark that may join it; beyond these there are only ideographs, tags
/// and private ones.
#[test]
fn every_character_has_one_spelling() {
    let lower = namespace(Normaliser::Lower);
    for character in '\0'..='\u{1ffff}' {
        for value in [
            format!("{character}"),
            format!("A{character}b"),
            format!("{character}\u{301}"),
            format!("{character}\u{345}"),
        ] {
            if let Ok(once) = normalise(&lower, &value) {
                assert_eq!(normalise(&lower, &once).as_ref(), Ok(&once), "{value:?}");
            }
        }
    }
}

fn normaliser() -> impl Strategy<Value = Normaliser> {
    prop_oneof![Just(Normaliser::Trim), Just(Normaliser::Lower), Just(Normaliser::Email), Just(FRANCE), Just(ANYWHERE)]
}

fn input() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ \u{301}Σσİa-z@.A-Z\u{212b}]{0,12}",
        "[ ]?[+0]{0,2}[0-9 ()./-]{3,16}( ?(x|ext|#|;ext=)[0-9]{1,3})?",
        "(tel:)?[+]?[0-9]{1,14}(;phone-context=.{0,8})?",
        "\\PC{0,600}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_spelling_is_its_own(normaliser in normaliser(), value in input()) {
        let namespace = namespace(normaliser);
        if let Ok(once) = normalise(&namespace, &value) {
            prop_assert!((1..=VALUE_BYTES_MAX).contains(&once.len()));
            prop_assert_eq!(normalise(&namespace, &once), Ok(once));
        }
    }
}
