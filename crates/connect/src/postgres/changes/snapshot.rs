//! Which transactions whoever reads now sees.

/// What the server says of it: `100:110:100,104`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// All before it have ended.
    pub(super) oldest: u64,
    /// None from it on is seen.
    next: u64,
    /// Of those between, the ones that are under way.
    open: Vec<u64>,
}

impl Snapshot {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (oldest, next) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let open = parts.next()?.split(',').filter(|own| !own.is_empty());
        let open = open.map(|own| own.parse().ok()).collect::<Option<Vec<u64>>>()?;
        Some(Self { oldest, next, open })
    }

    /// Whether it sees a transaction of which the last 32 bits are told, and which is no further away than half of all of them.
    pub(super) fn sees(&self, transaction: u32) -> bool {
        let last = u32::try_from(self.next & u64::from(u32::MAX)).unwrap_or_default();
        let away = i64::from(transaction.wrapping_sub(last).cast_signed());
        let whole = self.next.checked_add_signed(away);
        whole.is_some_and(|whole| whole < self.next && !self.open.contains(&whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_seen_that_have_ended_before() {
        let check = |text: &str, transaction: u32, expected: bool| {
            assert_eq!(Snapshot::parse(text).expect("a snapshot").sees(transaction), expected, "{text} {transaction}");
        };
        check("100:100:", 99, true);
        check("100:100:", 100, false);
        check("100:110:100,104", 104, false);
        check("100:110:100,104", 103, true);
        // Behind the first 2^32 of them.
        check("4294967300:4294967310:4294967301", 5, false);
        check("4294967300:4294967310:4294967301", 6, true);
        check("4294967300:4294967310:", u32::MAX, true);
        check("4294967290:4294967290:", 3, false);
        for text in ["", "1", "1:2", "a:2:", "1:2:x"] {
            assert_eq!(Snapshot::parse(text), None, "{text}");
        }
    }
}
