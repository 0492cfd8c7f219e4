//! The links of an invitation: the `xmpp:` URI that a client opens (RFC 5122, XEP-0379 §3.2, XEP-0445 §2), and the page
//! that a browser shows.

use std::fmt::Write;

use jid::BareJid;

/// Where an invitation leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The `xmpp:` URI.
    pub uri: String,
    /// The page, where the server has a public address.
    pub page: Option<String>,
}

/// What an invitation offers.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The server's domain.
    pub domain: &'a str,
    /// Whom the invited person is connected with.
    pub contact: Option<&'a BareJid>,
    /// The name that is reserved.
    pub localpart: Option<&'a str>,
    /// Whether an account may be registered.
    pub registers: bool,
}

/// The `xmpp:` URI of an invitation.
#[must_use]
pub fn uri(offer: &Offer<'_>, token: &str) -> String {
    match (offer.localpart, offer.contact) {
        (Some(localpart), _) => {
            format!("xmpp:{}@{}?register;preauth={token}", percent_encoded(localpart), percent_encoded(offer.domain))
        }
        (None, Some(contact)) => {
            let localpart = contact.node().map(|node| percent_encoded(node.as_str())).unwrap_or_default();
            let ibr = if offer.registers { ";ibr=y" } else { "" };
            format!("xmpp:{localpart}@{}?roster;preauth={token}{ibr}", percent_encoded(offer.domain))
        }
        (None, None) => format!("xmpp:{}?register;preauth={token}", percent_encoded(offer.domain)),
    }
}

/// What a URI cannot carry as it is.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // A string takes all that is written to it.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_what_is_offered() {
        let romeo = BareJid::new("romeo@example.com").unwrap();
        let bare = Offer { domain: "example.com", contact: None, localpart: None, registers: true };
        let of = |offer: Offer<'_>| uri(&offer, "TOKEN");
        assert_eq!(of(bare), "xmpp:example.com?register;preauth=TOKEN");
        assert_eq!(of(Offer { localpart: Some("juliet"), ..bare }), "xmpp:juliet@example.com?register;preauth=TOKEN");
        let contact = Offer { contact: Some(&romeo), ..bare };
        assert_eq!(of(contact), "xmpp:romeo@example.com?roster;preauth=TOKEN;ibr=y");
        assert_eq!(of(Offer { registers: false, ..contact }), "xmpp:romeo@example.com?roster;preauth=TOKEN");
        assert_eq!(of(Offer { localpart: Some("a;b?"), ..bare }), "xmpp:a%3Bb%3F@example.com?register;preauth=TOKEN");
    }
}
