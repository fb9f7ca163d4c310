//! The CDNOW purchase log through the public door, in any order, in batches of any size, twice: what comes back is exact.

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use harness::cdnow::{Purchase, cents, load, read_file};
use harness::{Client, Random, Server};
use serde::Deserialize;
use serde_json::value::RawValue;

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
