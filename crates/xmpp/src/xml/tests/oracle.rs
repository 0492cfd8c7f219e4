//! The same documents read by rxml: correct ones and damaged ones. `compare` says what must be the same.

use proptest::prelude::*;

use super::compare::compare;
use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn both_read_a_correct_document_alike(document in document()) {
        prop_assert!(compare(document.as_bytes()).map_err(TestCaseError::fail)?, "refused {document}");
    }

    #[test]
    fn what_rxml_refuses_in_a_damaged_document_we_refuse(
        document in document(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        let mut bytes = document.into_bytes();
        for (place, damage) in damages {
            let at = place.index(bytes.len());
            match damage {
                Damage::Remove(len) => _ = bytes.drain(at..(at + len).min(bytes.len())),
                Damage::Insert(what) => _ = bytes.splice(at..at, what.iter().copied()),
                Damage::Replace(byte) => bytes[at] = byte,
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
        compare(&bytes).map_err(TestCaseError::fail)?;
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Remove(usize),
    Insert(&'static [u8]),
    Replace(u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    const INSERTED: &[&[u8]] = &[
        b"<",
        b">",
        b"/",
        b"'",
        b"\"",
        b"=",
        b":",
        b"&",
        b";",
        b"&#0;",
        b"&#65;",
        b"&x;",
        b"]]>",
        b"<![CDATA[",
        b"<!--",
        b"-->",
        b"<?x?>",
        b"\0",
        b"\xFF",
        b"\xC3",
        b"\xC3\xA4",
        b"\xEF\xBF\xBF",
        b" ",
        b"\n",
        b" a='1'",
        b"p:",
        b" xmlns:p='p'",
        b" xmlns=''",
        b" xmlns:p=''",
        b" xmlns:xml='p'",
        b" xmlns:xmlns='p'",
        b"xml:",
        b"<a>",
        b"</a>",
    ];
    prop_oneof![
        (1_usize..6).prop_map(Damage::Remove),
        prop::sample::select(INSERTED).prop_map(Damage::Insert),
        any::<u8>().prop_map(Damage::Replace),
        prop::sample::select(&b"<>/'\"=:&;!?[] \tax1"[..]).prop_map(Damage::Replace),
    ]
}

/// A correct stream, from its declaration to its end.
pub(super) fn document() -> impl Strategy<Value = String> {
    let declaration =
        prop::sample::select(&["", "<?xml version='1.0'?>", "<?xml version=\"1.0\" encoding='UTF-8'?>\n"][..]);
    let header =
        prop::sample::select(&[HEADER, "<stream:stream xmlns:stream='s' xmlns:p='top'  xmlns=\"jabber:client\" >"][..]);
    (declaration, header, prop::collection::vec((element(), "[ \n]{0,2}"), 0..4)).prop_map(
        |(declaration, header, stanzas)| {
            let mut out = format!("{declaration}{header}");
            for (stanza, space) in stanzas {
                out.push_str(&stanza);
                out.push_str(&space);
            }
            out + "</stream:stream>"
        },
    )
}

fn element() -> impl Strategy<Value = String> {
    let leaf = tag().prop_map(|(name, attributes, space)| format!("<{name}{attributes}{space}/>"));
    leaf.prop_recursive(4, 24, 4, |inner| {
        (tag(), prop::collection::vec(prop_oneof![inner, text()], 0..4)).prop_map(
            |((name, attributes, space), content)| {
                format!("<{name}{attributes}{space}>{}</{name}{space}>", content.concat())
            },
        )
    })
}

/// Name, attributes and closing space of a tag whose every prefix is declared, by itself or by the header.
fn tag() -> impl Strategy<Value = (String, String, &'static str)> {
    let name = prop::sample::select(&["a", "body", "q1", "ö", "p:x", "stream:y", "q:z", "xml:v"][..]);
    let namespaces = prop::sample::select(
        &[
            "",
            "",
            " xmlns='urn:1'",
            " xmlns=''",
            " xmlns='urn:&lt;2'",
            " xmlns:stream='urn:3'",
            " xmlns:r =\n\"urn:\t4\" r:a='r'",
        ][..],
    );
    let plain = prop::sample::subsequence(
        &[
            " to='b'",
            " id=\"&#9731;'\"",
            " type = '&amp; \n\t\r\n'",
            " xml:lang='en'",
            "\tx.y='>'",
            " ü=''",
            " stream:to='s'",
        ][..],
        0..5,
    );
    let space = prop::sample::select(&["", " ", "\n"][..]);
    (name, namespaces, plain, space).prop_map(|(name, namespaces, plain, space)| {
        let own = match name.split_once(':') {
            Some(("p", _)) => " xmlns:p='urn:p'",
            Some(("q", _)) => " xmlns:q='urn:&#113;' q:to=''",
            _ => "",
        };
        (name.to_owned(), format!("{own}{namespaces}{}", plain.concat()), space)
    })
}

fn text() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(
        &[
            "&lt;",
            "&amp;amp;",
            "&#x1F600;",
            "&#13;",
            "<![CDATA[<x>&y;]]>",
            "<![CDATA[]]>",
            "\r\n",
            "\r",
            "]]",
            "☃",
            "'\">",
        ][..],
    );
    prop_oneof![fixed.prop_map(str::to_owned), "[a-z ü\n]{0,12}", "[ -%'-;=?-Z^-~]{0,20}"]
}
