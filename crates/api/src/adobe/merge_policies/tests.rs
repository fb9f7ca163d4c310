//! Merge policies against the specification.

use crate::adobe::tests::golden;

#[tokio::test]
async fn merge_policies_are_answered_as_the_spec_says() {
    golden::check("merge_policies.txt").await;
}
