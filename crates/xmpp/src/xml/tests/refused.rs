//! What a stream must not contain, each with the condition it is refused with.

use super::*;

/// After the stream header.
const STANZAS: &[(&str, &[u8])] = &[
    // Restricted XML (RFC 6120 §11.1).
    ("restricted-xml", b"<a><!-- comment --></a>"),
    ("restricted-xml", b"<!-- comment -->"),
    ("restricted-xml", b"<a><?pi x?></a>"),
    ("restricted-xml", b"<?pi x?>"),
    ("restricted-xml", b"<?xml version='1.0'?>"),
    ("restricted-xml", b"<!DOCTYPE a>"),
    ("restricted-xml", b"<a>&entity;</a>"),
    ("restricted-xml", b"<a b='&entity;'/>"),
    ("restricted-xml", b"<a>&nbsp;</a>"),
    // References.
    ("not-well-formed", b"<a>&</a>"),
    ("not-well-formed", b"<a>& </a>"),
    ("not-well-formed", b"<a>&amp</a>"),
    ("not-well-formed", b"<a>&;</a>"),
    ("not-well-formed", b"<a>&#;</a>"),
    ("not-well-formed", b"<a>&#x;</a>"),
    ("not-well-formed", b"<a>&#0;</a>"),
    ("not-well-formed", b"<a>&#+5;</a>"),
    ("not-well-formed", b"<a>&#-5;</a>"),
    ("not-well-formed", b"<a>&# 65;</a>"),
    ("not-well-formed", b"<a>&#X41;</a>"),
    ("not-well-formed", b"<a>&#4A;</a>"),
    ("not-well-formed", b"<a>&#8;</a>"),
    ("not-well-formed", b"<a>&#x1F;</a>"),
    ("not-well-formed", b"<a>&#xD800;</a>"),
    ("not-well-formed", b"<a>&#xFFFE;</a>"),
    ("not-well-formed", b"<a>&#x110000;</a>"),
    ("not-well-formed", b"<a>&#99999999999999999999;</a>"),
    ("not-well-formed", b"<a b='&#0;'/>"),
    ("not-well-formed", b"<a b='&'/>"),
    ("not-well-formed", b"<a b='&lt'/>"),
    // Characters.
    ("not-well-formed", b"<a>\x00</a>"),
    ("not-well-formed", b"<a>\x08</a>"),
    ("not-well-formed", b"<a>\x1B</a>"),
    ("not-well-formed", b"<a b='\x01'/>"),
    ("not-well-formed", b"<a><![CDATA[\x01]]></a>"),
    ("not-well-formed", b"<a>\xEF\xBF\xBE</a>"),
    ("not-well-formed", b"<a>\xEF\xBF\xBF</a>"),
    ("not-well-formed", b"<a b='\xEF\xBF\xBF'/>"),
    ("unsupported-encoding", b"<a>\xFF</a>"),
    ("unsupported-encoding", b"<a>\xC3</a>"),
    ("unsupported-encoding", b"<a>\xC0\x80</a>"),
    ("unsupported-encoding", b"<a>\xED\xA0\x80</a>"),
    ("unsupported-encoding", b"<a>\xF4\x90\x80\x80</a>"),
    ("unsupported-encoding", b"<a b='\xE4'/>"),
    ("unsupported-encoding", b"<\xE4/>"),
    ("unsupported-encoding", b"<a><![CDATA[\x80]]></a>"),
    // Text.
    ("not-well-formed", b"<a>]]></a>"),
    ("not-well-formed", b"<a>]]]></a>"),
    ("not-well-formed", b"text"),
    ("not-well-formed", b"<a/>text<a/>"),
    ("not-well-formed", b"&amp;"),
    ("not-well-formed", b"<![CDATA[ ]]>"),
    ("not-well-formed", b"<a><![cdata[ ]]></a>"),
    ("not-well-formed", b"<a><![CDAT[ ]]></a>"),
    ("not-well-formed", b"<a><!x></a>"),
    // Tags.
    ("not-well-formed", b"<>"),
    ("not-well-formed", b"< a/>"),
    ("not-well-formed", b"<a / >"),
    ("not-well-formed", b"<a/b>"),
    ("not-well-formed", b"<1a/>"),
    ("not-well-formed", b"<-a/>"),
    ("not-well-formed", b"<.a/>"),
    ("not-well-formed", b"<a$b/>"),
    ("not-well-formed", "<×/>".as_bytes()),
    ("not-well-formed", "<a·\u{2028}/>".as_bytes()),
    ("not-well-formed", "<·a/>".as_bytes()),
    ("not-well-formed", b"<a><b></a></b>"),
    ("not-well-formed", b"<a></A>"),
    ("not-well-formed", b"<a></>"),
    ("not-well-formed", b"<a></ a>"),
    ("not-well-formed", b"<a></a\x0c>"),
    ("not-well-formed", b"<a></a \x0b>"),
    ("not-well-formed", b"</stream:stream\x0c>"),
    ("not-well-formed", b"<a></a b='c'>"),
    ("not-well-formed", b"<a></a/>"),
    ("not-well-formed", b"</a>"),
    ("not-well-formed", b"</stream>"),
    ("not-well-formed", b"<a></stream:stream>"),
    ("not-well-formed", b"<p:a xmlns:p='p' xmlns:q='p'></q:a>"),
    ("not-well-formed", b"<stream:a xmlns='http://etherx.jabber.org/streams'></a>"),
    // Attributes.
    ("not-well-formed", b"<a b/>"),
    ("not-well-formed", b"<a b=/>"),
    ("not-well-formed", b"<a b=c/>"),
    ("not-well-formed", b"<a b='c'd='e'/>"),
    ("not-well-formed", b"<a b='<'/>"),
    ("not-well-formed", b"<a b='1' b='2'/>"),
    ("not-well-formed", b"<a ='1'/>"),
    ("not-well-formed", b"<a 'b'/>"),
    ("not-well-formed", b"<a b = = 'c'/>"),
    ("not-well-formed", b"<a'b'='c'/>"),
    ("not-well-formed", b"<a b1='' b2='' b3='' b4='' b5='' b6='' b7='' b8='' b9='' b4=''/>"),
    // Namespaces.
    ("bad-namespace-prefix", b"<p:a/>"),
    ("bad-namespace-prefix", b"<a p:b=''/>"),
    ("bad-namespace-prefix", b"<a><b xmlns:p='p'/><p:c/></a>"),
    ("bad-namespace-prefix", b"<Xml:a/>"),
    ("not-well-formed", b"<a xmlns:p='p' xmlns:q='p' p:b='' q:b=''/>"),
    ("not-well-formed", b"<a xmlns:p='&#112;' xmlns:q='p' p:b='' q:b=''/>"),
    ("not-well-formed", b"<a xmlns:p='p' xmlns:p='q'/>"),
    ("not-well-formed", b"<a xmlns='p' xmlns='q'/>"),
    ("not-well-formed", b"<a xmlns:p=''/>"),
    ("not-well-formed", b"<a xmlns:xmlns='p'/>"),
    ("not-well-formed", b"<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>"),
    ("not-well-formed", b"<a xmlns:p='http://www.w3.org/2000/xmlns/'/>"),
    ("not-well-formed", b"<a xmlns='http://www.w3.org/2000/xmlns/'/>"),
    ("not-well-formed", b"<a xmlns:xml='p'/>"),
    ("not-well-formed", b"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>"),
    ("not-well-formed", b"<a xmlns='http://www.w3.org/XML/1998/namespace'/>"),
    ("not-well-formed", b"<xmlns:a/>"),
    ("not-well-formed", b"<a xmlns:='p'/>"),
    ("not-well-formed", b"<a:b:c xmlns:a='a'/>"),
    ("not-well-formed", b"<a: xmlns:a='a'/>"),
    ("not-well-formed", b"<:a/>"),
    ("not-well-formed", b"<a xmlns:p='p'><p:1/></a>"),
    // After the end.
    ("not-well-formed", b"</stream:stream>x"),
    ("not-well-formed", b"</stream:stream><a/>"),
];

