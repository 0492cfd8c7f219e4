//! Opening, restarting and closing streams.

use super::super::{Bound, Limits, Scanner, XmlError};
use super::*;

#[test]
fn a_client_opens_a_stream_sends_a_message_and_closes() {
    let sent = format!("<?xml version='1.0'?>{HEADER}<message to='bob@example.org'/></stream:stream>");
    let frames = frames_of(sent.as_bytes()).unwrap();
    let [Frame::Open(header), Frame::Element(message), Frame::Close] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((header.name.as_str(), header.namespace.as_str()), ("stream", "http://etherx.jabber.org/streams"));
    assert_eq!(header.content_namespace, "jabber:client");
    assert_eq!(header.to.as_deref(), Some("example.org"));
    assert_eq!(header.version.as_deref(), Some("1.0"));
    assert_eq!((&header.from, &header.id, &header.lang), (&None, &None, &None));
    assert_eq!(header.prefixes, [("stream".to_owned(), "http://etherx.jabber.org/streams".to_owned())]);
    assert!(message.is("message", "jabber:client"));
}

#[test]
fn a_header_in_another_style_means_the_same() {
    let frames = frames_of(
        "<?xml version=\"1.0\" encoding=\"utf-8\" standalone='yes' ?>\n<stream xmlns='http://etherx.jabber.org/streams'\
         \n\txml:lang = \"de\" id='&#x61;&amp;b' from='ä@example.org' xmlns:c='jabber:client'>\
         <c:message/></stream\n>\n"
            .as_bytes(),
    )
    .unwrap();
    let [Frame::Open(header), Frame::Element(message), Frame::Close] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(header.name, "stream");
    assert_eq!(header.lang.as_deref(), Some("de"));
    assert_eq!(header.id.as_deref(), Some("a&b"));
    assert_eq!(header.from.as_deref(), Some("ä@example.org"));
    assert!(message.is("message", "jabber:client"));
}

#[test]
fn white_space_keeps_the_connection_alive_and_is_not_a_frame() {
    let (mut scanner, mut input) = stream_of(HEADER.as_bytes());
    assert!(matches!(scanner.next(&mut input), Ok(Some(Frame::Open(_)))));
    for _ in 0..3 {
        input.extend_from_slice(b" \r\n\t");
        assert!(matches!(scanner.next(&mut input), Ok(None)));
        assert!(input.is_empty(), "keepalives must not pile up");
    }
}

#[test]
fn an_empty_root_opens_and_closes_a_stream() {
    let frames = frames_of(HEADER.replace("'1.0'>", "'1.0'/>").as_bytes()).unwrap();
    assert!(matches!(&frames[..], [Frame::Open(_), Frame::Close]));
}

#[test]
fn after_a_restart_a_new_header_is_expected_and_old_prefixes_are_gone() {
    let (mut scanner, mut input) =
        stream_of(HEADER.replace("<stream:stream", "<stream:stream xmlns:x='urn:x'").as_bytes());
    assert_eq!(drain(&mut scanner, &mut input).unwrap().len(), 1);
    scanner.restart();
    input.extend_from_slice(b"\n<?xml version='1.0'?>");
    input.extend_from_slice(HEADER.as_bytes());
    assert_eq!(drain(&mut scanner, &mut input).unwrap().len(), 1, "white space may be left over from before");
    input.extend_from_slice(b"<x:y/>");
    assert_eq!(drain(&mut scanner, &mut input).unwrap_err(), XmlError::BadNamespacePrefix);
}

#[test]
fn a_restart_within_a_stanza_forgets_it() {
    let (mut scanner, mut input) = stream_of(format!("{HEADER}<message><body>half").as_bytes());
    assert_eq!(drain(&mut scanner, &mut input).unwrap().len(), 1);
    scanner.restart();
    input.clear();
    input.extend_from_slice(HEADER.as_bytes());
    assert_eq!(drain(&mut scanner, &mut input).unwrap().len(), 1);
}

#[test]
fn a_second_header_is_seen_at_once_and_its_name_means_nothing_deeper_down() {
    let again = HEADER.to_owned() + HEADER;
    assert!(matches!(&frames_of(again.as_bytes()).unwrap()[..], [Frame::Open(_), Frame::Open(_)]));
    let deeper = format!("{HEADER}<message><stream:stream/></message>");
    assert!(matches!(&frames_of(deeper.as_bytes()).unwrap()[..], [Frame::Open(_), Frame::Element(_)]));
}

#[test]
fn an_error_is_final() {
    let (mut scanner, mut input) = stream_of(format!("{HEADER}<a></b>").as_bytes());
    assert!(matches!(scanner.next(&mut input), Ok(Some(Frame::Open(_)))));
    assert_eq!(scanner.next(&mut input).unwrap_err(), XmlError::NotWellFormed);
    input.clear();
    input.extend_from_slice(HEADER.as_bytes());
    assert_eq!(scanner.next(&mut input).unwrap_err(), XmlError::NotWellFormed);
}

#[test]
fn a_stanza_may_be_as_long_as_the_bound_and_no_longer() {
    let stanza = b"<message><body>0123456789</body></message>";
    for (spare, expected) in [(0, Ok(1)), (1, Ok(1))] {
        assert_eq!(within(stanza.len() + spare, stanza), expected);
    }
    assert_eq!(within(stanza.len() - 1, stanza), Err(XmlError::PolicyViolation(Bound::StanzaBytes)));
}

