//! Starting, draining and crashing (the operator's contract; DESIGN's first invariant).

use anyhow::Result;
use testkit::{Client, Security, TestServer};

#[tokio::test]
async fn alice_talks_to_bob_over_every_kind_of_connection() -> Result<()> {
    let server = TestServer::start().await?;
    let mut bob = server.bob().await?;
    server.add_user("alice", "alice").await?;
    for (security, listener) in
        [(Security::Plaintext, "c2s"), (Security::StartTls, "c2s"), (Security::DirectTls, "c2s_tls")]
    {
        let mut login = server.login("alice", "alice")?;
        login.security = security;
        login.address = server.address(listener)?;
        let mut alice = Client::connect(login).await?;
        alice.say(bob.bare(), &format!("over {security:?}")).await?;
        let message = bob.message().await?;
        assert_eq!(
            message.get_child("body", "jabber:client").map(|body| body.text()),
            Some(format!("over {security:?}"))
        );
        assert_eq!(message.attr("from"), Some(alice.jid()));
        alice.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_told_to_end_says_goodbye_and_exits_with_0() -> Result<()> {
    let mut server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    server.terminate().await?;
    let last = alice.ended().await?;
    let error = last.iter().find(|element| element.name() == "error");
    let condition = error.and_then(|error| error.children().next());
    assert_eq!(condition.map(|condition| condition.name()), Some("system-shutdown"));
    Ok(())
}

#[tokio::test]
async fn a_message_acknowledged_before_a_crash_arrives_after_it() -> Result<()> {
    let mut server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    let bob = server.bob().await?;
    let to = bob.bare().to_owned();
    bob.close().await?;
    alice.enable_sm().await?;
    for number in 0..20 {
        alice.say(&to, &format!("number {number}")).await?;
    }
    assert_eq!(alice.acked().await?, 20);
    server.kill()?;
    server.start_again().await?;
    let mut bob = server.bob().await?;
    for number in 0..20 {
        let message = bob.message().await?;
        assert_eq!(
            message.get_child("body", "jabber:client").map(|body| body.text()),
            Some(format!("number {number}"))
        );
    }
    bob.expect_nothing().await
}
