//! The table is whole: every code that any crate raises stands in it.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::*;

#[test]
fn codes_are_unique_and_documented() {
    let mut seen = HashSet::new();
    for code in all() {
        assert!(seen.insert(code.code), "{} stands twice", code.code);
        assert!(is_code(code.code), "{}", code.code);
        assert!(code.documentation.ends_with('.'), "{}", code.code);
    }
}

/// The compiler cannot see which texts are codes, so the sources are read for the few forms in which codes are raised.
#[test]
fn every_code_that_is_raised_is_documented() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = ["engine/src", "service/src", "api/src"].map(|folder| sources(&crates.join(folder))).concat();
    let mut raised = BTreeSet::new();
    for file in files {
        let source = std::fs::read_to_string(&file).expect("a source");
        for form in [
            "ErrorKind::",
            "Rejection::new(",
            "unauthenticated(",
            "invalid(",
            "rejection(",
            "code: ",
            "problem(",
            "whole(",
        ] {
            raised
                .extend(source.match_indices(form).filter_map(|(at, _)| code_after(&source[at + form.len()..], form)));
        }
    }
    assert!(raised.len() > 60, "only {} codes found", raised.len());
    let missing: Vec<_> = raised.iter().filter(|code| find(code).is_none()).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
}

/// Nobody looks up what is never said: each code of the table is written somewhere outside of it.
#[test]
fn every_code_of_the_table_is_raised() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["connect/src", "engine/src", "service/src", "api/src"];
    let files = folders.map(|folder| sources(&crates.join(folder))).concat();
    let is_table =
        |file: &Path| file.components().any(|part| matches!(part.as_os_str().to_str(), Some("codes" | "codes.rs")));
    let text: String = files
        .iter()
        .filter(|file| !is_table(file))
        .map(|file| std::fs::read_to_string(file).expect("a source"))
        .collect();
    let silent: Vec<_> = all().map(|code| code.code).filter(|code| !text.contains(&format!("\"{code}\""))).collect();
    assert!(silent.is_empty(), "never raised: {silent:?}");
}

/// The code that follows a form; after `ErrorKind::` comes the kind first.
fn code_after(rest: &str, form: &str) -> Option<String> {
    let rest = if form == "ErrorKind::" {
        rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start().strip_prefix(',')?
    } else {
        rest
    };
    let (code, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    is_code(code).then(|| code.to_owned())
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// All sources of a folder but tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let of_entry = |path: PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match (path.is_dir(), name) {
            (_, "tests.rs" | "tests" | "testing.rs" | "golden") => Vec::new(),
            (true, _) => sources(&path),
            (false, name) if name.ends_with(".rs") => vec![path],
            (false, _) => Vec::new(),
        }
    };
    entries.flat_map(of_entry).collect()
}
