//! A panic fails the command that caused it, tells the others what became of theirs, and the lane goes on.

use super::*;
use crate::base::error::ErrorKind;
use crate::write::lane::guard::test_faults::{self, Place};

fn code(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted { .. } => "accepted",
        Verdict::Duplicate => "duplicate",
        Verdict::Differs => "duplicate_differs",
        Verdict::Rejected(rejection) => rejection.code,
    }
}

#[tokio::test]
async fn a_panic_fails_its_own_command_alone() {
    for (place, expected) in [(Place::Prepare, "internal"), (Place::Decide, "internal"), (Place::Pack, "internal")] {
        let world = World::new(Limits::EMBEDDED).await;
        let bad = format!("{place:?}-bad");
        test_faults::set(place, &bad);
        let own = |id: &str| fact(id, &[("user_id", id)], "A");
        let mut facts: Vec<Fact> = (0..20).map(|at| own(&format!("m{at}"))).collect();
        facts.insert(13, own(&bad));
        // One call of several, one of another's, and one of the bad fact alone, in one group.
        let other = vec![own("other")];
        let (several, other, alone) =
            tokio::join!(world.ingest(facts), world.ingest(other), world.ingest(vec![own(&bad)]));
        let codes: Vec<_> = several.expect("verdicts").iter().map(code).collect();
        let mut wanted = vec!["accepted"; 21];
        wanted[13] = expected;
        assert_eq!(codes, wanted, "{place:?}");
        assert_eq!(other.expect("verdicts").iter().map(code).collect::<Vec<_>>(), ["accepted"], "{place:?}");
        let error = alone.expect_err("a fault");
        assert_eq!((error.kind, error.code), (ErrorKind::Internal, "internal"), "{place:?}");
        assert!(!world.exists("user_id", &bad).await, "{place:?}");
        world.accept(vec![own("later")]).await;
        assert_eq!(world.service.counts(WORKSPACE).await.expect("counts").events, 22, "{place:?}");
        world.service.close().await;
        world.check().await;
    }
}

#[tokio::test]
async fn a_panic_after_the_commit_takes_nothing_back() {
    let world = World::new(Limits::EMBEDDED).await;
    test_faults::set(Place::AfterCommit, "after");
    let own = |id: &str| fact(id, &[("user_id", id)], "A");
    let verdicts = world.ingest(vec![own("before"), own("after")]).await.expect("verdicts");
    assert_eq!(verdicts.iter().map(code).collect::<Vec<_>>(), ["accepted", "accepted"]);
    world.accept(vec![own("later")]).await;
    assert_eq!(world.service.counts(WORKSPACE).await.expect("counts").events, 3);
}

#[tokio::test]
async fn a_panic_of_a_change_of_configuration_is_told_as_one() {
    let world = World::new(Limits::EMBEDDED).await;
    let error = world.service.configure(WORKSPACE, |_| panic!("a fault of ours")).await.expect_err("a fault");
    assert_eq!((error.kind, error.code), (ErrorKind::Internal, "internal"));
    world.accept(vec![fact("1", &[("user_id", "ann")], "A")]).await;
}