/// Instead of a stream header.
const OPENINGS: &[(&str, &[u8])] = &[
    ("not-well-formed", b"hello"),
    ("not-well-formed", b"GET / HTTP/1.1\r\n"),
    ("not-well-formed", b"\x16\x03\x01\x02\x00\x01\x00"),
    ("not-well-formed", b"</stream:stream>"),
    ("not-well-formed", b"\xEF\xBB\xBF<a>"),
    ("not-well-formed", b"<![CDATA[ ]]>"),
    ("unsupported-encoding", b"\xFE\xFF\0<\0a"),
    ("unsupported-encoding", b"\xFF\xFE<\0a\0"),
    ("unsupported-encoding", b"<\0a\0"),
    ("unsupported-encoding", b"\0<\0a"),
    ("restricted-xml", b" <?xml version='1.0'?>"),
    ("restricted-xml", b"<?xml version='1.0'?><?xml version='1.0'?>"),
    ("restricted-xml", b"<?xml-stylesheet version='1.0'?>"),
    ("restricted-xml", b"<?xml version='1.0'?><!DOCTYPE a>"),
    ("restricted-xml", b"<!-- hello -->"),
    ("not-well-formed", b"<?xml?>"),
    ("not-well-formed", b"<?xml version='1.0'>"),
    ("not-well-formed", b"<?xml version='1.1'?>"),
    ("not-well-formed", b"<?xml version=1.0?>"),
    ("not-well-formed", b"<?xml version='1.0\"?>"),
    ("not-well-formed", b"<?xml encoding='utf-8'?>"),
    ("not-well-formed", b"<?xml version='1.0'encoding='utf-8'?>"),
    ("not-well-formed", b"<?xml encoding='utf-8' version='1.0'?>"),
    ("not-well-formed", b"<?xml version='1.0' standalone='maybe'?>"),
    ("not-well-formed", b"<?xml version='1.0' more=''?>"),
    ("unsupported-encoding", b"<?xml version='1.0' encoding='iso-8859-1'?>"),
    ("bad-namespace-prefix", b"<stream:stream xmlns='jabber:client'>"),
    ("not-well-formed", b"<stream:stream xmlns:stream=''>"),
    ("not-well-formed", b"<s to='a' to='b'>"),
    ("unsupported-encoding", b"<s to='\xFF'>"),
];

