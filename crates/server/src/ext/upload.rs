//! XEP-0363: the upload service, which grants slots. How a slot is used is HTTP's affair.

use minidom::Element;
use storage::uploads::{self, Described};
use xmpp::build::Xml;
use xmpp::error::{Condition, ErrorType, StanzaError};
use xmpp::ns;
use xmpp::xep::data_form;

use super::{Reply, Request};
use crate::media::{self, slot};

/// Answers whatever is asked of the service: what it is, and for a slot.
///
/// # Errors
/// `bad-request` for a faulty request, `forbidden` for who has no account here, `not-acceptable` for a file that is too
/// large, `resource-constraint` past the quota or with too many open slots.
pub async fn handle(request: &Request<'_>) -> Reply {
    match (request.payload.ns().as_str(), request.payload.name()) {
        _ if request.set => Err(Condition::NotAllowed.into()),
        (ns::DISCO_INFO | ns::DISCO_ITEMS, "query")
            if request.payload.attr("node").is_some_and(|node| !node.is_empty()) =>
        {
            Err(Condition::ItemNotFound.into())
        }
        (ns::DISCO_INFO, "query") => Ok(info(request.host.config.media.max_size)),
        (ns::DISCO_ITEMS, "query") => Ok(Xml::new("query", ns::DISCO_ITEMS).to_string()),
        (ns::PING, "ping") => Ok(String::new()),
        (ns::HTTP_UPLOAD, "request") => grant(request).await,
        _ => Err(Condition::ServiceUnavailable.into()),
    }
}

fn info(max_size: u64) -> String {
    let identity =
        Xml::bare("identity").attr("category", "store").attr("type", "file").attr("name", "HTTP File Upload");
    let features = [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::HTTP_UPLOAD, ns::PING];
    let field = data_form::values("max-file-size", "text-single", [max_size.to_string()]);
    Xml::new("query", ns::DISCO_INFO)
        .child(identity)
        .children(features.map(|feature| Xml::bare("feature").attr("var", feature)))
        .child(data_form::result(ns::HTTP_UPLOAD, vec![field]))
        .to_string()
}

async fn grant(request: &Request<'_>) -> Reply {
    let session = request.session.ok_or(Condition::Forbidden)?;
    let host = request.host;
    let (file_name, content_type, bytes) = asked(request.payload, host.config.media.max_size)?;
    let described = Described { token: slot::new_token().map_err(internal)?, file_name, content_type, bytes };
    let (limits, now_ms) = (&host.config.limits, host.clock.now_ms());
    let expires_at_ms = now_ms.saturating_add(i64::try_from(limits.upload_slot_secs).unwrap_or(i64::MAX) * 1000);
    // Under the roster's lock: two sessions that ask at once must not both get the last bytes of the quota.
    let refused = session.account.with_roster(&host.db, async |_| {
        let usage = uploads::usage(&host.db, session.account.id, now_ms).await?;
        let refused = refusal(
            &usage,
            bytes,
            host.config.media.quota,
            limits.upload_slots_per_account_max,
            limits.uploads_per_account_max,
        );
        if refused.is_none() {
            uploads::grant(&host.db, session.account.id, &described, now_ms, expires_at_ms).await?;
        }
        Ok(refused)
    });
    if let Some(refused) = refused.await? {
        return Err(refused);
    }
    let put = Xml::bare("put").attr("url", slot::put_url(host, &described).map_err(internal)?);
    let get = Xml::bare("get").attr("url", slot::get_url(host, &described));
    Ok(Xml::new("slot", ns::HTTP_UPLOAD).child(put).child(get).to_string())
}

/// File name, media type and size.
fn asked(payload: &Element, max_size: u64) -> Result<(String, String, u64), StanzaError> {
    let faulty = |text| StanzaError::with_text(Condition::BadRequest, text);
    let file_name = payload.attr("filename").ok_or_else(|| faulty("filename is missing"))?;
    let size = payload.attr("size").and_then(|size| size.parse::<u64>().ok()).filter(|size| *size > 0);
    let size = size.ok_or_else(|| faulty("size must be a number of bytes above 0"))?;
    if size > max_size {
        return Err(StanzaError::with_text(Condition::NotAcceptable, "the file is too large")
            .with_application("file-too-large", ns::HTTP_UPLOAD)
            .with_application_number("max-file-size", max_size));
    }
    let content_type = payload.attr("content-type").unwrap_or_default().trim();
    if !content_type.is_empty() && !media::is_content_type(content_type) {
        return Err(faulty("content-type is no media type"));
    }
    Ok((media::tidy(file_name), content_type.to_owned(), size))
}

/// Why an account gets no further slot.
fn refusal(usage: &uploads::Usage, bytes: u64, quota: u64, slots_max: u64, files_max: u64) -> Option<StanzaError> {
    let refused = |text| StanzaError::with_text(Condition::ResourceConstraint, text).of_type(ErrorType::Wait);
    let taken = usage.bytes.saturating_add(usage.slot_bytes);
    if usage.slots >= slots_max {
        Some(refused("too many uploads were asked for and not begun: use them, or wait until they expire"))
    } else if taken.saturating_add(bytes) > quota || usage.files.saturating_add(usage.slots) >= files_max {
        Some(refused("there is no room for more files of this account"))
    } else {
        None
    }
}

fn internal(error: media::Error) -> StanzaError {
    match error {
        media::Error::Storage(error) => error.into(),
        _ => Condition::InternalServerError.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_for(attributes: &str) -> Result<(String, String, u64), StanzaError> {
        let payload: Element = format!("<request xmlns='{}' {attributes}/>", ns::HTTP_UPLOAD).parse().unwrap();
        asked(&payload, 1_000)
    }

    #[test]
    fn a_request_names_file_and_size() {
        let (name, kind, size) = asked_for("filename='../a b.jpg' size='1000' content-type='image/jpeg'").unwrap();
        assert_eq!((name.as_str(), kind.as_str(), size), ("a b.jpg", "image/jpeg", 1_000));
        for faulty in [
            "size='5'",
            "filename='a'",
            "filename='a' size='0'",
            "filename='a' size='-1'",
            "filename='a' size='99999999999999999999'",
            "filename='a' size='5' content-type='not a type'",
        ] {
            assert_eq!(asked_for(faulty).unwrap_err().condition, Condition::BadRequest, "{faulty}");
        }
        let too_large = asked_for("filename='a' size='1001'").unwrap_err();
        assert_eq!(too_large.condition, Condition::NotAcceptable);
        assert!(too_large.to_xml().contains("<max-file-size>1000</max-file-size></file-too-large>"));
    }

    #[test]
    fn quota_slots_and_files_are_bounded() {
        let usage = uploads::Usage { files: 3, bytes: 500, slots: 2, slot_bytes: 300 };
        let refused = |bytes, slots_max, files_max| refusal(&usage, bytes, 1_000, slots_max, files_max).is_some();
        assert!(!refused(200, 3, 6));
        assert!(refused(201, 3, 6) && refused(200, 2, 6) && refused(200, 3, 5) && refused(u64::MAX, 3, 6));
    }
}
