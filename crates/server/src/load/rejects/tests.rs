use serde_json::value::RawValue;

use super::{Raw, Refused, Rejects, is_reason, origin};
use crate::load::rows::Place;

fn refused(raw: Raw) -> Refused {
    let (code, expected) = ("value_invalid".to_owned(), "property n must be a number".to_owned());
    Refused { place: Place { row: 2, line: 3 }, code, expected, value: Some("x;\"y".to_owned()), raw }
}

fn written(header: Option<&[String]>, raw: Raw, is_marked: bool) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rejected");
    let mut rejects = Rejects::new(path.clone(), b';', header, is_marked);
    rejects.note(&refused(raw)).expect("written");
    assert_eq!(rejects.close().expect("closed"), Some(path.clone()));
    std::fs::read_to_string(path).expect("UTF-8")
}

#[test]
fn a_row_stands_behind_its_reason_as_it_came() {
    let header = ["id", "n"].map(str::to_owned);
    for (row, behind) in [(vec!["1", "x;\"y"], "1;\"x;\"\"y\""), (vec!["1"], "1"), (vec!["1", "2", "3"], "1;2;3")] {
        let head = "rejected_line;rejected_code;rejected_expected;rejected_value;id;n";
        let expected = format!("{head}\n3;value_invalid;property n must be a number;\"x;\"\"y\";{behind}\n");
        assert_eq!(written(Some(&header), Raw::Columns(row.into()), false), expected);
    }
    assert!(written(Some(&header), Raw::Columns(vec!["1"].into()), true).starts_with("\u{feff}rejected_line"));
    let reason = r#"{"line":3,"code":"value_invalid","expected":"property n must be a number","value":"x;\"y""#;
    for (line, expected) in [
        (r#"{"n":1.50,"a":{"b":1}}"#, format!(r#"{{"rejected":{reason}}},"n":1.50,"a":{{"b":1}}}}"#)),
        ("{\"n\":", format!(r#"{{"rejected":{reason},"text":"{{\"n\":"}}}}"#)),
    ] {
        let once = written(None, Raw::Line(line.into()), false);
        assert_eq!(once.trim_end(), expected);
        let again = written(None, Raw::Line(once.trim_end().into()), false);
        assert_eq!(again, once, "one reason is enough, and nothing is lost");
    }
}

#[test]
fn rows_that_somebody_corrects_are_not_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("in.csv.rejected.csv");
    std::fs::write(&path, "half corrected").expect("written");
    let mut rejects = Rejects::new(path.clone(), b',', Some(&[]), false);
    rejects.note(&refused(Raw::Columns(vec!["1"].into()))).expect("written");
    rejects.close().expect("closed");
    let old = std::fs::read_to_string(folder.path().join("in.csv.rejected.csv.old")).expect("kept");
    assert_eq!(old, "half corrected");
    assert!(std::fs::read_to_string(path).expect("a file").starts_with("rejected_line"));
}

#[test]
fn nothing_is_made_where_nothing_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rejected");
    assert_eq!(Rejects::new(path.clone(), b',', None, false).close().expect("closed"), None);
    assert!(!path.exists());
    assert_eq!(["o.csv.rejected.csv", "rejected.csv", "o.csv"].map(origin), [Some("o.csv"), None, None]);
    let other = RawValue::from_string("{\"line\":\"A\"}".to_owned()).expect("JSON");
    assert!(!is_reason(&other));
}