#[test]
fn bad_stanzas_are_refused_with_their_condition() {
    for (condition, xml) in STANZAS {
        let sent = [HEADER.as_bytes(), xml].concat();
        assert_eq!(condition_of(&sent), Some(*condition), "{}", xml.escape_ascii());
    }
}

#[test]
fn bad_openings_are_refused_with_their_condition() {
    for (condition, xml) in OPENINGS {
        assert_eq!(condition_of(xml), Some(*condition), "{}", xml.escape_ascii());
    }
}

#[test]
fn the_condition_does_not_depend_on_how_the_bytes_arrive() {
    for (condition, xml) in STANZAS {
        let (mut scanner, mut input) = stream_of(HEADER.as_bytes());
        drain(&mut scanner, &mut input).unwrap();
        let refused = xml.iter().find_map(|byte| {
            input.extend_from_slice(&[*byte]);
            drain(&mut scanner, &mut input).err()
        });
        assert_eq!(refused.map(XmlError::condition), Some(*condition), "{}", xml.escape_ascii());
    }
}

#[test]
fn what_looks_odd_but_is_correct_is_let_through() {
    let fine: &[&str] = &[
        "<a>></a>",
        "<a>]] ></a>",
        "<a>]>]</a>",
        "<a b='>'/>",
        "<a b=']]>'/>",
        "<a b='/'/>",
        "<a b = \"'\"\tc\n=\r'\"'/>",
        "<a\n/>",
        "<ä:ö xmlns:ä='ü'/>",
        "<a·b/>",
        "<_.-1/>",
        "<a>\u{7f}\u{85}\u{fffd}\u{1fffe}\u{10ffff}</a>",
        "<a>&#x10FFFF;&#9;&#xa;&#13;&#0000000000000000000065;</a>",
        "<a><![CDATA[]]]]><![CDATA[>]]></a>",
        "<a><![CDATA[<b>&c;]]></a>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en'/>",
        "<a xmlns:p='p' b='' p:b=''/>",
        "<a xmlns='p' xmlns:p='p' b='' p:b=''/>",
        "<a xmlns:xmlfoo='p' xmlfoo:b=''/>",
        "<a xmlns=''><b xmlns='c'/></a>",
        "<xml:a/>",
        "<a xmlns:p='1'><p:b xmlns:p='2'><p:c/></p:b><p:d/></a>",
    ];
    for xml in fine {
        stanza(xml);
    }
}

/// The condition a stream ends with, sent whole.
fn condition_of(sent: &[u8]) -> Option<&'static str> {
    frames_of(sent).err().map(XmlError::condition)
}
