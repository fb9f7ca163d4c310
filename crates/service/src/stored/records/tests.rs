//! Each record: what is written is read again, its bytes are frozen, and damage is told, never a panic.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use tessera_engine::aggregate::{
    Best, Beyond, Brings, Column, Group, Groups, Moment, Ranked, Run, State, Summary, Tail, Totals, Values,
};
use tessera_engine::cluster::{
    Above, Cell, Cluster, End, Evidence, Fragment, HoldReason, Hub, Link, LinkState, Node, Relation, Role, Separation,
    Severer, Source, Tally, Whole,
};
use tessera_engine::config::{Config, NamespaceId};
use tessera_engine::decide::{NewEvent, Notice};
use tessera_engine::fact::{Call, Class, Content, EventKind, Identity, Strength};
use tessera_engine::id::{DirectiveId, EventId, NodeId};
use tessera_engine::rules::{AggregateId, Late, Membership, SegmentId, SegmentStates, Trouble};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Path, Value};
use tessera_engine::view::Names;
use tessera_engine::working::{FactRow, IdentityRow};
use tessera_expr::facts::Membership as Stands;
use tessera_expr::plan::Contribution;

use super::rows::{Counts, FactsById, LaneRow};
use super::{cluster, event, link, rows};
use crate::base::codec::{golden, thawed};
use crate::base::ids::WorkspaceId;
use crate::config::workspace::{StoredConfig, erase_source};
use crate::stored::loose;
use crate::write::feed;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000).expect("in bounds")
}

fn node_id(last: u8) -> NodeId {
    NodeId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, last])
}

fn identity(namespace: u16, value: &str) -> Identity {
    Identity { namespace: NamespaceId::new(namespace), value: value.into() }
}

fn end(last: u8, namespace: u16, value: &str) -> End {
    End { node: node_id(last), identity: identity(namespace, value) }
}

fn config() -> Config {
    StoredConfig::default().to_engine().expect("the default is a configuration")
}

fn source(dataset: &str, batch: Option<&str>, generation: u32) -> Source {
    Source { dataset: dataset.into(), batch: batch.map(Into::into), generation }
}

fn directive(last: u8) -> DirectiveId {
    DirectiveId::from_bytes([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, last])
}

fn evidence(strength: Strength, generation: u32) -> Vec<Evidence> {
    let mut tally = Tally::one(source("segment", Some("july"), generation), at(3));
    tally.count = 4;
    tally.last = at(9);
    vec![Evidence::new(strength, tally, at(20))]
}

fn values() -> Vec<(&'static str, Value)> {
    let decimal = |text| Value::Number(Decimal::parse(text).expect("a number"));
    vec![
        ("bool", Value::Bool(true)),
        ("list", Value::List(Arc::from([decimal("1"), Value::text("two")]))),
        ("null", Value::Null),
        ("number", decimal("-12.345678901234567890")),
        ("object", Value::object(vec![("a".into(), Value::Bool(false))])),
        ("set", Value::set(vec![Value::text("b"), Value::text("a")])),
        ("text", Value::text("Grüße")),
        ("time", Value::Timestamp(at(1))),
    ]
}

fn sample_cluster() -> Cluster {
    let role = Role { exclusive: true, ..Role::default() };
    let mut first = Node::new(node_id(1), identity(2, "ann"), at(0), role);
    first.owned = vec![Tally { events: 1, ..Tally::one(source("segment", None, 0), at(5)) }];
    let cell = |(name, value): (&str, Value)| Cell {
        path: Path::root(name).expect("a path"),
        value,
        time: at(5),
        received_at: at(6),
        batch: Some("july".into()),
        claimed: None,
    };
    first.fragments =
        vec![Fragment { cells: values().into_iter().map(cell).collect(), ..Fragment::new("crm".into(), None) }];
    first.relations = vec![Relation {
        account: identity(6, "acme"),
        node: node_id(9),
        evidence: vec![Tally::one(source("segment", None, 0), at(7))],
    }];
    let mut second = Node::new(node_id(2), identity(5, "device"), at(1), Role::default());
    second.above = Above { private: 1, public: 0 };
    let inside = Link {
        ends: [end(1, 2, "ann"), end(2, 5, "device")],
        evidence: evidence(Strength::Verified, 0),
        state: LinkState::Held(HoldReason::Limit),
    };
    Cluster {
        nodes: vec![first, second],
        links: vec![inside],
        pieces: vec![0, 1],
        swept: 0,
        updated_at: at(8),
        bytes: 0,
    }
}

