//! Profiles of the Profile Store that claim devices and addresses against each other, and the look for what two of them hold.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::harness::doors::{Door, Doors};
use super::{Came, Client, Shared};

/// Devices and addresses that profiles of the Profile Store claim against each other.
const CLAIMED: u64 = 4;
/// Profiles of a client that claim.
const CLAIMANTS: u64 = 2;

/// Where the device and the address of a claim stand as values.
const CLAIMS: [&str; 2] = ["claimed_device", "claimed_email"];
/// Of so many looks one is at an export, of which an hour has only 100.
const EXPORTED: u64 = 20;
/// Lists in which nothing is held twice by the same two in the end.
const LISTS_MAX: usize = 100;

/// What a profile of the Profile Store was last written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Device, address, counter.
    Is(String, String, u64),
    Nothing,
    /// The last write was not answered.
    Unknown,
}

impl Client {
    /// One of its profiles of the Profile Store claims a device and an address, or goes.
    pub(super) fn claim(&mut self, doors: &Doors, shared: &Shared) {
        let id = format!("{:08}-0000-4000-8000-{:012}", self.number, self.random.below(CLAIMANTS));
        let to = (doors, shared);
        if self.random.below(4) == 0 {
            let request = format!("DELETE /api/v1.0/profiles/default/{id}");
            let (came, _) = self.ask(to, Door::Optimizely, &request, &Value::Null);
            match came {
                Came::Answer(reply) => {
                    let was = self.claims.insert(id, Claim::Nothing).unwrap_or(Claim::Nothing);
                    let is_expected = matches!(
                        (was, reply.status),
                        (Claim::Unknown, 200 | 404) | (Claim::Nothing, 404) | (Claim::Is(..), 200)
                    );
                    assert!(is_expected, "{request}: {} {}", reply.status, reply.text);
                }
                Came::Nothing => drop(self.claims.insert(id, Claim::Unknown)),
                Came::Later => {}
            }
            return;
        }
        let counter = self.next();
        let device = format!("claimed-{}", self.random.below(CLAIMED));
        let email = format!("claimed-{}@shop.example", self.random.below(CLAIMED));
        let body = json!({"Scope": "default", "DeviceIds": [device], "Info": {"Email": email}, "Payload": {"n_claim": counter, "claimed_device": device, "claimed_email": email}});
        let (came, _) = self.ask(to, Door::Optimizely, &format!("PUT /api/v1.0/profiles/{id}"), &body);
        match came {
            Came::Answer(reply) => {
                assert!(matches!(reply.status, 200 | 201 | 409), "{body}: {} {}", reply.status, reply.text);
                if reply.status != 409 {
                    self.claims.insert(id, Claim::Is(device, email, counter));
                }
            }
            Came::Nothing => drop(self.claims.insert(id, Claim::Unknown)),
            Came::Later => {}
        }
    }

    /// Looks for what two profiles hold.
    pub(super) fn look(&mut self, doors: &Doors, shared: &Shared) {
        if self.random.below(EXPORTED) == 0 {
            self.look_at_export(doors, shared);
        } else {
            self.look_at_list(doors, shared);
        }
    }

    /// An export of DFINERY is of one instant: no two rows have one claimed device or address.
    fn look_at_export(&mut self, doors: &Doors, shared: &Shared) {
        let asked = json!({"properties_condition_type": "include", "properties": CLAIMS});
        let request = "POST /api/v1/export/userprofile?service_id=default";
        let (came, _) = self.ask((doors, shared), Door::Dfinery, request, &asked);
        let Came::Answer(reply) = came else { return };
        assert_eq!(reply.status, 200, "{}", reply.text);
        let mut held = BTreeSet::new();
        let mut rows = csv::Reader::from_reader(reply.text.as_bytes());
        for row in rows.deserialize::<BTreeMap<String, String>>() {
            let row = row.expect("a row");
            for claim in CLAIMS.map(|name| (name, row[name].clone())).into_iter().filter(|(_, value)| !value.is_empty())
            {
                assert!(held.insert(claim.clone()), "{claim:?} is held twice: {}", reply.text);
            }
        }
        self.exports += u64::from(!held.is_empty());
    }

    /// A list of the Profile Store reads one profile after the other as it is then: what moves from one to another meanwhile may be shown at both.
    /// But it is not shown so in list after list.
    fn look_at_list(&mut self, doors: &Doors, shared: &Shared) {
        let mut twice: Option<BTreeSet<[String; 3]>> = None;
        for _ in 0..LISTS_MAX {
            let request = "GET /api/v1.0/profiles?$top=1000";
            let (came, _) = self.ask((doors, shared), Door::Optimizely, request, &Value::Null);
            let Came::Answer(reply) = came else { return };
            assert_eq!(reply.status, 200, "{}", reply.text);
            let list = reply.json();
            let items = list["items"].as_array().expect("items");
            self.lists += u64::from(!items.is_empty());
            let now = held_twice(items);
            let still: BTreeSet<_> =
                now.into_iter().filter(|own| twice.as_ref().is_none_or(|all| all.contains(own))).collect();
            if still.is_empty() {
                return;
            }
            twice = Some(still);
        }
        panic!("two profiles hold one device or address: {twice:?}");
    }
}

/// What two of these profiles hold, and who they are.
fn held_twice(items: &[Value]) -> BTreeSet<[String; 3]> {
    let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for item in items {
        let id = item["ProfileId"].as_str().expect("an id");
        let devices = item["DeviceIds"].as_array().expect("devices").iter().filter_map(Value::as_str);
        for held in devices.chain(item["Info"]["Email"].as_str()) {
            twice.extend(holders.insert(held, id).map(|other| [held, other, id].map(str::to_owned)));
        }
    }
    twice
}

#[test]
fn what_is_held_twice_is_found() {
    let item = |id: &str, devices: &[&str], email: &str| json!({"ProfileId": id, "DeviceIds": devices, "Info": {"Email": email}});
    let (one, other) = (item("1", &["a", "b"], "x@shop.example"), item("2", &["c"], "y@shop.example"));
    assert_eq!(held_twice(&[one.clone(), other.clone()]), BTreeSet::new());
    let third = item("3", &["b"], "y@shop.example");
    let twice = [["b", "1", "3"], ["y@shop.example", "2", "3"]].map(|own| own.map(str::to_owned));
    assert_eq!(held_twice(&[one, other, third]), twice.into());
}
