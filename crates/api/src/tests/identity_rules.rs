//! Identity rules that are tried before they are set.

use super::golden;

#[tokio::test]
async fn exchanges_are_frozen() {
    golden::check("api/src/admin/golden/identity_rules.txt").await;
}
