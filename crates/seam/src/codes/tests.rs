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
    let files = ["engine/src", "service/src", "seam/src", "adobe/src", "optimizely/src", "api/src"]
        .map(|folder| sources(&crates.join(folder)))
        .concat();
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
    let folders = ["connect/src", "engine/src", "service/src", "seam/src", "adobe/src", "optimizely/src", "api/src"];
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

/// Codes that no test meets, and why.
const UNMET: &[(&str, &str)] = &[
    ("activation_changed", "an activation that is set again in the middle of a run"),
    ("activation_running", "source_refreshing, by the same lines, is met in service/tests/sources.rs"),
    ("activation_table_locked", "a minute of waiting for somebody else's lock"),
    ("activation_timeout", "minutes of a statement of the database"),
    ("answers_full", "answers of all connections that are not taken, beyond a budget of memory"),
    ("backup_failed", "a disk that fails under a backup"),
    ("batches_full", "20 batches under load at one time"),
    ("body_broken", "a client that leaves in the middle of a body reads no answer"),
    ("cluster_full", "more identities than one record holds"),
    ("commit_too_large", "a group of writes is cut before it is so large"),
    ("computed_attribute_schema", "not tested yet"),
    ("connection_lost", "a database that ends a session in the middle of a run"),
    ("contended", "more conflicts in a row than the tests of conflicts make"),
    ("corrupt", "damaged records are tested as faults of `check`"),
    ("dataset_not_enabled", "golden/ingestion.txt has it in the words of Adobe"),
    ("document_model_full", "not tested yet"),
    ("dry_run_timeout", "30 seconds"),
    ("erasures_full", "as many erasures of datasets under way as may be"),
    ("events_too_many", "dfinery/tests.rs has it in the words of DFINERY"),
    ("export_columns_changed", "a data model that changes between two files of an export"),
    ("export_files_too_many", "10,000 files"),
    ("export_unwritten", "a disk that fails under an export"),
    ("fact_differs", "not tested yet"),
    ("fact_duplicate", "not tested yet"),
    ("filter_undecided", "not tested yet"),
    ("fold_undecided", "not tested yet"),
    ("keys_full", "1,000 keys"),
    ("link_severed", "not tested yet"),
    ("organizations_full", "10,000 organizations"),
    ("rule_would_reveal", "not tested yet"),
    ("rules_full", "as many rules as a workspace may have, each with a backfill"),
    ("rules_late", "a rule that takes five seconds"),
    ("schema_differs", "golden/ingestion.txt has it in the words of Adobe"),
    ("source_changed", "a source that is changed in the middle of a refresh"),
    ("source_too_many_rows", "more rows than a refresh may read"),
    ("stopping", "a moment of the stop of a server"),
    ("token_not_yet_valid", "config/tokens/tests.rs meets it as Fault::Early"),
    ("too_many_rounds", "more rounds of reading than any command of the tests takes"),
    ("too_many_segments", "more segments than a workspace has in any test"),
    ("upload_failed", "a disk that fails under an upload"),
    ("upload_too_large", "gigabytes of an upload"),
    ("validation_failed", "dfinery/tests.rs has it as VALIDATION_FAILURE"),
    ("windows_full", "as many windows that ended as are kept"),
    ("workspaces_full", "1,000 workspaces"),
];

/// What a code promises is held by a test that meets it, or it is said here why none does.
#[test]
fn every_code_is_met_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    ["crates", "tests"].iter().for_each(|folder| all_files(&root.join(folder), &mut files));
    let text: String = files.iter().filter_map(|file| tested(file)).collect();
    let words: HashSet<&str> = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    assert!(words.len() > 5_000, "only {} words found", words.len());
    let unmet: BTreeSet<&str> = all().map(|code| code.code).filter(|code| !words.contains(code)).collect();
    let known: BTreeSet<&str> = UNMET.iter().map(|(code, _)| *code).collect();
    assert_eq!(known.len(), UNMET.len());
    assert!(UNMET.iter().all(|(_, why)| !why.is_empty()));
    let new: Vec<_> = unmet.difference(&known).collect();
    assert!(new.is_empty(), "a test that meets them is missing: {new:?}");
    let met: Vec<_> = known.difference(&unmet).collect();
    assert!(met.is_empty(), "they are met, or are none: take them off the list: {met:?}");
}

/// What of a file is for tests: all of one of them, and what stands behind the mark in another.
fn tested(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let in_folder = |names: &[&str]| file.components().any(|part| names.iter().any(|own| part.as_os_str() == *own));
    if in_folder(&["codes", "target", "node_modules"]) || file.extension().is_none() {
        return None;
    }
    let text = std::fs::read_to_string(file).ok()?;
    if name == "tests.rs" || in_folder(&["tests", "golden", "laws", "conformance"]) {
        return Some(text);
    }
    text.split_once("#[cfg(test)]\nmod tests {").map(|(_, tests)| tests.to_owned())
}

fn all_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.file_name().and_then(|name| name.to_str()) {
            Some("target" | "node_modules") | None => {}
            Some(_) if path.is_dir() => all_files(&path, files),
            Some(_) => files.push(path),
        }
    }
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
