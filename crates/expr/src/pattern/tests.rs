use super::*;
use crate::limits::PATTERN_STATES_MAX;

fn finds(pattern: &str, text: &str) -> Option<bool> {
    let compiled = Pattern::compile(pattern).unwrap_or_else(|refusal| panic!("{pattern}: {refusal:?}"));
    (0..compiled.rounds()).find_map(|round| match compiled.is_in(text, round) {
        Tried::Done(found) => Some(found),
        Tried::Unfinished => None,
    })
}

/// What `java.util.regex.Pattern` documents, by `Matcher.find`.
#[test]
fn patterns_mean_what_their_documents_say() {
    let check = |pattern: &str, text: &str, expected: bool| {
        assert_eq!(finds(pattern, text), Some(expected), "{pattern:?} in {text:?}");
    };
    // Groups that look around, and groups again.
    check("^(?!admin).*@", "ann@x", true);
    check("^(?!admin).*@", "admin@x", false);
    check("(?<=@)x", "a@x", true);
    check("(?<=@)x", "a.x", false);
    check("(?<!@)x", "@x", false);
    check("(?<=a{1,3})b", "aab", true);
    check(r"(\w)\1", "abba", true);
    check(r"(\w)\1", "abab", false);
    check(r"(?<c>\w)-\k<c>", "a-a", true);
    check(r"(?<c>\w)-\k<c>", "a-b", false);
    check(r"(?i)(\w)\1", "aA", true);
    check(r"(a)\11", "aa1", true);
    // Possessive and atomic.
    check("a*+a", "aaa", false);
    check("(?>a|ab)c", "abc", false);
    check("[ab]{2}+b", "abb", true);
    // Quotes.
    check(r"\Qa.b\E", "a.b", true);
    check(r"\Qa.b\E", "axb", false);
    check(r"^\Q[(\E.\Q)]", "[(x)]", true);
    check(r"[\Q^]\E]", "]", true);
    // Classes are those of ASCII.
    check(r"\w", "é", false);
    check(r"\W", "é", true);
    check(r"\d", "\u{0663}", false);
    check(r"\s", "\u{A0}", false);
    check(r"\h", "\u{A0}", true);
    check(r"(?U)\w", "é", true);
    check(r"^\bé", "é", false);
    check(r"\bx\b", "éxé", true);
    check(r"a\B", "ab", true);
    check(r"a\B", "a b", false);
    check(r"(?=x)\bx", "a x", true);
    check(r"\p{Alpha}", "é", false);
    check(r"\p{L}", "é", true);
    check(r"\pL", "é", true);
    check(r"\p{IsGreek}", "λ", true);
    check(r"\P{Lu}", "A", false);
    check(r"\p{Punct}", "~", true);
    check("[a-z&&[^bc]]", "b", false);
    check("[a-z&&[^bc]]", "d", true);
    check("[a-d[m-p]]", "n", true);
    check("[+--z]", ",", true);
    check("[a-]", "-", true);
    check("[]a]", "]", true);
    check("[^-]", "-", false);
    check(r"[\w-]+", "-", true);
    // Case.
    check("(?i)ABC", "abc", true);
    check("(?i)é", "É", false);
    check("(?iu)é", "É", true);
    check("(?i)k", "\u{212A}", false);
    check("(?i:a)b", "Ab", true);
    check("(?i:a)b", "AB", false);
    check("(?i)[a-c]X", "Bx", true);
    check("(?i)a(?-i)b", "AB", false);
    // Ends of lines.
    check("a$", "a\n", true);
    check("a$", "a\r\n", true);
    check("a$", "a\nb", false);
    check("a$", "a\n\n", false);
    check(r"a\z", "a\n", false);
    check(r"a\Z", "a\n", true);
    check("(?m)^b$", "a\nb\nc", true);
    check("(?=a)a$", "a\n", true);
    check("a.b", "a\nb", false);
    check("a.b", "a\u{2028}b", false);
    check("(?s)a.b", "a\nb", true);
    check("(?d)a.b", "a\rb", true);
    check(r"a\Rb", "a\r\nb", true);
    // Spellings of characters.
    check(r"\x41\u0042\x{43}\0104", "ABCD", true);
    check(r"\ud83d\ude00", "\u{1F600}", true);
    check(r"\t\cJ\e", "\t\n\u{1B}", true);
    check("(?x) a b # and no more", "ab", true);
    check("(?x)[a b]", " ", false);
    check(r"a\{2\}", "a{2}", true);
    check("}", "}", true);
    check("x{2,3}?y", "xxy", true);
}

