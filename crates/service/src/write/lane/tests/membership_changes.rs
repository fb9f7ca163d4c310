//! A profile that enters a segment and leaves it again and again.

use tessera_engine::model::Flags;
use tessera_engine::value::{Path, Value};
use tessera_store::{Direction, ScanLimit};

use super::*;
use crate::directory::ListQuery;
use crate::segments::MembershipChange;
use crate::stored::keys::Scope;

const ALL: Flags = Flags { internal: true, private: true };

impl World {
    /// Turns somebody so many times, one commit each, from outside on.
    async fn change(&self, from: usize, times: usize) {
        for at in from..from + times {
            self.pass(1_000);
            let attribute =
                (Path::root("mood").expect("a name"), Value::text(if at % 2 == 0 { "good" } else { "bad" }));
            let own = fact(&format!("m{at}"), &[("user_id", "ann")], "");
            self.accept(vec![Fact { attributes: vec![attribute], ..own }]).await;
        }
    }

    /// Pages of what somebody entered and left, and whether older ones were let go.
    async fn changes(&self, limit: usize) -> (Vec<Vec<MembershipChange>>, bool) {
        let lookup = Lookup::Identity { namespace: "user_id".into(), value: "ann".into() };
        let (mut pages, mut cursor) = (Vec::new(), None);
        loop {
            let query = ListQuery { limit, cursor };
            let page = self.service.membership_history(WORKSPACE, &lookup, &query, ALL).await.expect("a page");
            pages.push(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return (pages, page.older_let_go);
            }
            assert!(!page.older_let_go, "only the last page knows");
        }
    }

    async fn change_rows(&self) -> usize {
        let all = Scope::new(WORKSPACE).all_of(crate::stored::keys::Family::MembershipChange);
        self.store.scan(&all, ScanLimit::rows(10_000), Direction::Forward).await.expect("rows").rows.len()
    }
}

#[tokio::test]
async fn of_a_profile_that_turns_for_ever_the_newest_thousand_are_kept_and_shown() {
    let world = World::new(Limits::EMBEDDED).await;
    world.put_segments(["mood = \"good\"".to_owned()]).await;
    world.change(0, 1_000).await;
    let (pages, older_let_go) = world.changes(300).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [300, 300, 300, 100]);
    assert!(!older_let_go);
    world.change(1_000, 1_500).await;
    let (pages, older_let_go) = world.changes(300).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [300, 300, 300, 100]);
    assert!(older_let_go);
    let all: Vec<MembershipChange> = pages.concat();
    assert!(all.windows(2).all(|pair| pair[0].at > pair[1].at && pair[0].is_inside != pair[1].is_inside));
    // Nobody asked for it: commits want their profiles looked at now and then.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let rows = world.change_rows().await;
    assert!((1_001..2_200).contains(&rows), "{rows} rows are kept");
    world.service.close().await;
    world.check().await;
}

#[tokio::test]
async fn changes_that_are_too_old_are_not_shown_before_they_are_gone() {
    let world = World::new(Limits::EMBEDDED).await;
    world.put_segments(["mood = \"good\"".to_owned()]).await;
    world.change(0, 3).await;
    world.pass(399 * 86_400 * SECOND);
    world.change(3, 2).await;
    let (pages, older_let_go) = world.changes(10).await;
    assert_eq!((pages.concat().len(), older_let_go), (5, false));
    world.pass(2 * 86_400 * SECOND);
    let (pages, older_let_go) = world.changes(10).await;
    assert_eq!((pages.concat().len(), older_let_go), (2, true));
    assert_eq!(world.change_rows().await, 5);
    world.service.close().await;
}
