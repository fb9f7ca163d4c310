//! Rules over the CDNOW purchase log, made before the purchases come and after: what they say of every customer is what a recount says.

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use harness::cdnow::{Purchase, load, read_file};
use harness::rules::{Rule, make, members, profiles, until_active};
use harness::{Client, Random, Server};
use jiff::ToSpan;
use jiff::civil::Date;
use rusqlite::Connection;
use serde_json::{Value, json};

/// The last day of the log.
const END: &str = "1998-06-30";

/// Days at which it is asked who has bought before.
const DATES: [&str; 10] = [
    "1997-01-15",
    "1997-02-01",
    "1997-03-31",
    "1997-04-01",
    "1997-06-29",
    "1997-09-15",
    "1997-12-25",
    "1998-01-15",
    "1998-04-01",
    END,
];

/// A customer of the log, with the purchases in the order in which the timeline has them, oldest first.
struct Customer<'a> {
    purchases: Vec<&'a Purchase>,
}

/// A value of a computed attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    Missing,
    /// In units of 1e-18.
    Number(i128),
    Instant(String),
}

/// A computed attribute, in which `ORDERS` stands for the purchases, and its recount.
struct Attribute {
    name: &'static str,
    pql: &'static str,
    recount: fn(&Customer<'_>) -> Cell,
}

const ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "purchases", pql: "ORDERS.count()", recount: |own| whole(own.count()) },
    Attribute { name: "repeats", pql: "purchases - 1", recount: |own| whole(own.count() - 1) },
    Attribute {
        name: "repeat_days",
        pql: "ORDERS.timestamp.distinct().count() - 1",
        recount: |own| whole(own.purchases.iter().map(|purchase| &purchase.date).collect::<BTreeSet<_>>().len() - 1),
    },
    Attribute { name: "first_bought", pql: "ORDERS.min(timestamp)", recount: |own| midnight(&own.first().date) },
    Attribute { name: "last_bought", pql: "ORDERS.max(timestamp)", recount: |own| midnight(&own.last().date) },
    Attribute {
        name: "days_between",
        pql: "first_bought.daysUntil(last_bought)",
        recount: |own| whole(own.days_to(&own.last().date)),
    },
    Attribute {
        name: "whole_weeks_between",
        pql: "(days_between - days_between % 7) / 7",
        recount: |own| whole(own.days_to(&own.last().date) / 7),
    },
    Attribute {
        name: "weeks_between",
        pql: "days_between / 7",
        recount: |own| quotient(units(own.days_to(&own.last().date)), 7),
    },
    Attribute {
        name: "weeks_observed",
        pql: "first_bought.daysUntil(date(1998, 6, 30)) / 7",
        recount: |own| quotient(units(own.days_to(END)), 7),
    },
    Attribute { name: "spent", pql: "ORDERS.sum(properties.total)", recount: |own| dollars(own.cents()) },
    Attribute {
        name: "mean",
        pql: "ORDERS.average(properties.total)",
        recount: |own| quotient(cents(own.cents()), own.count()),
    },
    Attribute {
        name: "first_spent",
        pql: "ORDERS.bottomN(timestamp, 1).map(properties.total).head()",
        recount: |own| dollars(own.first().cents),
    },
    Attribute {
        name: "last_spent",
        pql: "ORDERS.topN(timestamp, 1).map(properties.total).head()",
        recount: |own| dollars(own.last().cents),
    },
    Attribute {
        name: "repeat_mean",
        pql: "(spent - first_spent) / repeats",
        recount: |own| quotient(cents(own.cents() - own.first().cents), own.count() - 1),
    },
];

#[test]
fn rules_that_were_there_before_the_purchases() {
    compare(|client, purchases| {
        make_rules(client);
        load(client, purchases, &mut Random::new(1998));
    });
}

#[test]
fn rules_that_come_after_the_purchases() {
    compare(|client, purchases| {
        load(client, purchases, &mut Random::new(1998));
        make_rules(client);
    });
}

fn compare(fill: fn(&Client, &[Purchase])) {
    let purchases = read_file();
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let client = server.client();
    fill(&client, &purchases);
    let customers = customers(&client, &purchases);
    assert_eq!(customers.len(), 2_357);
    let read = profiles(&client, &customers.keys().copied().collect::<Vec<_>>());
    for (name, customer) in &customers {
        compare_attributes(name, customer, &read[name]);
    }
    let segments = recount(&purchases);
    let sizes: Vec<usize> = segments.values().map(BTreeSet::len).collect();
    assert!(sizes.iter().all(|size| (1..2_357).contains(size)), "{sizes:?}");
    compare_segments(&client, &segments, &read);
    let some = segments.keys().nth(4).expect("a segment");
    look_closely(&client, &customers, some, &segments, &read);
    server.stop();
    harness::run_ok(&["check", "--data", folder.path().to_str().expect("a path in UTF-8")]);
}

