//! The form of the page: what proves that it is ours, and what is filled in.

use std::collections::HashMap;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use jid::NodePart;
use url::form_urlencoded;
use xmpp::address;
use xmpp::sasl::{Hash, Password, hash};

/// How long a form is good for.
const FORM_MS: i64 = 3_600_000;
/// Characters of a password chosen here.
const PASSWORD_CHARS_MIN: usize = 8;
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Seals forms for one invitation: nobody else can make one that is taken.
pub(super) struct Seal {
    key: Vec<u8>,
}

impl Seal {
    /// With the server's secret.
    pub(super) fn new(secret: &[u8], token: &str) -> Self {
        Self { key: Hash::Sha256.hmac(secret, format!("invite form\0{token}").as_bytes()) }
    }

    /// The hidden value of a form that is shown now.
    pub(super) fn make(&self, now_ms: i64) -> String {
        let until_ms = now_ms.saturating_add(FORM_MS);
        format!("{until_ms}.{}", self.mac(until_ms))
    }

    fn holds(&self, value: &str, now_ms: i64) -> bool {
        let Some((until, mac)) = value.split_once('.') else { return false };
        let Ok(until_ms) = until.parse::<i64>() else { return false };
        hash::equal(mac.as_bytes(), self.mac(until_ms).as_bytes()) && now_ms < until_ms
    }

    fn mac(&self, until_ms: i64) -> String {
        let mac = Hash::Sha256.hmac(&self.key, &until_ms.to_be_bytes());
        mac.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A form that can be used.
pub(super) struct Filled {
    pub(super) localpart: NodePart,
    pub(super) password: Password,
}

impl Filled {
    /// Reads what was sent.
    ///
    /// # Errors
    /// A sentence for the person who filled it in.
    pub(super) fn read(body: &[u8], seal: &Seal, now_ms: i64) -> Result<Self, &'static str> {
        let fields: HashMap<_, _> = form_urlencoded::parse(body).collect();
        let field = |name: &str| fields.get(name).map_or("", |value| value.as_ref());
        if !seal.holds(field("form"), now_ms) {
            return Err("This form was open for too long. Please try again.");
        }
        let name = field("username").trim();
        if name.is_empty() {
            return Err("Please choose a name.");
        }
        let localpart = address::localpart(name)
            .ok_or("This name cannot be used: take letters and digits, no spaces and none of @ / : & ' \" < >.")?;
        let password = field("password");
        if password.chars().count() < PASSWORD_CHARS_MIN {
            return Err("Please choose a password of at least 8 characters.");
        }
        let password =
            Password::prepare(password).map_err(|_| "This password cannot be used. Please choose another.")?;
        Ok(Self { localpart, password })
    }
}

/// Whether a form comes from a page of ours, as far as the browser says.
pub(super) fn is_own(parts: &Parts, host: Option<&str>) -> bool {
    let text = |name: &HeaderName| field(&parts.headers, name);
    if let Some(site) = text(&FETCH_SITE) {
        return site == "same-origin";
    }
    match text(&header::ORIGIN) {
        Some(origin) => origin.split_once("://").map(|(_, own)| own) == host && host.is_some(),
        None => true,
    }
}

fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn read(body: &str, now_ms: i64) -> Result<String, &'static str> {
        let seal = Seal::new(&[1; 32], "token");
        let body = body.replace("SEAL", &seal.make(0));
        Filled::read(body.as_bytes(), &seal, now_ms).map(|filled| filled.localpart.to_string())
    }

    #[test]
    fn a_form_is_good_for_an_hour_and_for_its_invitation() {
        let filled = "form=SEAL&username=Carol&password=correct+horse";
        assert_eq!(read(filled, FORM_MS - 1).unwrap(), "carol");
        assert!(read(filled, FORM_MS).unwrap_err().contains("too long"));
        assert!(read("username=Carol&password=correct+horse", 0).unwrap_err().contains("too long"));
        let others = Seal::new(&[1; 32], "another").make(0);
        assert!(read(&format!("form={others}&username=carol&password=correct+horse"), 0).is_err());
        for forged in ["", ".", "9999999999999.", "9999999999999.00", "x.y"] {
            assert!(read(&format!("form={forged}&username=carol&password=correct+horse"), 0).is_err(), "{forged}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_in_a_sentence() {
        for (rest, said) in [
            ("password=correct+horse", "choose a name"),
            ("username=++&password=correct+horse", "choose a name"),
            ("username=a%40b&password=correct+horse", "cannot be used"),
            ("username=carol&password=1234567", "at least 8"),
            ("username=carol", "at least 8"),
            ("username=carol&password=%07%07%07%07%07%07%07%07", "cannot be used"),
        ] {
            let why = read(&format!("form=SEAL&{rest}"), 0).unwrap_err();
            assert!(why.contains(said), "{rest}: {why}");
        }
    }

    #[test]
    fn a_form_of_another_page_is_known_by_what_the_browser_says() {
        let own = |fields: &[(&str, &str)]| {
            let request =
                fields.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
            is_own(&request.body(()).unwrap().into_parts().0, Some("example.org:5443"))
        };
        assert!(own(&[]) && own(&[("sec-fetch-site", "same-origin")]));
        assert!(own(&[("origin", "https://example.org:5443")]));
        for fields in [
            [("sec-fetch-site", "cross-site"), ("origin", "https://example.org:5443")],
            [("sec-fetch-site", "same-site"), ("origin", "https://example.org:5443")],
            [("x", "y"), ("origin", "https://example.org")],
            [("x", "y"), ("origin", "null")],
        ] {
            assert!(!own(&fields), "{fields:?}");
        }
    }
}