#[test]
fn groups_are_those_of_the_first_place() {
    let check = |pattern: &str, text: &str, group: usize, expected: Option<&str>| {
        let compiled = Pattern::compile(pattern).unwrap_or_else(|refusal| panic!("{pattern}: {refusal:?}"));
        let Tried::Done(found) = compiled.group_in(text, group, compiled.rounds() - 1) else { panic!("{pattern}") };
        assert_eq!(found, expected, "{pattern:?} in {text:?}");
    };
    check(r"@(\w+)", "ann@shop.example", 1, Some("shop"));
    check(".*$", "abc\n", 0, Some("abc"));
    check(r"(?<=@)(\w+)\.", "ann@shop.example", 1, Some("shop"));
    check("(x)?ann", "ann", 1, None);
    check("ann", "ann", 7, None);
}

#[test]
fn what_is_not_supported_is_refused() {
    let check = |pattern: &str, expected: &str| {
        let refusal = Pattern::compile(pattern).err().unwrap_or_else(|| panic!("{pattern} is read"));
        assert!(refusal.expected.contains(expected), "{pattern}: {refusal:?}");
    };
    check("(", "closed");
    check(")", "opened");
    check("[a", "closed");
    check("*a", "something to repeat");
    check("a**", "something to repeat");
    check("a{,5}", "a repetition");
    check("a{x}", "a repetition");
    check(r"\Ga", "java.util.regex");
    check(r"\X", "java.util.regex");
    check(r"\q", "java.util.regex");
    check(r"\p{InGreek}", "a class that is supported");
    check(r"\p{Nonsense}", "java.util.regex");
    check(r"\2(a)", "group");
    check(r"\k<a>", "group");
    check("(?P<a>b)", "a group");
    check("(?<1a>b)", "the name of a group");
    check("[z-a]", "a range");
    check(r"\", "backslash");
    check(r"\xZZ", "hexadecimal");
    check(r"\ud800", "hexadecimal");
    check("(((a{50}){50}){50}){50}", "262144 bytes");
    check("(?=(((a{50}){50}){50}){50})", "java.util.regex");
    check(&"(".repeat(500), "64 groups");
    check(&"[".repeat(500), "16 classes");
}

#[test]
fn no_pattern_is_tried_for_ever() {
    let compiled = Pattern::compile(r"(a|aa)+\1b").expect("a pattern");
    let text = "a".repeat(60);
    assert!(matches!(compiled.is_in(&text, compiled.rounds() - 1), Tried::Unfinished));
    assert!(compiled.price(text.len(), 0) < compiled.price(text.len(), 2) / 100, "a simple text costs little");
}

#[test]
fn what_is_kept_is_bounded() {
    for number in 0..3_000 {
        let text = format!("(0|1)*1(0|1){{{}}}x{number}", 100 + number % 100);
        let pattern = known(&text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        assert!(pattern.states() > 100 && pattern.states() < PATTERN_STATES_MAX, "{}", pattern.states());
        assert!(matches!(pattern.is_in("0101", 0), Tried::Done(false)));
        assert!(kept_bytes() <= PATTERNS_BYTES_MAX, "{}", kept_bytes());
    }
    assert!(kept_bytes() > PATTERNS_BYTES_MAX / 2);
}
