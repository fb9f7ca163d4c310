//! Lists of a body that are counted before they are worked on.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use tessera_service::error::Error;

use crate::answer::invalid;

/// The first `MAX` items of a list, and how many it has: a list of a million items takes no more memory than one of `MAX`.
#[derive(Debug)]
pub struct Counted<T, const MAX: usize> {
    items: Vec<T>,
    count: usize,
}

impl<T, const MAX: usize> Counted<T, MAX> {
    /// The items, where they are not more than `MAX`; `what` names them in the error.
    ///
    /// # Errors
    /// `batch_too_many`.
    pub fn within(self, what: &str) -> Result<Vec<T>, Error> {
        if self.count > MAX {
            let message = format!("at most {MAX} {what} in one call, not {}; nothing of it was taken", self.count);
            return Err(invalid("batch_too_many", message));
        }
        Ok(self.items)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Counted<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Counting(PhantomData))
    }
}

struct Counting<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Counting<T, MAX> {
    type Value = Counted<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < MAX {
            let Some(item) = list.next_element()? else { return Ok(Counted { count: items.len(), items }) };
            items.push(item);
        }
        // The rest is only counted, whatever it is: the call is refused for the number.
        let mut count = MAX;
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Counted { items, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<&[u8], &str>) {
        let list: Counted<u8, 3> = serde_json::from_str(json).expect("a list");
        let got = list.within("items").map_err(|error| error.code);
        assert_eq!(got.as_deref().map_err(|code| *code), expected, "{json}");
    }

    #[test]
    fn a_list_is_counted_and_what_is_beyond_the_bound_is_not_kept() {
        check("[]", Ok(&[]));
        check("[1,2,3]", Ok(&[1, 2, 3]));
        check("[1,2,3,4]", Err("batch_too_many"));
        check("[1,2,3,\"not even a number\"]", Err("batch_too_many"));
        let long: Counted<u8, 3> = serde_json::from_str(&format!("[{}1]", "1,".repeat(100_000))).expect("a list");
        assert_eq!((long.items.len(), long.count), (3, 100_001));
        assert!(serde_json::from_str::<Counted<u8, 3>>("[1,2,3,4").is_err());
        assert!(serde_json::from_str::<Counted<u8, 3>>("7").is_err());
    }
}
