//! Reads a stream of typical stanzas as a server does: `scan COUNT`. `cargo xtask budget` counts its instructions.

use std::error::Error;

use bytes::BytesMut;
use xmpp::stanza::Stanza;
use xmpp::xml::{Frame, Limits, Scanner};

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>";
const LIMITS: Limits = Limits { stanza_bytes_max: 1 << 18, depth_max: 64, attributes_max: 64, declarations_max: 64 };
/// What one read of a socket may bring: stanzas lie across its ends.
const READ_BYTES: usize = 4096;

/// A chat message, one that is encrypted, a receipt, a presence and a ping.
const STANZAS: &[&str] = &[
    "<message to='bob@example.org' type='chat' id='0f3c8a7e-6d1b' xml:lang='en'><body>Are you there? &lt;3</body>\
     <active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>\
     <origin-id xmlns='urn:xmpp:sid:0' id='0f3c8a7e-6d1b'/></message>",
    "<message to='bob@example.org' type='chat' id='77aa01c5-93d2'>\
     <encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'>\
     <key rid='31415' prekey='true'>MwohBfR1Yh0mJ3N2c2VjcmV0LW5vdC1yZWFsbHktc2VjcmV0LWJ1dC1sb25nLWVub3VnaA==</key>\
     <key rid='12321'>MwohBfR1Yh0mJ3N2c2VjcmV0LW5vdC1yZWFsbHktc2VjcmV0LWJ1dC1sb25nLWVub3VnaA==</key>\
     <iv>BASE64ENCODED+/==</iv></header><payload>QkFTRTY0RU5DT0RFRCBhbmQgc29tZSBtb3JlIG9mIGl0</payload></encrypted>\
     <encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/>\
     <store xmlns='urn:xmpp:hints'/></message>",
    "<message to='bob@example.org/phone' id='r1'><received xmlns='urn:xmpp:receipts' id='0f3c8a7e-6d1b'/></message>",
    "<presence><show>away</show><status>Lunch</status><priority>5</priority>\
     <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>\
     </presence>",
    "<iq type='get' id='p1' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
];

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().nth(1).ok_or("usage: scan COUNT")?.parse()?;
    let mut sent = String::from(HEADER);
    sent.extend(STANZAS.iter().cycle().take(count).copied());

    let mut scanner = Scanner::new(LIMITS);
    let mut input = BytesMut::new();
    let mut read = 0;
    for piece in sent.as_bytes().chunks(READ_BYTES) {
        input.extend_from_slice(piece);
        while let Some(frame) = scanner.next(&mut input)? {
            if let Frame::Element(element) = frame {
                let stanza = Stanza::parse(element).map_err(|rejected| format!("{rejected:?}"))?;
                read += usize::from(stanza.from.is_none());
            }
        }
    }
    if read != count {
        return Err(format!("{read} stanzas read, {count} sent").into());
    }
    Ok(())
}
