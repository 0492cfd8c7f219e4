//! Avatars in both places (XEP-0398): one that is published for everybody (XEP-0084) becomes the photo of the vCard, a
//! vCard's photo is published, and presence says which it is (XEP-0153).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jid::Jid;
use minidom::Element;
use storage::pubsub;
use storage::vcards::{self, Vcard};
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::stanza::Stanza;
use xmpp::xep::pubsub::{AccessModel, Config, Publication};

use super::node::{Node, Nodes};
use super::{Failure, owner, publish};
use crate::accounts::Account;
use crate::ext::vcard::{photo_bytes, photo_sha1};
use crate::host::Host;
use crate::presence;

/// What is known of the photo of an account's vCard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Photo {
    /// Not looked up yet.
    #[default]
    Unknown,
    /// Its SHA-1 in hex, if there is one.
    Known(Option<Arc<str>>),
}

/// What is said of an avatar was published: its image becomes the vCard's photo, if everybody may see it.
pub(super) async fn published(host: &Arc<Host>, account: &Arc<Account>, metadata: &str) -> Result<(), Failure> {
    let Ok(metadata) = metadata.parse::<Element>() else { return Ok(()) };
    let Some(image) = described(&metadata) else {
        // XEP-0084 §4.2.4: no avatar any more.
        if metadata.children().next().is_none() {
            replace_photo(host, account, None).await?;
        }
        return Ok(());
    };
    let is_open =
        |nodes: &Nodes| nodes.find(ns::AVATAR_DATA).is_some_and(|node| node.config.access_model == AccessModel::Open);
    if !account.read_nodes(&host.db, is_open).await? {
        return Ok(());
    }
    let Some(item) = pubsub::item(&host.db, account.id, ns::AVATAR_DATA, &image.id).await? else { return Ok(()) };
    let Ok(item) = item.payload.parse::<Element>() else { return Ok(()) };
    let photo = Element::builder("PHOTO", ns::VCARD)
        .append(Element::builder("TYPE", ns::VCARD).append(image.kind))
        .append(Element::builder("BINVAL", ns::VCARD).append(item.text()))
        .build();
    let card = Element::builder("vCard", ns::VCARD).append(photo.clone()).build();
    // XEP-0398 §3.1: the image must be the one that was announced.
    if photo_sha1(&card).as_deref() == Some(image.id.as_str()) {
        replace_photo(host, account, Some(photo)).await?;
    }
    Ok(())
}

struct Image {
    id: String,
    kind: String,
}

/// XEP-0398 §3.1: the image that is here, and not at some address.
fn described(metadata: &Element) -> Option<Image> {
    let here = |info: &&Element| info.is("info", ns::AVATAR_METADATA) && info.attr("url").is_none();
    let info = metadata.children().find(here)?;
    Some(Image { id: info.attr("id")?.to_ascii_lowercase(), kind: info.attr("type").unwrap_or("image/png").to_owned() })
}

/// Puts a photo into the vCard, or takes it out, and tells those who receive the user's presence.
async fn replace_photo(host: &Arc<Host>, account: &Arc<Account>, photo: Option<Element>) -> Result<(), Failure> {
    let stored = vcards::load(&host.db, account.id).await?;
    let mut card = match stored.as_ref().and_then(|stored| stored.xml.parse::<Element>().ok()) {
        Some(card) => card,
        None if photo.is_none() => return Ok(()),
        None => Element::bare("vCard", ns::VCARD),
    };
    while card.remove_child("PHOTO", ns::VCARD).is_some() {}
    if let Some(photo) = photo {
        card.append_child(photo);
    }
    let vcard = Vcard { xml: String::from(&card), photo_sha1: photo_sha1(&card) };
    if vcard.xml.len() > host.config.limits.vcard_bytes_max || stored.as_ref() == Some(&vcard) {
        return Ok(());
    }
    let hash = vcard.photo_sha1.as_deref().map(Arc::from);
    vcards::store(&host.db, account.id, vcard).await?;
    account.set_photo(hash.clone());
    presence::photo_changed(host, account, hash.as_deref()).await?;
    Ok(())
}

