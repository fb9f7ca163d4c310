//! Ids: 96 bits, 48 of time in milliseconds and 48 that make it unique.

use std::fmt;

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 24 hexadecimal digits")]
pub struct InvalidId;

macro_rules! id96 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 12]);

        impl $name {
            /// The id with these twelve bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 12]) -> Self {
                Self(bytes)
            }

            /// Its twelve bytes; they sort as the id does.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 12] {
                &self.0
            }

            /// Reads 24 hexadecimal digits, of either case.
            ///
            /// # Errors
            /// [`InvalidId`] for any other text.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let digits = text.as_bytes();
                if digits.len() != 24 {
                    return Err(InvalidId);
                }
                let mut bytes = [0u8; 12];
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    let [high, low] = [hex_digit(pair[0])?, hex_digit(pair[1])?];
                    *byte = high << 4 | low;
                }
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id96! {
    /// The id of an identity node. The smallest one of a profile's nodes is the profile's id.
    NodeId
}
id96! {
    /// The id of an accepted event: among events of one instant, it sorts by acceptance.
    EventId
}
id96! {
    /// The id of a directive of people, and of a merge in the history.
    DirectiveId
}

id96! {
    /// The id of an erasure, and of the receipt that stays of it.
    ErasureId
}

impl NodeId {
    /// What a UUID that stands for a node has where an id of ours has nothing: version 8, and a mark.
    const UUID: [u8; 4] = [0x8e, 0x55, 0xa7, 0x5e];

    /// The same id in the form of a UUID, for those who take no other: the first six bytes, four that say so, the last six.
    #[must_use]
    pub fn to_uuid(&self) -> String {
        let [a, b, c, d, e, f, rest @ ..] = self.0;
        let [w, x, y, z] = Self::UUID;
        let bytes = [a, b, c, d, e, f, w, x, y, z].into_iter().chain(rest);
        let mut text = String::with_capacity(36);
        for (at, byte) in bytes.enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        }
        text
    }

    /// The id that a UUID made by [`Self::to_uuid`] stands for; none for any other.
    #[must_use]
    pub fn from_uuid(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let [first, second, third, fourth, last] = parts[..] else { return None };
        let is_form = [first, second, third, fourth, last].map(str::len) == [8, 4, 4, 4, 12];
        let [w, x, y, z] = Self::UUID;
        let is_marked = format!("{third}{fourth}").eq_ignore_ascii_case(&format!("{w:02x}{x:02x}{y:02x}{z:02x}"));
        if is_form && is_marked { Self::parse(&format!("{first}{second}{last}")).ok() } else { None }
    }
}

impl DirectiveId {
    /// When it was made, in milliseconds since 1970.
    #[must_use]
    pub const fn millis(&self) -> u64 {
        let [a, b, c, d, e, f, ..] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

fn hex_digit(digit: u8) -> Result<u8, InvalidId> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(InvalidId),
    }
}

/// A supply of ids that never gives the same one twice and never goes backwards.
///
/// Made outside (below the server nothing draws random numbers): `unique` is the random part of the first id, later ones
/// count up from it, and the time part moves with [`Ids::at`].
#[derive(Debug, Clone)]
pub struct Ids {
    time_ms: u64,
    unique: u64,
}

const LOW_48: u64 = (1 << 48) - 1;

impl Ids {
    /// A supply that starts at this time (milliseconds since 1970) with this random part; 48 bits of each count.
    #[must_use]
    pub const fn new(time_ms: u64, unique: u64) -> Self {
        Self { time_ms: time_ms & LOW_48, unique: unique & LOW_48 }
    }

    /// Moves the time part forward; an earlier time changes nothing.
    pub fn at(&mut self, time_ms: u64) {
        self.time_ms = self.time_ms.max(time_ms & LOW_48);
    }

    /// The next node id.
    pub fn node(&mut self) -> NodeId {
        NodeId(self.next())
    }

    /// The next event id.
    pub fn event(&mut self) -> EventId {
        EventId(self.next())
    }

    /// The next id of a directive.
    pub fn directive(&mut self) -> DirectiveId {
        DirectiveId(self.next())
    }

    /// The next id of an erasure.
    pub fn erasure(&mut self) -> ErasureId {
        ErasureId(self.next())
    }

    fn next(&mut self) -> [u8; 12] {
        self.unique = (self.unique + 1) & LOW_48;
        if self.unique == 0 {
            self.time_ms += 1;
        }
        let mut bytes = [0u8; 12];
        bytes[..6].copy_from_slice(&self.time_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&self.unique.to_be_bytes()[2..]);
        bytes
    }
}
