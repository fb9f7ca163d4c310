//! Shares are as large as they say, hold what smaller ones hold, and seeds have nothing to do with each other.

use super::*;

fn ids() -> impl Iterator<Item = NodeId> {
    (0..100_000u64).map(|at| {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&0x019a_0f3eu32.to_be_bytes());
        bytes[4..].copy_from_slice(&at.to_be_bytes());
        NodeId::from_bytes(bytes)
    })
}

fn group(share: f64, seed: &str) -> ControlGroup {
    ControlGroup::new(share, seed).expect("a control group")
}

fn held(own: &ControlGroup) -> usize {
    ids().filter(|id| own.holds(*id)).count()
}

#[test]
fn who_is_in_one_never_changes() {
    let id = |last: u8| NodeId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, last]);
    assert_eq!(id(0).to_string(), "0102030405060708090a0b00");
    let held = |seed: &str| (0..=255).filter(|last| group(0.05, seed).holds(id(*last))).collect::<Vec<u8>>();
    assert_eq!(
        held("spring"),
        [2, 4, 16, 25, 75, 98, 100, 112, 125, 127, 134, 147, 153, 157, 176, 181, 188, 204, 210, 239]
    );
}

#[test]
fn a_share_is_as_large_as_it_says() {
    for seed in ["spring", "autumn", "é", "1"] {
        for share in [0.000_1, 0.01, 0.1, 0.5, 0.9] {
            let found = held(&group(share, seed)) as f64;
            // Five standard deviations.
            let allowed = 5.0 * (100_000.0 * share * (1.0 - share)).sqrt();
            assert!((found - 100_000.0 * share).abs() <= allowed, "{seed} {share}: {found}");
        }
    }
}

#[test]
fn a_greater_share_holds_what_a_smaller_one_holds() {
    for seed in ["spring", "autumn"] {
        let mut smaller = group(0.000_001, seed);
        for share in [0.01, 0.05, 0.1, 0.100_001, 0.5, 0.999_999] {
            let greater = group(share, seed);
            assert!(ids().all(|id| greater.holds(id) || !smaller.holds(id)), "{seed} {share}");
            smaller = greater;
        }
    }
}

#[test]
fn seeds_have_nothing_to_do_with_each_other() {
    let (one, other) = (group(0.2, "spring"), group(0.2, "autumn"));
    let both = ids().filter(|id| one.holds(*id) && other.holds(*id)).count() as f64;
    assert!((both - 4_000.0).abs() <= 5.0 * (100_000.0 * 0.04 * 0.96f64).sqrt(), "{both}");
}

#[test]
fn what_is_no_share_is_refused() {
    for share in [0.0, 1.0, -0.1, 1.5, 0.000_000_1, 0.123_456_78, f64::NAN, f64::INFINITY] {
        assert_eq!(ControlGroup::new(share, "x").expect_err("no share").code, "control_group_invalid", "{share}");
    }
    for seed in ["", "a\nb", &"a".repeat(65)] {
        assert_eq!(ControlGroup::new(0.1, seed).expect_err("no seed").code, "control_group_invalid");
    }
    for share in [0.000_001, 0.1, 0.3, 0.7, 0.999_999] {
        assert!((group(share, "x").share() - share).abs() < f64::EPSILON);
    }
}
