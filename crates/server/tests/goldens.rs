//! Golden exchanges of all doors (`crates/api/src/*/golden`, `crates/*/golden`), played against the binary: each file against a server of its own,
//! each request as it stands there but for ids and times, each answer held against the frozen one: status, headers, body.
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
        "adobe/golden/computed_attributes.txt",
        "GET /data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId=7001&entityIdNS=user_id&fields=_default.SystemComputedAttributes",
        "events of two weeks, the first of which is in the middle of the first week",
    ),
    (
        "adobe/golden/computed_attributes.txt",
        "GET /v1/profiles/identifier/user_id/7001",
        "events of two weeks, the first of which is in the middle of the first week",
    ),
    (
        "api/src/dfinery/golden/export.txt",
        r#"POST /api/v1/export/event?service_id=default {"events_condition_type":"include","events":["df_purchase"],"#,
        "events of one day, some hours before the clock of the file",
    ),
    (
        "api/src/dfinery/golden/export.txt",
        r#"POST /api/v1/export/event?service_id=default {"events_condition_type":"all","properties_condition_type":"include""#,
        "an event of the last second of a day, twelve hours before the clock of the file",
    ),
];

/// Files in golden folders that are no exchanges, and what they are.
const NO_EXCHANGES: &[(&str, &str)] = &[("api/src/segment/golden/events.txt", "what calls are read as")];

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
    admin_identity_rules: "api/src/admin/golden/identity_rules.txt",
    adobe_batches: "adobe/golden/batches.txt",
    adobe_computed_attributes: "adobe/golden/computed_attributes.txt",
    adobe_config_computed: "adobe/golden/config_computed.txt",
    adobe_entities: "adobe/golden/entities.txt",
    adobe_ingestion: "adobe/golden/ingestion.txt",
    adobe_merge_policies: "adobe/golden/merge_policies.txt",
    adobe_previews: "adobe/golden/previews.txt",
    adobe_refused: "adobe/golden/refused.txt",
    adobe_resources: "adobe/golden/resources.txt",
    adobe_segment_definitions: "adobe/golden/segment_definitions.txt",
    adobe_system_jobs: "adobe/golden/system_jobs.txt",
    dfinery_export: "api/src/dfinery/golden/export.txt",
    dfinery_import: "api/src/dfinery/golden/import.txt",
    native_activations: "api/src/native/golden/activations.txt",
    native_audit: "api/src/native/golden/audit.txt",
    native_directives: "api/src/native/golden/directives.txt",
    native_erasures: "api/src/native/golden/erasures.txt",
    native_event_attributes: "api/src/native/golden/event_attributes.txt",
    native_exports: "api/src/native/golden/exports.txt",
    native_members: "api/src/native/golden/members.txt",
    native_policies: "api/src/native/golden/policies.txt",
    native_read_contract: "api/src/native/golden/read_contract.txt",
    native_sources: "api/src/native/golden/sources.txt",
    optimizely_blacklists: "optimizely/golden/blacklists.txt",
    optimizely_definitions: "optimizely/golden/definitions.txt",
    optimizely_events: "optimizely/golden/events.txt",
    optimizely_kql: "optimizely/golden/kql.txt",
    optimizely_profiles: "optimizely/golden/profiles.txt",
    optimizely_segments: "optimizely/golden/segments.txt",
    regulations: "api/src/regulations/golden/regulations.txt",
    segment_exchanges: "api/src/segment/golden/exchanges.txt",
    segment_profiles: "api/src/segment_profiles/golden/profiles.txt",
    wyng_profiles: "api/src/wyng/golden/profiles.txt",
}

/// The folder that these files stand below.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_file_of_exchanges_is_played() {
    let folders = |folder: &str| {
        let entries = std::fs::read_dir(home().join(folder)).expect("a folder of doors");
        entries.map(|entry| entry.expect("an entry").path().join("golden")).filter(|folder| folder.is_dir())
    };
    // A door is a folder of the crate of most of them, or a crate.
    let folders = folders("api/src").chain(folders(""));
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

/// A file by its place below them.
fn named(path: &Path) -> String {
    path.strip_prefix(home()).expect("a file of a crate").to_str().expect("a path in UTF-8").to_owned()
}