/// Makes all rules at once, and waits for them.
fn make_rules(client: &Client) {
    let attributes = ATTRIBUTES.iter().map(|own| {
        (Rule::Attribute, own.name.to_owned(), own.pql.replace("ORDERS", r#"xEvent[eventType = "Order Completed"]"#))
    });
    let before = DATES.iter().map(|date| (Rule::Attribute, before(date), format!("{}.count()", within(30, date))));
    let twice = DATES.iter().map(|date| (Rule::Segment, twice(date), at_least_two(date)));
    let rules: Vec<(Rule, String, String)> = attributes.chain(before).chain(twice).collect();
    for (rule, name, pql) in &rules {
        make(client, *rule, name, pql);
    }
    for (rule, name, _) in &rules {
        until_active(client, *rule, name);
    }
}

/// The name of the attribute that counts the purchases in the 30 days before a day.
fn before(date: &str) -> String {
    format!("before_{}", date.replace('-', "_"))
}

/// The name of the segment of those who bought twice in the 90 days before a day.
fn twice(date: &str) -> String {
    format!("twice_{date}")
}

fn at_least_two(date: &str) -> String {
    format!("{}.count() >= 2", within(90, date))
}

/// The purchases in so many days before a day.
fn within(days: u64, date: &str) -> String {
    let date = day(date);
    let (year, month, day) = (date.year(), date.month(), date.day());
    format!(
        r#"xEvent[eventType = "Order Completed" and timestamp occurs <= {days} days before date({year}, {month}, {day})]"#
    )
}

/// The customers by name. Who bought first of all that somebody bought on one day, the timeline says.
fn customers<'a>(client: &Client, purchases: &'a [Purchase]) -> BTreeMap<&'a str, Customer<'a>> {
    let mut customers: BTreeMap<&str, Customer<'_>> = BTreeMap::new();
    for purchase in purchases {
        let new = || Customer { purchases: Vec::new() };
        customers.entry(&purchase.customer).or_insert_with(new).purchases.push(purchase);
    }
    for (name, customer) in &mut customers {
        customer.purchases.sort_by_key(|purchase| &purchase.date);
        if customer.purchases.windows(2).all(|pair| pair[0].date < pair[1].date) {
            continue;
        }
        let path = format!("/v1/profiles/identifier/user_id/{name}/events?limit=1000");
        let page = client.get(&path).expect("a timeline");
        let events = page["events"].as_array().expect("events");
        let place = |own: &Purchase| events.iter().position(|event| event["message_id"] == own.message_id);
        customer.purchases.sort_by_key(|own| (&own.date, std::cmp::Reverse(place(own))));
    }
    customers
}

fn compare_attributes(name: &str, customer: &Customer<'_>, profile: &Value) {
    for own in ATTRIBUTES {
        assert_eq!(cell(&profile[own.name]), (own.recount)(customer), "{name}: {} of {profile}", own.name);
    }
    for date in DATES {
        let (start, end) = (day(date) - 30.days(), day(date));
        let expected = customer.purchases.iter().filter(|own| (start..end).contains(&day(&own.date))).count();
        assert_eq!(cell(&profile[before(date)]), whole(expected), "{name}: {date} of {profile}");
    }
}

/// Who bought twice in the 90 days before each of the days, as SQL says it.
fn recount(purchases: &[Purchase]) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut connection = Connection::open_in_memory().expect("a database");
    connection.execute("CREATE TABLE purchase (customer TEXT, day TEXT)", []).expect("a table");
    let insertion = connection.transaction().expect("a transaction");
    for own in purchases {
        insertion.execute("INSERT INTO purchase VALUES (?1, ?2)", [&own.customer, &own.date]).expect("a row");
    }
    insertion.commit().expect("they are in");
    let query = "SELECT customer FROM purchase WHERE day >= date(?1, '-90 days') AND day < ?1
                 GROUP BY customer HAVING count(*) >= 2";
    let mut query = connection.prepare(query).expect("a query");
    let mut of = |date| {
        let rows = query.query_map([date], |row| row.get(0)).expect("an answer");
        rows.collect::<Result<BTreeSet<String>, _>>().expect("customers")
    };
    DATES.map(|date| (date, of(date))).into()
}

/// The members of every segment, and what every profile says of every segment.
fn compare_segments(client: &Client, segments: &BTreeMap<&str, BTreeSet<String>>, read: &BTreeMap<&str, Value>) {
    let names: BTreeMap<&str, &str> = read.iter().map(|(name, profile)| (id(profile), *name)).collect();
    assert_eq!(names.len(), read.len());
    for (date, expected) in segments {
        let found = members(client, &twice(date));
        let found: BTreeSet<String> = found.keys().map(|id| names[&**id].to_owned()).collect();
        assert_eq!(&found, expected, "{date}");
        let shown = client.get(&format!("/v1/segments/{}", twice(date))).expect("a segment");
        let counts = [&shown["count"], &shown["overflowed"], &shown["over_budget"]];
        assert_eq!(counts, [&json!(expected.len()), &json!(0), &json!(0)], "{date}");
    }
    for (name, profile) in read {
        let expected = segments.iter().map(|(date, members)| (twice(date), members.contains(*name)));
        assert_eq!(profile["_audiences"], json!(expected.collect::<BTreeMap<_, _>>()), "{name}");
    }
}

