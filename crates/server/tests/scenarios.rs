//! What one door is told the others answer: scenarios over several doors, as data under `scenarios/`.
//!
//! They run against a server of their own, or against the one at `TESSERA_SCENARIOS_URL` with the key `TESSERA_SCENARIOS_KEY`, a private one that
//! may do everything in the workspace `default`. Each run uses names of its own, so that a server with data will do; it leaves behind people, the
//! registered attribute `scn_plan`, archived segments and a revoked key, and uses 28 of the 100 exports that DFINERY allows in an hour.
//! `TESSERA_SCENARIO` runs those alone whose name contains it.

#[path = "scenarios/collections.rs"]
mod collections;
mod harness;
#[path = "scenarios/run.rs"]
mod run;
#[path = "scenarios/scenario.rs"]
mod scenario;
#[path = "scenarios/tests.rs"]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use harness::Server;
use harness::doors::{Door, Doors};
use jiff::Timestamp;
use run::Names;

#[test]
#[expect(clippy::disallowed_methods, reason = "the mark of a run is the time at which it began")]
fn every_scenario_is_answered_as_expected() {
    let folder = tempfile::tempdir().expect("a folder");
    let named = |name: &str| std::env::var(name).ok();
    let url = named("TESSERA_SCENARIOS_URL");
    let server = url.is_none().then(|| Server::start(folder.path()));
    let doors = match (&server, &url) {
        (Some(server), _) => Doors::of(server),
        (None, url) => Doors::new(
            url.as_deref().unwrap_or_default(),
            &named("TESSERA_SCENARIOS_KEY").expect("TESSERA_SCENARIOS_KEY is the key"),
        ),
    };
    let chosen = named("TESSERA_SCENARIO").unwrap_or_default();
    let scenarios = scenario::all();
    let mut ran = 0;
    let mut wrong = Vec::new();
    for (at, (name, scenario)) in scenarios.iter().enumerate().filter(|(_, (name, _))| name.contains(&chosen)) {
        let mut names = Names::new(Timestamp::now(), at as u64);
        if let Err(fault) = run::run(scenario, &doors, &mut names) {
            wrong.push(format!("{name} ({}): {fault}", scenario.about));
        }
        ran += 1;
    }
    assert!(ran > 0, "no scenario has {chosen:?} in its name");
    assert!(wrong.is_empty(), "{} of {ran} scenarios\n\n{}", wrong.len(), wrong.join("\n\n"));
}

/// The vendor's Postman collections of the Profile API and of ingestion: 63 and 14 requests.
#[test]
#[expect(clippy::disallowed_methods, reason = "the mark of a run is the time at which it began")]
fn every_request_of_adobes_collections_is_answered() {
    let collections = collections::read("adobe.json");
    let faults = collections.faults();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let count = |name: &str| collections.requests.iter().filter(|own| own.collection == name).count();
    assert_eq!((count("Real-time Customer Profile API"), count("Data Ingestion API")), (63, 14));
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let mut names = Names::new(Timestamp::now(), 0);
    let answered = run::run(&collections.into_scenario(Door::Adobe), &Doors::of(&server), &mut names);
    assert!(answered.is_ok(), "{}", answered.err().unwrap_or_default());
}

/// What the door's README says of the collections is what the file says.
#[test]
fn the_readme_tells_what_of_adobes_collections_is_served() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adobe/COLLECTIONS.md");
    let readme = fs::read_to_string(readme).expect("a file");
    for own in collections::read("adobe.json").requests {
        let served = own.not_served.unwrap_or_else(|| "yes".to_owned());
        let row = format!("| {} | `{}` | {} | {served} |", own.folder, own.request, own.section);
        assert!(readme.contains(&row), "COLLECTIONS.md lacks\n{row}");
    }
}

#[test]
fn each_pair_of_doors_is_in_two_scenarios() {
    let scenarios = scenario::all();
    assert!(scenarios.len() >= 15, "{} scenarios", scenarios.len());
    let mut counts: BTreeMap<(Door, Door), usize> = BTreeMap::new();
    for pair in scenarios.values().flat_map(scenario::Scenario::pairs) {
        *counts.entry(pair).or_default() += 1;
    }
    for (at, one) in Door::ALL.iter().enumerate() {
        for other in &Door::ALL[at + 1..] {
            let count = counts.get(&(*one.min(other), *one.max(other))).copied().unwrap_or(0);
            assert!(count >= 2, "{one:?} and {other:?} are together in {count}");
        }
    }
}

#[test]
fn each_step_can_fail_by_more_than_its_status() {
    for (name, scenario) in scenario::all() {
        assert!(!scenario.about.is_empty() && scenario.steps.len() > 2, "{name}");
        for step in &scenario.steps {
            assert!(!step.proves.is_empty(), "{name}: {}", step.request);
            let is_looked_at = step.says() || step.status >= 400 || !step.expected.is_empty() || !step.keep.is_empty();
            assert!(is_looked_at, "{name}: {} expects nothing of its answer", step.request);
        }
    }
}