/// What only version 2 can say as well.
fn later_cluster() -> Cluster {
    let mut cluster = sample_cluster();
    cluster.swept = 7;
    cluster.links[0].state = LinkState::Held(HoldReason::Separated);
    cluster.links[0].evidence = evidence(Strength::Joined, 3);
    cluster.nodes[0].owned.push(Tally::one(source("crm", Some("july"), 4), at(6)));
    cluster.nodes[0].separated = vec![Separation { directive: directive(1), other: node_id(2) }];
    cluster.nodes[1].separated = vec![Separation { directive: directive(1), other: node_id(1) }];
    cluster.nodes[1].role = Role { exclusive: false, hub: Hub::ForAll, blocked: true };
    cluster
}

/// What only version 5 can say as well: links of every strength, and a hub for public keys.
fn ranked_cluster() -> Cluster {
    let mut cluster = sample_cluster();
    let strengths =
        [Strength::Claimed, Strength::Observed, Strength::Stated, Strength::Verified, Strength::Joined].into_iter();
    cluster.links[0].evidence = strengths.flat_map(|strength| evidence(strength, 0)).collect();
    cluster.nodes[1].above = Above { private: 2, public: 30 };
    cluster.nodes[1].role.hub = Hub::ForPublic;
    cluster
}

fn moment(second: i64) -> Moment {
    Moment { time: at(second), id: EventId::from_bytes([second.to_le_bytes()[0]; 12]) }
}

/// What nodes keep for the rules, of every shape.
fn ruled_cluster() -> Cluster {
    let totals = Totals { events: 6, numbers: 5, ..Totals::default() };
    let run = |summary| State::Window(Run { at: at(9), summary, leaves: Some(at(12)), enters: None });
    let windows = [
        run(Ok(Summary::Totals(totals))),
        State::Window(Run { at: at(9), summary: Err(Beyond::Overflowed), leaves: None, enters: Some(at(30)) }),
        run(Err(Beyond::OutOfRange)),
    ];
    let mut cluster = earlier_ruled_cluster();
    let windows = (20..).zip(windows).map(|(id, state)| (AggregateId(id), Arc::new(state)));
    cluster.nodes[0].states.extend(windows);
    let contribution =
        Contribution { values: [Value::text("a")].into(), rank: Value::Bool(true), group: Value::text("FR") };
    let brings = vec![Brings::One(Value::text("b")), Brings::Nothing, Brings::Several(Box::new(contribution))];
    let columns = vec![
        Column { id: AggregateId(20), rows: vec![0, 1, 2], brings: Vec::new() },
        Column { id: AggregateId(21), rows: vec![0, 2, 3], brings },
        Column { id: AggregateId(22), rows: Vec::new(), brings: Vec::new() },
    ];
    let moments = vec![moment(4), moment(5), moment(6), moment(8)];
    let tail = Tail::from_parts(Some(moment(3)), moments, columns).expect("a tail");
    cluster.nodes[0].tail = Some(Arc::new(tail));
    cluster.nodes[1].tail = Some(Arc::new(Tail::new([AggregateId(20)])));
    cluster
}

