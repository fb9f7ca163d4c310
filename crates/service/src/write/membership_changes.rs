//! Turns of memberships within bounds: of each profile the newest, and none that is too old.
//!
//! A commit that writes changes writes beside them that the profile is to be looked at when they will be too old, one row for each profile and
//! period. Now and then, by chance, it writes that the profile is to be looked at at once: so however often one profile changes, it is
//! looked at again and again, and nobody reads its changes to write one. The keeper looks at those profiles alone.

use std::collections::BTreeSet;

use bytes::Bytes;
use tessera_engine::id::NodeId;
use tessera_engine::rules::SegmentId;
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, CommitError, Direction, Expect, Key, KeyRange, Row, ScanLimit, Store};

use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::brought::{self, Before};
use crate::stored::keys::Scope;
use crate::stored::layout::{read_change_key, read_changes_look_key};
use crate::stored::records::ruled::LET_GO;
use crate::stored::row::rows_at_once;

/// Turns of one profile that are kept, the newest.
pub const KEPT_MAX: usize = 1_000;
/// Of so many changes, one has its profile looked at at once.
const LOOKED_AT_EVERY: u64 = 128;
/// Days of a period: changes go by as many later than they may.
const PERIOD_DAYS: i64 = 16;
const DAY_MICROS: i64 = 86_400_000_000;
/// Profiles looked at in one step.
const PROFILES_AT_ONCE: usize = 100;
/// Turns dropped in one commit.
const ROWS_AT_ONCE: usize = 1_000;
/// The row that says that a profile is to be looked at: its key says all.
pub(crate) const LOOK: &[u8] = &[1];

/// The day on which the period of an instant begins.
fn period_of(at: Timestamp) -> i32 {
    let day = at.micros().div_euclid(DAY_MICROS).div_euclid(PERIOD_DAYS) * PERIOD_DAYS;
    i32::try_from(day).expect("an instant lies within the years 1 to 9999")
}

/// What the changes of a commit want looked at: when they will be too old, and by chance at once.
pub(crate) fn looks(
    scope: Scope,
    changes: impl Iterator<Item = (NodeId, Timestamp)>,
    mut chance: u64,
) -> impl Iterator<Item = (Key, Bytes)> {
    let mut looks = BTreeSet::new();
    for (profile, at) in changes {
        looks.insert(scope.look_at_changes(Some(period_of(at)), profile));
        // A generator of its own, so that one draw of random bits serves all.
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if (chance >> 56).is_multiple_of(LOOKED_AT_EVERY) {
            looks.insert(scope.look_at_changes(None, profile));
        }
    }
    looks.into_iter().map(|key| (key, Bytes::from_static(LOOK)))
}

/// Whether [`looks`] has a row that is looked at at once.
pub(crate) fn is_wanted_now(looks: &[(Key, Bytes)]) -> bool {
    looks.iter().any(|(key, _)| read_changes_look_key(key).is_some_and(|(period, _)| period.is_none()))
}

/// The most rows that [`looks`] has for changes of this order.
pub(crate) fn looks_max(changes: impl Iterator<Item = (NodeId, Timestamp)>) -> usize {
    let (mut rows, mut last) = (0, None);
    for (profile, at) in changes {
        if last.replace((profile, period_of(at))) != Some((profile, period_of(at))) {
            rows += 2;
        }
    }
    rows
}

/// The first instant of which changes are shown.
pub(crate) fn since(now: Timestamp, days_max: u32) -> Timestamp {
    now.plus_micros(-i64::from(days_max) * DAY_MICROS)
}

/// Looks at some of the profiles that are to be looked at, and drops of each what is over the bounds. Answers whether there are more.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn keep(store: &dyn Store, scope: Scope, now: Timestamp, days_max: u32) -> Result<bool, Error> {
    let since = since(now, days_max);
    let ended = period_of(since);
    let page = store.scan(&scope.looks_at_changes(ended), ScanLimit::rows(PROFILES_AT_ONCE), Direction::Forward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    for row in &page.rows {
        while look(store, scope, row, since).await? {}
    }
    Ok(page.next.is_some())
}

/// Drops some of what is over the bounds of one profile. Answers whether there is more.
async fn look(store: &dyn Store, scope: Scope, look: &Row, since: Timestamp) -> Result<bool, Error> {
    let (_, profile) = read_changes_look_key(&look.key).ok_or_else(|| corrupt("key of a look at changes"))?;
    let scan = async |range: &KeyRange, rows, direction| {
        store.scan(range, ScanLimit::rows(rows), direction).await.map_err(|error| read_failed(&error))
    };
    // The oldest that stays, by count.
    let (mut kept, mut oldest, mut rest) = (0, None, Some(scope.membership_changes_of(profile)));
    while let Some(range) = rest.take() {
        let page = scan(&range, KEPT_MAX - kept, Direction::Backward).await?;
        kept += page.rows.len();
        oldest = page.rows.into_iter().next_back().map(|row| row.key).or(oldest);
        rest = page.next.filter(|_| kept < KEPT_MAX);
    }
    let by_age = scope.membership_change(profile, since, SegmentId(0));
    let end = oldest.filter(|_| kept == KEPT_MAX).map_or(by_age.clone(), |oldest| oldest.max(by_age));
    let marker = scope.changes_let_go(profile);
    let gone = KeyRange { start: marker.successor(), end: Some(end) };
    let page = scan(&gone, rows_at_once(store, ROWS_AT_ONCE, 2), Direction::Forward).await?;
    let mut commit = Commit::new();
    if !page.rows.is_empty() {
        commit.put.push((marker, Bytes::from_static(LET_GO)));
    }
    commit.del.extend(page.rows.into_iter().map(|row| row.key));
    if page.next.is_none() {
        // Somebody may want another look meanwhile; that one is for the next run.
        commit.expect.push((look.key.clone(), Expect::Version(look.version)));
        commit.del.push(look.key.clone());
    }
    match store.commit(commit).await {
        Ok(_) => Ok(page.next.is_some()),
        Err(CommitError::Conflict(_)) => Ok(false),
        Err(error) => Err(commit_failed(&error)),
    }
}

/// Brings along changes from before somebody wanted to look at them. Answers whether there are more.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn bring_along(store: &dyn Store, scope: Scope) -> Result<bool, Error> {
    let look = |row: &Row| {
        let (profile, at, _) = read_change_key(&row.key).ok_or_else(|| corrupt("key of a change"))?;
        Ok((scope.look_at_changes(Some(period_of(at)), profile), Bytes::from_static(LOOK)))
    };
    brought::bring(store, scope, Before::MembershipChanges, look).await
}

#[cfg(test)]
mod tests;
