//! What a fact says, hashed, so that the same id with something else is told apart from the same fact sent twice.
//!
//! Content is what the fact says and when it says that it happened: its identities, its kind and name, its payload or its attributes,
//! and its account. How it was sent is none of it: not the key, the delivery or `sentAt`, not the time of receipt, not the order of
//! members or the spelling of numbers. Changing what is hashed, or how, makes stored facts look like others when they are sent again:
//! it is a change of stored bytes.

use tessera_engine::fact::{Claim, Content, Fact, Replaces};
use tessera_engine::value::Decimal;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::base::codec;
use crate::base::payload::Payload;
use crate::stored::records::value::ValueRecord;

/// What a fact says. The time is that which its sender stated, as it was written, if one was: what was made of it depends on when
/// the fact was sent.
#[must_use]
pub fn of(fact: &Fact, stated_time: Option<&str>) -> Content {
    let mut hash = Xxh3::new();
    let mut part = |tag: u8, value: u64| {
        hash.update(&[tag]);
        hash.update(&value.to_le_bytes());
    };
    part(0, text(0, &fact.id));
    part(1, fact.claims.iter().fold(0, |sum: u64, own| sum.wrapping_add(claim(own))));
    part(2, fact.document.as_ref().map_or(0, claim));
    part(3, stated_time.map_or(0, |time| text(3, time)));
    if let Some(account) = &fact.account {
        part(4, claim(&account.claim));
    }
    match &fact.call {
        Some(call) => {
            part(5, text(5, call.kind.name()));
            part(6, call.name.as_deref().map_or(0, |name| text(6, name)));
            let payload: Payload<'_> = serde_json::from_slice(&call.payload).unwrap_or_default();
            for (tag, json) in
                [(7, payload.properties), (8, payload.traits), (9, payload.context), (10, payload.integrations)]
            {
                part(tag, json.map_or(0, |json| of_json(json.get())));
            }
        }
        None => {
            let value = |value| xxh3_64_with_seed(&codec::section(&ValueRecord::from(value)), 11);
            let attributes = fact.attributes.iter().map(|(path, own)| pair(text(12, path.as_str()), value(own)));
            part(11, attributes.fold(0, u64::wrapping_add));
        }
    }
    if fact.replaces == Replaces::Fragment {
        part(13, 1);
    }
    Content::of_hash(hash.digest())
}

fn claim(claim: &Claim) -> u64 {
    pair(text(1, &claim.namespace), text(2, &claim.value))
}

fn text(tag: u64, text: &str) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), tag)
}

fn pair(one: u64, other: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&one.to_le_bytes());
    bytes[8..].copy_from_slice(&other.to_le_bytes());
    xxh3_64_with_seed(&bytes, 0)
}

/// The content of a text that is known to be JSON and not nested deeper than a door takes: members in whatever order.
fn of_json(json: &str) -> u64 {
    Reader { json, at: 0 }.value()
}

/// Reads JSON that is known to be sound, from this byte on.
struct Reader<'a> {
    json: &'a str,
    at: usize,
}

const TEXT: u64 = 1;
const NUMBER: u64 = 2;
const LITERAL: u64 = 3;
const LIST: u64 = 4;
const OBJECT: u64 = 5;

impl<'a> Reader<'a> {
    fn value(&mut self) -> u64 {
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"') => self.text(),
            Some(b't' | b'f' | b'n') => xxh3_64_with_seed(self.token().as_bytes(), LITERAL),
            Some(_) => {
                let number = self.token();
                match Decimal::parse(number) {
                    Ok(decimal) => xxh3_64_with_seed(&decimal.units().to_le_bytes(), NUMBER),
                    // One outside the range is as it is written.
                    Err(_) => xxh3_64_with_seed(number.as_bytes(), NUMBER),
                }
            }
            None => 0,
        }
    }

    fn object(&mut self) -> u64 {
        self.at += 1;
        let mut sum = OBJECT;
        while self.peek() == Some(b'"') {
            let name = self.text();
            // The colon.
            self.skip_one();
            let value = self.value();
            sum = sum.wrapping_add(pair(name, value));
            if self.peek() == Some(b',') {
                self.at += 1;
            }
        }
        self.skip_one();
        pair(OBJECT, sum)
    }

    fn list(&mut self) -> u64 {
        self.at += 1;
        let mut all = LIST;
        while !matches!(self.peek(), Some(b']') | None) {
            all = pair(all, self.value());
            if self.peek() == Some(b',') {
                self.at += 1;
            }
        }
        self.skip_one();
        pair(LIST, all)
    }

    fn text(&mut self) -> u64 {
        let from = self.at;
        let bytes = self.json.as_bytes();
        self.at += 1;
        let mut is_plain = true;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => break,
                b'\\' => {
                    is_plain = false;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        self.at = (self.at + 1).min(bytes.len());
        let quoted = self.json.get(from..self.at).unwrap_or_default();
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        if is_plain {
            return xxh3_64_with_seed(inner.as_bytes(), TEXT);
        }
        match serde_json::from_str::<String>(quoted) {
            Ok(read) => xxh3_64_with_seed(read.as_bytes(), TEXT),
            Err(_) => xxh3_64_with_seed(inner.as_bytes(), TEXT),
        }
    }

    fn token(&mut self) -> &'a str {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let end = rest.bytes().position(|byte| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace());
        let token = &rest[..end.unwrap_or(rest.len())];
        self.at += token.len().max(1);
        token
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn skip_one(&mut self) {
        self.peek();
        self.at += 1;
    }
}

#[cfg(test)]
mod tests;
