use proptest::prelude::*;
use tessera_store::MemoryStore;

use super::*;

/// Case 1 of RFC 4231 with its key filled up with zeros, which HMAC does too, and case 2 likewise.
#[test]
fn hmac_is_that_of_the_rfc() {
    let check = |key: &[u8], data: &[&[u8]], expected: &str| {
        let mut filled = [0; 32];
        filled[..key.len()].copy_from_slice(key);
        let found: String = hmac(&filled, data).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, expected);
    };
    check(&[0x0b; 20], &[b"Hi ", b"There"], "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check(
        b"Jefe",
        &[b"what do ya want for nothing?"],
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
}

#[tokio::test]
async fn all_processes_share_one_secret() {
    let store = MemoryStore::new();
    let first = Cursors::open(&store, [1; 32]).await.unwrap();
    let second = Cursors::open(&store, [2; 32]).await.unwrap();
    let workspace = WorkspaceId::new(1);
    let cursor = first.seal(workspace, Purpose::Events, b"position");
    assert_eq!(second.open_sealed(workspace, Purpose::Events, &cursor).unwrap(), "position");
    assert_eq!(format!("{first:?}"), "Cursors(***)");
}

#[test]
fn the_secret_is_frozen() {
    codec::golden("secret-1", &codec::encode(VERSION, &[7u8; 32]));
}

#[test]
fn a_cursor_opens_only_where_it_was_sealed() {
    let cursors = Cursors::new(&[7; 32]);
    let [one, two] = [WorkspaceId::new(1), WorkspaceId::new(2)];
    let sealed = cursors.seal(one, Purpose::Events, b"at");
    let check = |workspace, purpose, cursor: &str, opens: bool| {
        let found = cursors.open_sealed(workspace, purpose, cursor).map_err(|error| error.code);
        assert_eq!(found, if opens { Ok(Bytes::from_static(b"at")) } else { Err("cursor_invalid") });
    };
    check(one, Purpose::Events, &sealed, true);
    check(two, Purpose::Events, &sealed, false);
    check(one, Purpose::Quarantine, &sealed, false);
    check(one, Purpose::Events, "", false);
    check(one, Purpose::Events, "AAAA", false);
    check(one, Purpose::Events, &format!("{sealed}="), false);
    check(one, Purpose::Events, &"A".repeat(100_000), false);
    let other = Cursors::new(&[8; 32]).seal(one, Purpose::Events, b"at");
    check(one, Purpose::Events, &other, false);
}

proptest! {
    #[test]
    fn what_was_sealed_opens(number in 1u32.., carried in prop::collection::vec(any::<u8>(), 0..=CARRIED_BYTES_MAX)) {
        let cursors = Cursors::new(&[7; 32]);
        let workspace = WorkspaceId::new(number);
        let sealed = cursors.seal(workspace, Purpose::Quarantine, &carried);
        prop_assert_eq!(cursors.open_sealed(workspace, Purpose::Quarantine, &sealed).unwrap(), carried);
    }

    #[test]
    fn a_changed_cursor_does_not_open(carried in prop::collection::vec(any::<u8>(), 0..40), at: prop::sample::Index, bit in 0u8..8) {
        let cursors = Cursors::new(&[7; 32]);
        let workspace = WorkspaceId::new(1);
        let mut bytes = URL_SAFE_NO_PAD.decode(cursors.seal(workspace, Purpose::Events, &carried)).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let changed = URL_SAFE_NO_PAD.encode(bytes);
        prop_assert!(cursors.open_sealed(workspace, Purpose::Events, &changed).is_err());
    }

    #[test]
    fn opening_never_panics(text in ".*") {
        let _ = Cursors::new(&[7; 32]).open_sealed(WorkspaceId::new(1), Purpose::Events, &text);
    }
}
