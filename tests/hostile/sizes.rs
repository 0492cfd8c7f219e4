//! Too much of everything, and as little as possible at a time (`limits.rs`; RFC 6120 §4.9.3.14 and §13.12).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::Client;
use testkit::raw::{Pace, Raw};

use crate::cost::{Chat, Meter};
use crate::stage::{Stage, stream_error};

/// The defaults of `pre_auth_stanza_bytes_max` and `stanza_bytes_max`.
const PRE_AUTH_STANZA_BYTES_MAX: usize = 10_240;
const STANZA_BYTES_MAX: usize = 262_144;

/// What the kernel may hold of bytes that the server never reads: its buffers, both ends together.
const KERNEL_BYTES_MAX: u64 = 16 << 20;
const GIGABYTE: u64 = 1 << 30;
/// What a flood may leave in the server's memory, with room for the allocator's habits.
const RESIDENT_GROWTH_MAX: u64 = 16 << 20;

async fn refused(raw: &mut Raw, sent: &[u8]) -> Result<()> {
    raw.send(sent).await?;
    let condition = stream_error(&raw.ended().await?)?;
    ensure!(condition == "policy-violation", "{condition}");
    Ok(())
}

#[tokio::test]
async fn a_stanza_is_refused_at_the_byte_that_makes_it_too_long() -> Result<()> {
    let mut stage = Stage::new().await?;
    // Incomplete, so that only its length can be the reason; one byte fewer is waited for.
    let start = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>";
    let padding = "A".repeat(PRE_AUTH_STANZA_BYTES_MAX - start.len());
    refused(&mut stage.stranger().await?, format!("{start}{padding}").as_bytes()).await.context("before log-in")?;

    let start = "<message to='mallory@localhost/raw' type='headline'><body>";
    let end = "</body></message>";
    let padding = "A".repeat(STANZA_BYTES_MAX - start.len());
    refused(&mut stage.mallory().await?, format!("{start}{padding}").as_bytes()).await.context("after log-in")?;

    let mut mallory = stage.mallory().await?;
    let longest = "A".repeat(STANZA_BYTES_MAX - start.len() - end.len());
    mallory.restart();
    mallory.send(format!("<presence/>{start}{longest}{end}")).await?;
    let received = mallory.until(end).await?;
    ensure!(received.contains(&longest), "the longest stanza that is allowed arrives whole");
    stage.goes_on().await
}

#[tokio::test]
async fn a_gigabyte_is_refused_long_before_it_was_sent() -> Result<()> {
    let mut stage = Stage::new().await?;
    let before = stage.resident_bytes()?;
    let piece = [b'A'; 65_536];
    for logged_in in [false, true] {
        let mut raw = if logged_in { stage.mallory().await? } else { stage.stranger().await? };
        raw.send("<message><body>").await?;
        let flood = raw.flood(&piece, GIGABYTE).await?;
        ensure!(flood.accepted_bytes < KERNEL_BYTES_MAX, "{} bytes were taken", flood.accepted_bytes);
        ensure!(stream_error(&raw.ended().await?)? == "policy-violation", "the reason arrives");
    }
    // The same in attributes, in names and in headers.
    for start in ["<message a='", "<", "<message><", "</"] {
        let mut raw = stage.stranger().await?;
        raw.send(start).await?;
        let flood = raw.flood(&piece, GIGABYTE).await?;
        ensure!(flood.accepted_bytes < KERNEL_BYTES_MAX, "{} bytes after {start}", flood.accepted_bytes);
    }
    let mut raw = stage.connection().await?;
    raw.send("<stream:stream to='").await?;
    let flood = raw.flood(&piece, GIGABYTE).await?;
    ensure!(flood.accepted_bytes < KERNEL_BYTES_MAX, "{} bytes of a header", flood.accepted_bytes);
    let growth = stage.resident_bytes()?.saturating_sub(before);
    ensure!(growth < RESIDENT_GROWTH_MAX, "the server grew by {growth} bytes");
    stage.goes_on().await
}

