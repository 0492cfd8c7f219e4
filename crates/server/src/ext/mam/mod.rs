//! XEP-0313: the archive is read by its owner. [`query`] reads what is asked, [`result`] writes what is found.

mod query;
mod result;

use jid::Jid;
use storage::archive::{self, Page};
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::xep::{data_form, rsm};

use super::{Reply, Request};
use crate::clock;
use query::Query;
use result::ResultWriter;

/// Answers `<query/>` and `<metadata/>`. The messages of a page are sent before this returns the `<fin/>` that ends
/// it (XEP-0313 §4).
///
/// # Errors
/// `forbidden` for another's account, `item-not-found` when a message that the query names is not in the archive;
/// [`Query::read`] names the others.
pub async fn handle(request: &Request<'_>) -> Reply {
    let session = request.own_session()?;
    match (request.payload.name(), request.set) {
        ("query", true) => {}
        ("query", false) => return Ok(form().to_string()),
        ("metadata", false) => return metadata(request).await,
        _ => return Err(Condition::BadRequest.into()),
    }
    let account = &session.account;
    let query = Query::read(request.payload, &request.host.config.limits)?;
    let page = archive::page(&request.host.db, account.id, &query.filter, &query.paging).await?;
    let page = page.ok_or_else(|| StanzaError::new(Condition::ItemNotFound))?;
    let to: &Jid = &session.jid;
    let writer = ResultWriter::new(to.as_str(), account.jid.as_str(), query.queryid.as_deref());
    let messages = page.messages.iter();
    if query.flip {
        for message in messages.rev() {
            session.reply(writer.write(message)).await;
        }
    } else {
        for message in messages {
            session.reply(writer.write(message)).await;
        }
    }
    Ok(fin(&query, &page).to_string())
}

/// The ends of the archive (XEP-0313 §5).
async fn metadata(request: &Request<'_>) -> Reply {
    let account = &request.own_session()?.account;
    Ok(metadata_xml(archive::metadata(&request.host.db, account.id).await?).to_string())
}

/// The `<metadata/>` of an archive with those ends; None: it is empty.
pub fn metadata_xml(ends: Option<(storage::ArchiveId, storage::ArchiveId)>) -> Xml {
    let end = |name, id: storage::ArchiveId| {
        Xml::bare(name).attr("id", id.to_string()).attr("timestamp", clock::xmpp_time(id.at_ms()))
    };
    let metadata = Xml::new("metadata", ns::MAM);
    match ends {
        Some((first, last)) => metadata.child(end("start", first)).child(end("end", last)),
        None => metadata,
    }
}

/// The fields a query may have (XEP-0313 §4.1.5).
fn form() -> Xml {
    let field = |var, kind| Xml::bare("field").attr("var", var).attr("type", kind);
    let fields = vec![
        field("with", "jid-single"),
        field("start", "text-single"),
        field("end", "text-single"),
        field("before-id", "text-single"),
        field("after-id", "text-single"),
        // XEP-0313 §4.1.5: the ids there are cannot be listed, so the list is open.
        field("ids", "list-multi")
            .child(Xml::new("validate", ns::DATA_VALIDATE).attr("datatype", "xs:string").child(Xml::bare("open"))),
    ];
    Xml::new("query", ns::MAM).child(data_form::form(ns::MAM, None, None, fields))
}

/// The end of a page: which it was, and whether anything is left in its direction.
fn fin(query: &Query, page: &Page) -> Xml {
    let id = |message: &archive::Stored| message.id.to_string();
    let first = page.messages.first().map(id);
    let last = page.messages.last().map(id);
    // What the page itself shows of the whole costs nothing to tell.
    let is_whole = query.is_unpaged() && page.complete;
    let begins = query.begins_at_start() || is_whole;
    let index = page.index.or(begins.then_some(0)).filter(|_| first.is_some());
    let count = page.count.or(u64::try_from(page.messages.len()).ok().filter(|_| is_whole));
    let set = rsm::page(first.as_deref(), last.as_deref(), index, count);
    let complete = page.complete.then_some("true");
    Xml::new("fin", ns::MAM).attr_opt("complete", complete).child(set)
}

#[cfg(test)]
mod tests {
    use minidom::Element;
    use storage::ArchiveId;
    use storage::archive::{Direction, Stored};

    use super::*;
    use crate::limits::Limits;

    fn query(set: &str) -> Query {
        let xml = format!("<query xmlns='{}'><set xmlns='{}'>{set}</set></query>", ns::MAM, ns::RSM);
        Query::read(&xml.parse().unwrap(), &Limits::default()).unwrap()
    }

    fn page(ids: &[i64], complete: bool) -> Page {
        let messages = ids.iter().map(|id| Stored {
            id: ArchiveId::from_i64(*id).unwrap(),
            peer: "bob@example.org".into(),
            peer_resource: None,
            direction: Direction::Received,
            stanza: "<message/>".into(),
        });
        Page { messages: messages.collect(), complete, count: None, index: None }
    }

    fn set(body: &str) -> String {
        format!("<set xmlns='{}'>{body}</set>", ns::RSM)
    }

    #[test]
    fn a_first_page_that_is_complete_tells_index_and_count() {
        let expected = set("<first index='0'>0000000000001</first><last>0000000000002</last><count>2</count>");
        assert_eq!(
            fin(&query(""), &page(&[1, 2], true)).to_string(),
            format!("<fin xmlns='{}' complete='true'>{expected}</fin>", ns::MAM)
        );
    }

    #[test]
    fn a_page_in_the_middle_tells_only_its_ends() {
        let expected = set("<first>0000000000003</first><last>0000000000004</last>");
        assert_eq!(
            fin(&query("<after>0000000000002</after>"), &page(&[3, 4], false)).to_string(),
            format!("<fin xmlns='{}'>{expected}</fin>", ns::MAM)
        );
    }

    #[test]
    fn a_count_without_messages_is_no_complete_answer() {
        let page = Page { count: Some(7), ..page(&[], false) };
        assert_eq!(
            fin(&query("<max>0</max>"), &page).to_string(),
            format!("<fin xmlns='{}'>{}</fin>", ns::MAM, set("<count>7</count>"))
        );
    }

    #[test]
    fn every_field_of_the_form_can_be_submitted() {
        let form: Element = form().to_string().parse().unwrap();
        let form = form.get_child("x", ns::DATA_FORMS).unwrap();
        let vars = form.children().filter_map(|field| field.attr("var")).filter(|var| *var != "FORM_TYPE");
        assert_eq!(vars.collect::<Vec<_>>(), query::FIELDS);
    }
}
