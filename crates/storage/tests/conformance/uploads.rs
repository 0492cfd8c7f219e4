//! Slots that become files, and files that go.

use storage::{
    AccountId, Db, accounts,
    owned::{self, Owned},
    uploads::{self, Described, Kept, ObjectId, Part, PartId, Upload, UploadId, Usage},
};

use crate::cast::{NOW_MS, account};

const LATER_MS: i64 = NOW_MS + 300_000;

fn described(token: &str, bytes: u64) -> Described {
    Described { token: token.into(), file_name: format!("{token}.jpg"), content_type: "image/jpeg".into(), bytes }
}

fn part(number: u8, bytes: u32) -> Part {
    Part { id: PartId([number; 16]), bytes }
}

async fn slot(db: &Db, owner: AccountId, token: &str, bytes: u64) -> Upload {
    uploads::grant(db, owner, &described(token, bytes), NOW_MS, LATER_MS).await.unwrap();
    uploads::find(db, token).await.unwrap().unwrap()
}

/// A file of one part; parts are named after the token's first byte.
async fn file(db: &Db, owner: AccountId, token: &str, content: &[u8]) -> (Upload, Kept) {
    let slot = slot(db, owner, token, 10).await;
    let number = token.as_bytes()[0];
    let kept = uploads::complete(db, &slot, &[part(number, 10)], content, NOW_MS + 1).await.unwrap();
    (uploads::find(db, token).await.unwrap().unwrap(), kept)
}

pub async fn furnish(db: &Db, owner: AccountId) {
    file(db, owner, "a", b"one").await;
    file(db, owner, "b", b"two").await;
    slot(db, owner, "c", 7).await;
}

async fn to_remove(db: &Db) -> Vec<Part> {
    let removals = uploads::removals(db, ObjectId::MIN, 10).await.unwrap();
    let mut parts: Vec<Part> = removals.into_iter().flat_map(|removal| removal.parts).collect();
    parts.sort_by_key(|part| part.id.0);
    parts
}

pub async fn a_slot_becomes_a_file_once(db: Db) {
    let alice = account(&db, "alice").await;
    let slot = slot(&db, alice, "a", 30).await;
    assert_eq!((slot.owner, slot.whole, slot.at_ms, slot.expires_at_ms), (alice, false, NOW_MS, LATER_MS));
    assert_eq!((&slot.described, slot.medium.bytes()), (&described("a", 30), 0));
    let parts = [part(1, 10), part(2, 20)];
    assert_eq!(uploads::complete(&db, &slot, &parts, b"content", NOW_MS + 5).await.unwrap(), Kept::Fresh);
    assert_eq!(uploads::complete(&db, &slot, &parts, b"content", NOW_MS + 6).await.unwrap(), Kept::Lost);
    let file = uploads::find(&db, "a").await.unwrap().unwrap();
    assert_eq!((file.whole, file.at_ms, &file.described), (true, NOW_MS + 5, &described("a", 30)));
    assert_eq!((&file.medium.parts[..], file.medium.key), (&parts[..], slot.medium.key));
    assert!(uploads::find(&db, "b").await.unwrap().is_none());
    assert_eq!(uploads::parts(&db, slot.medium.object).await.unwrap().unwrap(), parts);
    assert_eq!(uploads::parts(&db, ObjectId([9; 16])).await.unwrap(), None);
    let nobody = AccountId(alice.0 + 1);
    let refused = uploads::grant(&db, nobody, &described("x", 1), NOW_MS, LATER_MS).await;
    assert!(refused.unwrap_err().is_constraint());
}

pub async fn a_part_is_added_by_one_of_two(db: Db) {
    let alice = account(&db, "alice").await;
    let mut first = slot(&db, alice, "a", 30).await;
    let mut second = first.clone();
    assert!(uploads::append(&db, &mut first, part(1, 10), LATER_MS + 9).await.unwrap());
    assert!(!uploads::append(&db, &mut second, part(2, 10), LATER_MS + 9).await.unwrap());
    assert_eq!(second.medium.bytes(), 0, "it knows no better");
    let found = uploads::find(&db, "a").await.unwrap().unwrap();
    assert_eq!((found.medium.bytes(), found.expires_at_ms), (10, LATER_MS + 9));
    assert_eq!(uploads::complete(&db, &second, &[part(2, 30)], b"x", NOW_MS).await.unwrap(), Kept::Lost);
    let parts = [part(1, 10), part(3, 20)];
    assert_eq!(uploads::complete(&db, &first, &parts, b"x", NOW_MS).await.unwrap(), Kept::Fresh);
    assert!(!uploads::append(&db, &mut first, part(4, 10), LATER_MS).await.unwrap(), "whole is whole");
}

