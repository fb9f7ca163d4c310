use std::collections::BTreeSet;

use super::Ids;

fn ids(source: &str, file: Option<u8>, rows: &[&str]) -> Vec<String> {
    let mut ids = Ids::new(source, file.map(|byte| [byte; 32]));
    rows.iter().map(|row| ids.next(row.as_bytes()).expect("few rows")).collect()
}

#[test]
fn the_same_row_of_the_same_source_has_the_same_id() {
    let first = ids("crm", None, &["a", "b", "a"]);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3, "equal rows of one file are two rows");
    assert_eq!(ids("crm", None, &["a", "b", "a"]), first);
    // Rows that were appended, put in between or taken out leave the others theirs.
    let longer = ids("crm", None, &["c", "a", "b", "a", "a"]);
    assert_eq!(longer[1..4], first);
    assert_eq!(ids("crm", None, &["b"]), first[1..2]);
    for other in [ids("crm2", None, &["a", "b"]), ids("crm", Some(1), &["a", "b"]), ids("crm", None, &["aa", "bb"])] {
        assert!(other.iter().all(|id| !first.contains(id)), "{other:?}");
    }
}

#[test]
fn rows_beyond_the_bound_are_refused_and_known_ones_are_not() {
    let mut ids = Ids { rows_max: 2, ..Ids::new("f", None) };
    let taken = ["a", "b", "a", "c"].map(|row| ids.next(row.as_bytes()).is_ok());
    assert_eq!(taken, [true, true, true, false]);
    assert!(ids.next(b"c").is_err_and(|reason| reason.contains("--message-id")));
}
