//! Sets that are changed member by member: cases, and the law that order and repetition do not matter.
//!
//! `1.crm:a+'x'@5` adds, `1.crm:a-'x'@5` removes; the rest is as in the table.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn word(text: &str) -> Said {
    let (head, tail) = text.split_once(':').expect("who:what");
    let Some(at) = tail.find(['+', '-']).filter(|at| !tail[..*at].contains('=')) else { return said(text) };
    let (member, time) = tail[at + 1..].rsplit_once('@').expect("member@time");
    // The rest is read as a cell of the set, which then becomes one of its member.
    let (node, dataset, cell) = said(&format!("{head}:{}={member}@{time}", &tail[..at]));
    let path = cell.path.member(&cell.value).expect("a member");
    let value = if tail.as_bytes()[at] == b'+' { cell.value } else { Value::Null };
    (node, dataset, Cell { path, value, ..cell })
}

/// policy | words | view | what became of `a`
fn check(row: &str) {
    let columns: Vec<&str> = row.split('|').map(str::trim).collect();
    let [policy, words, expected, fate] = columns[..] else { panic!("four columns: {row}") };
    let (policy, node) = super::policy(policy);
    let mut words: Vec<Said> = words.split_whitespace().map(word).collect();
    for _ in 0..2 {
        let cluster = cluster(words.iter().chain(&words).cloned());
        assert_eq!(show(&view(&cluster, node, &policy)), expected, "the view of {row}");
        assert_eq!(show(&explained(&cluster, node, &policy, &["a", "b"])), expected, "the explanation of {row}");
        let explanation = explain(&cluster, node, &lens(&policy), &path("a"));
        let own = explanation.attributes.iter().find(|attribute| attribute.path == path("a"));
        assert_eq!(own.map(|attribute| why(&attribute.fate)).as_deref(), Some(fate), "what became of a in {row}");
        assert!(explanation.attributes.iter().all(|attribute| !attribute.path.is_member()), "{row}");
        words.reverse();
    }
}

