//! Addresses from strangers (RFC 7622): JIDs in their final form, where `jid` 0.12 lets others through.

use jid::{Jid, NodePart};

/// Reads an address; `None` when it is none.
///
/// A final dot of the domain goes, as RFC 7622 §3.2 wants it: [`Jid::new`] keeps it in the text and counts without it,
/// so that the resource of `example.org./r` is `/r`. An address whose own text is another address is refused.
pub fn parse(text: &str) -> Option<Jid> {
    let end = text.find('/').unwrap_or(text.len());
    let (bare, resource) = text.split_at_checked(end)?;
    let jid = match bare.strip_suffix('.') {
        None => Jid::new(text).ok()?,
        Some(bare) if bare.ends_with('.') => return None,
        Some(bare) => Jid::new(&format!("{bare}{resource}")).ok()?,
    };
    // Preparing ASCII twice is preparing it once; a dot in another script may become one.
    if !text.is_ascii() && Jid::new(jid.as_str()).ok().is_none_or(|again| again != jid || has_final_dot(&jid)) {
        return None;
    }
    Some(jid)
}

/// Reads a localpart; `None` when it is none, or is not in its final form once it is prepared.
///
/// [`NodePart::new`] turns U+03F9 into a capital sigma, and that, read again, into a small one: an account of such a
/// name would meet another's.
pub fn localpart(text: &str) -> Option<NodePart> {
    let localpart = NodePart::new(text).ok()?.into_owned();
    let is_final = text.is_ascii() || NodePart::new(localpart.as_str()).is_ok_and(|again| *again == *localpart);
    is_final.then_some(localpart)
}

fn has_final_dot(jid: &Jid) -> bool {
    let text = jid.as_str();
    text.split('/').next().unwrap_or(text).ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, Option<String>)> {
        let jid = parse(text)?;
        Some((jid.to_bare().to_string(), jid.resource().map(ToString::to_string)))
    }

    #[test]
    fn the_final_dot_of_a_domain_is_no_part_of_an_address() {
        let phone = Some((String::from("bob@example.org"), Some(String::from("phone"))));
        for text in ["bob@example.org/phone", "bob@example.org./phone", "BOB@Example.ORG./phone"] {
            assert_eq!(parts(text), phone, "{text}");
        }
        assert_eq!(parts("example.org./a.b"), Some((String::from("example.org"), Some(String::from("a.b")))));
        assert_eq!(parts("example.org."), Some((String::from("example.org"), None)));
        assert_eq!(parts("2.1./0"), Some((String::from("2.1"), Some(String::from("0")))));
    }

    #[test]
    fn what_is_no_address_in_its_final_form_is_refused() {
        for text in ["", ".", "bob@", "@example.org", "a@b@c", "example.org..", "bob@example.org../r", "example.org/"] {
            assert!(parse(text).is_none(), "{text}");
        }
        // A full-width full stop becomes a dot.
        assert!(parse("example.org\u{ff0e}").is_none());
    }

    #[test]
    fn a_localpart_that_becomes_another_when_read_again_is_refused() {
        assert!(localpart("g\u{3f9}").is_none());
        assert!(parse("g\u{3f9}@example.org").is_none());
        assert_eq!(localpart("\u{c4}Lice").as_deref().map(|name| name.as_str()), Some("\u{e4}lice"));
        assert!(localpart("a@b").is_none());
    }
}
