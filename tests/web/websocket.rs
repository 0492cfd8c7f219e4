//! XMPP over WebSocket (RFC 7395).

use anyhow::{Result, ensure};
use testkit::TestServer;
use testkit::web::{Heard, WebSocket, masked};

#[tokio::test]
async fn two_people_chat_and_every_message_stands_alone() -> Result<()> {
    let server = TestServer::start().await?;
    server.add_user("juliet", "juliet").await?;
    let mut alice = server.alice().await?;
    let mut juliet = WebSocket::connect(&server).await?;
    juliet.log_in("juliet", "juliet").await?;
    juliet.bind("browser").await?;
    juliet.say("<presence xmlns='jabber:client'/>").await?;
    juliet.until("<presence").await?;
    alice.send("<message to='juliet@localhost/browser' type='chat'><body>hello</body></message>").await?;
    let message = juliet.until("hello").await?;
    ensure!(message.contains("xmlns='jabber:client'") && message.starts_with("<message "), "{message}");
    // Parsed by itself, with nothing around it.
    let message: minidom::Element = message.parse()?;
    assert_eq!(message.attr("from"), Some(alice.jid()));
    juliet.say(&format!("<message xmlns='jabber:client' to='{}'><body>hi</body></message>", alice.jid())).await?;
    alice.expect("<message from='juliet@localhost/browser'><body>hi</body></message>").await?;
    juliet.say("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>").await?;
    ensure!(juliet.until("<close").await?.contains("xmpp-framing"));
    assert_eq!(juliet.hear().await?, Heard::Close(1000));
    Ok(())
}

#[tokio::test]
async fn channel_binding_is_offered_where_the_server_ends_tls_itself() -> Result<()> {
    let server = TestServer::start().await?;
    let features = WebSocket::connect(&server).await?.open().await?;
    ensure!(features.contains("SCRAM-SHA-256-PLUS") && features.contains("tls-exporter"), "{features}");
    ensure!(!features.contains("starttls"), "{features}");
    let features = WebSocket::connect_plain(&server).await?.open().await?;
    ensure!(!features.contains("-PLUS") && !features.contains("starttls"), "{features}");
    Ok(())
}

#[tokio::test]
async fn a_ping_is_answered_and_fragments_make_one_message() -> Result<()> {
    let server = TestServer::start().await?;
    let mut socket = WebSocket::connect(&server).await?;
    socket.send(masked(0x89, b"there?")).await?;
    assert_eq!(socket.hear().await?, Heard::Pong(b"there?".to_vec()));
    socket.send(masked(0x01, b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='local")).await?;
    socket.send(masked(0x89, b"")).await?;
    socket.send(masked(0x00, b"host' version=")).await?;
    socket.send(masked(0x80, b"'1.0'/>")).await?;
    assert_eq!(socket.hear().await?, Heard::Pong(Vec::new()));
    ensure!(socket.text().await?.starts_with("<open "));
    ensure!(socket.text().await?.starts_with("<stream:features "));
    // By white space some clients keep their connection alive.
    socket.say(" ").await?;
    socket.send(masked(0x89, b"still")).await?;
    assert_eq!(socket.hear().await?, Heard::Pong(b"still".to_vec()));
    Ok(())
}

#[tokio::test]
async fn a_server_that_stops_says_so() -> Result<()> {
    let mut server = TestServer::start().await?;
    server.add_user("juliet", "juliet").await?;
    let mut juliet = WebSocket::connect(&server).await?;
    juliet.log_in("juliet", "juliet").await?;
    juliet.bind("browser").await?;
    let stopping = server.terminate();
    let farewell = async {
        let error = juliet.until("<stream:error").await?;
        ensure!(error.contains("system-shutdown"), "{error}");
        ensure!(juliet.text().await?.starts_with("<close "));
        assert_eq!(juliet.hear().await?, Heard::Close(1000));
        drop(juliet);
        Ok(())
    };
    let (stopped, said) = tokio::join!(stopping, farewell);
    said?;
    stopped
}