#[test]
fn sets_are_decided_member_by_member() {
    let rows = "
        full newest | 1.crm:a+'x'@1 | {a:<'x'>} | Operations
        full newest | 1.crm:a+'x'@1 2.web:a+'y'@2 | {a:<'x','y'>} | Operations
        full newest | 1.crm:a+'x'@1 3.web:a+'y'@2 | {a:<'x'>} | Operations
        none newest | 1.crm:a+'x'@1 2.web:a+'y'@2 | {a:<'x'>} | Operations
        full newest | 1.crm:a+'x'@1 1.web:a-'x'@2 | {} | Removed(Removed)
        full newest | 1.crm:a+'x'@2 1.web:a-'x'@1 | {a:<'x'>} | Operations
        full newest | 1.crm:a+'x'@2 1.web:a-'x'@2 | {a:<'x'>} | Operations
        full newest | 1.crm:a-'x'@1 | {} | Removed(Removed)
        full newest | 1.crm:a+'x'@1 1.crm:a+1@2 1.crm:a+true@3 | {a:<true,1,'x'>} | Operations
        full newest | 1.crm:a=<'x','y'>@1 1.web:a+'z'@2 | {a:<'x','y','z'>} | Operations
        full newest | 1.crm:a=<'x','y'>@1 1.web:a-'x'@2 | {a:<'y'>} | Operations
        full newest | 1.crm:a=<'x'>@1 1.web:a-'x'@2 | {a:<>} | Operations
        full newest | 1.crm:a=<'x','y'>@3 1.web:a+'z'@2 1.web:a-'x'@1 | {a:<'x','y'>} | OnlyOne
        full newest | 1.crm:a=<'x'>@3 1.web:a+'z'@3 | {a:<'x'>} | OnlyOne
        full newest | 1.crm:a=['y','x']@3 1.web:a+'z'@2 | {a:['y','x']} | OnlyOne
        full newest | 1.crm:a=['y','x']@1 1.web:a+'z'@2 | {a:<'x','y','z'>} | Operations
        full newest | 1.crm:a=null@2 1.web:a+'x'@1 1.web:a+'y'@3 | {a:<'y'>} | Operations
        full newest | 1.crm:a=null@2 1.web:a+'x'@2 | {} | Removed(OnlyOne)
        full newest | 1.crm:a='gold'@1 1.web:a+'x'@2 | {a:<'x'>} | Operations
        full newest | 1.crm:a='gold'@3 1.web:a+'x'@2 | {a:'gold'} | OnlyOne
        full newest | 1.crm:a='gold'@1 1.web:a-'x'@2 | {a:'gold'} | OnlyOne
        full newest | 1.crm:a={}@3 1.web:a+'x'@2 | {a:<'x'>} | Operations
        full newest | 1.crm:a={}@3 1.web:a-'x'@2 | {a:{}} | OnlyOne
        full newest | 1.crm:a.b=1@1 1.web:a+'x'@2 | {a:<'x'>} | Operations
        full newest | 1.crm:a.b=1@3 1.web:a+'x'@2 | {a:{b:1}} | Ended(a.b)
        full newest | 1.crm:a.b=1@1 1.web:a-'x'@2 | {a:{b:1}} | Removed(Removed)
        full newest | 1.crm:a.Z=1@1 1.web:a.z=2@3 1.web:a+'x'@2 | {a:{z:2}} | Ended(a.z)
        full newest | 1.crm:a=<'x'>@1 1.web:b+'y'@2 | {a:<'x'> b:<'y'>} | OnlyOne
        full precedence crm,web | 1.crm:a=<'x'>@1 1.web:a+'y'@2 | {a:<'x'>} | OnlyOne
        full precedence crm,web | 1.web:a=<'x'>@2 1.crm:a+'y'@1 | {a:<'x','y'>} | Operations
        full precedence crm,web | 1.crm:a-'x'@1 1.web:a+'x'@2 1.web:a+'y'@2 | {a:<'y'>} | Operations
        full precedence crm,web | 1.crm:a+'x'@1 1.app:a+'y'@2 | {a:<'x'>} | Operations
        full precedence crm,web | 1.app:a+'y'@2 | {} | NotListed
        full newest; a: source web,crm | 1.crm:a=<'x'>@9 1.web:a+'y'@1 | {a:<'x','y'>} | Operations
        full newest; a: first | 1.crm:a=<'x'>@1 1.web:a+'y'@2 | {a:<'x'>} | OnlyOne
        full newest; a: first | 1.crm:a=<'x'>@2 1.web:a+'y'@1 | {a:<'y'>} | Operations
        full newest; a: union | 1.crm:a=<'x'>@1 1.web:a=<'y'>@2 2.web:a+'z'@1 | {a:<'x','y','z'>} | Operations
        full newest; a: union | 1.crm:a=<'x','y'>@1 1.web:a=<'x'>@3 2.web:a-'x'@2 2.web:a-'y'@2 | {a:<'x'>} | Operations
        full newest; a: union | 1.crm:a=<'x'>@1 1.web:a=null@2 1.web:a+'y'@3 | {a:<'y'>} | Operations
        full newest; a: union | 1.crm:a+'x'@1 1.web:a=null@2 | {} | Removed(Removed)
        full newest; a: union | 1.crm:a='v'@1 1.web:a=<'w'>@1 1.web:a+'x'@1 | {a:<'v','w','x'>} | Operations
        full newest; a: max | 1.crm:a=<'x'>@1 1.web:a=<'y'>@2 1.web:a+'z'@3 | {a:<'y','z'>} | Operations
        full newest; a: min | 1.crm:a+'z'@1 1.web:a-'z'@2 1.app:a+'y'@1 | {a:<'y'>} | Operations
        full newest; a: frequent | 1.crm:a+'z'@3 1.web:a-'z'@2 | {a:<'z'>} | Operations
    ";
    let rows: Vec<&str> = rows.lines().map(str::trim).filter(|row| !row.is_empty()).collect();
    assert!(rows.len() > 40, "the table has {} rows", rows.len());
    rows.into_iter().for_each(check);
}

#[test]
fn the_words_on_members_are_explained_as_operations() {
    let cluster = cluster(
        ["1.crm:a=<'w'>@2", "1.web:a+'x'@3", "2.web:a+'x'@1", "1.app:a-'w'@4", "2.crm:a-'q'@1", "2.app:a+'v'@1"]
            .map(word),
    );
    let (policy, node) = policy("full newest");
    let explanation = explain(&cluster, node, &lens(&policy), &path("a"));
    let [attribute] = &explanation.attributes[..] else { panic!("one attribute") };
    let lines = attribute.contenders.iter().map(|own| {
        let time = own.time.micros() / 1_000_000;
        format!("{} {} {} @{time} {:?}", own.node.as_bytes()[0], own.dataset, show_value(&own.value), own.part)
    });
    let expected = [
        "1 app {$remove:['w']} @4 Won",
        "1 web {$add:['x']} @3 Joined",
        "1 crm <'w'> @2 Joined",
        "2 app {$add:['v']} @1 Lost",
        "2 crm {$remove:['q']} @1 Lost",
        "2 web {$add:['x']} @1 Lost",
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
}

/// What can be said of a set.
#[derive(Debug, Clone)]
enum Word {
    Add(u8),
    Remove(u8),
    Whole(BTreeSet<u8>),
    Unset,
}

fn words() -> impl Strategy<Value = Vec<(u8, &'static str, Word)>> {
    let word = prop_oneof![
        4 => (0u8..4).prop_map(Word::Add),
        3 => (0u8..4).prop_map(Word::Remove),
        1 => prop::collection::btree_set(0u8..4, 0..3).prop_map(Word::Whole),
        1 => Just(Word::Unset),
    ];
    prop::collection::vec((1u8..3, prop::sample::select(vec!["crm", "web", "app"]), word), 0..14)
}

fn number(member: u8) -> Value {
    Value::Number(Decimal::from_u64(member.into()))
}

/// The cell of a word that was said so many seconds after the start.
fn cell(word: &Word, at: usize, received: i64) -> Cell {
    let set = path("a");
    let member = |member: u8| set.member(&number(member)).expect("a member");
    let (path, value) = match word {
        Word::Add(own) => (member(*own), number(*own)),
        Word::Remove(own) => (member(*own), Value::Null),
        Word::Whole(all) => (set, Value::set(all.iter().map(|own| number(*own)).collect())),
        Word::Unset => (set, Value::Null),
    };
    let time = seconds(i64::try_from(at).expect("few words"));
    Cell { path, value, time, received_at: seconds(received), batch: None, claimed: None }
}

/// One word after another, in the order of their times: none where the set is not there.
fn naive<'a>(words: impl IntoIterator<Item = &'a Word>) -> Option<BTreeSet<u8>> {
    let (mut members, mut was_said_whole) = (BTreeSet::new(), false);
    for word in words {
        match word {
            Word::Add(own) => {
                members.insert(*own);
            }
            Word::Remove(own) => {
                members.remove(own);
            }
            Word::Whole(all) => (members, was_said_whole) = (all.clone(), true),
            Word::Unset => (members, was_said_whole) = (BTreeSet::new(), false),
        }
    }
    (was_said_whole || !members.is_empty()).then_some(members)
}

