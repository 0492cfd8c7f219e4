//! What a client says about its installation when it logs in (XEP-0388 §2.3): an id that stays, its software, and the
//! device it runs on.

use std::fmt;

use minidom::Element;

use super::failure::Failure;
use super::limits::USER_AGENT_TEXT_BYTES_MAX;
use crate::ns;

/// The id of an installation: a UUID of version 4. Nobody else learns it, so it never prints itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserAgentId([u8; 16]);

impl UserAgentId {
    /// Reads the text form of RFC 9562 §4; None for anything else and for other versions.
    pub fn parse(text: &str) -> Option<Self> {
        let groups = text.split('-').map(str::len);
        let digits: String = text.split('-').collect();
        if !groups.eq([8, 4, 4, 4, 12]) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let number = u128::from_str_radix(&digits, 16).ok()?;
        let (version, variant) = (number >> 76 & 0xf, number >> 62 & 0b11);
        (version == 4 && variant == 0b10).then_some(Self(number.to_be_bytes()))
    }

    /// Its 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for UserAgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserAgentId(..)")
    }
}

/// A `<user-agent/>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserAgent {
    /// The installation.
    pub id: Option<UserAgentId>,
    /// The software's name, at most [`USER_AGENT_TEXT_BYTES_MAX`] bytes of it.
    pub software: Option<String>,
    /// What its owner calls the device, likewise.
    pub device: Option<String>,
}

impl UserAgent {
    /// Reads a `<user-agent/>`.
    ///
    /// # Errors
    /// `malformed-request` for an id that is no UUID of version 4.
    pub fn read(element: &Element) -> Result<Self, Failure> {
        let malformed = Failure::malformed("the id of the user-agent is no UUID of version 4");
        let id = element.attr("id").map(|id| UserAgentId::parse(id).ok_or(malformed)).transpose()?;
        let text = |name| element.get_child(name, ns::SASL2).and_then(|child| worth_showing(&child.text()));
        Ok(Self { id, software: text("software"), device: text("device") })
    }
}

/// The text on one line, cut to its bound; None when nothing is left.
fn worth_showing(text: &str) -> Option<String> {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut shown = String::new();
    for c in line.trim().chars() {
        if shown.len() + c.len_utf8() > USER_AGENT_TEXT_BYTES_MAX {
            break;
        }
        shown.push(c);
    }
    Some(shown).filter(|shown| !shown.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::Condition;

    fn read(text: &str) -> Result<UserAgent, Failure> {
        UserAgent::read(&text.parse().unwrap())
    }

    #[test]
    fn the_id_is_a_uuid_of_version_4() {
        assert!(UserAgentId::parse("d4565fa7-4d72-4749-b3d3-740edbf87770").is_some());
        assert_eq!(
            UserAgentId::parse("D4565FA7-4D72-4749-B3D3-740EDBF87770"),
            UserAgentId::parse("d4565fa7-4d72-4749-b3d3-740edbf87770")
        );
        for wrong in [
            "",
            "phone",
            "d4565fa7-4d72-1749-b3d3-740edbf87770",
            "d4565fa7-4d72-4749-73d3-740edbf87770",
            "d4565fa74d724749b3d3740edbf87770",
            "+4565fa7-4d72-4749-b3d3-740edbf87770",
            "d4565fa7-4d72-4749-b3d3-740edbf877700",
        ] {
            assert_eq!(UserAgentId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn texts_are_one_line_and_bounded() {
        let agent = read(&format!(
            "<user-agent xmlns='{}'><software> Awesome\nXMPP </software><device>{}</device></user-agent>",
            ns::SASL2,
            "鳥".repeat(500)
        ))
        .unwrap();
        assert_eq!((agent.id, agent.software.as_deref()), (None, Some("Awesome XMPP")));
        assert!((USER_AGENT_TEXT_BYTES_MAX - 2..=USER_AGENT_TEXT_BYTES_MAX).contains(&agent.device.unwrap().len()));
        let empty = read(&format!("<user-agent xmlns='{}'><software> </software></user-agent>", ns::SASL2));
        assert_eq!(empty, Ok(UserAgent::default()));
    }

    #[test]
    fn a_wrong_id_is_refused() {
        let refusal = read(&format!("<user-agent xmlns='{}' id='phone'/>", ns::SASL2)).unwrap_err();
        assert_eq!(refusal.condition, Condition::MalformedRequest);
    }
}
