//! Law 4 for rules, on the whole service over the store in memory: what a read shows of computed attributes and segments equals a naive
//! evaluation over all facts at every instant, and once the timers have run the lists of members do.
//!
//! The same holds on a store that takes next to nothing at once: there much of what rules do is put off, and settled in parts.
//!
//! `written` writes random rules, `steps` says what happens, `naive` asks every rule anew of everything there is, `world` has it
//! happen, `looks` holds the two side by side. `TESSERA_RULE_LAW_CASES` sets how many cases the law is held to, `TESSERA_LAW_SEED` which.

use proptest::test_runner::{Config as Runs, RngSeed, TestRunner};
use tessera_store::Limits;

mod looks;
mod naive;
mod once;
mod queries;
mod seen;
mod steps;
mod world;
mod written;

use seen::Seen;
use steps::{Case, case};
use world::World;

/// What a case holds of the stack without optimisation is more than a thread of a test has.
const STACK_BYTES: usize = 32 << 20;

/// The cases are held to the law in so many parts, which run beside each other.
const PARTS: u32 = 4;

#[test]
fn reads_are_exact_at_every_instant_and_lists_once_the_timers_have_run_1() {
    hold(1);
}

#[test]
fn reads_are_exact_at_every_instant_and_lists_once_the_timers_have_run_2() {
    hold(2);
}

#[test]
fn reads_are_exact_at_every_instant_and_lists_once_the_timers_have_run_3() {
    hold(3);
}

#[test]
fn reads_are_exact_at_every_instant_and_lists_once_the_timers_have_run_4() {
    hold(4);
}

#[test]
fn reads_are_exact_on_a_tiny_store_as_well_1() {
    hold_on(PARTS + 1, TINY);
}

#[test]
fn reads_are_exact_on_a_tiny_store_as_well_2() {
    hold_on(PARTS + 2, TINY);
}

/// What a store takes at once of which one fact is nearly all. The rules of a case stand in one row, and so does a record.
const TINY: Limits = Limits { ops: 40, bytes: 24 << 10, value: 20 << 10, ..Limits::EMBEDDED };

fn hold(part: u32) {
    hold_on(part, Limits::EMBEDDED);
}

fn hold_on(part: u32, limits: Limits) {
    let held = move || hold_part(part, limits);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(held).expect("a thread");
    if let Err(failure) = thread.join() {
        std::panic::resume_unwind(failure);
    }
}

fn hold_part(part: u32, limits: Limits) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let cases = number("TESSERA_RULE_LAW_CASES").unwrap_or(2_000).div_ceil(PARTS);
    let is_tiny = limits != Limits::EMBEDDED;
    // What windows know of their events without the timelines decides nothing.
    let tail_events_max = [64, 0, 2, 1][usize::try_from(part % 4).unwrap_or(0)];
    let seed = number("TESSERA_LAW_SEED").unwrap_or(1) * PARTS + part;
    let rng_seed = RngSeed::Fixed(seed.into());
    let runs = Runs { cases, rng_seed, failure_persistence: None, max_shrink_iters: 1_000, ..Runs::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let seen = Seen::default();
    let result = TestRunner::new(runs).run(&case(), |case: Case| {
        runtime.block_on(run(&case, &seen, limits, tail_events_max));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{}", format!("{failure}").split_whitespace().collect::<Vec<_>>().join(" "));
    }
    seen.check(cases);
    assert_eq!(seen.put_off.get() > 0, is_tiny, "what is put off: {}", seen.put_off.get());
}

async fn run(case: &Case, seen: &Seen, limits: Limits, tail_events_max: usize) {
    let mut world = World::new(seen, limits, tail_events_max).await;
    for (at, text) in case.rules.iter().enumerate() {
        world.put_rule(at, text).await;
    }
    world.begin().await;
    for step in &case.steps {
        world.step(step).await;
    }
    world.end().await;
}
