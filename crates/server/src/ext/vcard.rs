//! XEP-0054: visiting cards, which everybody may read. The hash of the photo is kept for XEP-0153.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use minidom::Element;
use storage::vcards::{self, Vcard};
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;

use super::{Reply, Request};
use crate::pep;

/// Clients pad as they like.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Answers `<vCard/>`: an account's card to everybody, a new card from its owner.
///
/// # Errors
/// `item-not-found` when the asker has no card, `service-unavailable` when somebody else has none, `forbidden` to set
/// another's card, `not-acceptable` for one bigger than `vcard_bytes_max`.
pub async fn handle(request: &Request<'_>) -> Reply {
    if request.set {
        return set(request).await;
    }
    // XEP-0054 §3.3: an account without a card looks like no account at all, or addresses could be harvested.
    let nobody = || StanzaError::new(Condition::ServiceUnavailable);
    let account = request.account.ok_or_else(nobody)?;
    match vcards::load(&request.host.db, account.id).await? {
        Some(vcard) => Ok(vcard.xml),
        None if request.own_session().is_ok() => Err(Condition::ItemNotFound.into()),
        None => Err(nobody()),
    }
}

async fn set(request: &Request<'_>) -> Reply {
    let account = &request.own_session()?.account;
    let xml = String::from(request.payload);
    if xml.len() > request.host.config.limits.vcard_bytes_max {
        return Err(StanzaError::with_text(Condition::NotAcceptable, "the vCard is too big"));
    }
    let vcard = Vcard { xml, photo_sha1: photo_sha1(request.payload) };
    vcards::store(&request.host.db, account.id, vcard).await?;
    pep::from_vcard(request.host, account, request.from, request.payload).await?;
    Ok(String::new())
}

/// SHA-1 of the photo's bytes in lower-case hex (XEP-0153); None without a photo that can be decoded.
pub(crate) fn photo_sha1(vcard: &Element) -> Option<String> {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &photo_bytes(vcard)?);
    Some(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The photo's bytes; None without a photo that can be decoded.
pub(crate) fn photo_bytes(vcard: &Element) -> Option<Vec<u8>> {
    let encoded = vcard.get_child("PHOTO", ns::VCARD)?.get_child("BINVAL", ns::VCARD)?.text();
    let encoded: String = encoded.split_ascii_whitespace().collect();
    BASE64.decode(encoded).ok().filter(|photo| !photo.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha1_of(binval: &str) -> Option<String> {
        let vcard = format!("<vCard xmlns='{}'><PHOTO><BINVAL>{binval}</BINVAL></PHOTO></vCard>", ns::VCARD);
        photo_sha1(&vcard.parse().unwrap())
    }

    #[test]
    fn a_photo_is_hashed_as_its_bytes_however_it_is_wrapped_and_padded() {
        // SHA-1 of "abc", FIPS 180-1 appendix A.
        let expected = Some("a9993e364706816aba3e25717850c26c9cd0d89d".to_owned());
        assert_eq!(sha1_of("YWJj"), expected);
        assert_eq!(sha1_of("\n  YW\n  Jj\n"), expected);
        assert_eq!(sha1_of("YWI="), sha1_of("YWI"));
        assert!(sha1_of("YWI").is_some());
    }

    #[test]
    fn a_missing_or_broken_photo_has_no_hash() {
        assert_eq!(sha1_of(""), None);
        assert_eq!(sha1_of("?"), None);
        assert_eq!(photo_sha1(&format!("<vCard xmlns='{}'><FN>A</FN></vCard>", ns::VCARD).parse().unwrap()), None);
    }
}
