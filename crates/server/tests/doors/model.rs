//! What may be shown in the end of what many clients did at one time.
//!
//! Nobody outside a server knows in which order it did what was under way at once. So each operation has a span, from when it was sent to when
//! it was answered: of two that do not overlap the order is known, and of two that do either order is allowed. An operation without an answer may
//! have been done or not.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what is sent and answered, over all clients.
#[derive(Default)]
pub(crate) struct Moments(AtomicU64);

impl Moments {
    /// The next one.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// When an operation was under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) sent: u64,
    /// When it was answered, or when it was sure that it would not be.
    pub(crate) ended: u64,
    /// Whether it was done: otherwise it may have been.
    pub(crate) is_done: bool,
}

/// Whose facts a deletion takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of all that name the address.
    All,
    /// Those of all that name the user id; those that name the address alone where a link to it is there.
    Users,
}

/// That a person was deleted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deletion {
    pub(crate) span: Span,
    pub(crate) reach: Reach,
}

/// One value of a counter that only goes up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write {
    pub(crate) counter: u64,
    pub(crate) span: Span,
}

/// What became of what an operation said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there.
    Kept,
    /// It was deleted.
    Gone,
    /// One or the other.
    Either,
}

/// What became of what was said in this span, by somebody who names the user id or does not.
pub(crate) fn fate(said: Span, names_user: bool, deletions: &[Deletion]) -> Fate {
    let is_sure = |own: &Deletion| own.span.is_done && (own.reach == Reach::All || names_user);
    if deletions.iter().any(|own| is_sure(own) && own.span.sent > said.ended) {
        return Fate::Gone;
    }
    let may_be_gone = deletions.iter().any(|own| own.span.ended > said.sent);
    if said.is_done && !may_be_gone { Fate::Kept } else { Fate::Either }
}

/// The values of a counter that may be shown; none stands for no value.
pub(crate) fn shown(writes: &[Write], names_user: bool, deletions: &[Deletion]) -> BTreeSet<Option<u64>> {
    let mut allowed = BTreeSet::new();
    for write in writes.iter().rev() {
        let fate = fate(write.span, names_user, deletions);
        if fate != Fate::Gone {
            allowed.insert(Some(write.counter));
        }
        match fate {
            Fate::Kept => return allowed,
            // Whatever was said before it is behind it: with it gone, that is as well.
            Fate::Gone | Fate::Either if write.span.is_done => break,
            Fate::Gone | Fate::Either => {}
        }
    }
    allowed.insert(None);
    allowed
}

#[test]
fn what_may_be_shown_follows_from_what_is_known_of_the_order() {
    let span = |sent, ended, is_done| Span { sent, ended, is_done };
    let write = |counter, span| Write { counter, span };
    let deletion = |span, reach| Deletion { span, reach };
    let sets = |values: &[Option<u64>]| values.iter().copied().collect::<BTreeSet<_>>();
    let writes = [write(1, span(0, 1, true)), write(2, span(10, 12, true))];
    assert_eq!(shown(&[], true, &[]), sets(&[None]));
    assert_eq!(shown(&writes, true, &[]), sets(&[Some(2)]));
    let before = deletion(span(4, 5, true), Reach::All);
    assert_eq!(shown(&writes, true, &[before]), sets(&[Some(2)]));
    let within = deletion(span(11, 13, true), Reach::All);
    assert_eq!(shown(&writes, true, &[within]), sets(&[Some(2), None]));
    let behind = deletion(span(13, 14, true), Reach::All);
    assert_eq!(shown(&writes, true, &[behind]), sets(&[None]));
    let unknown = deletion(span(13, 14, false), Reach::All);
    assert_eq!(shown(&writes, true, &[unknown]), sets(&[Some(2), None]));
    let of_users = deletion(span(13, 14, true), Reach::Users);
    assert_eq!(shown(&writes, true, &[of_users]), sets(&[None]));
    assert_eq!(shown(&writes, false, &[of_users]), sets(&[Some(2), None]));
    // Without an answer it may be the one before.
    let doubtful = [writes[0], write(2, span(10, 12, false))];
    assert_eq!(shown(&doubtful, true, &[]), sets(&[Some(1), Some(2)]));
    assert_eq!(shown(&doubtful, true, &[before]), sets(&[Some(2), None]));
}