/// A vCard was stored by its owner: its photo is published (XEP-0398 §3.2). The client tells of it by presence
/// (XEP-0153 §3.1).
pub async fn from_vcard(host: &Arc<Host>, account: &Arc<Account>, from: &Jid, card: &Element) -> Result<(), Failure> {
    let hash = photo_sha1(card);
    account.set_photo(hash.as_deref().map(Arc::from));
    let (Some(hash), Some(image)) = (hash, photo_bytes(card)) else { return Ok(()) };
    let kind = card.get_child("PHOTO", ns::VCARD).and_then(|photo| photo.get_child("TYPE", ns::VCARD));
    let kind = kind.map(|kind| kind.text().trim().to_owned()).filter(|kind| !kind.is_empty());
    let data = Xml::new("data", ns::AVATAR_DATA).text(STANDARD.encode(&image));
    let info = Xml::bare("info")
        .attr("bytes", image.len().to_string())
        .attr("id", &hash)
        .attr("type", kind.as_deref().unwrap_or("image/png"));
    let metadata = Xml::new("metadata", ns::AVATAR_METADATA).child(info);
    for (node, payload) in [(ns::AVATAR_DATA, data), (ns::AVATAR_METADATA, metadata)] {
        let publication = Publication {
            node: node.to_owned(),
            id: Some(hash.clone()),
            payload: payload.to_string(),
            payload_ns: node.to_owned(),
            options: None,
        };
        // Within the lock alone: what was published comes from the vCard and need not go back there.
        let mut held = account.hold_nodes(&host.db).await?;
        let nodes = &mut held.nodes;
        let stored = match open_node(host, account, nodes, node).await {
            Ok(()) => publish::store(host, account, from, nodes, publication).await.map(drop),
            Err(failure) => Err(failure),
        };
        held.put_back_after(stored)?;
    }
    Ok(())
}

/// Everybody may read the vCard: a node that is made for its photo is open too.
async fn open_node(host: &Host, account: &Account, nodes: &mut Nodes, name: &str) -> Result<(), Failure> {
    if nodes.find(name).is_some() {
        return Ok(());
    }
    let config = publish::created(host, nodes, name, None, publish::Unknown::Ignored)?;
    let config = Config { access_model: AccessModel::Open, ..config };
    owner::store(host, account, nodes, name, Node { config, ..Node::default() }).await
}

/// The presence with the photo's hash in it (XEP-0398 §4, XEP-0153 §3.1); `None` where it is to stay as it is. With
/// `is_news` what stands there is old, and not the client's wish.
pub fn with_photo(presence: &Stanza, hash: Option<&str>, is_news: bool) -> Option<Stanza> {
    let x = presence.element.child("x", ns::VCARD_UPDATE);
    let photo = match &x {
        Some(x) => x
            .to_element()
            .ok()?
            .child("photo", ns::VCARD_UPDATE)
            .map(|photo| photo.text().map(|text| text.trim().to_owned()).unwrap_or_default()),
        None => None,
    };
    let is_wrong = match (&x, photo.as_deref(), hash) {
        (None, _, hash) => hash.is_some(),
        // Not ready, or rather no hash: the server knows better.
        (Some(_), None, _) => true,
        (Some(_), Some(told), hash) if is_news => told != hash.unwrap_or_default(),
        (Some(_), Some(told), hash) => !told.is_empty() && hash.is_some_and(|hash| hash != told),
    };
    if !is_wrong {
        return None;
    }
    let photo = Xml::bare("photo").text(hash.unwrap_or_default());
    let x = Xml::new("x", ns::VCARD_UPDATE).child(photo).to_string();
    Stanza::from_text(presence.to_xml(|child| !child.is("x", ns::VCARD_UPDATE), &x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(x: &str, hash: Option<&str>, is_news: bool) -> Option<String> {
        let presence = Stanza::from_text(format!("<presence><status>hi</status>{x}</presence>")).unwrap();
        with_photo(&presence, hash, is_news).map(|stanza| {
            stanza.to_xml(|_| true, "").replace("<presence><status>hi</status>", "").replace("</presence>", "")
        })
    }

    #[test]
    fn presence_says_which_photo_it_is_unless_the_client_wants_none() {
        let x = |photo: &str| format!("<x xmlns='{}'>{photo}</x>", ns::VCARD_UPDATE);
        let empty = format!("<x xmlns='{}'/>", ns::VCARD_UPDATE);
        let told = x("<photo>1</photo>");
        assert_eq!(stamped("", Some("1"), false), Some(told.clone()));
        assert_eq!(stamped("", None, false), None);
        assert_eq!(stamped(&empty, Some("1"), false), Some(told.clone()));
        assert_eq!(stamped(&empty, None, false), Some(x("<photo/>")));
        assert_eq!(stamped(&x("<photo/>"), Some("1"), false), None);
        assert_eq!(stamped(&told, Some("1"), false), None);
        assert_eq!(stamped(&told, Some("2"), false), Some(x("<photo>2</photo>")));
        assert_eq!(stamped(&told, None, false), None);
        assert_eq!(stamped(&told, None, true), Some(x("<photo/>")));
        assert_eq!(stamped(&x("<photo/>"), Some("2"), true), Some(x("<photo>2</photo>")));
    }

    #[test]
    fn the_image_that_is_here_is_chosen() {
        let read = |infos: &str| {
            let metadata = format!("<metadata xmlns='{}'>{infos}</metadata>", ns::AVATAR_METADATA);
            described(&metadata.parse().unwrap()).map(|image| (image.id, image.kind))
        };
        let away = "<info id='a' type='image/gif' url='http://x/a'/>";
        assert_eq!(read(away), None);
        assert_eq!(read(&format!("{away}<info id='B' type='image/png'/>")), Some(("b".into(), "image/png".into())));
    }
}
