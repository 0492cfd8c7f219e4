//! Resource binding by clients that ask for too much (RFC 6120 §7).

use anyhow::{Result, ensure};
use testkit::{Client, TestServer};

use crate::stage::{Stage, last_condition, stanza_error, stream_error};

const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";

#[tokio::test]
async fn a_second_resource_on_one_stream_is_not_allowed() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut mallory = stage.server.online("mallory").await?;
    let first = mallory.jid().to_owned();
    for _ in 0..100 {
        let answer = mallory.iq(&format!("<iq type='set'><bind xmlns='{BIND}'/></iq>")).await?;
        assert_eq!(stanza_error(&answer)?, (String::from("cancel"), String::from("not-allowed")));
    }
    // The first one is as it was.
    mallory.say(stage.neighbour.bare(), "still me").await?;
    assert_eq!(stage.neighbour.message().await?.attr("from"), Some(&*first));
    stage.goes_on().await
}

#[tokio::test]
async fn who_keeps_asking_for_a_resource_that_cannot_be_is_cut_off() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut half = stage.stranger().await?;
    half.log_in("localhost", "mallory", "mallory").await?;
    // Too long for a resource (RFC 7622 §3.4): bad-request, and the stream lives (RFC 6120 §7.7.2.1).
    let resource = "r".repeat(1_024);
    let request = format!("<iq type='set' id='b'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>");
    half.send(&request).await?;
    let answer = half.until("</iq>").await?;
    ensure!(answer.contains("<bad-request "), "{answer}");
    half.send(request.repeat(1_000)).await?;
    let stream = half.ended().await?;
    assert_eq!(stream_error(&stream)?, "policy-violation");
    ensure!(stream.matches("<bad-request ").count() <= 4, "limits.bind_max");
    stage.goes_on().await
}

#[tokio::test]
async fn a_resource_that_is_taken_goes_to_the_newcomer() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut login = stage.server.login("mallory", "mallory")?;
    login.resource = Some(String::from("phone"));
    let mut old = Client::connect(login.clone()).await?;
    old.come_online().await?;
    let mut new = Client::connect(login).await?;
    assert_eq!(new.jid(), old.jid());
    // RFC 6120 §7.7.2.2 and §4.9.3.3
    assert_eq!(last_condition(&old.ended().await?)?, "conflict");
    new.come_online().await?;
    stage.neighbour.say("mallory@localhost/phone", "which one?").await?;
    new.message().await?;
    stage.goes_on().await
}

#[tokio::test]
async fn an_account_has_no_more_sessions_than_it_may() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("limits.sessions_per_account_max", "3")).await?;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(stage.server.online("mallory").await?);
    }
    let mut fourth = stage.stranger().await?;
    fourth.log_in("localhost", "mallory", "mallory").await?;
    fourth.send(format!("<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>")).await?;
    let answer = fourth.until("</iq>").await?;
    ensure!(answer.contains("<resource-constraint ") && answer.contains("type='wait'"), "{answer}");
    // One goes, and the same stream may try again.
    if let Some(session) = sessions.pop() {
        session.close().await?;
    }
    fourth.bind("fourth").await?;
    stage.goes_on().await
}
