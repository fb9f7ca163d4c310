//! What a preview says of more profiles than it looks at.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use support::{START, WORKSPACE, components, fact, ingest, memory};
use tessera_engine::config::Kind;
use tessera_engine::time::Timestamp;
use tessera_expr::calendar::Zone;
use tessera_expr::pql;
use tessera_expr::rule::{Purpose, Rule};
use tessera_service::segments::Preview;
use tessera_service::{Service, Settings};

async fn previewed(service: &Arc<Service>, pql: &str) -> Preview {
    let rule = Rule::compile(pql::parse(pql).expect("a rule"), Purpose::Condition).expect("a rule");
    service.preview_segment(WORKSPACE, Arc::new(rule), (Zone::utc(), Kind::Person), None).await.expect("a preview")
}

/// A service whose time stands still, and what makes it pass: at each look by so much, or at once.
async fn opened(tick: &Arc<AtomicI64>) -> (Arc<Service>, Arc<AtomicI64>) {
    let clock = Arc::new(AtomicI64::new(START));
    let mut parts = components(memory());
    let (reads, tick) = (clock.clone(), tick.clone());
    parts.clock = Arc::new(move || {
        Timestamp::from_micros(reads.fetch_add(tick.load(Ordering::Relaxed), Ordering::Relaxed)).expect("an instant")
    });
    (Service::open(parts, Settings::default()).await.expect("the service opens"), clock)
}

/// Who comes in one go is alike, and ids begin with the time: 20,000 with a day between hundreds of them, and then 4,000 others at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_is_of_all_ages_however_they_came() {
    let tick = Arc::new(AtomicI64::new(0));
    let (service, clock) = opened(&tick).await;
    for hundred in 0..240 {
        let plan = if hundred < 200 { "free" } else { "gold" };
        let city = if hundred % 4 == 0 { "Lyon" } else { "Bonn" };
        let named = |one| format!("user_id:u{hundred}-{one} plan={plan} city={city} odd={}", one % 2);
        ingest(&service, (0..100).map(|one| fact(&format!("f{hundred}-{one}"), &named(one))).collect()).await;
        // Those at the end come within milliseconds.
        clock.fetch_add(if hundred < 200 { 86_400_000_000 } else { 1_000 }, Ordering::Relaxed);
    }
    let conditions = [(r#"plan = "gold""#, 4_000), (r#"city = "Lyon""#, 6_000), (r#"odd = "1""#, 12_000)];
    for (pql, expected) in conditions {
        let seen = previewed(&service, pql).await;
        assert!(seen.count.abs_diff(expected) <= 300 && !seen.is_exact, "{pql}: {} of {}", seen.count, seen.examined);
        let margin = seen.margin.expect("all were walked past");
        assert!(
            (1..=300).contains(&margin) && seen.count.abs_diff(expected) <= margin,
            "{pql}: {} and {margin}",
            seen.count
        );
        assert!((11_000..=13_000).contains(&seen.examined), "{}", seen.examined);
    }
    // With time for a part of them, those that come last in every stretch are taken to be as the others.
    tick.store(600, Ordering::Relaxed);
    for (pql, expected) in &conditions[1..] {
        let seen = previewed(&service, pql).await;
        assert!(seen.count.abs_diff(*expected) <= expected / 3, "{pql}: {} of {}", seen.count, seen.examined);
        assert_eq!(seen.margin, None, "{pql}");
        assert!(seen.examined < 11_000, "{}", seen.examined);
    }
}
