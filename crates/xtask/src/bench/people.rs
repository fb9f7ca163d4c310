//! The people of the benchmark and what they do: bodies of `/v1/batch`, about 500 bytes an event.

use super::clock;

/// Events of one batch.
pub(super) const BATCH: u64 = 100;

/// Where people live; each of them in an eighth of all.
pub(super) const CITIES: [&str; 8] = ["Lyon", "Gdansk", "Porto", "Leipzig", "Turku", "Malmo", "Bilbao", "Ghent"];
const NAMES: [&str; 8] = ["Lena", "Ann", "Tomas", "Ines", "Jonas", "Mira", "Oskar", "Zoe"];
/// What people do; each of it a sixth of all.
pub(super) const EVENTS: [&str; 6] =
    ["Product Viewed", "Product Added", "Cart Viewed", "Order Completed", "Search Made", "Coupon Entered"];
const CATEGORIES: [&str; 6] = ["Clothing", "Shoes", "Books", "Garden", "Kitchen", "Outdoor"];
const AGENT: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Gecko/20100101 Firefox/141.0";

/// Numbers without a pattern: xorshift.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

/// The user id of a person; nine digits, so that a request for anyone has the same length.
pub(super) fn user_id(person: u64) -> String {
    format!("u-{person:09}")
}

/// Writes batches. Every writer of a run has its own number, and its message ids never repeat.
pub(super) struct Writer {
    run: u64,
    serial: u64,
    now: u64,
    timestamp: String,
    pub(super) body: Vec<u8>,
}

impl Writer {
    pub(super) fn new(run: u64) -> Self {
        Self { run, serial: 0, now: 0, timestamp: String::new(), body: Vec::new() }
    }

    /// Begins a batch.
    pub(super) fn begin(&mut self) {
        self.body.clear();
        self.body.extend_from_slice(b"{\"batch\":[");
        let now = clock::unix_time().as_secs();
        if now != self.now {
            self.now = now;
            // Of the second that is over: what people send has happened.
            self.timestamp = format!("{}.", clock::date_time(now - 1));
        }
    }

    /// Ends it.
    pub(super) fn end(&mut self) {
        self.body.extend_from_slice(b"]}");
    }

    /// Introduces a person: three identities and a dozen attributes.
    pub(super) fn identify(&mut self, person: u64, dice: &mut Dice) {
        self.open("identify", person, dice);
        let name = dice.of(&NAMES);
        self.text(",\"traits\":{\"email\":\"");
        self.text(name);
        self.number(person, 9);
        self.text("@mail.example\",\"first_name\":\"");
        self.text(name);
        self.text("\",\"city\":\"");
        self.text(dice.of(&CITIES));
        self.text("\",\"plan\":\"");
        self.text(dice.of(&CATEGORIES));
        self.text("\",\"phone\":\"+3361");
        self.number(dice.below(10_000_000), 7);
        self.text("\",\"orders_count\":");
        self.number(1 + dice.below(9), 1);
        self.text(",\"lifetime_value\":");
        self.number(1 + dice.below(9), 1);
        self.number(dice.below(1_000), 3);
        self.text(".5,\"newsletter\":true,\"referrer\":\"https://search.example/?q=");
        self.number(dice.below(1_000_000), 6);
        self.text("\",\"locale\":\"fr-FR\",\"device\":\"");
        self.text(AGENT);
        self.text("\"}}");
    }

    /// A trait that is read back.
    pub(super) fn mark(&mut self, person: u64, mark: u64, dice: &mut Dice) {
        self.open("identify", person, dice);
        self.text(",\"traits\":{\"mark\":\"");
        self.number(mark, 12);
        self.text("\"}}");
    }

    /// The message id of the event that was written last.
    pub(super) fn last_message_id(&self) -> String {
        format!("m-{:04}-{:012}", self.run, self.serial)
    }

    /// Something that a person does.
    pub(super) fn track(&mut self, person: u64, dice: &mut Dice) {
        self.open("track", person, dice);
        let product = dice.below(100_000);
        self.text(",\"event\":\"");
        self.text(dice.of(&EVENTS));
        self.text("\",\"properties\":{\"product_id\":\"p-");
        self.number(product, 6);
        self.text("\",\"category\":\"");
        self.text(dice.of(&CATEGORIES));
        self.text("\",\"price\":");
        self.number(1 + dice.below(9), 1);
        self.number(dice.below(100), 2);
        self.text(".5,\"quantity\":");
        self.number(1 + dice.below(9), 1);
        self.text(",\"currency\":\"EUR\",\"url\":\"https://shop.example/p/");
        self.number(product, 6);
        self.text("?ref=");
        self.number(dice.below(1_000_000_000), 9);
        self.text(
            "\"},\"context\":{\"library\":{\"name\":\"analytics-node\",\"version\":\"2.1.3\"},\"ip\":\"203.0.113.",
        );
        self.number(100 + dice.below(100), 3);
        self.text("\",\"userAgent\":\"");
        self.text(AGENT);
        self.text("\"}}");
    }

    fn open(&mut self, r#type: &str, person: u64, dice: &mut Dice) {
        if self.body.last() == Some(&b'}') {
            self.body.push(b',');
        }
        self.serial += 1;
        self.text("{\"type\":\"");
        self.text(r#type);
        self.text("\",\"userId\":\"u-");
        self.number(person, 9);
        self.text("\",\"anonymousId\":\"a-");
        self.number(person, 9);
        self.text("\",\"messageId\":\"m-");
        self.number(self.run, 4);
        self.text("-");
        self.number(self.serial, 12);
        self.text("\",\"timestamp\":\"");
        self.body.extend_from_slice(self.timestamp.as_bytes());
        self.number(dice.below(1_000), 3);
        self.text("Z\"");
    }

    fn text(&mut self, text: &str) {
        self.body.extend_from_slice(text.as_bytes());
    }

    /// So many digits of a number, zeros in front.
    fn number(&mut self, number: u64, digits: usize) {
        let start = self.body.len();
        self.body.resize(start + digits, b'0');
        let mut rest = number;
        for digit in self.body[start..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

/// Who acts next.
pub(super) enum Crowd {
    /// Anyone, each event anew.
    Uniform,
    /// One of a few, in runs of ten events.
    Sessions { active: u64 },
}

impl Crowd {
    /// A batch of tracks.
    pub(super) fn batch(&self, people: u64, writer: &mut Writer, dice: &mut Dice) {
        writer.begin();
        let mut person = 0;
        for number in 0..BATCH {
            match self {
                Self::Uniform => person = dice.below(people),
                Self::Sessions { active } if number.is_multiple_of(10) => person = dice.below((*active).min(people)),
                Self::Sessions { .. } => {}
            }
            writer.track(person, dice);
        }
        writer.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_json_of_the_stated_size() {
        let (mut writer, mut dice) = (Writer::new(1), Dice::new(1));
        for crowd in [Crowd::Uniform, Crowd::Sessions { active: 10 }] {
            crowd.batch(1_000, &mut writer, &mut dice);
            let value: serde_json::Value = serde_json::from_slice(&writer.body).expect("is JSON");
            assert_eq!(value["batch"].as_array().map(Vec::len), Some(100));
            assert!((450..550).contains(&(writer.body.len() / 100)), "{}", writer.body.len() / 100);
        }
        writer.begin();
        writer.identify(7, &mut dice);
        writer.mark(7, 12, &mut dice);
        writer.end();
        serde_json::from_slice::<serde_json::Value>(&writer.body).expect("is JSON");
    }
}
