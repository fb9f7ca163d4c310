use tessera_engine::cluster::{Node, Role};
use tessera_engine::config::NamespaceId;
use tessera_engine::time::Timestamp;

use super::*;

const BUDGET: u64 = 1 << 20;

fn id(number: u64) -> NodeId {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    NodeId::from_bytes(bytes)
}

fn identity(number: u64) -> Identity {
    Identity { namespace: NamespaceId::new(1), value: format!("user-{number:08}").into() }
}

/// Has a lane remember these records, each of about 3,200 bytes.
fn keep(memory: &mut Memory, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let node = Node::new(id(number), identity(number), Timestamp::MIN, Role::default());
        let mut cluster = Cluster::of_one(node, Timestamp::MIN, 0);
        cluster.bytes = 1_000;
        memory.keep_cluster(id(number), Arc::new(cluster), Version(number));
        let row = IdentityRow { node: id(number), cluster: id(number) };
        memory.keep_identity(identity(number), row, Version(number));
        assert!(memory.all.used() <= BUDGET, "{} bytes after {number}", memory.all.used());
    }
}

fn known(memory: &Memory, numbers: std::ops::Range<u64>) -> usize {
    numbers.filter(|number| memory.cluster(id(*number)).is_some_and(|(_, version)| version == Version(*number))).count()
}

#[test]
fn one_lane_uses_what_others_do_not() {
    let memories = Memories::new(BUDGET);
    let mut busy = memories.memory();
    keep(&mut busy, 0..250);
    assert_eq!(known(&busy, 0..250), 250, "three quarters of the budget of the process");
    assert_eq!(busy.identity(&identity(7)), Some((IdentityRow { node: id(7), cluster: id(7) }, Version(7))));
    busy.drop_cluster(id(7));
    busy.drop_identity(&identity(7));
    assert_eq!((known(&busy, 0..250), busy.identity(&identity(7))), (249, None));
    drop(busy);
    assert_eq!(memories.used(), 0, "it gives back what it held");
}

#[test]
fn who_remembers_most_forgets_first() {
    let memories = Memories::new(BUDGET);
    let (mut quiet, mut flooded) = (memories.memory(), memories.memory());
    keep(&mut quiet, 0..50);
    keep(&mut flooded, 1_000..5_000);
    assert_eq!(known(&quiet, 0..50), 50, "a flood takes room from itself");
    assert!(known(&flooded, 1_000..5_000) > 150, "and uses what the other does not");
    // Whoever becomes busy gets a part as large, though the other was there before.
    keep(&mut quiet, 50..200);
    assert!(known(&quiet, 0..200) > 120, "{} of it are remembered", known(&quiet, 0..200));
    // Many lanes share the budget.
    let many: Vec<Memory> = (0..40u64)
        .map(|lane| {
            let mut own = memories.memory();
            keep(&mut own, lane * 100..lane * 100 + 50);
            own
        })
        .collect();
    let held: Vec<usize> = (0..40u64).map(|lane| known(&many[lane as usize], lane * 100..lane * 100 + 50)).collect();
    assert!(held.iter().sum::<usize>() > 150, "the budget is used: {held:?}");
    drop((quiet, flooded, many));
    assert_eq!(memories.used(), 0);
}

#[test]
fn a_budget_of_nothing_remembers_nothing() {
    let memories = Memories::new(0);
    let mut memory = memories.memory();
    memory.keep_identity(identity(1), IdentityRow { node: id(1), cluster: id(1) }, Version(1));
    assert_eq!((memory.identity(&identity(1)), memories.used()), (None, 0));
}