/// The same as versions up to 7 held it. What they kept of events in windows is read anew.
fn earlier_ruled_cluster() -> Cluster {
    let number = |text| Value::Number(Decimal::parse(text).expect("a number"));
    let totals = |events| {
        let (gains, losses) = (Decimal::parse("12.5").expect("a number"), Decimal::parse("-3").expect("a number"));
        Summary::Totals(Totals { events, numbers: events, gains, losses })
    };
    let ranked = Ranked { rank: number("3"), moment: moment(4), value: Value::text("shoe") };
    let values = Values::from_counts([(Value::text("FR"), 2), (Value::Null, 1)]);
    let group = Group { events: 2, summary: totals(2) };
    let states = [
        State::Ever(totals(3)),
        State::Ever(Summary::Best(Best { first: vec![ranked], behind: 9 })),
        State::Ever(Summary::Values(values)),
        State::Ever(Summary::Groups(Groups::from_groups([(Value::text("FR"), group)]))),
        State::Unread,
        State::Unread,
        State::Unread,
        State::Overflowed,
        State::OutOfRange,
    ];
    let membership = |segment, stands, trouble| Membership { segment: SegmentId(segment), stands, trouble };
    let inside = Stands::Inside { entered: at(5), left: Some(at(3)) };
    let mut cluster = later_cluster();
    cluster.nodes[0].states = (1..).zip(states).map(|(id, state)| (AggregateId(id), Arc::new(state))).collect();
    cluster.nodes[0].segment_states = Some(Box::new(SegmentStates {
        epoch: 4,
        settled_at: at(9),
        due: Some(at(20)),
        memberships: vec![
            membership(1, inside, None),
            membership(3, Stands::Outside { left: Some(at(4)) }, Some(Trouble::OverBudget)),
            membership(8, Stands::Outside { left: None }, Some(Trouble::Overflowed)),
        ],
        late: None,
    }));
    cluster
}

/// The same, and its memberships were put off.
fn late_cluster() -> Cluster {
    with_late(ruled_cluster())
}

fn with_late(cluster: Cluster) -> Cluster {
    let mut cluster = cluster;
    let late = Late { at: at(18), version: 7, done: 300, first: Some(at(25)), again: true };
    cluster.nodes[0].segment_states.as_mut().expect("a standing").late = Some(late);
    cluster
}

/// What only version 7 and later can say as well: whose word something is, and what was stated as an identity.
fn said_cluster() -> Cluster {
    let mut cluster = sample_cluster();
    let said = cluster.nodes[0].fragments[0].clone();
    let by = |own| Fragment { by: Some(node_id(own)), ..said.clone() };
    cluster.nodes[0].fragments.extend([by(7), by(8)]);
    cluster.nodes[1].fragments.push(by(7));
    cluster.nodes[0].fragments[0].cells[1].claimed = Some(Class::Private);
    cluster.nodes[1].fragments[0].cells[7].claimed = Some(Class::Public);
    cluster
}

/// What only version 9 can say as well: which record is all that a dataset says, of a fragment with cells and of one without.
fn complete_cluster() -> Cluster {
    let mut cluster = said_cluster();
    let whole = |batch: Option<&str>| Box::new(Whole { time: at(5), received_at: at(6), batch: batch.map(Into::into) });
    cluster.nodes[0].fragments[0].whole = Some(whole(None));
    let bare = Fragment { whole: Some(whole(Some("august"))), ..Fragment::new("erp".into(), None) };
    cluster.nodes[1].fragments.push(bare);
    cluster
}

fn severed() -> LinkState {
    LinkState::Severed(vec![Severer::Document(node_id(3)), Severer::Directive(directive(1))])
}

fn sample_link(state: LinkState) -> Link {
    Link { ends: [end(1, 2, "ann"), end(2, 5, "device")], evidence: evidence(Strength::Observed, 0), state }
}

#[test]
fn a_cluster_is_read_as_written() {
    for (name, mut cluster) in [
        ("cluster-9", sample_cluster()),
        ("cluster-separated-9", later_cluster()),
        ("cluster-ruled-9", ruled_cluster()),
        ("cluster-ranked-9", ranked_cluster()),
        ("cluster-late-9", late_cluster()),
        ("cluster-said-9", said_cluster()),
        ("cluster-complete-9", complete_cluster()),
    ] {
        let bytes = cluster::encode(&cluster);
        cluster.bytes = bytes.len();
        assert_eq!(cluster::decode(&bytes, &config()).expect("a cluster"), cluster);
        golden(name, &bytes);
    }
}

