//! Decides and writes what becomes of a typical message, without storing and sending it: `route COUNT`.
//! `cargo xtask budget` counts its instructions.

use bytes::Bytes;
use jid::Jid;
use server::ext::carbons::{self, Copy};
use server::mailbox::{self, Keep};
use server::routing::delivery::{self, Candidate};
use storage::ArchiveId;
use xmpp::ns;
use xmpp::stanza::{Kind, Stanza};
use xmpp::xml::Element;

const MESSAGE: &str = "<message to='bob@example.org' type='chat' id='0f3c8a7e-6d1b' xml:lang='en'>\
                       <body>Are you there? &lt;3</body><active xmlns='http://jabber.org/protocol/chatstates'/>\
                       <request xmlns='urn:xmpp:receipts'/>\
                       <origin-id xmlns='urn:xmpp:sid:0' id='0f3c8a7e-6d1b'/></message>";

/// Bob's phone and desktop, and Alice's other device.
const BOB: [Candidate; 2] = [
    Candidate { priority: Some(5), addressed: false, carbons: true },
    Candidate { priority: Some(-1), addressed: false, carbons: true },
];

fn main() -> anyhow::Result<()> {
    let count: u64 = std::env::args().nth(1).ok_or_else(|| anyhow::anyhow!("usage: route COUNT"))?.parse()?;
    let element = Element::parse(MESSAGE, ns::CLIENT)?;
    let sender = Jid::new("alice@example.org/phone")?;
    let mut written = 0;
    for _ in 0..count {
        written += route(element.clone(), &sender).ok_or_else(|| anyhow::anyhow!("a message was not routed"))?;
    }
    println!("{written} bytes");
    Ok(())
}

/// The bytes that would go to sockets. The steps are those of `routing::message`.
fn route(element: Element, sender: &Jid) -> Option<usize> {
    let mut message = Stanza::parse(element).ok()?;
    message.from = Some(sender.clone());
    let Kind::Message(kind) = message.kind else { return None };
    if mailbox::keeping(&message) != Keep::Archive {
        return None;
    }
    let xml = Bytes::from(message.to_xml(|child| !child.is("stanza-id", ns::STANZA_ID), ""));
    let copied = carbons::eligible(&message, Copy::Received);
    let plan = delivery::plan(kind, false, copied, &BOB);
    let received = mailbox::with_children(&xml, &mailbox::stanza_id("bob@example.org", ArchiveId::MIN));
    let mut written = received.len() * plan.message.len();
    for _ in &plan.carbon {
        let device = "bob@example.org/desktop";
        written += carbons::wrap(Copy::Received, message.kind, "bob@example.org", device, &received).len();
    }
    if carbons::eligible(&message, Copy::Sent) {
        let sent = mailbox::with_children(&xml, &mailbox::stanza_id("alice@example.org", ArchiveId::MIN));
        let device = "alice@example.org/desktop";
        written += carbons::wrap(Copy::Sent, message.kind, "alice@example.org", device, &sent).len();
    }
    Some(written)
}
