//! XEP-0490 server assist: a message says on its way what the sender's other devices are to know, that a chat was
//! displayed up to a stanza. It is taken out before anybody sees it, and published.

use std::sync::Arc;

use xmpp::build::Xml;
use xmpp::ns;
use xmpp::stanza::Stanza;
use xmpp::xep::pubsub::Publication;

use super::publish;
use crate::host::Host;
use crate::sessions::Session;

/// Takes `<displayed/>` out of a message of the session's client and publishes it. The message goes its way whatever
/// becomes of that.
pub async fn take(host: &Arc<Host>, session: &Arc<Session>, message: &mut Stanza) {
    if !message.has("displayed", ns::DISPLAYED) {
        return;
    }
    let publication = publication(message);
    let without = message.to_xml(|child| !child.is("displayed", ns::DISPLAYED), "");
    if let Some(stripped) = Stanza::from_text(without) {
        *message = stripped;
    }
    let Some(publication) = publication else { return };
    if let Err(failure) = publish::publish(host, &session.account, &session.full_jid(), publication).await {
        tracing::debug!(?failure, "what was displayed was not published");
    }
}

/// The item is named by the address as it was written (XEP-0490 §5.3.2). None: nothing that could be published.
fn publication(message: &Stanza) -> Option<Publication> {
    let id = message.element.attr("to").filter(|to| !to.is_empty())?.into_owned();
    let displayed = message.element.child("displayed", ns::DISPLAYED)?.to_element().ok()?;
    let stanza_id = displayed.child("stanza-id", ns::STANZA_ID)?;
    let stanza_id = Xml::new("stanza-id", ns::STANZA_ID)
        .attr_opt("by", stanza_id.attr("by"))
        .attr("id", stanza_id.attr("id").filter(|id| !id.is_empty())?);
    let payload = Xml::new("displayed", ns::DISPLAYED).child(stanza_id).to_string();
    let (node, payload_ns) = (ns::DISPLAYED.to_owned(), ns::DISPLAYED.to_owned());
    Some(Publication { node, id: Some(id), payload, payload_ns, options: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(displayed: &str) -> Option<Publication> {
        publication(&Stanza::from_text(format!("<message to='a@b'>{displayed}</message>")).unwrap())
    }

    #[test]
    fn only_the_id_of_a_stanza_is_taken_over() {
        let displayed = |inner: &str| format!("<displayed xmlns='{}'>{inner}</displayed>", ns::DISPLAYED);
        let id = format!("<stanza-id xmlns='{}' by='b' id='1&amp;'><secret/></stanza-id>", ns::STANZA_ID);
        let publication = read(&displayed(&format!("{id}<more/>"))).unwrap();
        assert_eq!(publication.id.as_deref(), Some("a@b"));
        assert_eq!(publication.payload, displayed(&id.replace("><secret/></stanza-id>", "/>")));
        assert!(read(&displayed("")).is_none());
        assert!(read(&displayed(&id.replace("1&amp;", ""))).is_none());
        assert!(read(&id).is_none());
    }
}
