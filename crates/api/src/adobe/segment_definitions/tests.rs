//! Segment definitions against the specification.

use crate::adobe::tests::golden;

#[tokio::test]
async fn segment_definitions_are_answered_as_the_spec_says() {
    golden::check("segment_definitions.txt").await;
}
