//! Stream headers that are not what RFC 6120 §4.7 and §4.8 want. Each is told so within a stream of the server's own
//! (§4.9.1.2).

use anyhow::{Context, Result, ensure};
use testkit::raw::header;

use crate::stage::{Stage, stream_error};

const GOOD: &str = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";

/// What is sent first, and the stream error it deserves.
fn bad() -> Vec<(Vec<u8>, &'static str)> {
    let opened = |attributes: &str| format!("<stream:stream {attributes}>").into_bytes();
    let utf16: Vec<u8> = header("localhost").encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut utf16_with_mark = vec![0xFE, 0xFF];
    utf16_with_mark.extend(&utf16);
    vec![
        // §4.8.1 and §4.8.2
        (opened("xmlns='jabber:client' xmlns:stream='urn:other' to='localhost' version='1.0'"), "invalid-namespace"),
        (
            opened(
                "xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'",
            ),
            "invalid-namespace",
        ),
        (opened("xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'"), "invalid-namespace"),
        (b"<message xmlns='jabber:client'><body>hi</body></message>".to_vec(), "invalid-namespace"),
        // §4.7.2
        (opened(&format!("{GOOD} to='elsewhere.example' version='1.0'")), "host-unknown"),
        (opened(&format!("{GOOD} to='' version='1.0'")), "host-unknown"),
        (opened(&format!("{GOOD} to='a@@b' version='1.0'")), "host-unknown"),
        (opened(&format!("{GOOD} version='1.0'")), "improper-addressing"),
        // §4.7.5
        (opened(&format!("{GOOD} to='localhost'")), "unsupported-version"),
        (opened(&format!("{GOOD} to='localhost' version='0.9'")), "unsupported-version"),
        (opened(&format!("{GOOD} to='localhost' version='one'")), "unsupported-version"),
        // §11.6
        (b"<?xml version='1.0' encoding='ISO-8859-1'?>".to_vec(), "unsupported-encoding"),
        (utf16, "unsupported-encoding"),
        (utf16_with_mark, "unsupported-encoding"),
        // §11.1
        (b"<!DOCTYPE stream>".to_vec(), "restricted-xml"),
        (b"<!-- hello -->".to_vec(), "restricted-xml"),
        (b"<?php x ?>".to_vec(), "restricted-xml"),
        // §4.9.3.2
        (b"<stream:stream to='localhost' version='1.0'>".to_vec(), "bad-namespace-prefix"),
        // Other protocols altogether.
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), "not-well-formed"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03".to_vec(), "not-well-formed"),
        (b"\x80\x80\x80".to_vec(), "not-well-formed"),
    ]
}

#[tokio::test]
async fn a_wrong_stream_header_is_refused_with_the_reason() -> Result<()> {
    let mut stage = Stage::new().await?;
    for (bytes, expected) in bad() {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let mut connection = stage.connection().await?;
        connection.send(&bytes).await?;
        let condition = stream_error(&connection.ended().await?).with_context(|| format!("after {shown}"))?;
        ensure!(condition == expected, "{condition} instead of {expected} for {shown}");
    }
    stage.goes_on().await
}

#[tokio::test]
async fn a_newer_version_of_xmpp_is_welcome() -> Result<()> {
    let mut stage = Stage::new().await?;
    for version in ["1.0", "1.7", "2.0"] {
        let mut connection = stage.connection().await?;
        connection.send(format!("<stream:stream {GOOD} to='LocalHost' version='{version}'>")).await?;
        let greeting = connection.until("</stream:features>").await?;
        // §4.7.5: the server names its own version when that is the lower one.
        assert!(greeting.contains("version='1.0'"), "{greeting}");
        assert!(greeting.contains("from='localhost'"), "{greeting}");
    }
    stage.goes_on().await
}

#[tokio::test]
async fn a_second_stream_header_ends_the_stream() -> Result<()> {
    let mut stage = Stage::new().await?;
    let again = format!("<stream:stream {GOOD} to='localhost' version='1.0'>");
    let mut stranger = stage.stranger().await?;
    stranger.send(&again).await?;
    assert_eq!(stream_error(&stranger.ended().await?)?, "bad-format");
    let mut mallory = stage.mallory().await?;
    mallory.send(&again).await?;
    assert_eq!(stream_error(&mallory.ended().await?)?, "bad-format");
    stage.goes_on().await
}

#[tokio::test]
async fn a_stream_that_is_closed_at_once_is_closed_in_return() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut connection = stage.connection().await?;
    connection.send(format!("{}</stream:stream>", header("localhost"))).await?;
    let stream = connection.ended().await?;
    assert!(stream.ends_with("</stream:stream>"), "{stream}");
    assert!(!stream.contains("stream:error"), "{stream}");
    stage.goes_on().await
}
