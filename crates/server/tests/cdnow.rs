//! The CDNOW purchase log through the public door, in any order, in batches of any size, twice: what comes back is exact.

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use harness::{Client, Random, Server, testdata};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A row of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Purchase {
    message_id: String,
    customer: String,
    date: String,
    quantity: u64,
    cents: u64,
    dollars: String,
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Event>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    event: String,
    timestamp: String,
    message_id: String,
    properties: Properties,
}

#[derive(Deserialize)]
struct Properties {
    quantity: u64,
    /// As it was written: a double would not show a wrong digit.
    total: Box<RawValue>,
    currency: String,
    order_id: String,
}

#[test]
fn every_purchase_comes_back_once_and_to_the_cent() {
    let purchases = read_file();
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let client = server.client();
    let mut random = Random::new(1997);
    assert_eq!(load(&client, &purchases, &mut random), (6_919, 0));
    assert_eq!(load(&client, &purchases, &mut random), (0, 6_919));

    let mut customers: BTreeMap<&str, BTreeSet<&Purchase>> = BTreeMap::new();
    for purchase in &purchases {
        customers.entry(&purchase.customer).or_default().insert(purchase);
    }
    let mut found = Vec::new();
    let mut profiles = BTreeSet::new();
    for (customer, expected) in customers {
        let read = timeline(&client, customer);
        assert_eq!(read.iter().collect::<BTreeSet<_>>(), expected, "customer {customer}");
        assert_eq!(read.len(), expected.len(), "customer {customer}");
        found.extend(read);
        let profile = client.get(&format!("/v1/profiles/identifier/user_id/{customer}")).expect("a profile");
        profiles.insert(profile["profile_id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(profiles.len(), 2_357);
    assert_eq!(found.len(), 6_919);
    assert_eq!(found.iter().map(|purchase| purchase.cents).sum::<u64>(), 24_409_194);
    assert_eq!(found.iter().map(|purchase| purchase.quantity).sum::<u64>(), 16_479);
    let counts = client.get("/v1/admin/counts").expect("counts");
    assert_eq!((counts["profiles"].as_u64(), counts["events"].as_u64()), (Some(2_357), Some(6_919)));
    server.stop();
    let data = folder.path().to_str().expect("a path in UTF-8");
    harness::run_ok(&["check", "--data", data]);
}

fn read_file() -> Vec<Purchase> {
    let text = fs::read_to_string(testdata("cdnow/CDNOW_sample.txt")).expect("the bundled data");
    let rows = text.lines().enumerate().map(|(at, line)| {
        let cells: Vec<&str> = line.split_ascii_whitespace().collect();
        Purchase {
            message_id: format!("cdnow-{}", at + 1),
            customer: cells[0].to_owned(),
            date: format!("{}-{}-{}", &cells[2][..4], &cells[2][4..6], &cells[2][6..]),
            quantity: cells[3].parse().expect("a number"),
            cents: cents(cells[4]),
            dollars: cells[4].to_owned(),
        }
    });
    rows.collect()
}

fn cents(dollars: &str) -> u64 {
    let (whole, part) = dollars.split_once('.').unwrap_or((dollars, ""));
    assert!(part.len() <= 2, "{dollars}");
    let part = format!("{part:0<2}");
    whole.parse::<u64>().expect("a number") * 100 + part.parse::<u64>().expect("a number")
}

/// Sends everything in a random order, in batches of odd sizes; answers how many were accepted and how many duplicates.
fn load(client: &Client, purchases: &[Purchase], random: &mut Random) -> (u64, u64) {
    let mut order: Vec<&Purchase> = purchases.iter().collect();
    random.shuffle(&mut order);
    let (mut accepted, mut duplicates) = (0, 0);
    let mut rest = &order[..];
    while !rest.is_empty() {
        let size = usize::try_from(random.below(150) * 2 + 1).expect("a size").min(rest.len());
        let (batch, after) = rest.split_at(size);
        let items: Vec<String> = batch.iter().map(|purchase| purchase.to_json()).collect();
        let report = client.post("/v1/batch", format!("{{\"batch\":[{}]}}", items.join(",")).as_bytes());
        assert_eq!(report["rejected"], 0, "{report}");
        accepted += report["accepted"].as_u64().expect("a count");
        duplicates += report["duplicates"].as_u64().expect("a count");
        rest = after;
    }
    (accepted, duplicates)
}

/// Every event of a customer, page by page.
fn timeline(client: &Client, customer: &str) -> Vec<Purchase> {
    let mut events = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/profiles/identifier/user_id/{customer}/events?limit=7{cursor}");
        let page: Page = serde_json::from_slice(&client.get_bytes(&path).expect("a timeline")).expect("a page");
        events.extend(page.events);
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let newest_first = events.windows(2).all(|pair| pair[0].timestamp >= pair[1].timestamp);
    assert!(newest_first, "customer {customer}");
    events.into_iter().map(|event| event.into_purchase(customer)).collect()
}

impl Purchase {
    fn to_json(&self) -> String {
        format!(
            r#"{{"type":"track","event":"Order Completed","messageId":"{id}","userId":"{customer}","timestamp":"{date}T00:00:00Z",
                "properties":{{"quantity":{quantity},"total":{dollars},"currency":"USD","order_id":"{id}"}}}}"#,
            id = self.message_id,
            customer = self.customer,
            date = self.date,
            quantity = self.quantity,
            dollars = self.dollars,
        )
    }
}

impl Event {
    fn into_purchase(self, customer: &str) -> Purchase {
        assert_eq!(self.event, "Order Completed");
        assert_eq!(self.properties.currency, "USD");
        assert_eq!(self.properties.order_id, self.message_id);
        let (date, time) = self.timestamp.split_once('T').expect("a timestamp");
        assert!(time.starts_with("00:00:00") && time.ends_with('Z'), "{}", self.timestamp);
        Purchase {
            message_id: self.message_id,
            customer: customer.to_owned(),
            date: date.to_owned(),
            quantity: self.properties.quantity,
            cents: cents(self.properties.total.get()),
            dollars: self.properties.total.get().to_owned(),
        }
    }
}
