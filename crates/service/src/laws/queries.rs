//! The law of queries: what a query answers is what everybody comes to who is read one by one, asked with the evaluator and sorted as plain
//! values; page by page as well as at once, whether it looks identities up or asks everybody.
//!
//! `TESSERA_QUERY_LAW_CASES` sets how many cases the law is held to.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, RngSeed, TestRunner};
use tessera_engine::config::Kind;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Value};
use tessera_expr::calendar::Zone;
use tessera_expr::eval::Frame;
use tessera_expr::limits::STEPS_MAX;
use tessera_expr::pql;
use tessera_expr::rule::{Purpose, Rule};
use tessera_store::Limits;

use super::STACK_BYTES;
use super::looks::Whole;
use super::naive::facts;
use super::seen::{Seen, one_more};
use super::steps::{Case, case};
use super::world::{WORKSPACE, World};
use super::written::condition;
use crate::queries::{ProfilePage, ProfileQuery, Sorting};
use crate::read::query::Fields;

/// What profiles are sorted by: attributes, computed ones, identifiers, and what nobody has.
const SORTED_BY: [&str; 7] = ["plan", "age", "seen", "c0", "c1", "user_id", "nothing"];

/// A question as a case has it.
#[derive(Debug, Clone)]
struct Query {
    filter: Option<String>,
    of: Kind,
    order_by: Vec<(&'static str, Sorting)>,
    skip: usize,
    top: usize,
}

/// How often what was seen.
#[derive(Default)]
struct Found {
    asked: Cell<u32>,
    profiles: Cell<u32>,
    by_look_up: Cell<u32>,
    unclaimed: Cell<u32>,
    pages: Cell<u32>,
    skipped: Cell<u32>,
    accounts: Cell<u32>,
}

fn named() -> impl Strategy<Value = String> {
    prop::sample::select(
        &[
            "user_id = \"u1\"",
            "email = \"e@example.com\"",
            "user_id in [\"u1\", \"u2\", \"nobody\"]",
            "anonymous_id = \"a1\" or user_id = \"u2\"",
            "group_id = \"g1\"",
            "user_id = \"nobody\"",
            "\"e2@example.com\" = email",
            "email = \"no address\" or user_id = \"u1\"",
            "phone = \"+33612345678\"",
        ][..],
    )
    .prop_map(str::to_owned)
}

fn filter() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        6 => condition().prop_map(Some),
        2 => named().prop_map(Some),
        2 => (named(), condition()).prop_map(|(named, own)| Some(format!("({own}) and ({named})"))),
        1 => named().prop_map(|named| Some(format!("not ({named})"))),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let sorting = prop::sample::select(&[Sorting::Ascending, Sorting::Descending][..]);
    let order_by = prop::collection::vec((prop::sample::select(&SORTED_BY[..]), sorting), 0..3);
    let of = prop_oneof![4 => Just(Kind::Person), 1 => Just(Kind::Account)];
    (filter(), of, order_by, 0..3usize, 1..4usize).prop_map(|(filter, of, order_by, skip, top)| Query {
        filter,
        of,
        order_by,
        skip,
        top,
    })
}

#[test]
fn what_is_asked_of_everybody_is_what_each_comes_to() {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(hold).expect("a thread");
    if let Err(failure) = thread.join() {
        std::panic::resume_unwind(failure);
    }
}

