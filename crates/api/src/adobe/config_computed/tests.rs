//! Computed attributes of the first generation against the specification.

use crate::adobe::tests::golden;

#[tokio::test]
async fn computed_attributes_of_the_first_generation_are_answered_as_the_spec_says() {
    golden::check("config_computed.txt").await;
}
