//! Golden exchanges of this door, with its headers. A file names the sections that it shows.

use crate::tests::golden;
use crate::tests::world::ROOT;

/// Sends what stands in this file of `adobe/golden`, and compares the answers.
pub(in crate::adobe) async fn check(file: &str) {
    let bearer = format!("Bearer {ROOT}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-api-key", "any"),
        ("x-gw-ims-org-id", "default@AdobeOrg"),
        ("x-sandbox-name", "prod"),
        ("content-type", "application/json"),
    ];
    golden::check_by(&format!("src/adobe/golden/{file}"), &headers).await;
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
