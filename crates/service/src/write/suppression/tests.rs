use tessera_engine::config::NamespaceId;
use tessera_store::{Commit, MemoryStore};

use super::*;
use crate::base::codec::golden;

fn identity(namespace: u16, value: &str) -> Identity {
    Identity { namespace: NamespaceId::new(namespace), value: value.into() }
}

#[test]
fn a_row_tells_nothing_of_whom_it_is_about() {
    let (scope, secret) = (Scope::new(WorkspaceId::new(7)), Secret::new([3; 32]));
    let key = secret.key(scope, &identity(2, "ann@shop.example"));
    assert!(is_sound(&key, ROW));
    golden("suppression-key-1", key.as_bytes());
    let others = [
        secret.key(scope, &identity(3, "ann@shop.example")),
        secret.key(scope, &identity(2, "bob@shop.example")),
        secret.key(Scope::new(WorkspaceId::new(8)), &identity(2, "ann@shop.example")),
        Secret::new([4; 32]).key(scope, &identity(2, "ann@shop.example")),
    ];
    for other in others {
        assert_ne!(other, key);
    }
    assert!(!is_sound(&scope.family(Family::Suppression).bytes(&[0; 31]).key(), ROW));
    assert!(!is_sound(&key, b""));
}

#[tokio::test]
async fn a_secret_is_read_as_written() {
    let store = MemoryStore::new();
    let workspace = WorkspaceId::new(7);
    assert!(Secret::read(&store, workspace).await.expect("reads").is_none());
    let secret = Secret::new([3; 32]);
    golden("suppression-secret-1", &secret.encode());
    store.commit(Commit::new().put(secret_key(workspace), secret.encode())).await.expect("written");
    let read = Secret::read(&store, workspace).await.expect("reads").expect("a secret");
    assert_eq!(read.0, secret.0);
    assert!(Secret::read(&store, WorkspaceId::new(8)).await.expect("reads").is_none());
}
