use tessera_store::{Expect, Key, Version};

use super::{Known, Recent};

fn check(recent: &Recent, key: &'static str, expect: Expect, as_of: u64, expected: Known) {
    assert_eq!(recent.check(&Key::from(key), expect, Version(as_of)), expected, "key={key} as_of={as_of}");
}

#[test]
fn it_knows_what_was_not_written_since_the_horizon() {
    let recent = Recent::new(10, Version(5));
    check(&recent, "a", Expect::Version(Version(3)), 5, Known::Holds);
    check(&recent, "a", Expect::Absent, 5, Known::Holds);
    check(&recent, "a", Expect::Version(Version(3)), 4, Known::Unknown);
}

#[test]
fn it_knows_the_last_write() {
    let mut recent = Recent::new(10, Version(5));
    recent.note(&"a".into(), Version(6));
    recent.note(&"a".into(), Version(8));
    check(&recent, "a", Expect::Version(Version(8)), 5, Known::Holds);
    check(&recent, "a", Expect::Version(Version(6)), 6, Known::Unknown);
    check(&recent, "a", Expect::Absent, 7, Known::Unknown);
    // Seen at the last write or later, whatever was seen still stands: deleted by it, for example.
    check(&recent, "a", Expect::Absent, 8, Known::Holds);
    check(&recent, "b", Expect::Absent, 6, Known::Holds);
}

#[test]
fn it_forgets_the_oldest_and_moves_the_horizon() {
    let mut recent = Recent::new(2, Version(0));
    recent.note(&"a".into(), Version(1));
    recent.note(&"b".into(), Version(2));
    recent.note(&"c".into(), Version(3));
    check(&recent, "a", Expect::Version(Version(1)), 0, Known::Unknown);
    check(&recent, "a", Expect::Version(Version(1)), 1, Known::Holds);
    check(&recent, "c", Expect::Version(Version(3)), 1, Known::Holds);
    check(&recent, "b", Expect::Absent, 1, Known::Unknown);
}

#[test]
fn an_older_note_of_the_same_key_does_not_take_the_newer_away() {
    let mut recent = Recent::new(2, Version(0));
    for version in 1..=3 {
        recent.note(&"a".into(), Version(version));
    }
    check(&recent, "a", Expect::Version(Version(2)), 2, Known::Unknown);
    check(&recent, "a", Expect::Version(Version(3)), 2, Known::Holds);
}
