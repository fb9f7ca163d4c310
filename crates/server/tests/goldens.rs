//! Golden exchanges of all doors (`crates/api/src/*/golden`), played against the binary: each file against a server of its own, each request as it
//! stands there but for ids and times, each answer held against the frozen one: status, headers, body.
//!
//! The files are written within a process whose clock and draws are set. Here both are real, so `goldens/fits.rs` says what an id, an instant and a
//! cursor may be instead. What does not come out so is in [`OTHERWISE`] with the reason: each of these is compared as well, and must not fit.

#[path = "../../api/src/tests/golden/exchange.rs"]
mod exchange;
#[path = "goldens/fits.rs"]
mod fits;
mod harness;
#[path = "goldens/play.rs"]
mod play;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Answers of the binary that are not those of the file: the file, how the request begins, and why.
pub(crate) const OTHERWISE: &[(&str, &str, &str)] = &[];

/// Answers that are those of the file at some times alone, for days and weeks begin at other distances from the clock of the machine: the file, how
/// the request begins, and why. They are not compared.
pub(crate) const AT_TIMES: &[(&str, &str, &str)] = &[
    (
        "src/adobe/golden/computed_attributes.txt",
        "GET /data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId=7001&entityIdNS=user_id&fields=_default.SystemComputedAttributes",
        "events of two weeks, the first of which is in the middle of the first week",
    ),
    (
        "src/adobe/golden/computed_attributes.txt",
        "GET /v1/profiles/identifier/user_id/7001",
        "events of two weeks, the first of which is in the middle of the first week",
    ),
    (
        "src/dfinery/golden/export.txt",
        r#"POST /api/v1/export/event?service_id=default {"events_condition_type":"include","events":["df_purchase"],"#,
        "events of one day, some hours before the clock of the file",
    ),
    (
        "src/dfinery/golden/export.txt",
        r#"POST /api/v1/export/event?service_id=default {"events_condition_type":"all","properties_condition_type":"include""#,
        "an event of the last second of a day, twelve hours before the clock of the file",
    ),
];

/// Files in golden folders that are no exchanges, and what they are.
const NO_EXCHANGES: &[(&str, &str)] = &[("src/segment/golden/events.txt", "what calls are read as")];

/// One test for each file, for they run side by side.
macro_rules! played {
    ($($name:ident: $file:literal,)*) => {
        const FILES: &[&str] = &[$($file,)*];
        $(
            #[test]
            fn $name() {
                play::check($file);
            }
        )*
    };
}

played! {
    admin_identity_rules: "src/admin/golden/identity_rules.txt",
    adobe_batches: "src/adobe/golden/batches.txt",
    adobe_computed_attributes: "src/adobe/golden/computed_attributes.txt",
    adobe_config_computed: "src/adobe/golden/config_computed.txt",
    adobe_entities: "src/adobe/golden/entities.txt",
    adobe_ingestion: "src/adobe/golden/ingestion.txt",
    adobe_merge_policies: "src/adobe/golden/merge_policies.txt",
    adobe_previews: "src/adobe/golden/previews.txt",
    adobe_refused: "src/adobe/golden/refused.txt",
    adobe_resources: "src/adobe/golden/resources.txt",
    adobe_segment_definitions: "src/adobe/golden/segment_definitions.txt",
    adobe_system_jobs: "src/adobe/golden/system_jobs.txt",
    dfinery_export: "src/dfinery/golden/export.txt",
    dfinery_import: "src/dfinery/golden/import.txt",
    native_activations: "src/native/golden/activations.txt",
    native_audit: "src/native/golden/audit.txt",
    native_directives: "src/native/golden/directives.txt",
    native_erasures: "src/native/golden/erasures.txt",
    native_event_attributes: "src/native/golden/event_attributes.txt",
    native_exports: "src/native/golden/exports.txt",
    native_members: "src/native/golden/members.txt",
    native_policies: "src/native/golden/policies.txt",
    native_read_contract: "src/native/golden/read_contract.txt",
    native_sources: "src/native/golden/sources.txt",
    optimizely_blacklists: "src/optimizely/golden/blacklists.txt",
    optimizely_definitions: "src/optimizely/golden/definitions.txt",
    optimizely_events: "src/optimizely/golden/events.txt",
    optimizely_kql: "src/optimizely/golden/kql.txt",
    optimizely_profiles: "src/optimizely/golden/profiles.txt",
    optimizely_segments: "src/optimizely/golden/segments.txt",
    regulations: "src/regulations/golden/regulations.txt",
    segment_exchanges: "src/segment/golden/exchanges.txt",
    segment_profiles: "src/segment_profiles/golden/profiles.txt",
    wyng_profiles: "src/wyng/golden/profiles.txt",
}

/// The folder of the crate whose files these are.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../api")
}

#[test]
fn every_file_of_exchanges_is_played() {
    let doors = std::fs::read_dir(home().join("src")).expect("the sources of the doors");
    let folders = doors.map(|door| door.expect("an entry").path().join("golden")).filter(|folder| folder.is_dir());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
    let texts =
        files.map(|file| file.expect("an entry").path()).filter(|path| path.extension() == Some("txt".as_ref()));
    let found: BTreeSet<String> = texts.map(|path| named(&path)).collect();
    let others = NO_EXCHANGES.iter().map(|(file, _)| *file);
    let known: BTreeSet<String> = FILES.iter().copied().chain(others).map(str::to_owned).collect();
    assert_eq!(found, known);
    for (file, request, reason) in OTHERWISE.iter().chain(AT_TIMES) {
        assert!(FILES.contains(file) && !reason.is_empty(), "{file}: {request}");
    }
}

/// A file by its place in the crate.
fn named(path: &Path) -> String {
    path.strip_prefix(home()).expect("a file of the crate").to_str().expect("a path in UTF-8").to_owned()
}
