//! What caches count is what the process holds for them: each kind of content against the allocator.

use std::hint::black_box;

use tessera_engine::cluster::Cluster;
use tessera_engine::id::NodeId;
use tessera_engine::value::{Decimal, Path, Value};
use tessera_store::{Direction, ScanLimit, Version};

use super::*;
use crate::ALLOCATOR;
use crate::read::query::Rendered;
use crate::read::views::{Epochs, Views};
use crate::stored::keys::{Family, Scope};
use crate::stored::records::cluster;
use crate::write::lane::memory::Memories;

const BUDGET: u64 = 1 << 30;

/// What is counted, as a multiple of what is held: neither a cache that holds more than it says, nor one that is full before its time.
fn is_close(what: &str, counted: u64, held: usize) {
    let ratio = counted as f64 / held as f64;
    assert!((1.0 / 1.3..1.3).contains(&ratio), "{what}: counted {counted}, held {held}, ratio {ratio:.2}");
}

/// Counts the bytes that are allocated for what this makes.
fn held<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.allocated();
    let made = black_box(make());
    (made, ALLOCATOR.allocated() - before)
}

/// The records that the store has, as lanes decode them.
async fn records(world: &World) -> Vec<(Bytes, NodeId)> {
    let range = Scope::new(WORKSPACE).all_of(Family::Cluster);
    let (mut records, mut from) = (Vec::new(), range.clone());
    loop {
        let page = world.store.scan(&from, ScanLimit::rows(1_000), Direction::Forward).await.expect("records");
        let config = world.service.configured(WORKSPACE).await.expect("a configuration");
        records.extend(page.rows.into_iter().map(|row| {
            let id = cluster::decode(&row.value, &config.config).expect("a record").id();
            (row.value, id)
        }));
        match page.next {
            Some(next) => from = next,
            None => return records,
        }
    }
}

/// A lane that remembers these records counts what it holds.
async fn remembered(what: &str, world: &World) {
    let configured = world.service.configured(WORKSPACE).await.expect("a configuration");
    let records = records(world).await;
    let memories = Memories::new(BUDGET);
    let mut memory = memories.memory();
    let decoded =
        |row: &Bytes| -> Arc<Cluster> { Arc::new(cluster::decode(row, &configured.config).expect("a record")) };
    let ((), held) = held(|| {
        for (at, (row, id)) in (1..).zip(&records) {
            memory.keep_cluster(*id, decoded(row), Version(at));
        }
    });
    assert!(records.len() >= 500, "{what}: {} records", records.len());
    is_close(what, memories.used(), held);
}

fn attributes(count: usize, seed: usize) -> Vec<(Path, Value)> {
    let value = |at: usize| match (at + seed) % 4 {
        0 => Value::text(&format!("value {at} of {seed}")),
        1 => Value::Bool(true),
        2 => Value::Number(Decimal::parse("12.5").expect("a number")),
        _ => Value::List([Value::text("sports"), Value::text("a longer word of the list")].into()),
    };
    (0..count).map(|at| (Path::root(&format!("attribute_{at}")).expect("a path"), value(at))).collect()
}

fn bought(id: &str, identities: &[(&str, &str)], cents: usize) -> Fact {
    let payload = Bytes::from(format!("{{\"properties\":{{\"total\":{cents},\"category\":\"c{}\"}}}}", cents % 7));
    let call = Call { kind: EventKind::Action, name: Some("Order Completed".into()), payload };
    Fact { call: Some(call), ..fact(id, identities, "") }
}

#[tokio::test]
async fn records_of_people_who_were_seen_once() {
    let world = World::new(Limits::EMBEDDED).await;
    let anonymous =
        |at: usize| fact(&format!("m{at}"), &[("anonymous_id", &format!("4e1f6a5c-{at:08}"))], "Page Viewed");
    world.accept((0..2_000).map(anonymous).collect()).await;
    remembered("seen once", &world).await;
    world.service.close().await;
}

#[tokio::test]
async fn records_of_people_with_many_identities_and_attributes() {
    let world = World::new(Limits::EMBEDDED).await;
    let person = |at: usize| {
        let (user, email, device) = (format!("u{at}"), format!("person-{at}@shop.example"), format!("device-{at:012}"));
        let identities = [("user_id", &*user), ("email", &*email), ("anonymous_id", &*device)];
        Fact { attributes: attributes(25, at), ..fact(&format!("m{at}"), &identities, "Signed In") }
    };
    world.accept((0..600).map(person).collect()).await;
    remembered("identities and attributes", &world).await;
    world.service.close().await;
}

#[tokio::test]
async fn records_with_windows_rankings_and_memberships() {
    let world = World::new(Limits::EMBEDDED).await;
    let window = |days: usize| format!("timestamp occurs <= {days} days before now");
    let totals = (0..8).map(|at| format!("xEvent[{}].sum(properties.total) >= {at}", window(at + 2)));
    let counts = (0..8).map(|at| format!("xEvent[{}].count() >= {at}", window(at + 2)));
    let others = ["mostFrequent(properties.category) = \"c1\"", "min(properties.total) <= 3", "max(timestamp) < now"];
    let others = others.iter().map(|own| format!("xEvent[{}].{own}", window(30)));
    world.put_segments(totals.chain(counts).chain(others)).await;
    for round in 0..12 {
        let order = |at: usize| bought(&format!("m{round}-{at}"), &[("user_id", &format!("u{at}"))], round * 100 + at);
        world.accept((0..500).map(order).collect()).await;
    }
    world.run_timers().await;
    remembered("windows", &world).await;
    world.service.close().await;
}

#[tokio::test]
async fn identities_that_a_lane_remembers() {
    let memories = Memories::new(BUDGET);
    let mut memory = memories.memory();
    let namespace = tessera_engine::config::NamespaceId::new(3);
    let ((), held) = held(|| {
        for at in 0..20_000_u64 {
            let value = format!("person-{at}@shop.example").into();
            let mut id = [0; 12];
            id[4..].copy_from_slice(&at.to_be_bytes());
            let node = NodeId::from_bytes(id);
            let row = tessera_engine::working::IdentityRow { node, cluster: node };
            memory.keep_identity(tessera_engine::fact::Identity { namespace, value }, row, Version(at));
        }
    });
    is_close("identities", memories.used(), held);
}

#[tokio::test]
async fn rendered_profiles() {
    for bytes in [120, 700, 5_000] {
        let (epochs, world) = (Epochs::new(), Views::new(BUDGET));
        let epoch = epochs.read(NodeId::from_bytes([7; 12]));
        let ((), held) = held(|| {
            for at in 0..20_000_usize.min((64 << 20) / bytes) {
                let json = format!("{{\"user_id\":\"{at}\",\"text\":\"{}\"}}", "x".repeat(bytes));
                let json = json.into_bytes().into_boxed_slice().into();
                let rendered = Rendered { json, etag: format!("\"{at:032x}-7\"").into() };
                world.keep(format!("workspace-user_id-{at}").as_bytes(), epoch, None, &rendered);
            }
        });
        is_close(&format!("views of {bytes} bytes"), world.bytes(), held);
    }
}