pub async fn equal_files_of_one_owner_share_a_medium_until_the_last_goes(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    let (first, kept) = file(&db, alice, "a", b"same").await;
    assert_eq!(kept, Kept::Fresh);
    let (second, kept) = file(&db, alice, "b", b"same").await;
    assert_eq!((kept, second.medium.object), (Kept::Shared, first.medium.object));
    assert_eq!(second.described.file_name, "b.jpg");
    assert_eq!(file(&db, alice, "c", b"other").await.1, Kept::Fresh);
    assert_eq!(file(&db, bob, "d", b"same").await.1, Kept::Fresh, "another owner's");
    let expected = Usage { files: 3, bytes: 20, ..Usage::default() };
    assert_eq!(uploads::usage(&db, alice, NOW_MS).await.unwrap(), expected);

    let own = uploads::removals(&db, ObjectId::MIN, 10).await.unwrap();
    assert_eq!(own.len(), 1, "what the second would have held, had it not been shared");
    uploads::forget(&db, own[0].object).await.unwrap();
    uploads::forget(&db, first.medium.object).await.unwrap();

    assert!(!uploads::remove(&db, bob, first.id).await.unwrap(), "not his");
    assert!(uploads::remove(&db, alice, first.id).await.unwrap());
    assert!(!uploads::remove(&db, alice, first.id).await.unwrap());
    assert!(to_remove(&db).await.is_empty());
    assert_eq!(uploads::find(&db, "b").await.unwrap().unwrap().medium.parts, [part(b'a', 10)]);
    assert!(uploads::remove(&db, alice, second.id).await.unwrap());
    assert_eq!(to_remove(&db).await, [part(b'a', 10)]);
    assert_eq!(file(&db, alice, "e", b"same").await.1, Kept::Fresh, "what goes is not shared any more");
    uploads::forget(&db, first.medium.object).await.unwrap();
    assert!(to_remove(&db).await.is_empty());
}

pub async fn slots_close_and_old_files_go(db: Db) {
    let alice = account(&db, "alice").await;
    let mut begun = slot(&db, alice, "p", 30).await;
    assert!(uploads::append(&db, &mut begun, part(1, 10), LATER_MS).await.unwrap());
    furnish(&db, alice).await;
    let usage = Usage { files: 2, bytes: 20, slots: 2, slot_bytes: 37 };
    assert_eq!(uploads::usage(&db, alice, NOW_MS).await.unwrap(), usage);
    assert_eq!(uploads::usage(&db, alice, LATER_MS).await.unwrap(), Usage { slots: 0, slot_bytes: 0, ..usage });
    assert_eq!(uploads::expire(&db, LATER_MS - 1, Some(NOW_MS + 1), 10).await.unwrap(), 0);
    let mut held = slot(&db, alice, "q", 5).await;
    uploads::stay_open(&db, &mut held, LATER_MS + 9).await.unwrap();
    assert_eq!(uploads::expire(&db, LATER_MS, None, 1).await.unwrap(), 1, "in steps");
    assert_eq!(uploads::expire(&db, LATER_MS, None, 10).await.unwrap(), 1);
    assert!(uploads::find(&db, "q").await.unwrap().is_some());
    assert!(uploads::find(&db, "p").await.unwrap().is_none());
    assert_eq!(to_remove(&db).await, [part(1, 10)]);
    assert_eq!(uploads::expire(&db, LATER_MS, Some(NOW_MS + 2), 10).await.unwrap(), 2);
    assert!(uploads::find(&db, "a").await.unwrap().is_none());
    assert_eq!(to_remove(&db).await, [part(1, 10), part(b'a', 10), part(b'b', 10)]);
}

pub async fn uploads_are_listed_page_by_page(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    furnish(&db, alice).await;
    file(&db, bob, "z", b"one").await;
    let all = uploads::list(&db, alice, None, 10).await.unwrap();
    let mut tokens: Vec<_> = all.iter().map(|listed| (listed.described.token.as_str(), listed.whole)).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, [("a", true), ("b", true), ("c", false)]);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = uploads::list(&db, alice, after, 1).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let id = all[0].id;
    assert_eq!(UploadId::parse(&id.to_string()), Some(id));
    assert_eq!(UploadId::parse(&id.to_string().to_uppercase().replace('0', "g")), None);
}

pub async fn what_is_held_and_what_is_lost_can_be_told(db: Db) {
    let alice = account(&db, "alice").await;
    let (first, _) = file(&db, alice, "a", b"same").await;
    file(&db, alice, "b", b"same").await;
    file(&db, alice, "c", b"other").await;
    let held = uploads::page(&db, ObjectId::MIN, 10).await.unwrap();
    assert_eq!(held.len(), 2);
    assert_eq!(uploads::page(&db, held[0].object, 10).await.unwrap(), held[1..]);
    assert_eq!(uploads::lost(&db, first.medium.object).await.unwrap(), 2);
    assert!(uploads::find(&db, "b").await.unwrap().is_none());
    assert_eq!(uploads::usage(&db, alice, NOW_MS).await.unwrap().files, 1);
}

pub async fn a_deleted_account_leaves_parts_to_be_removed(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    furnish(&db, alice).await;
    file(&db, bob, "z", b"one").await;
    assert_eq!(owned::count(&db, alice).await.unwrap(), Owned { uploads: 2, ..Owned::default() });
    let half_open = slot(&db, alice, "h", 5).await;
    accounts::delete(&db, alice).await.unwrap();
    for token in ["a", "b", "c", "h"] {
        assert!(uploads::find(&db, token).await.unwrap().is_none(), "{token}");
    }
    let kept = uploads::complete(&db, &half_open, &[part(8, 5)], b"x", NOW_MS).await.unwrap();
    assert_eq!(kept, Kept::Lost, "what was on its way comes too late");
    assert_eq!(to_remove(&db).await, [part(b'a', 10), part(b'b', 10)]);
    assert!(uploads::find(&db, "z").await.unwrap().unwrap().whole);
}