proptest! {
    /// Words come in any order and any number of times, by any node and dataset of a profile, and the set is what it is when they
    /// come once, in the order of their times.
    #[test]
    fn operations_work_in_any_order_and_twice(
        words in words(),
        arrivals in prop::collection::vec((any::<prop::sample::Index>(), 0i64..1_000), 0..40),
    ) {
        let mut said: Vec<Said> = Vec::new();
        for (index, received) in arrivals.iter().filter(|_| !words.is_empty()) {
            let at = index.index(words.len());
            let (node, dataset, word) = &words[at];
            said.push((*node, dataset, cell(word, at, 1_000 + received)));
        }
        // Each at least once.
        said.extend(words.iter().enumerate().rev().map(|(at, (node, dataset, word))| (*node, *dataset, cell(word, at, 999))));
        let cluster = cluster(said);
        let expected = naive(words.iter().map(|(_, _, word)| word));
        let (policy, node) = policy("full newest");
        let shown = expected.map(|members| Value::set(members.into_iter().map(number).collect()));
        let tree = view(&cluster, node, &policy);
        let Tree::Node(members) = &tree else { panic!("a profile has members") };
        prop_assert_eq!(members.get("a").cloned(), shown.map(Tree::Leaf));
        prop_assert_eq!(explained(&cluster, node, &policy, &["a"]), tree);
    }

    /// Under any policy the order of arrival does not matter, and the explanation tells what the view shows. Values above and
    /// below the set, and plain ones in its place, stand among the words.
    #[test]
    fn under_any_policy_the_explanation_tells_the_view(
        words in words(),
        others in prop::collection::vec((1u8..3, prop::sample::select(vec!["a.b=1@", "a='x'@", "a={}@", "a.b=null@", "a.b+1@", "a=[2,1]@"]), 0i64..14), 0..4),
        policy in super::laws::policies(),
    ) {
        let mut said: Vec<Said> =
            words.iter().enumerate().map(|(at, (node, dataset, word))| (*node, *dataset, cell(word, at, 999))).collect();
        said.extend(others.into_iter().map(|(node, text, at)| super::sets::word(&format!("{node}.web:{text}{at}"))));
        let policy = CompiledPolicy::new(policy);
        let one = cluster(said.iter().cloned());
        let other = cluster(said.iter().rev().chain(&said).cloned());
        for node in [1, 2].map(node_id) {
            let tree = view(&one, node, &policy);
            prop_assert_eq!(&view(&other, node, &policy), &tree);
            prop_assert_eq!(explained(&one, node, &policy, &["a"]), tree);
        }
    }

    /// Two profiles that become one hold what one profile would that had heard all words.
    #[test]
    fn a_merge_unites_the_words(words in words()) {
        let at_one = |(at, (_, dataset, word)): (usize, &(u8, &'static str, Word))| (1u8, *dataset, cell(word, at, 999));
        let at_own = |(at, (node, dataset, word)): (usize, &(u8, &'static str, Word))| (*node, *dataset, cell(word, at, 999));
        let (policy, node) = policy("full newest");
        let one = cluster(words.iter().enumerate().map(at_one));
        let both = cluster(words.iter().enumerate().map(at_own));
        prop_assert_eq!(view(&one, node, &policy), view(&both, node, &policy));
    }
}
