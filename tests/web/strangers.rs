//! What strangers try over WebSocket. None of it may cost a neighbour anything.

use anyhow::{Result, ensure};
use testkit::raw::Raw;
use testkit::web::{Heard, WebSocket, masked};
use testkit::{Client, TestServer, TestServerBuilder};

const OPEN: &[u8] = b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>";

struct Stage {
    server: TestServer,
    neighbour: Client,
}

impl Stage {
    async fn with(builder: TestServerBuilder) -> Result<Self> {
        let server = builder.start().await?;
        let neighbour = server.alice().await?;
        Ok(Self { server, neighbour })
    }

    async fn new() -> Result<Self> {
        Self::with(TestServer::builder()).await
    }

    async fn stranger(&self) -> Result<WebSocket> {
        let mut socket = WebSocket::connect_plain(&self.server).await?;
        socket.open().await?;
        Ok(socket)
    }

    async fn goes_on(&mut self) -> Result<()> {
        self.neighbour.round_trip().await?;
        self.stranger().await.map(drop)
    }

    async fn handshake(&self, fields: &str) -> Result<String> {
        let mut raw = Raw::connect(self.server.address("http")?).await?;
        raw.send(WebSocket::request("localhost", fields)).await?;
        raw.until("\r\n\r\n").await
    }
}

/// Everything up to the end of the connection.
async fn rest(socket: &mut WebSocket) -> Result<Vec<Heard>> {
    let mut heard = Vec::new();
    loop {
        match socket.hear().await? {
            Heard::End => return Ok(heard),
            more => heard.push(more),
        }
    }
}

#[tokio::test]
async fn a_message_past_the_bound_ends_the_stream_with_an_error() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut whole = stage.stranger().await?;
    // Refused by its head: what it promises is never waited for.
    whole.send([0x81, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4]).await?;
    ensure!(whole.until("<stream:error").await?.contains("policy-violation"));
    let mut fragments = stage.stranger().await?;
    fragments.send(masked(0x01, &[b' '; 6_000])).await?;
    fragments.send(masked(0x00, &[b' '; 6_000])).await?;
    ensure!(fragments.until("<stream:error").await?.contains("policy-violation"));
    stage.goes_on().await
}

#[tokio::test]
async fn the_bound_is_that_of_users_once_they_have_logged_in() -> Result<()> {
    let stage = Stage::new().await?;
    stage.server.add_user("juliet", "juliet").await?;
    let mut juliet = WebSocket::connect_plain(&stage.server).await?;
    juliet.log_in("juliet", "juliet").await?;
    juliet.bind("browser").await?;
    let text = "x".repeat(100_000);
    let message = format!("<message xmlns='jabber:client' to='juliet@localhost/browser'><body>{text}</body></message>");
    juliet.say(&message).await?;
    ensure!(juliet.until("<message").await?.contains(&text));
    Ok(())
}

#[tokio::test]
async fn frames_that_break_the_protocol_close_the_websocket() -> Result<()> {
    let mut stage = Stage::new().await?;
    let unmasked = [vec![0x81, u8::try_from(OPEN.len())?], OPEN.to_vec()].concat();
    for (frame, code) in [
        (masked(0x82, OPEN), 1003),
        (unmasked, 1002),
        (masked(0xC1, OPEN), 1002),
        (masked(0x83, OPEN), 1002),
        (masked(0x80, OPEN), 1002),
        (masked(0x89, &[0; 126]), 1002),
        (masked(0x09, b""), 1002),
    ] {
        let mut socket = WebSocket::connect_plain(&stage.server).await?;
        socket.send(&frame).await?;
        assert_eq!(rest(&mut socket).await?, [Heard::Close(code)], "{:?}", frame.get(..2));
    }
    stage.goes_on().await
}

