//! The bounds of administration, each reached.

use anyhow::Result;
use reqwest::Method;
use serde_json::json;
use testkit::TestServer;

use crate::operator::{Operator, answered};

#[tokio::test]
async fn guessing_a_token_is_bounded_as_guessing_a_password_is() -> Result<()> {
    let server = TestServer::builder().set("limits.auth_failures_per_ip_per_minute_max", "5").start().await?;
    let mut operator = Operator::of(&server).await?;
    let good = std::mem::replace(&mut operator.token, "whimbrel_wrong".into());
    for _ in 0..5 {
        operator.get("/statistics").await?.expect(401)?;
    }
    let refused = operator.get("/statistics").await?.expect(429)?;
    assert_eq!(refused.headers["retry-after"], "60");
    assert!(refused.detail()?.contains("auth_failures_per_ip_per_minute_max"));
    operator.token = good;
    operator.get("/statistics").await?.expect(429)?;
    Ok(())
}

#[tokio::test]
async fn bodies_announcements_tokens_and_invitations_are_bounded() -> Result<()> {
    let server = TestServer::builder()
        .set("limits.admin_body_bytes_max", "2048")
        .set("limits.announcement_bytes_max", "100")
        .set("limits.api_tokens_max", "2")
        .set("limits.invites_open_max", "3")
        .set("limits.invites_per_account_max", "1")
        .set("limits.invite_uses_max", "4")
        .set("limits.invite_secs_max", "60")
        .set("limits.invite_secs", "60")
        .start()
        .await?;
    let operator = Operator::of(&server).await?;
    server.add_user("alice", "alice").await?;
    let large = json!({ "username": "carol", "password": "x".repeat(2048) });
    operator.post("/accounts", &large).await?.expect(413)?.detail()?;
    let with_key = operator.request(Method::POST, "/accounts").header("idempotency-key", "k").json(&large);
    answered(with_key).await?.expect(413)?.detail()?;
    let long = json!({ "to": "online", "body": "x".repeat(101) });
    assert!(operator.post("/announcements", &long).await?.expect(422)?.detail()?.contains("100 bytes"));
    server.cli(&["token", "create", "--name", "second", "--scope", "audit:read"], "").await?.success()?;
    let third = server.cli(&["token", "create", "--name", "third", "--scope", "audit:read"], "").await?;
    assert!(third.code == Some(1) && third.stderr.contains("api_tokens_max"), "{}", third.stderr);

    assert!(operator.post("/invites", &json!({ "uses": 5 })).await?.expect(422)?.detail()?.contains("invite_uses_max"));
    let long = json!({ "expires_in_secs": 61 });
    assert!(operator.post("/invites", &long).await?.expect(422)?.detail()?.contains("invite_secs_max"));
    let of_alice = json!({ "contact": "alice@localhost" });
    operator.post("/invites", &of_alice).await?.expect(201)?;
    assert!(operator.post("/invites", &of_alice).await?.expect(409)?.detail()?.contains("invites_per_account_max"));
    operator.post("/invites", &json!({})).await?.expect(201)?;
    operator.post("/invites", &json!({})).await?.expect(201)?;
    assert!(operator.post("/invites", &json!({})).await?.expect(409)?.detail()?.contains("invites_open_max"));
    Ok(())
}

#[tokio::test]
async fn the_audit_log_keeps_the_newest() -> Result<()> {
    let server = TestServer::builder()
        .set("limits.audit_entries_max", "64")
        .set("limits.idempotency_keys_max", "1")
        .start()
        .await?;
    let operator = Operator::of(&server).await?;
    for number in 0..140 {
        operator.delete(&format!("/accounts/nobody{number}")).await?.expect(404)?;
    }
    // The log is looked through after every 64 entries, so it may be ahead by that many.
    let log = operator.get("/audit?limit=250").await?.expect(200)?.json();
    let entries = log["entries"].as_array().map_or(0, Vec::len);
    assert!((64..=128).contains(&entries), "{entries}");
    assert_eq!(log["entries"][0]["target"], "nobody139@localhost");
    Ok(())
}
