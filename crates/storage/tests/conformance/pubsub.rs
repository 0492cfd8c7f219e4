//! Nodes and items of accounts.

use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use storage::{
    AccountId, ArchiveId, Db,
    pubsub::{self, Item, Node, Range},
};

use crate::cast::{NOW_MS, account, id};

const NODE: &str = "urn:xmpp:bookmarks:1";

fn node(name: &str) -> Node {
    Node { name: name.into(), config: vec![("pubsub#max_items".into(), "max".into())], ..Node::default() }
}

fn item(name: &str, seq: ArchiveId) -> Item {
    Item {
        id: name.into(),
        seq,
        publisher: "alice@example.org".into(),
        payload: format!("<a xmlns='urn:a'>{name} \u{e9}</a>"),
    }
}

async fn put(db: &Db, owner: AccountId, name: &str, second: i64, keep: u32) {
    pubsub::publish(db, owner, (NODE, None), &item(name, id(second)), keep).await.unwrap();
}

async fn ids(db: &Db, owner: AccountId) -> Vec<String> {
    let all = pubsub::items(db, owner, NODE, Range::After(ArchiveId::MIN), 250).await.unwrap();
    all.into_iter().map(|item| item.id).collect()
}

/// One node with an item.
pub async fn furnish(db: &Db, owner: AccountId) {
    pubsub::publish(db, owner, (NODE, Some(&node(NODE))), &item("a", id(1)), 10).await.unwrap();
}

pub async fn a_node_comes_back_as_it_was_stored(db: Db) {
    let alice = account(&db, "alice").await;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut stored = Node {
        name: "n".into(),
        config: vec![pair("pubsub#roster_groups_allowed", "A"), pair("pubsub#roster_groups_allowed", "B\"")],
        affiliations: vec![pair("bob@example.org", "publisher")],
        subscriptions: vec![pair("carol@example.org/desk", "s1")],
    };
    pubsub::store_node(&db, alice, &node("a")).await.unwrap();
    pubsub::store_node(&db, alice, &stored).await.unwrap();
    assert_eq!(pubsub::nodes(&db, alice).await.unwrap(), [node("a"), stored.clone()]);
    stored.affiliations.clear();
    pubsub::store_node(&db, alice, &stored).await.unwrap();
    assert_eq!(pubsub::nodes(&db, alice).await.unwrap(), [node("a"), stored]);
}

pub async fn an_item_is_replaced_under_its_id_and_becomes_the_newest(db: Db) {
    let alice = account(&db, "alice").await;
    furnish(&db, alice).await;
    put(&db, alice, "b", 2, 10).await;
    put(&db, alice, "a", 3, 10).await;
    assert_eq!(ids(&db, alice).await, ["b", "a"]);
    assert_eq!(pubsub::item(&db, alice, NODE, "a").await.unwrap(), Some(item("a", id(3))));
    assert_eq!(pubsub::last(&db, alice, NODE).await.unwrap(), Some(item("a", id(3))));
    assert_eq!(pubsub::item(&db, alice, NODE, "c").await.unwrap(), None);
    let each = item("a", id(1)).payload.len();
    assert_eq!(pubsub::bytes(&db, alice).await.unwrap(), 2 * each as u64);
}

pub async fn a_node_keeps_its_newest_items(db: Db) {
    let alice = account(&db, "alice").await;
    furnish(&db, alice).await;
    for (second, name) in [(2, "b"), (3, "c"), (4, "d")] {
        put(&db, alice, name, second, 3).await;
    }
    assert_eq!(ids(&db, alice).await, ["b", "c", "d"]);
    put(&db, alice, "c", 5, 1).await;
    assert_eq!(ids(&db, alice).await, ["c"]);
}

