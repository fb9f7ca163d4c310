//! Computed attributes against the specification.

use crate::adobe::tests::golden;

#[tokio::test]
async fn computed_attributes_are_answered_as_the_spec_says() {
    golden::check("computed_attributes.txt").await;
}