#[test]
fn bytes_that_never_end_anything_are_refused_at_the_bound() {
    let endless: [&[u8]; 8] =
        [b"<", b"<a b='", b"<message", b"</stream:stream", b"<m>text", b"<m><![CDATA[ ]]", b"<m a='1' ", b"<m><m><m>"];
    for start in endless {
        let mut sent = start.to_vec();
        sent.resize(2000, b'x');
        assert_eq!(within(500, &sent), Err(XmlError::PolicyViolation(Bound::StanzaBytes)), "{start:?}");
    }
}

#[test]
fn a_header_that_never_ends_is_refused_at_the_bound() {
    for start in ["<stream:stream to='", "<?xml version='", "<s "] {
        let mut scanner = Scanner::new(Limits { stanza_bytes_max: 100, ..LIMITS });
        let mut input = BytesMut::from(start);
        input.resize(99, b'x');
        assert!(matches!(scanner.next(&mut input), Ok(None)), "{start}");
        input.resize(100, b'x');
        assert_eq!(scanner.next(&mut input).unwrap_err(), XmlError::PolicyViolation(Bound::StanzaBytes), "{start}");
    }
}

#[test]
fn depth_attributes_and_declarations_have_bounds() {
    let bound = |limits, xml: &str| {
        let mut scanner = Scanner::new(limits);
        let mut input = BytesMut::from(format!("{HEADER}{xml}").as_str());
        drain(&mut scanner, &mut input).map(|frames| frames.len())
    };
    let limits = Limits { depth_max: 3, attributes_max: 2, declarations_max: 3, ..LIMITS };
    assert_eq!(
        Scanner::new(Limits { attributes_max: 2, ..limits }).next(&mut BytesMut::from(HEADER)).unwrap_err(),
        XmlError::PolicyViolation(Bound::Attributes)
    );
    let limits = Limits { attributes_max: 4, ..limits };
    assert_eq!(bound(limits, "<a><b><c/></b></a>"), Ok(2));
    assert_eq!(bound(limits, "<a><b><c><d>"), Err(XmlError::PolicyViolation(Bound::Depth)));
    assert_eq!(bound(limits, "<a w='' x='' y='' z=''/>"), Ok(2));
    assert_eq!(bound(limits, "<a v='' w='' x='' y='' z=''/>"), Err(XmlError::PolicyViolation(Bound::Attributes)));
    assert_eq!(bound(limits, "<a xmlns:p='p' xmlns:q='q'/><a xmlns:r='r' xmlns:s='s'/>"), Ok(3));
    let three = "<a xmlns:p='p'><b xmlns:q='q'><c xmlns:r='r'/></b></a>";
    assert_eq!(bound(limits, three), Err(XmlError::PolicyViolation(Bound::Declarations)));
}

#[test]
fn bounds_can_be_raised_while_a_stanza_arrives() {
    let mut scanner = Scanner::new(Limits { stanza_bytes_max: 200, ..LIMITS });
    let mut input = BytesMut::from(format!("{HEADER}<message><body>").as_str());
    assert_eq!(drain(&mut scanner, &mut input).unwrap().len(), 1);
    scanner.set_limits(LIMITS);
    input.extend_from_slice(&[b'x'; 1000]);
    input.extend_from_slice(b"</body></message>");
    assert_eq!(drain(&mut scanner, &mut input).unwrap().len(), 1);
}

#[test]
fn a_long_stanza_fed_by_single_bytes_costs_no_more_than_twice_its_length_in_searching() {
    let mut stanza = b"<message to='bob@example.org'><body>".to_vec();
    while stanza.len() < 256 * 1024 {
        stanza.extend_from_slice(b"some text &amp; <i a='1' b=\"2>\">more</i> <![CDATA[ ]> ]]>");
    }
    stanza.extend_from_slice(b"</body></message>");
    let (mut scanner, mut input) = stream_of(HEADER.as_bytes());
    scanner.next(&mut input).unwrap();
    let before = scanner.bytes_examined();
    let (last, most) = stanza.split_last().unwrap();
    for byte in most {
        input.extend_from_slice(&[*byte]);
        assert!(scanner.next(&mut input).unwrap().is_none());
    }
    input.extend_from_slice(&[*last]);
    assert!(matches!(scanner.next(&mut input), Ok(Some(Frame::Element(_)))));
    let examined = scanner.bytes_examined() - before;
    assert!(examined <= 2 * stanza.len(), "{examined} bytes examined for {}", stanza.len());
}

/// How many stanzas come out of `sent` after a header, with this bound, whole and by single bytes.
fn within(stanza_bytes_max: usize, sent: &[u8]) -> Result<usize, XmlError> {
    let opened = || {
        let (mut scanner, mut input) = stream_of(HEADER.as_bytes());
        scanner.next(&mut input).unwrap();
        scanner.set_limits(Limits { stanza_bytes_max, ..LIMITS });
        (scanner, input)
    };
    let (mut scanner, mut input) = opened();
    input.extend_from_slice(sent);
    let whole = drain(&mut scanner, &mut input).map(|frames| frames.len());
    let (mut scanner, mut input) = opened();
    let mut bytewise = Ok(0);
    for (at, byte) in sent.iter().enumerate() {
        input.extend_from_slice(&[*byte]);
        match drain(&mut scanner, &mut input) {
            Ok(frames) => bytewise = bytewise.map(|count| count + frames.len()),
            Err(error) => {
                assert!(at < stanza_bytes_max, "refused after {at} bytes");
                bytewise = Err(error);
                break;
            }
        }
    }
    assert_eq!(whole, bytewise);
    whole
}