#[test]
fn a_glance_sees_what_rules_read() {
    let check = |bytes: &Bytes, names: &Names, expected: &Cluster| {
        let seen = cluster::glance(bytes, &config(), names).expect("a cluster");
        assert_eq!(*seen.as_ref(), Cluster { bytes: bytes.len(), ..expected.clone() }, "{names:?}");
    };
    let none = Names::Some(BTreeSet::new());
    let mut whole = ruled_cluster();
    let earlier = earlier_ruled_cluster();
    whole.nodes[0].fragments = said_cluster().nodes.swap_remove(0).fragments;
    let bytes = cluster::encode(&whole);
    check(&bytes, &Names::All, &whole);
    let mut bare = Cluster { links: Vec::new(), ..whole.clone() };
    for node in &mut bare.nodes {
        (node.fragments, node.relations) = (Vec::new(), Vec::new());
    }
    check(&bytes, &none, &bare);
    let cells = || whole.nodes.iter().flat_map(|node| &node.fragments).flat_map(|fragment| &fragment.cells);
    for name in cells().map(|cell| cell.path.segments().next().expect("a segment").into_owned()) {
        let mut seen = Cluster { links: Vec::new(), ..whole.clone() };
        for node in &mut seen.nodes {
            node.relations.clear();
            let is_read = |cell: &Cell| cell.path.segments().next().is_some_and(|own| own == name);
            node.fragments.iter_mut().for_each(|own| own.cells.retain(is_read));
            node.fragments.retain(|own| !own.cells.is_empty());
        }
        check(&bytes, &Names::Some([name.into()].into()), &seen);
    }
    // A record of before is read whole, and so is one that an erasure has not reached.
    check(&thawed("cluster-ruled-3"), &none, &earlier);
    check(&thawed("cluster-ruled-4"), &none, &earlier);
    check(&thawed("cluster-ruled-6"), &none, &earlier);
    check(&thawed("cluster-ruled-7"), &none, &earlier);
    check(&thawed("cluster-ruled-8"), &none, &ruled_cluster());
    let erased = erase_source(&StoredConfig::default(), "crm", None, at(1)).and_then(|stored| stored.to_engine());
    let unswept = sample_cluster();
    let bytes = cluster::encode(&unswept);
    let seen = cluster::glance(&bytes, &erased.expect("a configuration"), &none).expect("a cluster");
    assert_eq!(*seen.as_ref(), Cluster { bytes: bytes.len(), ..unswept });
}