/// `depth_max`, `attributes_max` and `declarations_max`.
#[tokio::test]
async fn depth_attributes_and_namespaces_have_bounds() -> Result<()> {
    let mut stage = Stage::new().await?;
    let before = stage.resident_bytes()?;
    let attributes: String = (0..100_000).map(|number| format!(" a{number}='b'")).collect();
    let namespaces: String = (0..60).map(|number| format!(" xmlns:n{number}='urn:n{number}'")).collect();
    let nested: String = (0..100).map(|number| format!("<a xmlns:n{number}='urn:n{number}'>")).collect();
    for bad in [
        "<a>".repeat(100_000),
        format!("<message>{}", "<a xmlns='urn:x'>".repeat(65)),
        format!("<message{attributes}/>"),
        format!("<message><a{attributes}/></message>"),
        format!("<message{namespaces}/>"),
        nested,
    ] {
        let shown: String = bad.chars().take(60).collect();
        let mut stranger = stage.stranger().await?;
        // The server may have ended the connection before all was written.
        let _ = stranger.send(&bad).await;
        ensure!(stream_error(&stranger.ended().await?)? == "policy-violation", "a stranger's {shown}");
        let mut mallory = stage.mallory().await?;
        let _ = mallory.send(&bad).await;
        ensure!(stream_error(&mallory.ended().await?)? == "policy-violation", "a user's {shown}");
    }
    let growth = stage.resident_bytes()?.saturating_sub(before);
    ensure!(growth < RESIDENT_GROWTH_MAX, "the server grew by {growth} bytes");
    stage.goes_on().await
}

/// A user sends something that is refused, with so many bytes behind it.
async fn attack(stage: &Stage, sent: &str, flood_bytes: u64) -> Result<()> {
    let mut mallory = stage.mallory().await?;
    // The server breaks the connection before all was written.
    let _ = mallory.send(sent).await;
    if flood_bytes > 0 {
        mallory.flood(&[b'A'; 65_536], flood_bytes).await?;
    }
    mallory.ended().await?;
    Ok(())
}

/// XML that is made to be expensive: what each costs the server, connecting included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_costs_milliseconds_and_no_memory() -> Result<()> {
    const TIMES: u32 = 20;
    const CPU_MAX: Duration = Duration::from_millis(25);
    let mut stage = Stage::new().await?;
    let attributes: String = (0..100_000).map(|number| format!(" a{number}='b'")).collect();
    let entities: String =
        (1..10).map(|n| format!("<!ENTITY lol{n} '{}'>", format!("&lol{};", n - 1).repeat(10))).collect();
    for (what, sent, flood_bytes) in [
        ("100,000 attributes", format!("<message{attributes}/>"), 0),
        ("a billion laughs", format!("<!DOCTYPE lolz [<!ENTITY lol0 'lol'>{entities}]><message>&lol9;</message>"), 0),
        ("100,000 elements, one in the other", "<a>".repeat(100_000), 0),
        ("a stanza of a gigabyte", String::from("<message><body>"), GIGABYTE),
    ] {
        // The first few show the allocator how much it needs.
        for _ in 0..TIMES {
            attack(&stage, &sent, flood_bytes).await?;
        }
        let chat = Chat::begin(&stage.server).await?;
        let meter = Meter::start(&stage.server)?;
        for _ in 0..TIMES {
            attack(&stage, &sent, flood_bytes).await?;
        }
        let spent = meter.spent()?;
        spent.print(what, usize::try_from(TIMES)?);
        chat.end().await?;
        ensure!(spent.cpu < CPU_MAX * TIMES, "{what} costs {:?}", spent.cpu / TIMES);
        ensure!(spent.grown_bytes < RESIDENT_GROWTH_MAX, "the server grew by {} bytes", spent.grown_bytes);
    }
    stage.goes_on().await
}