/// The other reads of a segment: why a member is in it and somebody else is not, since when, and what a look before it was made would
/// have shown.
fn look_closely(
    client: &Client,
    customers: &BTreeMap<&str, Customer<'_>>,
    date: &str,
    segments: &BTreeMap<&str, BTreeSet<String>>,
    read: &BTreeMap<&str, Value>,
) {
    let (segment, inside) = (twice(date), &segments[date]);
    let member = inside.iter().max_by_key(|name| customers[&***name].purchases.len()).expect("a member");
    let other = customers.keys().find(|name| !inside.contains(**name)).expect("another one");
    let entered = members(client, &segment);
    let range = day(date) - 90.days()..day(date);
    for name in [member, *other] {
        let count = customers[name].purchases.iter().filter(|own| range.contains(&day(&own.date))).count();
        let path = format!("/v1/segments/{segment}/explain?namespace=user_id&value={name}");
        let explained = client.get(&path).expect("an explanation");
        let counted = format!("{}.count()", within(90, date));
        let expected = json!({
            "profile_id": id(&read[name]), "name": segment, "value": count >= 2, "entered_at": entered.get(id(&read[name])),
            "left_at": null, "changes_at": null, "incomplete": null, "more": false, "of_others": false,
            "why": {
                "holds": count >= 2, "pql": at_least_two(date), "inputs": [{ "pql": counted, "value": count }]
            }
        });
        assert_eq!(explained, expected);

        let path = format!("/v1/profiles/identifier/user_id/{name}/memberships");
        let turns = client.get(&path).expect("a history");
        let turns = turns["items"].as_array().expect("turns");
        let found: BTreeSet<&str> = turns.iter().map(|turn| turn["segment"].as_str().expect("a name")).collect();
        let expected: BTreeSet<String> =
            segments.iter().filter(|(_, members)| members.contains(name)).map(|(date, _)| twice(date)).collect();
        assert_eq!(found, expected.iter().map(String::as_str).collect(), "{name}");
        assert_eq!(turns.len(), expected.len(), "nobody leaves what is of the past: {turns:?}");
        for turn in turns.iter().filter(|turn| turn["segment"] == json!(segment)) {
            let expected = json!({ "segment": segment, "at": entered[id(&read[name])], "turn": "entered" });
            assert_eq!(turn, &expected);
        }
    }
    let preview = client.post("/v1/segments:preview", json!({ "pql": at_least_two(date) }).to_string().as_bytes());
    let seen = [&preview["count"], &preview["exact"], &preview["examined"]];
    assert_eq!(seen, [&json!(inside.len()), &json!(true), &json!(2_357)], "{preview}");
    let sample = preview["sample"].as_array().expect("a sample");
    assert_eq!(sample.len(), 10);
    assert!(sample.iter().all(|own| entered.contains_key(own.as_str().expect("an id"))), "{preview}");
}

impl Customer<'_> {
    fn first(&self) -> &Purchase {
        self.purchases.first().expect("a customer has bought")
    }

    fn last(&self) -> &Purchase {
        self.purchases.last().expect("a customer has bought")
    }

    fn count(&self) -> usize {
        self.purchases.len()
    }

    fn cents(&self) -> u64 {
        self.purchases.iter().map(|purchase| purchase.cents).sum()
    }

    /// Days from the first purchase to a day.
    fn days_to(&self, date: &str) -> usize {
        usize::try_from((day(date) - day(&self.first().date)).get_days()).expect("a later day")
    }
}

fn day(date: &str) -> Date {
    date.parse().expect("a day")
}

fn id(profile: &Value) -> &str {
    profile["profile_id"].as_str().expect("an id")
}

fn midnight(date: &str) -> Cell {
    Cell::Instant(format!("{date}T00:00:00Z"))
}

fn units(number: usize) -> i128 {
    number as i128 * 10i128.pow(18)
}

fn cents(cents: u64) -> i128 {
    i128::from(cents) * 10i128.pow(16)
}

fn whole(number: usize) -> Cell {
    Cell::Number(units(number))
}

fn dollars(own: u64) -> Cell {
    Cell::Number(cents(own))
}

/// The quotient in units, rounded half to even; nothing where there is none.
fn quotient(units: i128, divisor: usize) -> Cell {
    let divisor = divisor as i128;
    if divisor == 0 {
        return Cell::Missing;
    }
    let (quotient, twice_rest) = (units / divisor, 2 * (units % divisor));
    let is_up = twice_rest > divisor || (twice_rest == divisor && quotient % 2 == 1);
    Cell::Number(quotient + i128::from(is_up))
}

/// What was answered, every digit of it.
fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Missing,
        Value::String(text) => Cell::Instant(text.clone()),
        Value::Number(number) => {
            let text = number.to_string();
            let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
            assert!(part.len() <= 18, "{text}");
            let units = format!("{whole}{part:0<18}").parse();
            Cell::Number(units.unwrap_or_else(|_| panic!("{text} is no plain decimal")))
        }
        other => panic!("{other} is no cell"),
    }
}