fn hold() {
    let cases = std::env::var("TESSERA_QUERY_LAW_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(150);
    let runs = Runs {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Runs::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let found = Found::default();
    let cases_of = (case(), prop::collection::vec(query(), 24));
    let result = TestRunner::new(runs).run(&cases_of, |(case, queries)| {
        runtime.block_on(run(&case, &queries, &found));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{}", format!("{failure}").split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let Found { asked, profiles, by_look_up, unclaimed, pages, skipped, accounts } = &found;
    let all = [asked, profiles, by_look_up, unclaimed, pages, skipped, accounts];
    assert!(cases < 100 || all.iter().all(|own| own.get() >= cases / 10), "{:?}", all.map(Cell::get));
}

async fn run(case: &Case, queries: &[Query], found: &Found) {
    let seen = Seen::default();
    let mut world = World::new(&seen, Limits::EMBEDDED, 64).await;
    for (at, text) in case.rules.iter().enumerate() {
        world.put_rule(at, text).await;
    }
    world.begin().await;
    for (step, query) in case.steps.iter().zip(queries) {
        world.step(step).await;
        hold_of(&world, query, found).await;
    }
    world.service.close().await;
}

/// What a question was answered: all at once, a part of it, and page by page.
struct Answered {
    whole: ProfilePage,
    skipped: ProfilePage,
    pages: Vec<ProfilePage>,
}

async fn hold_of(world: &World<'_>, query: &Query, found: &Found) {
    let at = world.now();
    let (expected, Answered { whole, skipped, pages }) = loop {
        let before = expected(world, query, at).await;
        let answered = answered(world, query).await;
        // A job that takes what was erased away may have come to somebody meanwhile.
        if expected(world, query, at).await == before {
            break (before, answered);
        }
    };
    one_more(&found.asked);
    assert_eq!((ids(&whole), whole.next_cursor.is_none()), (expected.clone(), true), "{query:?}");
    assert_eq!(whole.total, Some(expected.len() as u64), "{query:?}");
    assert!(whole.undecided.is_empty(), "{query:?}");
    let speaks_of =
        |words: &[&str]| query.filter.as_ref().is_some_and(|text| words.iter().any(|own| text.contains(own)));
    let is_unclaimed = speaks_of(&["e2@", "phone", "no address"]);
    let is_named = !is_unclaimed && speaks_of(&["_id", "email"]);
    for _ in &expected {
        one_more(&found.profiles);
        if is_named {
            one_more(&found.by_look_up);
        }
        if is_unclaimed {
            one_more(&found.unclaimed);
        }
        if query.of == Kind::Account {
            one_more(&found.accounts);
        }
    }
    let slice: Vec<_> = expected.iter().skip(query.skip).take(query.top).cloned().collect();
    assert_eq!((ids(&skipped), skipped.total), (slice, whole.total), "{query:?}");
    if query.skip > 0 && !skipped.profiles.is_empty() {
        one_more(&found.skipped);
    }
    let (last, full) = pages.split_last().expect("a page");
    assert!(last.next_cursor.is_none() && full.iter().all(|page| page.profiles.len() == query.top), "{query:?}");
    full.iter().for_each(|_| one_more(&found.pages));
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), expected, "{query:?}");
}

async fn answered(world: &World<'_>, query: &Query) -> Answered {
    let ask = async |skip, top, cursor: Option<String>, count| {
        let query = asked(query, skip, top, cursor, count);
        world.service.profiles_where(WORKSPACE, &query).await.unwrap_or_else(|error| panic!("{error}: {query:?}"))
    };
    let (whole, skipped) = (ask(0, 1_000, None, true).await, ask(query.skip, query.top, None, true).await);
    let mut pages: Vec<ProfilePage> = Vec::new();
    while pages.last().is_none_or(|page| page.next_cursor.is_some()) {
        let cursor = pages.last().and_then(|page| page.next_cursor.clone());
        pages.push(ask(0, query.top, cursor, false).await);
    }
    Answered { whole, skipped, pages }
}

/// Everybody read one by one, asked, and sorted.
async fn expected(world: &World<'_>, query: &Query, at: Timestamp) -> Vec<String> {
    let zone = Zone::utc();
    let frame = Frame { now: at, zone: &zone, steps_max: STEPS_MAX };
    let value = |whole: &Whole, text: &str, purpose| {
        let rule = Rule::compile(pql::parse(text).expect("a rule"), purpose).expect("a rule");
        let facts = facts(&whole.tree, &whole.events, &whole.naive);
        rule.evaluate(&facts, &frame).expect("small worlds are within the budget").value
    };
    let mut all: Vec<(Vec<Value>, Whole)> = Vec::new();
    for whole in world.everybody(at).await.into_iter().filter(|whole| whole.of == query.of) {
        let holds = |text: &String| value(&whole, text, Purpose::Condition) == Value::Bool(true);
        if query.filter.as_ref().is_none_or(holds) {
            let keys = query.order_by.iter().map(|(name, _)| value(&whole, name, Purpose::Value)).collect();
            all.push((keys, whole));
        }
    }
    all.sort_by(|(one, of_one), (other, of_other)| {
        let keys = one.iter().zip(other).zip(&query.order_by);
        let order = keys.map(|((one, other), (_, sorting))| compare(one, other, *sorting)).find(|own| own.is_ne());
        let is_sorted = !query.order_by.is_empty();
        let last = |whole: &Whole| ((!is_sorted).then_some(whole.record), whole.head);
        order.unwrap_or_else(|| last(of_one).cmp(&last(of_other)))
    });
    all.into_iter().map(|(_, whole)| whole.head.to_string()).collect()
}

fn compare(one: &Value, other: &Value, sorting: Sorting) -> Ordering {
    let is_missing = |value: &Value| matches!(value, Value::Null | Value::List(_) | Value::Set(_) | Value::Object(_));
    match (is_missing(one), is_missing(other), sorting) {
        (true, true, _) => Ordering::Equal,
        (true, false, _) => Ordering::Greater,
        (false, true, _) => Ordering::Less,
        (false, false, Sorting::Ascending) => one.cmp(other),
        (false, false, Sorting::Descending) => other.cmp(one),
    }
}

fn asked(query: &Query, skip: usize, top: usize, cursor: Option<String>, count: bool) -> ProfileQuery {
    let rule =
        |text: &String| Arc::new(Rule::compile(pql::parse(text).expect("a rule"), Purpose::Condition).expect("a rule"));
    let path = |name: &str| Path::parse(name).expect("a path");
    ProfileQuery {
        filter: query.filter.as_ref().map(rule),
        zone: Zone::utc(),
        of: query.of,
        order_by: query
            .order_by
            .iter()
            .map(|(name, sorting)| (crate::queries::sorted_by(&path(name)).expect("a rule"), *sorting))
            .collect(),
        skip,
        top,
        cursor,
        fields: Fields::ALL,
        policy: None,
        count,
    }
}

fn ids(page: &ProfilePage) -> Vec<String> {
    let id = |json: &[u8]| {
        let profile: serde_json::Value = serde_json::from_slice(json).expect("JSON");
        profile["profile_id"].as_str().expect("an id").to_owned()
    };
    page.profiles.iter().map(|rendered| id(&rendered.json)).collect()
}