#[tokio::test]
async fn many_small_elements_in_one_stanza_cost_no_more_than_their_size() -> Result<()> {
    let mut stage = Stage::new().await?;
    let before = stage.resident_bytes()?;
    let bob = stage.server.online("bob").await?;
    let to = bob.jid().to_owned();
    let children = "<a/>".repeat(60_000);
    let mut mallory = stage.mallory().await?;
    for _ in 0..20 {
        mallory.send(format!("<message to='{to}' type='headline'>{children}</message>")).await?;
    }
    mallory.send("<iq to='localhost' type='get' id='last'><ping xmlns='urn:xmpp:ping'/></iq>").await?;
    mallory.until("id='last'").await?;
    let growth = stage.resident_bytes()?.saturating_sub(before);
    ensure!(growth < 64 << 20, "the server grew by {growth} bytes");
    stage.goes_on().await
}

#[tokio::test]
async fn a_whole_session_works_one_byte_at_a_time() -> Result<()> {
    let mut stage = Stage::new().await?;
    let to = stage.neighbour.bare().to_owned();
    let mut slow = stage.connection().await?;
    slow.set_pace(Pace::SingleBytes);
    slow.open("localhost").await?;
    slow.log_in("localhost", "mallory", "mallory").await?;
    slow.bind("slow").await?;
    slow.send(format!("<presence/><message to='{to}' type='chat' id='1'><body>h&amp;llo \u{1F426}</body></message>"))
        .await?;
    let message = stage.neighbour.message().await?;
    assert_eq!(message.attr("from"), Some("mallory@localhost/slow"));
    assert_eq!(
        message.get_child("body", "jabber:client").map(minidom::Element::text).as_deref(),
        Some("h&llo \u{1F426}")
    );
    slow.send("</stream:stream>").await?;
    let stream = slow.ended().await?;
    assert!(stream.ends_with("</stream:stream>"), "{stream}");
    stage.goes_on().await
}

#[tokio::test]
async fn under_tls_a_session_works_one_byte_in_a_record() -> Result<()> {
    let mut stage = Stage::new().await?;
    let to = stage.neighbour.bare().to_owned();
    let raw = Raw::connect(stage.server.address("c2s_tls")?).await?;
    let mut slow = raw.shake_hands("localhost", &stage.server.ca(), Some("xmpp-client")).await?;
    slow.set_pace(Pace::SingleBytes);
    slow.open("localhost").await?;
    slow.log_in("localhost", "mallory", "mallory").await?;
    slow.bind("slow").await?;
    slow.send(format!("<message to='{to}' type='chat'><body>hello</body></message>")).await?;
    stage.neighbour.message().await?;
    stage.goes_on().await
}

#[tokio::test]
async fn white_space_is_free_and_never_piles_up() -> Result<()> {
    let mut stage = Stage::new().await?;
    let before = stage.resident_bytes()?;
    let mut mallory = stage.mallory().await?;
    let spaces = [b' '; 65_536];
    for _ in 0..256 {
        mallory.send(spaces).await?;
    }
    mallory.send("<iq to='localhost' type='get' id='still-here'><ping xmlns='urn:xmpp:ping'/></iq>").await?;
    mallory.until("still-here").await?;
    let growth = stage.resident_bytes()?.saturating_sub(before);
    ensure!(growth < RESIDENT_GROWTH_MAX, "the server grew by {growth} bytes");
    stage.goes_on().await
}

#[tokio::test]
async fn who_floods_does_not_slow_the_neighbours() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut mallory: Client = stage.server.online("mallory").await?;
    let ping = "<iq to='localhost' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>".repeat(500);
    let flooding = tokio::spawn(async move {
        // Asks and never reads: the server stops reading once the answers do not leave any more.
        while tokio::time::timeout(testkit::DEADLINE / 10, mallory.send(&ping)).await.is_ok_and(|sent| sent.is_ok()) {}
        mallory
    });
    for _ in 0..50 {
        stage.neighbour.round_trip().await?;
    }
    drop(flooding.await?);
    stage.goes_on().await
}
