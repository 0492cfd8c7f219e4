//! Devices and their tokens (XEP-0388, XEP-0484).

use bytes::Bytes;
use storage::{
    AccountId, Db, DeviceId, accounts,
    devices::{self, Token},
};

use crate::cast::{NOW_MS, account, credentials};

const NAMES: (Option<&str>, Option<&str>) = (Some("Bird"), Some("phone"));

fn device(number: u8) -> DeviceId {
    DeviceId::from_bytes([0xff, 0, 0, 0, 0, 0, 0, number])
}

fn token(number: u8) -> Token {
    Token {
        seed: Bytes::copy_from_slice(&[number; 32]),
        mechanism: "HT-SHA-256-NONE".into(),
        issued_at_ms: NOW_MS + i64::from(number),
        expires_at_ms: NOW_MS + 1_000 + i64::from(number),
    }
}

async fn seen(db: &Db, owner: AccountId, number: u8, at_ms: i64) {
    devices::seen(db, owner, device(number), NAMES, at_ms, 3).await.unwrap();
}

async fn numbers(db: &Db, owner: AccountId) -> Vec<DeviceId> {
    devices::list(db, owner, NOW_MS).await.unwrap().into_iter().map(|device| device.id).collect()
}

/// A device with a token.
pub async fn furnish(db: &Db, owner: AccountId) {
    seen(db, owner, 1, NOW_MS).await;
    devices::add_token(db, owner, device(1), &token(1)).await.unwrap();
}

pub async fn a_device_is_seen_again_under_its_id(db: Db) {
    let alice = account(&db, "alice").await;
    seen(&db, alice, 1, NOW_MS).await;
    devices::seen(&db, alice, device(1), (Some("Bird 2"), None), NOW_MS + 5, 3).await.unwrap();
    let listed = devices::list(&db, alice, NOW_MS).await.unwrap();
    let [only] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((only.software.as_deref(), only.name.as_deref()), (Some("Bird 2"), None));
    assert_eq!((only.first_seen_ms, only.last_seen_ms), (NOW_MS, NOW_MS + 5));
    assert!(only.by_password && !only.has_token);
    assert_eq!(DeviceId::parse(&only.id.to_string()), Some(device(1)));
    assert_eq!(DeviceId::parse("FF00000000000001"), None);
    assert_eq!(DeviceId::parse("1"), None);
}

pub async fn the_device_unseen_for_longest_makes_room(db: Db) {
    let alice = account(&db, "alice").await;
    for number in 1..=3 {
        seen(&db, alice, number, NOW_MS + i64::from(number)).await;
    }
    devices::add_token(&db, alice, device(2), &token(2)).await.unwrap();
    seen(&db, alice, 1, NOW_MS + 10).await;
    seen(&db, alice, 4, NOW_MS + 11).await;
    assert_eq!(numbers(&db, alice).await, [4, 1, 3].map(device));
    assert!(devices::tokens(&db, alice, device(2)).await.unwrap().is_empty());
}

pub async fn a_used_token_ends_those_before_it(db: Db) {
    let alice = account(&db, "alice").await;
    seen(&db, alice, 1, NOW_MS).await;
    devices::add_token(&db, alice, device(1), &token(1)).await.unwrap();
    assert!(devices::use_token(&db, alice, device(1), &token(1), None, NOW_MS + 7).await.unwrap());
    devices::add_token(&db, alice, device(1), &token(2)).await.unwrap();
    devices::add_token(&db, alice, device(1), &token(3)).await.unwrap();
    let tokens = devices::tokens(&db, alice, device(1)).await.unwrap();
    assert_eq!(tokens, [token(3), token(1)], "the second was never used");
    assert!(devices::use_token(&db, alice, device(1), &token(3), None, NOW_MS + 8).await.unwrap());
    account(&db, "somebody-else").await;
    assert_eq!(devices::tokens(&db, alice, device(1)).await.unwrap(), [token(3)]);
    let listed = devices::list(&db, alice, NOW_MS).await.unwrap();
    assert_eq!(listed.first().map(|device| (device.last_seen_ms, device.has_token)), Some((NOW_MS + 8, true)));
    assert!(!devices::list(&db, alice, NOW_MS + 2_000).await.unwrap().iter().any(|device| device.has_token));
    devices::forget_token(&db, alice, device(1), &token(3)).await.unwrap();
    assert!(!devices::use_token(&db, alice, device(1), &token(3), None, NOW_MS + 9).await.unwrap());
}

pub async fn a_count_is_taken_once_and_only_upwards(db: Db) {
    let alice = account(&db, "alice").await;
    furnish(&db, alice).await;
    for (count, accepted) in [(0, true), (0, false), (5, true), (4, false), (5, false), (6, true)] {
        let used = devices::use_token(&db, alice, device(1), &token(1), Some(count), NOW_MS).await.unwrap();
        assert_eq!(used, accepted, "{count}");
    }
    assert!(devices::use_token(&db, alice, device(1), &token(1), None, NOW_MS).await.unwrap());
    assert!(!devices::use_token(&db, alice, device(1), &token(1), Some(6), NOW_MS).await.unwrap());
}

pub async fn a_revoked_device_is_gone_with_its_tokens(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    furnish(&db, alice).await;
    furnish(&db, bob).await;
    assert!(devices::revoke(&db, alice, device(1)).await.unwrap());
    assert!(!devices::revoke(&db, alice, device(1)).await.unwrap());
    assert!(devices::tokens(&db, alice, device(1)).await.unwrap().is_empty());
    assert_eq!(numbers(&db, bob).await, [device(1)]);
    assert_eq!(devices::tokens(&db, bob, device(1)).await.unwrap(), [token(1)]);
}

pub async fn a_new_password_ends_every_token(db: Db) {
    let alice = account(&db, "alice").await;
    furnish(&db, alice).await;
    accounts::set_credentials(&db, alice, &credentials(9)).await.unwrap();
    assert!(devices::tokens(&db, alice, device(1)).await.unwrap().is_empty());
    let listed = devices::list(&db, alice, NOW_MS).await.unwrap();
    assert!(listed.iter().all(|device| !device.by_password && !device.has_token));
}
