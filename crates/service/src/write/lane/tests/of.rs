//! Segments are of people or of accounts, and nobody else is a member.

use tessera_engine::config::Kind;
use tessera_engine::model::Flags;
use tessera_expr::rule::{Purpose, Rule};

use super::*;
use crate::config::workspace::Part;
use crate::stored::keys::Scope;
use crate::stored::row;

const ALL: Flags = Flags { internal: true, private: true };
const NOT_GOLD: &str = "not (plan = \"gold\")";

impl World {
    async fn put_segment_of(&self, name: &str, text: &str, of: Kind) {
        let expr = pql::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        let definition = Definition::new(RuleKind::Segment, expr, Zone::utc(), None).expect("a segment").of(of);
        let content = RuleContent { display_name: None, description: None, definition, is_draft: false };
        let name = RuleName::parse(RuleKind::Segment, name).expect("a name");
        let change = move |config: &StoredConfig, at| put_rule(config, RuleKind::Segment, &name, content, None, at);
        self.service.configure_rules(WORKSPACE, change).await.expect("a segment");
        self.end_jobs().await;
        self.pass(1_000);
    }

    async fn come(&self, people: std::ops::Range<usize>, accounts: std::ops::Range<usize>) {
        let people = people.map(|at| fact(&format!("p{at}"), &[("user_id", &format!("u{at}"))], "T"));
        let accounts = accounts.map(|at| fact(&format!("g{at}"), &[("group_id", &format!("g{at}"))], "T"));
        self.accept(people.chain(accounts).collect()).await;
    }

    async fn previewed(&self, of: Kind) -> (u64, u64, bool) {
        let rule = Rule::compile(pql::parse(NOT_GOLD).expect("a rule"), Purpose::Condition).expect("a rule");
        let seen = self.service.preview_segment(WORKSPACE, Arc::new(rule), (Zone::utc(), of), None).await;
        let seen = seen.expect("a preview");
        (seen.count, seen.sample.len() as u64, seen.is_exact)
    }

    async fn is_of_others(&self, namespace: &str, value: &str, segment: &str) -> (bool, bool) {
        let lookup = Lookup::Identity { namespace: namespace.into(), value: value.into() };
        let explained = self.service.explain_rule(WORKSPACE, &lookup, false, segment, None, ALL).await.expect("why").1;
        (explained.is_of_others, explained.membership.is_some_and(|own| own.is_inside()))
    }
}

#[tokio::test]
async fn not_counts_people_only_and_a_segment_of_accounts_accounts_only() {
    let world = World::new(Limits::EMBEDDED).await;
    world.come(0..3, 0..2).await;
    world.put_segment_of("people", NOT_GOLD, Kind::Person).await;
    world.put_segment_of("accounts", NOT_GOLD, Kind::Account).await;
    world.put_segment_of("both", "inSegment(\"people\") or inSegment(\"accounts\")", Kind::Account).await;
    let counts = async |world: &World| {
        let members = async |name| world.members(name).await;
        (members("people").await, members("accounts").await, members("both").await)
    };
    assert_eq!(counts(&world).await, (3, 2, 2));
    // Those who come are told apart as well.
    world.come(3..4, 2..6).await;
    world.run_timers().await;
    assert_eq!(counts(&world).await, (4, 6, 6));
    assert_eq!((world.audiences("user_id", "u3").await, world.audiences("group_id", "g3").await), (1, 2));
    assert_eq!(
        (world.previewed(Kind::Person).await, world.previewed(Kind::Account).await),
        ((4, 4, true), (6, 6, true))
    );
    let overlap = world.service.segment_overlap(WORKSPACE, "people", &["accounts".to_owned()], ALL).await;
    assert_eq!(overlap.expect("overlaps")[0].both, 0);
    assert_eq!(world.is_of_others("user_id", "u0", "accounts").await, (true, false));
    assert_eq!(world.is_of_others("group_id", "g0", "accounts").await, (false, true));
    // One that is of others from now on has others.
    world.put_segment_of("accounts", NOT_GOLD, Kind::Person).await;
    assert_eq!(counts(&world).await, (4, 4, 0));
    world.service.close().await;
    world.check().await;
}

#[tokio::test]
async fn accounts_that_were_members_before_leave_after_the_upgrade() {
    let mut world = World::new(Limits::EMBEDDED).await;
    world.come(0..3, 0..2).await;
    world.put_segment_of("s0", NOT_GOLD, Kind::Account).await;
    assert_eq!(world.members("s0").await, 2);
    world.service.close().await;
    // As an older version wrote it: without whom a segment is of, behind which stand a number, a name and two marks, and
    // without names for people and attributes that are written into events, of which there are none.
    let key = Scope::new(WORKSPACE).config(Part::Rules);
    let found = row::read(&*world.store, key.clone()).await.expect("a row").expect("rules");
    let rest = &found.value[1..found.value.len() - 9];
    let commit = tessera_store::Commit::new().put(key, [&[2], rest].concat());
    world.store.commit(commit).await.expect("an old row");
    world.service = open(&world.store, &world.clock).await;
    // A read is exact at once; lists follow by the job that the start asks for.
    assert_eq!((world.audiences("user_id", "u0").await, world.audiences("group_id", "g0").await), (1, 0));
    world.end_jobs().await;
    assert_eq!(world.members("s0").await, 3);
    assert!(!world.service.configured(WORKSPACE).await.expect("rules").stored.rules().needs_walk());
    world.service.close().await;
    world.check().await;
    // Once is enough.
    world.service = open(&world.store, &world.clock).await;
    assert!(world.service.jobs().open_of(WORKSPACE, "backfill").await.expect("jobs").is_empty());
    world.service.close().await;
}
