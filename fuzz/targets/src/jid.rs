//! Addresses (RFC 7622): what was accepted is in its final form, and consists of its parts.

use jid::{BareJid, DomainPart, Jid, NodePart, ResourcePart};

/// The input is an address.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = DomainPart::new(text);
    let _ = NodePart::new(text);
    let _ = ResourcePart::new(text);
    let _ = BareJid::new(text);
    let Ok(jid) = Jid::new(text) else { return };

    assert_eq!(Jid::new(jid.as_str()).as_ref(), Ok(&jid), "its own text is another address");
    assert!(jid.as_str().len() <= 3 * 1023 + 2);
    let node = jid.node();
    let resource = jid.resource();
    assert_eq!(Jid::from_parts(node, jid.domain(), resource), jid, "its parts are another address");
    let bare = jid.to_bare();
    assert_eq!(BareJid::new(bare.as_str()).as_ref(), Ok(&bare));
    assert_eq!(jid.try_as_full().is_ok(), resource.is_some());
}