#[test]
fn records_of_earlier_versions_are_read_as_what_they_were() {
    for (name, cluster) in [
        ("cluster-1", sample_cluster()),
        ("cluster-2", sample_cluster()),
        ("cluster-separated-2", later_cluster()),
        ("cluster-3", sample_cluster()),
        ("cluster-separated-3", later_cluster()),
        ("cluster-ruled-3", earlier_ruled_cluster()),
        ("cluster-4", sample_cluster()),
        ("cluster-separated-4", later_cluster()),
        ("cluster-ruled-4", earlier_ruled_cluster()),
        ("cluster-5", sample_cluster()),
        ("cluster-separated-5", later_cluster()),
        ("cluster-ruled-5", earlier_ruled_cluster()),
        ("cluster-ranked-5", ranked_cluster()),
        ("cluster-6", sample_cluster()),
        ("cluster-separated-6", later_cluster()),
        ("cluster-ruled-6", earlier_ruled_cluster()),
        ("cluster-ranked-6", ranked_cluster()),
        ("cluster-late-6", with_late(earlier_ruled_cluster())),
        ("cluster-7", sample_cluster()),
        ("cluster-separated-7", later_cluster()),
        ("cluster-ruled-7", earlier_ruled_cluster()),
        ("cluster-ranked-7", ranked_cluster()),
        ("cluster-late-7", with_late(earlier_ruled_cluster())),
        ("cluster-said-7", said_cluster()),
        ("cluster-8", sample_cluster()),
        ("cluster-separated-8", later_cluster()),
        ("cluster-ruled-8", ruled_cluster()),
        ("cluster-ranked-8", ranked_cluster()),
        ("cluster-late-8", late_cluster()),
        ("cluster-said-8", said_cluster()),
    ] {
        let bytes = thawed(name);
        let expected = Cluster { bytes: bytes.len(), ..cluster };
        assert_eq!(cluster::decode(&bytes, &config()).expect("a cluster"), expected, "{name}");
    }
    for (name, state) in [
        ("held-exclusive-1", LinkState::Held(HoldReason::Exclusive)),
        ("held-hub-1", LinkState::Held(HoldReason::Hub)),
        ("held-full-1", LinkState::Held(HoldReason::Full)),
        ("severed-1", LinkState::Severed(vec![Severer::Document(node_id(3))])),
        ("held-exclusive-2", LinkState::Held(HoldReason::Exclusive)),
        ("held-hub-2", LinkState::Held(HoldReason::Hub)),
        ("held-blocked-2", LinkState::Held(HoldReason::Blocked)),
        ("held-full-2", LinkState::Held(HoldReason::Full)),
        ("severed-2", severed()),
    ] {
        // The receipt of what public keys said was not kept: its earliest time stands for it, as it did.
        let mut expected = sample_link(state);
        expected.evidence[0].since = expected.evidence[0].tally.first;
        assert_eq!(link::decode(&thawed(name)).expect("a link"), expected);
    }
    let counts = Counts { profiles: 1, identities: 2, events: 3, facts: 4 };
    let lane = LaneRow { clock: at(1), counts, waiting: 0, suppressed: 0, facts_by_id: FactsById::Some };
    assert_eq!(rows::decode_lane(&thawed("lane-1")).expect("a row"), lane);
    let lane = LaneRow { waiting: 5, suppressed: 600, ..lane };
    assert_eq!(rows::decode_lane(&thawed("lane-2")).expect("a row"), lane);
    let lane = LaneRow { facts_by_id: FactsById::None, ..lane };
    assert_eq!(rows::decode_lane(&thawed("lane-3")).expect("a row"), lane);
    assert!(rows::counts_nobodies(&thawed("lane-3")) && !rows::counts_nobodies(&rows::encode_lane(&lane)));
    for (name, event, source) in [
        ("fact-1", None, None),
        ("fact-event-1", Some(EventId::from_bytes([7; 12])), None),
        ("fact-2", None, Some(source("crm", Some("july"), 3))),
        ("fact-event-2", Some(EventId::from_bytes([7; 12])), Some(source("segment", None, 0))),
    ] {
        let row = FactRow { node: node_id(1), time: at(1), event, source, content: None };
        assert_eq!(rows::decode_fact(&thawed(name)).expect("a row"), row);
    }
}

#[test]
fn a_link_that_does_not_hold_is_read_as_written() {
    let states = [
        ("held-exclusive-3", LinkState::Held(HoldReason::Exclusive)),
        ("held-hub-3", LinkState::Held(HoldReason::Hub)),
        ("held-blocked-3", LinkState::Held(HoldReason::Blocked)),
        ("held-full-3", LinkState::Held(HoldReason::Full)),
        ("severed-3", severed()),
    ];
    for (name, state) in states {
        let own = sample_link(state);
        let bytes = link::encode(&own);
        assert_eq!(link::decode(&bytes).expect("a link"), own);
        golden(name, &bytes);
    }
}

