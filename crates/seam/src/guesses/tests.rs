use super::*;

fn peer(address: &str) -> Option<Peer> {
    Some(Peer(address.parse().expect("an address")))
}

fn wrong() -> Error {
    Error::new(ErrorKind::Unauthenticated, "key_invalid", "no such key")
}

#[test]
fn many_wrong_keys_of_one_network_wait_and_others_do_not() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    for at in 0..FREE {
        assert_eq!(guesses.note(&wrong(), peer(&format!("203.0.113.{at}")), now), None);
    }
    assert_eq!(guesses.note(&wrong(), peer("203.0.113.250"), now), Some(WAIT));
    assert_eq!(guesses.note(&wrong(), peer("::ffff:203.0.113.1"), now), Some(WAIT));
    assert_eq!(guesses.note(&wrong(), peer("198.51.100.1"), now), None);
    assert_eq!(guesses.note(&wrong(), None, now), None);
    for _ in 0..2 * FREE {
        assert_eq!(guesses.note(&wrong(), peer("127.0.0.1"), now), None, "the machine itself");
    }
    let missing = Error::new(ErrorKind::Unauthenticated, "key_missing", "no key");
    let other = Error::new(ErrorKind::NotFound, "not_found", "nothing");
    for error in [missing, other] {
        assert_eq!(guesses.note(&error, peer("203.0.113.1"), now), None, "{}", error.code);
    }
    let now = now + WINDOW;
    assert_eq!(guesses.note(&wrong(), peer("203.0.113.1"), now), None);
}

#[test]
fn networks_are_counted_up_to_a_bound() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    for at in 0..NETWORKS_MAX + 50 {
        let [_, b, c, d] = u32::try_from(at).expect("small").to_be_bytes();
        guesses.note(&wrong(), Some(Peer(IpAddr::V4(Ipv4Addr::new(10 + b, c, d, 0)))), now);
    }
    let held = || guesses.of.lock().expect("no test holds it").len();
    assert_eq!(held(), NETWORKS_MAX);
    let now = now + WINDOW;
    guesses.note(&wrong(), peer("203.0.113.1"), now);
    assert_eq!(held(), 1);
}
