//! Whoever has more events than rules look at: no answer rests on some of them without saying so.

use serde_json::{Value, json};

use tessera_service::clock::{format_timestamp, parse_timestamp};

use super::world::{ROOT, World};

/// Events that rules look at.
const SEEN: usize = 10_000;

async fn call(world: &World, path: &str, body: &Value) -> Value {
    let reply = world.call("POST", path, ROOT, body.to_string()).await;
    assert!(reply.status.is_success(), "{path}: {}", reply.json());
    reply.json()
}

async fn get(world: &World, path: &str) -> Value {
    let reply = world.get(path, ROOT).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.json());
    reply.json()
}

/// Makes a rule and waits until it is brought to everybody.
async fn make(world: &World, path: &str, name: &str, pql: &str) {
    call(world, path, &json!({ "name": name, "pql": pql })).await;
    loop {
        let rule = get(world, &format!("{path}/{name}")).await;
        if rule["status"] == "active" {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// The whale: one event each second, the oldest alone is a `First`.
async fn whale(events: usize) -> World {
    let world = World::new().await;
    let start = parse_timestamp("2025-12-01T00:00:00Z").expect("an instant");
    let event = |at: usize| {
        let name = if at == 0 { "First" } else { "Seen" };
        let time = format_timestamp(start.plus_micros(500_000 + 1_000_000 * i64::try_from(at).expect("few")));
        json!({
            "type": "track", "userId": "ann", "event": name, "messageId": format!("s{at}"), "timestamp": time,
            "properties": { "v": 1 },
        })
    };
    for from in (0..events).step_by(500) {
        let batch: Vec<Value> = (from..(from + 500).min(events)).map(event).collect();
        let answer = call(&world, "/v1/batch", &json!({ "batch": batch })).await;
        assert_eq!(answer["accepted"], json!(batch.len()), "{answer}");
    }
    world
}

const PAIR: &str = r#"chain(xEvent, timestamp, [A: WHAT(eventType = "First"), B: WHAT(eventType = "Seen")])"#;
const PAST_WINDOW: &str = "xEvent[timestamp occurs <= 100 years before now].map(properties.v).distinct().count() + 0";

async fn asked(world: &World, pql: &str) -> Value {
    let body = json!({ "pql": pql, "profile": { "namespace": "user_id", "value": "ann" } });
    call(world, "/v1/rules:evaluate", &body).await
}

#[tokio::test]
async fn what_rests_on_the_newest_events_alone_says_so() {
    for (events, is_truncated) in [(SEEN, false), (SEEN + 1, true)] {
        let world = whale(events).await;
        for (pql, whole, part) in [
            ("xEvent.sum(properties.v)", json!(events), json!(SEEN)),
            (PAIR, json!(true), json!(false)),
            (PAST_WINDOW, json!(1), json!(1)),
        ] {
            let came = asked(&world, pql).await;
            let expected = if is_truncated { &part } else { &whole };
            assert_eq!((&came["value"], &came["truncated"]), (expected, &json!(is_truncated)), "{pql}: {came}");
        }
        // What no longer counts need not be seen.
        let second = "xEvent[timestamp occurs <= 1 second before now].count()";
        assert_eq!(asked(&world, second).await["truncated"], false);

        let seen = call(&world, "/v1/segments:preview", &json!({ "pql": PAIR })).await;
        let expected =
            if is_truncated { [json!(0), json!(false), json!(true)] } else { [json!(1), json!(true), json!(false)] };
        assert_eq!([&seen["count"], &seen["exact"], &seen["truncated"]], expected.each_ref(), "{seen}");

        make(&world, "/v1/segments", "paired", PAIR).await;
        make(&world, "/v1/attributes", "pair", PAIR).await;
        make(&world, "/v1/attributes", "all", "xEvent.sum(properties.v)").await;
        let shown = get(&world, "/v1/profiles/identifier/user_id/ann").await;
        // Sums are kept, whatever there is.
        assert_eq!(shown["all"], json!(events), "{shown}");
        let segment = get(&world, "/v1/segments/paired").await;
        let why = get(&world, "/v1/segments/paired/explain?namespace=user_id&value=ann").await;
        if is_truncated {
            let gaps = json!({ "pair": "truncated", "_audiences.paired": "truncated" });
            assert_eq!((&shown["pair"], &shown["_incomplete"]), (&Value::Null, &gaps), "{shown}");
            assert_eq!((&segment["count"], &segment["truncated"]), (&json!(0), &json!(1)), "{segment}");
            assert_eq!((&why["incomplete"], &why["why"]), (&json!("truncated"), &Value::Null), "{why}");
        } else {
            assert_eq!((&shown["pair"], &shown["_incomplete"]), (&json!(true), &Value::Null), "{shown}");
            assert_eq!((&segment["count"], &segment["truncated"]), (&json!(1), &json!(0)), "{segment}");
            assert_eq!(why["incomplete"], Value::Null, "{why}");
        }
    }
}

/// Windows are exact at every instant, however many events are in them: of one more than rules look at, they leave at one a second.
#[tokio::test]
async fn a_window_counts_all_that_is_in_it() {
    let events = SEEN + 1;
    let world = whale(events).await;
    make(&world, "/v1/attributes", "sum", "xEvent[timestamp occurs <= 1475 hours before now].sum(properties.v)").await;
    make(&world, "/v1/attributes", "count", "xEvent[timestamp occurs < 1475 hours before now].count()").await;
    make(&world, "/v1/attributes", "year", "xEvent[timestamp occurs this year].count()").await;
    make(&world, "/v1/attributes", "last_year", "xEvent[timestamp occurs last year].count()").await;
    let many = "xEvent[timestamp occurs <= 1475 hours before now].count() >= 5000";
    make(&world, "/v1/segments", "many", many).await;
    // At noon of the 31st of January those of the 1st of December after one o'clock are in it.
    let mut left = 3_600;
    for passed in [0, 1, 1, 17, 400] {
        world.pass(passed * 1_000_000);
        left += usize::try_from(passed).expect("forward");
        let shown = get(&world, "/v1/profiles/identifier/user_id/ann").await;
        let inside = events.saturating_sub(left);
        assert_eq!(shown["_incomplete"], Value::Null, "{shown}");
        assert_eq!(shown["sum"], json!(inside), "{shown}");
        assert_eq!(shown["count"], json!(inside), "{shown}");
        assert_eq!((&shown["year"], &shown["last_year"]), (&json!(0), &json!(events)), "{shown}");
        assert_eq!(shown["_audiences"]["many"], json!(inside >= 5_000), "{shown}");
        if passed == 400 {
            // One more, late, and one a second ahead.
            for (name, time) in [("late", "2025-12-01T02:00:00.5Z"), ("ahead", "2026-01-31T12:07:00Z")] {
                let event = json!({
                    "userId": "ann", "event": "Seen", "messageId": name, "timestamp": time, "properties": { "v": 0 },
                });
                call(&world, "/v1/track", &event).await;
            }
            let shown = get(&world, "/v1/profiles/identifier/user_id/ann").await;
            let counts = [&shown["sum"], &shown["count"], &shown["year"], &shown["last_year"]];
            assert_eq!(counts, [json!(inside), json!(inside + 1), json!(1), json!(events + 1)].each_ref(), "{shown}");
            break;
        }
    }
    for passed in [981, 1, 1, 2_000, 3_000, 4_000] {
        world.pass(passed * 1_000_000);
        left += usize::try_from(passed).expect("forward");
        let shown = get(&world, "/v1/profiles/identifier/user_id/ann").await;
        let inside = events.saturating_sub(left);
        // The late one leaves with that of its second.
        let late = usize::from(left <= 7_200);
        assert_eq!(shown["sum"], json!(inside), "{shown}");
        assert_eq!(shown["count"], json!(inside + late + 1), "{shown}");
        assert_eq!(shown["_audiences"]["many"], json!(inside + late + 1 >= 5_000), "{shown}");
    }
}