#[test]
fn an_event_is_read_as_written() {
    let kinds = [
        EventKind::Action,
        EventKind::PageView,
        EventKind::ScreenView,
        EventKind::Description,
        EventKind::Affiliation,
        EventKind::SamePerson,
    ];
    for kind in kinds {
        let name = (kind == EventKind::Action).then(|| "Order Completed".into());
        let own = NewEvent {
            rests_on: Vec::new(),
            node: node_id(1),
            time: at(5),
            id: EventId::from_bytes([7; 12]),
            fact_id: "message-1".into(),
            received_at: at(6),
            dataset: "segment".into(),
            batch: None,
            identities: vec![identity(2, "ann"), identity(5, "device")],
            call: Call { kind, name, payload: Bytes::from_static(br#"{"properties":{"total":1}}"#) },
        };
        let bytes = event::encode(&own);
        let read = event::decode(own.id, own.time, &bytes).expect("an event");
        assert_eq!((read.kind, read.message_id, read.received_at), (kind, own.fact_id, own.received_at));
        assert_eq!(read.payload, own.call.payload);
        golden(&format!("event-{}-1", kind.name()), &bytes);
    }
}

#[test]
fn small_rows_are_read_as_written() {
    let counts = Counts { profiles: 1, identities: 2, events: 3, facts: 4 };
    for (name, facts_by_id) in
        [("lane-4", FactsById::None), ("lane-moving-4", FactsById::Some), ("lane-unplaced-4", FactsById::Unplaced)]
    {
        let lane = LaneRow { clock: at(1), counts, waiting: 5, suppressed: 600, facts_by_id };
        assert_eq!(rows::decode_lane(&rows::encode_lane(&lane)).expect("a row"), lane);
        golden(name, &rows::encode_lane(&lane));
    }
    for (name, row) in [
        ("identity-own-1", IdentityRow { node: node_id(1), cluster: node_id(1) }),
        ("identity-1", IdentityRow { node: node_id(2), cluster: node_id(1) }),
    ] {
        assert_eq!(rows::decode_identity(&rows::encode_identity(&row)).expect("a row"), row);
        golden(name, &rows::encode_identity(&row));
    }
    assert_eq!(rows::decode_home(&rows::encode_home(node_id(1))).expect("a row"), node_id(1));
    golden("home-1", &rows::encode_home(node_id(1)));
    let accounts = [node_id(7), node_id(8)];
    assert_eq!(loose::decode(&loose::encode(&accounts)).expect("a row"), accounts);
    golden("loose-1", &loose::encode(&accounts));
    for (name, event, source) in [
        ("fact-3", None, source("crm", Some("july"), 3)),
        ("fact-event-3", Some(EventId::from_bytes([7; 12])), source("segment", None, 0)),
    ] {
        let content = event.map(|_| Content::of_hash(0x0102_0304_0506_0708));
        let row = FactRow { node: node_id(1), time: at(1), event, source: Some(source), content };
        assert_eq!(rows::decode_fact(&rows::encode_fact(&row)).expect("a row"), row);
        golden(name, &rows::encode_fact(&row));
    }
}

#[test]
fn a_row_of_the_feed_is_read_as_written() {
    let (one, other) = (node_id(1), node_id(2));
    let notices = [
        Notice::ProfileChanged(one),
        Notice::ProfileMerged { from: other, into: one },
        Notice::IdentityMoved { node: other, from: other, into: one },
        Notice::ProfileErased(one),
    ];
    let read = feed::decode(&thawed("feed-1")).expect("a row of before");
    assert_eq!(read.notices, notices);
    let came = Notice::Membership { profile: one, segment: SegmentId(7), at: at(1), is_inside: true };
    let notices = [&notices[..], &[came]].concat();
    let bytes = feed::encode(WorkspaceId::new(3), at(1), &notices);
    let read = feed::decode(&bytes).expect("a row");
    assert_eq!((read.workspace, read.at, &read.notices[..]), (WorkspaceId::new(3), at(1), &notices[..]));
    golden("feed-2", &bytes);
}

proptest! {
    #[test]
    fn damage_is_told(at in 0usize..2_000, flip in 1u8..) {
        let mut bytes = cluster::encode(&ruled_cluster()).to_vec();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        drop(cluster::decode(&bytes, &config()));
        drop(cluster::decode(&bytes[..at], &config()));
        drop(link::decode(&bytes));
        drop(rows::decode_lane(&bytes));
    }

    #[test]
    fn arbitrary_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(cluster::decode(&bytes, &config()));
        drop(link::decode(&bytes));
        drop(rows::decode_identity(&bytes));
        drop(rows::decode_fact(&bytes));
        drop(feed::decode(&bytes));
        drop(event::decode(EventId::from_bytes([0; 12]), Timestamp::MIN, &bytes.into()));
    }
}
