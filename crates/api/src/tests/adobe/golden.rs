//! Golden exchanges of this door, with its headers. A file names the sections that it shows.

use crate::tests::golden;

/// Sends what stands in this file of `crates/adobe/golden`, and compares the answers.
pub(super) async fn check(file: &str) {
    golden::check(&format!("adobe/golden/{file}")).await;
}

#[tokio::test]
async fn entities_are_answered_as_the_spec_says() {
    check("entities.txt").await;
}

#[tokio::test]
async fn what_is_sent_is_taken_as_the_spec_says() {
    check("ingestion.txt").await;
}

#[tokio::test]
async fn system_jobs_are_answered_as_the_spec_says() {
    check("system_jobs.txt").await;
}

#[tokio::test]
async fn batches_are_taken_as_the_spec_says() {
    check("batches.txt").await;
}

#[tokio::test]
async fn schemas_datasets_and_batches_are_answered_in_every_way() {
    check("resources.txt").await;
}

#[tokio::test]
async fn what_is_refused_is_answered_as_the_spec_says() {
    check("refused.txt").await;
}

#[tokio::test]
async fn computed_attributes_are_answered_as_the_spec_says() {
    check("computed_attributes.txt").await;
}

#[tokio::test]
async fn computed_attributes_of_the_first_generation_are_answered_as_the_spec_says() {
    check("config_computed.txt").await;
}

#[tokio::test]
async fn segment_definitions_are_answered_as_the_spec_says() {
    check("segment_definitions.txt").await;
}

/// Every operation that is documented stands in the table of statuses, each status of it in a golden exchange that the table names.
#[test]
fn the_table_of_statuses_is_true() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../adobe");
    let read =
        |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let table = read("STATUSES.md");
    let mut told = std::collections::BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, operation, _, statuses, files, _] = cells[..] else { panic!("a row of four cells: {row}") };
        let (method, path) = operation.trim_matches('`').split_once(' ').expect("METHOD /path");
        told.insert((method.to_owned(), path.to_owned()));
        let shown: Vec<String> = files.split(", ").map(|file| read(file.trim_matches('`'))).collect();
        for status in statuses.split(", ") {
            let shows =
                |text: &String| exchanges(text).any(|(own, at, got)| own == method && fits(at, path) && got == status);
            assert!(shown.iter().any(shows), "{operation} {status} is not in {files}");
        }
    }
    let routes = (tessera_adobe::DOOR.routes)();
    assert!(routes.len() > 50, "only {} operations", routes.len());
    for route in routes {
        let own = (route.method.to_string(), route.path.to_owned());
        assert!(told.contains(&own), "{own:?} is not in the table");
    }
}

/// The exchanges of a file: method, path without its query, status.
fn exchanges(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    text.split("\n\n").filter_map(|block| {
        let request = block.lines().find(|line| !line.starts_with(['#', '>']))?;
        let mut words = request.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let status = block.lines().find_map(|line| line.strip_prefix("=> "))?;
        Some((method, path.split('?').next()?.trim_end_matches('/'), status))
    })
}

/// Whether an address is one of a path with names in braces. What is written out is not meant by a name.
fn fits(at: &str, path: &str) -> bool {
    let (own, named): (Vec<&str>, Vec<&str>) = (at.split('/').collect(), path.split('/').collect());
    own.len() == named.len() && own.iter().zip(&named).all(|(own, named)| own == named || named.starts_with('{'))
}