#[tokio::test]
async fn a_message_that_is_no_single_element_ends_the_stream() -> Result<()> {
    let mut stage = Stage::new().await?;
    for bad in ["<presence/><presence/>", "<presence>", "</stream:stream>", "hello", "<!-- --><presence/>", "\u{0}"] {
        let mut socket = stage.stranger().await?;
        socket.say(bad).await?;
        let error = socket.until("<stream:error").await?;
        ensure!(error.contains("not-well-formed") || error.contains("restricted-xml"), "{bad}: {error}");
    }
    // What is not UTF-8 too.
    let mut socket = stage.stranger().await?;
    socket.send(masked(0x81, b"<presence id='\xFF'/>")).await?;
    socket.until("<stream:error").await?;
    stage.goes_on().await
}

#[tokio::test]
async fn a_flood_of_control_frames_or_empty_fragments_costs_nothing() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut pings = stage.stranger().await?;
    let flood: Vec<u8> = masked(0x89, &[b'p'; 100]).repeat(20_000);
    // The answers are not read: they may not pile up in the server, nor stop it from reading on.
    pings.send(&flood).await?;
    pings.send(masked(0x89, b"last")).await?;
    stage.goes_on().await?;
    let mut heard = pings.hear().await?;
    while heard != Heard::Pong(b"last".to_vec()) {
        ensure!(heard == Heard::Pong(vec![b'p'; 100]), "{heard:?}");
        heard = pings.hear().await?;
    }
    let mut fragments = stage.stranger().await?;
    fragments.send(masked(0x01, b"")).await?;
    fragments.send(masked(0x00, b"").repeat(100_000)).await?;
    fragments.send(masked(0x80, b"")).await?;
    fragments.send(masked(0x89, b"done")).await?;
    assert_eq!(fragments.hear().await?, Heard::Pong(b"done".to_vec()));
    stage.goes_on().await
}

#[tokio::test]
async fn a_handshake_without_the_right_protocol_or_origin_is_refused() -> Result<()> {
    let builder = TestServer::builder().set("http.origins", r#"["https://chat.example.org"]"#);
    let mut stage = Stage::with(builder).await?;
    let xmpp = "Sec-WebSocket-Protocol: xmpp\r\n";
    ensure!(stage.handshake("").await?.starts_with("HTTP/1.1 400 "));
    ensure!(stage.handshake("Sec-WebSocket-Protocol: mqtt\r\n").await?.starts_with("HTTP/1.1 400 "));
    for (origin, status) in [
        ("https://chat.example.org", "101"),
        // A page of the server itself.
        ("http://localhost", "101"),
        ("https://evil.example", "403"),
        ("null", "403"),
    ] {
        let answer = stage.handshake(&format!("{xmpp}Origin: {origin}\r\n")).await?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{origin}: {answer}");
    }
    stage.goes_on().await
}

#[tokio::test]
async fn who_opens_a_websocket_and_says_nothing_is_sent_away() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("limits.pre_auth_secs", "1")).await?;
    let mut silent = WebSocket::connect_plain(&stage.server).await?;
    ensure!(silent.until("<stream:error").await?.contains("connection-timeout"));
    stage.goes_on().await
}

#[tokio::test]
async fn a_client_that_closes_its_half_is_gone() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut socket = stage.stranger().await?;
    socket.send(masked(0x88, &1000_u16.to_be_bytes())).await?;
    assert_eq!(rest(&mut socket).await?, [Heard::Close(1000)]);
    stage.goes_on().await
}

#[tokio::test]
async fn strangers_are_counted_with_those_of_tcp() -> Result<()> {
    let stage = Stage::with(TestServer::builder().set("limits.pre_auth_connections_max", "2")).await?;
    let _first = stage.stranger().await?;
    let mut tcp = Raw::connect(stage.server.address("c2s")?).await?;
    tcp.open("localhost").await?;
    ensure!(stage.handshake("Sec-WebSocket-Protocol: xmpp\r\n").await?.starts_with("HTTP/1.1 429 "));
    Ok(())
}
