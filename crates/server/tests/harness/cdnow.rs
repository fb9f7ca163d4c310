//! The bundled CDNOW purchase log, and its way through the public door.

use std::fs;

use super::{Client, Random, testdata};

/// A row of the file: a purchase, with an id of its own, for a customer may buy twice a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Purchase {
    pub(crate) message_id: String,
    pub(crate) customer: String,
    pub(crate) date: String,
    pub(crate) quantity: u64,
    pub(crate) cents: u64,
    pub(crate) dollars: String,
}

/// All rows of the bundled file.
pub(crate) fn read_file() -> Vec<Purchase> {
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

/// Dollars in cents.
pub(crate) fn cents(dollars: &str) -> u64 {
    let (whole, part) = dollars.split_once('.').unwrap_or((dollars, ""));
    assert!(part.len() <= 2, "{dollars}");
    let part = format!("{part:0<2}");
    whole.parse::<u64>().expect("a number") * 100 + part.parse::<u64>().expect("a number")
}

/// Sends everything in a random order, in batches of odd sizes; answers how many were accepted and how many duplicates.
pub(crate) fn load(client: &Client, purchases: &[Purchase], random: &mut Random) -> (u64, u64) {
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
