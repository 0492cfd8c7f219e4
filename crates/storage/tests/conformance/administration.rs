//! Tokens of the API, invitations and the audit log.

use storage::api_tokens::{self, ApiToken};
use storage::audit::{self, Entry};
use storage::invites::{self, Invite};
use storage::{AccountId, ArchiveId, Db, InviteId, accounts};

use crate::cast::{NOW_MS, account, id};

fn token(name: &str, created_at_ms: i64) -> ApiToken {
    let scopes = String::from("accounts:read accounts:write");
    ApiToken { name: name.into(), scopes, created_at_ms, expires_at_ms: Some(NOW_MS + 90), used_at_ms: None }
}

fn invite(number: u8, contact: Option<AccountId>, localpart: Option<&str>) -> Invite {
    Invite {
        id: InviteId::from_bytes([0xff, 0, 0, 0, 0, 0, 0, number]),
        contact,
        localpart: localpart.map(str::to_owned),
        registers: true,
        uses_max: 2,
        uses: 0,
        created_at_ms: NOW_MS,
        expires_at_ms: NOW_MS + 1_000,
        created_by: "the command line".into(),
    }
}

pub async fn furnish(db: &Db, owner: AccountId) {
    let number = u8::try_from(owner.0).unwrap();
    assert!(invites::create(db, &invite(number, Some(owner), None), &format!("of {number}")).await.unwrap());
}

pub async fn a_token_is_found_by_its_secret_and_revoked_by_its_name(db: Db) {
    assert!(api_tokens::create(&db, &token("ci", NOW_MS + 1), b"secret").await.unwrap());
    assert!(!api_tokens::create(&db, &token("ci", NOW_MS), b"another").await.unwrap(), "names are one of a kind");
    assert!(!api_tokens::create(&db, &token("cd", NOW_MS), b"secret").await.unwrap(), "and secrets");
    assert!(api_tokens::create(&db, &token("shop", NOW_MS), b"more").await.unwrap());
    assert_eq!(api_tokens::list(&db).await.unwrap(), [token("shop", NOW_MS), token("ci", NOW_MS + 1)]);
    assert_eq!(api_tokens::count(&db).await.unwrap(), 2);
    assert_eq!(api_tokens::by_secret(&db, b"secreT").await.unwrap(), None);
    api_tokens::touch(&db, "ci", NOW_MS + 7).await.unwrap();
    db.settle().await.unwrap();
    let used = ApiToken { used_at_ms: Some(NOW_MS + 7), ..token("ci", NOW_MS + 1) };
    assert_eq!(api_tokens::by_secret(&db, b"secret").await.unwrap(), Some(used));
    assert!(api_tokens::revoke(&db, "ci").await.unwrap());
    assert!(!api_tokens::revoke(&db, "ci").await.unwrap());
    assert_eq!(api_tokens::by_secret(&db, b"secret").await.unwrap(), None);
}

pub async fn an_invitation_is_used_as_often_as_it_says(db: Db) {
    let alice = account(&db, "alice").await;
    let made = invite(1, Some(alice), Some("carol"));
    assert!(invites::create(&db, &made, "token").await.unwrap());
    assert!(!invites::create(&db, &invite(2, None, None), "token").await.unwrap(), "a token is one of a kind");
    assert_eq!(invites::by_token(&db, "token").await.unwrap(), Some(made.clone()));
    assert_eq!(invites::by_token(&db, "Token").await.unwrap(), None);
    assert!(invites::take(&db, made.id).await.unwrap());
    assert!(invites::take(&db, made.id).await.unwrap());
    assert!(!invites::take(&db, made.id).await.unwrap());
    let used_up = invites::by_id(&db, made.id).await.unwrap().unwrap();
    assert!(used_up.uses == 2 && !used_up.is_open(NOW_MS));
    invites::give_back(&db, made.id).await.unwrap();
    assert!(invites::by_id(&db, made.id).await.unwrap().unwrap().is_open(NOW_MS));
    assert!(invites::take(&db, made.id).await.unwrap());
    assert_eq!(InviteId::parse(&made.id.to_string()), Some(made.id));
    assert_eq!(InviteId::parse("ffffffffffffffff"), None);
    assert!(invites::revoke(&db, made.id).await.unwrap());
    assert!(!invites::revoke(&db, made.id).await.unwrap());
}

pub async fn an_open_invitation_reserves_a_name(db: Db) {
    let made = invite(1, None, Some("carol"));
    invites::create(&db, &made, "token").await.unwrap();
    assert_eq!(invites::reserving(&db, "carol", NOW_MS).await.unwrap(), Some(made.id));
    assert_eq!(invites::reserving(&db, "carol", NOW_MS + 1_000).await.unwrap(), None, "expired");
    assert_eq!(invites::reserving(&db, "dave", NOW_MS).await.unwrap(), None);
    invites::take(&db, made.id).await.unwrap();
    invites::take(&db, made.id).await.unwrap();
    assert_eq!(invites::reserving(&db, "carol", NOW_MS).await.unwrap(), None, "used up");
}

pub async fn invitations_are_counted_listed_and_forgotten(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    for (number, contact) in [(1, Some(alice)), (2, Some(alice)), (3, Some(bob)), (4, None)] {
        assert!(invites::create(&db, &invite(number, contact, None), &number.to_string()).await.unwrap());
    }
    assert_eq!(invites::count_open(&db, Some(alice), NOW_MS).await.unwrap(), (4, 2));
    assert_eq!(invites::count_open(&db, None, NOW_MS).await.unwrap(), (4, 1));
    assert_eq!(invites::count_open(&db, None, NOW_MS + 1_000).await.unwrap(), (0, 0));
    let first = invites::list(&db, None, 3).await.unwrap();
    assert_eq!(first, [invite(1, Some(alice), None), invite(2, Some(alice), None), invite(3, Some(bob), None)]);
    let rest = invites::list(&db, Some(first[2].id), 3).await.unwrap();
    assert_eq!(rest, [invite(4, None, None)]);
    accounts::delete(&db, alice).await.unwrap();
    assert_eq!(invites::list(&db, None, 9).await.unwrap().len(), 2, "hers went with her");
    assert_eq!(invites::purge(&db, NOW_MS + 1_000).await.unwrap(), 0);
    assert_eq!(invites::purge(&db, NOW_MS + 1_001).await.unwrap(), 2);
}

fn entry(seconds: i64, outcome: Option<&str>) -> Entry {
    Entry {
        id: id(seconds),
        action: "account.create".into(),
        via: "token".into(),
        actor: Some("ci".into()),
        target: Some("alice@example.org".into()),
        detail: None,
        outcome: outcome.map(str::to_owned),
    }
}

pub async fn the_audit_log_is_read_backwards_and_keeps_the_newest(db: Db) {
    for seconds in 0..700 {
        assert!(audit::append(&db, &entry(seconds, None)).await.unwrap());
    }
    assert!(!audit::append(&db, &entry(3, None)).await.unwrap(), "a number is one of a kind");
    audit::complete(&db, id(699), "done").await.unwrap();
    let newest = audit::list(&db, None, 2).await.unwrap();
    assert_eq!(newest, [entry(699, Some("done")), entry(698, None)]);
    let page = audit::list(&db, Some(newest[1].id), 1).await.unwrap();
    assert_eq!(page, [entry(697, None)]);
    assert_eq!(audit::purge(&db, 700).await.unwrap(), 0);
    assert_eq!(audit::purge(&db, 10).await.unwrap(), 690);
    let left: Vec<ArchiveId> = audit::list(&db, None, 99).await.unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(left, (690..700).rev().map(id).collect::<Vec<_>>());
}
