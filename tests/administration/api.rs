//! `/admin/v1` does what it says.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Client, TestServer};

use crate::operator::{Operator, answered};

#[tokio::test]
async fn an_account_lives_from_creation_to_deletion() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::of(&server).await?;
    let new = json!({ "username": "Carol", "password": "correct horse" });
    let created = operator.post("/accounts", &new).await?.expect(201)?;
    assert_eq!(created.headers["location"], "/admin/v1/accounts/carol");
    assert_eq!(created.json()["jid"], "carol@localhost");
    assert!(operator.post("/accounts", &new).await?.expect(409)?.detail()?.contains("exists already"));
    let carol = Client::connect(server.login("carol", "correct horse")?).await?;
    let shown = operator.get("/accounts/carol").await?.expect(200)?.json();
    assert_eq!((&shown["sessions"], &shown["disabled"]), (&json!(1), &json!(false)));

    let path = "/accounts/carol/password";
    operator.put(path, &json!({ "password": "battery staple" })).await?.expect(204)?;
    carol.close().await?;
    let mut carol = Client::connect(server.login("carol", "battery staple")?).await?;
    let disabled = operator.put("/accounts/carol/disabled", &json!({ "disabled": true })).await?.expect(200)?;
    assert_eq!(disabled.json()["disabled"], true);
    carol.ended().await?;
    assert!(Client::connect(server.login("carol", "battery staple")?).await.is_err());
    operator.put("/accounts/carol/disabled", &json!({ "disabled": false })).await?.expect(200)?;
    let mut carol = Client::connect(server.login("carol", "battery staple")?).await?;

    server.add_user("alice", "alice").await?;
    carol.come_online().await?;
    let roster = "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='alice@localhost'/></query></iq>";
    carol.iq(roster).await?;
    let usage = operator.get("/accounts/carol/usage").await?.expect(200)?.json();
    assert_eq!(usage["owned"]["contacts"], 1);
    let deleted = operator.delete("/accounts/carol").await?.expect(200)?.json();
    assert_eq!((&deleted["jid"], &deleted["removed"]["contacts"]), (&json!("carol@localhost"), &json!(1)));
    carol.ended().await?;
    operator.get("/accounts/carol").await?.expect(404)?.detail()?;
    operator.delete("/accounts/carol").await?.expect(404)?.detail()?;
    Ok(())
}

#[tokio::test]
async fn lists_come_in_pages_that_lead_to_the_next() -> Result<()> {
    let server = TestServer::builder().set("limits.admin_page_max", "3").start().await?;
    let operator = Operator::of(&server).await?;
    let names: Vec<String> = (0..7).map(|number| format!("user{number}")).collect();
    let mut clients = Vec::new();
    for name in &names {
        operator.post("/accounts", &json!({ "username": name, "password": "correct horse" })).await?.expect(201)?;
        operator.post("/invites", &json!({})).await?.expect(201)?;
        clients.push(Client::connect(server.login(name, "correct horse")?).await?);
    }
    let accounts = pages(&operator, "/accounts?limit=99", "accounts", "after").await?;
    assert_eq!(accounts.iter().map(|account| account["username"].as_str().unwrap()).collect::<Vec<_>>(), names);
    assert_eq!(pages(&operator, "/invites?limit=2", "invites", "after").await?.len(), 7);
    let sessions = pages(&operator, "/sessions?limit=2", "sessions", "after").await?;
    let mut jids: Vec<&str> = clients.iter().map(Client::jid).collect();
    jids.sort_unstable();
    assert_eq!(sessions.iter().map(|session| session["jid"].as_str().unwrap()).collect::<Vec<_>>(), jids);
    assert_eq!(pages(&operator, "/sessions?username=user3", "sessions", "after").await?.len(), 1);
    // 7 accounts, 7 invitations, and the token.
    assert_eq!(pages(&operator, "/audit?limit=3", "entries", "before").await?.len(), 15);
    Ok(())
}

async fn pages(operator: &Operator, path: &str, list: &str, cursor: &str) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut next = String::new();
    loop {
        let page = operator.get(&format!("{path}{next}")).await?.expect(200)?.json();
        let items = page[list].as_array().context("no list")?;
        assert!(items.len() <= 3);
        all.extend(items.iter().cloned());
        match page["next"].as_str() {
            Some(value) => {
                let value = value.replace('/', "%2F").replace('@', "%40");
                next = format!("{}{cursor}={value}", if path.contains('?') { '&' } else { '?' });
            }
            None => return Ok(all),
        }
    }
}

