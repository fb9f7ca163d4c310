//! How much of the quarantine each key may fill. Private keys share one bound, by age alone; public keys share another, so that what
//! everybody may send pushes nothing out that servers sent, and of that one each key has the same share, so that a page that is
//! flooded pushes out none of another's.

use std::collections::HashMap;

use super::Entry;
use crate::base::ids::KeyId;
use crate::directory::Class;

/// So many entries, and so many bytes of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Amount {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Amount {
    /// Whether it is within a bound.
    pub(super) const fn fits(self, bound: Self) -> bool {
        self.entries <= bound.entries && self.bytes <= bound.bytes
    }

    fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        self.bytes += u64::from(entry.kept_bytes);
    }
}

/// What private keys hold together, and what each public one holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    private: Amount,
    public: HashMap<KeyId, Amount>,
}

impl Held {
    /// Counts an entry. Answers how much there is now of that which it is bounded with.
    pub(super) fn take(&mut self, entry: &Entry) -> Amount {
        let own = match entry.class {
            Class::Private => &mut self.private,
            Class::Public => self.public.entry(entry.key).or_default(),
        };
        own.add(entry);
        *own
    }

    /// What private keys hold, and what public ones do.
    pub(super) fn all(&self) -> [Amount; 2] {
        let sum =
            |all: Amount, own: &Amount| Amount { entries: all.entries + own.entries, bytes: all.bytes + own.bytes };
        [self.private, self.public.values().fold(Amount::default(), sum)]
    }

    /// What private keys may hold together, and each public key for itself; none where nothing is beyond it.
    pub(super) fn bounds(&self, private: Amount, public: Amount) -> Option<Bounds> {
        let each = Amount {
            entries: share(self.public.values().map(|own| own.entries), public.entries),
            bytes: share(self.public.values().map(|own| own.bytes), public.bytes),
        };
        let fits = self.private.fits(private) && self.public.values().all(|own| own.fits(each));
        (!fits).then_some(Bounds { private, each })
    }
}

/// How far each may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    private: Amount,
    each: Amount,
}

impl Bounds {
    /// The bound of that which an entry is bounded with.
    pub(super) const fn of(&self, entry: &Entry) -> Amount {
        match entry.class {
            Class::Private => self.private,
            Class::Public => self.each,
        }
    }
}

/// The greatest share of which all may have as much as they have, or it, without coming to more than `max` together.
fn share(amounts: impl Iterator<Item = u64>, max: u64) -> u64 {
    let mut amounts: Vec<u64> = amounts.collect();
    amounts.sort_unstable();
    let mut rest = max;
    let mut sharers = amounts.len() as u64;
    for amount in amounts {
        let share = rest / sharers;
        if amount > share {
            return share;
        }
        rest -= amount;
        sharers -= 1;
    }
    max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_less_than_others_but_who_needs_less() {
        let check = |amounts: &[u64], max, expected| {
            assert_eq!(share(amounts.iter().copied(), max), expected, "{amounts:?} of {max}");
        };
        check(&[], 10, 10);
        check(&[4], 10, 10);
        check(&[11], 10, 10);
        check(&[3, 7], 10, 10);
        check(&[3, 100], 10, 7);
        check(&[100, 3], 10, 7);
        check(&[100, 100], 10, 5);
        check(&[1, 100, 100], 10, 4);
        check(&[1, 1, 1], 2, 0);
    }
}