pub async fn items_are_read_in_pages_from_either_end(db: Db) {
    let alice = account(&db, "alice").await;
    for (second, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        put(&db, alice, name, second, 10).await;
    }
    let page = async |range, max| {
        let items = pubsub::items(&db, alice, NODE, range, max).await.unwrap();
        items.into_iter().map(|item| item.id).collect::<String>()
    };
    assert_eq!(page(Range::After(ArchiveId::MIN), 2).await, "ab");
    assert_eq!(page(Range::After(id(2)), 9).await, "cd");
    assert_eq!(page(Range::Before(ArchiveId::MAX), 2).await, "cd");
    assert_eq!(page(Range::Before(id(3)), 9).await, "ab");
    assert_eq!(page(Range::After(id(4)), 9).await, "");
    assert_eq!(pubsub::count(&db, alice, NODE, id(3)).await.unwrap(), (2, 4));
}

pub async fn retracted_items_are_gone_and_the_others_stay(db: Db) {
    let alice = account(&db, "alice").await;
    for (second, name) in [(1, "a"), (2, "b"), (3, "c")] {
        put(&db, alice, name, second, 10).await;
    }
    let gone = pubsub::retract(&db, alice, NODE, &["b".into(), "x".into(), "a".into()]).await.unwrap();
    assert_eq!(gone, [true, false, true]);
    assert_eq!(ids(&db, alice).await, ["c"]);
    pubsub::purge(&db, alice, NODE).await.unwrap();
    assert!(ids(&db, alice).await.is_empty());
    assert_eq!(pubsub::bytes(&db, alice).await.unwrap(), 0);
}

pub async fn a_removed_node_takes_its_items_along(db: Db) {
    let alice = account(&db, "alice").await;
    furnish(&db, alice).await;
    pubsub::publish(&db, alice, ("other", Some(&node("other"))), &item("a", id(2)), 1).await.unwrap();
    pubsub::remove_node(&db, alice, NODE).await.unwrap();
    assert_eq!(pubsub::nodes(&db, alice).await.unwrap(), [node("other")]);
    assert!(ids(&db, alice).await.is_empty());
    assert!(pubsub::last(&db, alice, "other").await.unwrap().is_some());
}

pub async fn two_accounts_have_nodes_of_the_same_name(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    furnish(&db, alice).await;
    furnish(&db, bob).await;
    pubsub::remove_node(&db, alice, NODE).await.unwrap();
    assert_eq!(pubsub::nodes(&db, bob).await.unwrap(), [node(NODE)]);
    assert_eq!(ids(&db, bob).await, ["a"]);
}

#[derive(Clone, Debug)]
enum Act {
    Publish(u8, u32),
    Retract(u8),
    Purge,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0_u8..6, 1_u32..5).prop_map(|(name, keep)| Act::Publish(name, keep)),
        2 => (0_u8..6).prop_map(Act::Retract),
        1 => Just(Act::Purge),
    ]
}

pub async fn any_order_of_publishing_and_retracting_leaves_what_a_list_would(db: Db) {
    let alice = account(&db, "alice").await;
    let mut runner = TestRunner::deterministic();
    let mut seq = ArchiveId::first_at(NOW_MS);
    for _ in 0..20 {
        let acts = vec(act(), 1..20).new_tree(&mut runner).unwrap().current();
        pubsub::purge(&db, alice, NODE).await.unwrap();
        let mut expected: Vec<String> = Vec::new();
        for act in &acts {
            match act {
                Act::Publish(name, keep) => {
                    seq = seq.next();
                    let name = name.to_string();
                    pubsub::publish(&db, alice, (NODE, None), &item(&name, seq), *keep).await.unwrap();
                    expected.retain(|id| *id != name);
                    expected.push(name);
                    let surplus = expected.len().saturating_sub(*keep as usize);
                    expected.drain(..surplus);
                }
                Act::Retract(name) => {
                    let name = name.to_string();
                    let was_there = expected.contains(&name);
                    let gone = pubsub::retract(&db, alice, NODE, std::slice::from_ref(&name)).await.unwrap();
                    assert_eq!(gone, [was_there], "{acts:?}");
                    expected.retain(|id| *id != name);
                }
                Act::Purge => {
                    pubsub::purge(&db, alice, NODE).await.unwrap();
                    expected.clear();
                }
            }
            assert_eq!(ids(&db, alice).await, expected, "{acts:?}");
        }
    }
}