#[tokio::test]
async fn sessions_are_ended_one_by_one_or_all_at_once() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::of(&server).await?;
    let mut alice = server.alice().await?;
    let mut bob = server.bob().await?;
    let listed = operator.get("/sessions?username=alice").await?.expect(200)?.json();
    assert_eq!(listed["sessions"][0]["jid"], alice.jid());
    assert_eq!(listed["sessions"][0]["ip"], "127.0.0.1");
    let path = format!("/sessions/{}", alice.jid().replace('/', "%2F"));
    assert_eq!(operator.delete(&path).await?.expect(200)?.json()["ended"], 1);
    alice.ended().await?;
    assert_eq!(operator.delete("/sessions/bob").await?.expect(200)?.json()["ended"], 1);
    bob.ended().await?;
    operator.delete("/sessions/alice%40localhost%2Fnowhere").await?.expect(404)?.detail()?;
    operator.delete("/sessions/nobody").await?.expect(404)?.detail()?;
    Ok(())
}

#[tokio::test]
async fn an_announcement_reaches_who_is_here_or_waits_for_who_is_not() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::of(&server).await?;
    let mut alice = server.alice().await?;
    server.add_user("bob", "bob").await?;
    let to_online = json!({ "to": "online", "subject": "Tea", "body": "is served & hot" });
    let sent = operator.post("/announcements", &to_online).await?.expect(202)?;
    assert_eq!(sent.json()["recipients"], 1);
    let message = alice.message().await?;
    assert_eq!(message.get_child("body", "jabber:client").map(|body| body.text()).as_deref(), Some("is served & hot"));
    assert_eq!(message.attr("from"), Some("localhost"));

    let to_all = json!({ "to": "everybody", "body": "for everybody" });
    assert_eq!(operator.post("/announcements", &to_all).await?.expect(202)?.json()["recipients"], 2);
    alice.message().await?;
    let mut bob = server.bob().await?;
    let waited = bob.message().await?;
    assert_eq!(waited.get_child("body", "jabber:client").map(|body| body.text()).as_deref(), Some("for everybody"));
    Ok(())
}

#[tokio::test]
async fn what_is_asked_twice_with_one_key_is_done_once() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::of(&server).await?;
    let other = Operator::with(&server, "other", "invites:write").await?;
    let ask = async |operator: &Operator, key: &str, body: Value| {
        answered(operator.request(Method::POST, "/invites").header("idempotency-key", key).json(&body)).await
    };
    let first = ask(&operator, "k1", json!({ "uses": 1 })).await?.expect(201)?;
    let again = ask(&operator, "k1", json!({ "uses": 1 })).await?.expect(201)?;
    assert_eq!((first.text.as_str(), &again.headers["idempotency-replayed"]), (again.text.as_str(), &"true".parse()?));
    ask(&operator, "k1", json!({ "uses": 2 })).await?.expect(422)?.detail()?;
    assert_ne!(ask(&other, "k1", json!({ "uses": 1 })).await?.expect(201)?.text, first.text, "a key is its token's");
    // What came to nothing may be tried again.
    ask(&operator, "k2", json!({ "uses": 0 })).await?.expect(422)?.detail()?;
    ask(&operator, "k2", json!({ "uses": 0 })).await?.expect(422)?.detail()?;
    ask(&operator, &"k".repeat(129), json!({})).await?.expect(400)?.detail()?;
    assert_eq!(operator.get("/invites").await?.expect(200)?.json()["invites"].as_array().map(Vec::len), Some(2));
    server.cli(&["token", "revoke", "all"], "").await?.success()?;
    ask(&operator, "k1", json!({ "uses": 1 })).await?.expect(401)?.detail()?;
    Ok(())
}

#[tokio::test]
async fn statistics_count_what_there_is() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::of(&server).await?;
    let _alice = server.alice().await?;
    server.add_user("bob", "bob").await?;
    operator.post("/invites", &json!({})).await?.expect(201)?;
    let statistics = operator.get("/statistics").await?.expect(200)?.json();
    for (name, count) in
        [("accounts", 2), ("sessions", 1), ("online_users", 1), ("active_users", 1), ("open_invites", 1)]
    {
        assert_eq!(statistics[name], count, "{name}");
    }
    assert_eq!(statistics["domain"], "localhost");
    Ok(())
}
