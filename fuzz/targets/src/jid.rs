//! Addresses (RFC 7622): what was accepted is in its final form, and consists of its parts.

use jid::{BareJid, DomainPart, Jid, NodePart, ResourcePart};
use xmpp::address;

/// The input is an address.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = DomainPart::new(text);
    let _ = NodePart::new(text);
    let _ = ResourcePart::new(text);
    let _ = BareJid::new(text);
    let _ = Jid::new(text);
    // The crate's own reader lets addresses through that are in no final form.
    let Some(jid) = address::parse(text) else { return };

    assert_eq!(address::parse(jid.as_str()).as_ref(), Some(&jid), "its own text is another address");
    assert!(jid.as_str().len() <= 3 * 1023 + 2);
    let node = jid.node();
    let resource = jid.resource();
    assert_eq!(Jid::from_parts(node, jid.domain(), resource), jid, "its parts are another address");
    let bare = jid.to_bare();
    assert_eq!(BareJid::new(bare.as_str()).as_ref(), Ok(&bare));
    assert_eq!(jid.try_as_full().is_ok(), resource.is_some());
}
