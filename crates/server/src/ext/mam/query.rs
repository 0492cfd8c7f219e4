//! What a client asks of its archive: the form of XEP-0313 §4.1 and the page of XEP-0059.

use minidom::Element;
use storage::ArchiveId;
use storage::archive::{Before, Filter, Paging, With};
use xmpp::address;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::xep::data_form::Submission;
use xmpp::xep::rsm::{self, Anchor};

use crate::clock;
use crate::limits::Limits;

/// The fields of the form, FORM_TYPE aside.
pub(super) const FIELDS: [&str; 6] = ["with", "start", "end", "before-id", "after-id", "ids"];

/// A query as it was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Which messages.
    pub(super) filter: Filter,
    /// Which page of them.
    pub(super) paging: Paging,
    /// Marks the results (XEP-0313 §4).
    pub(super) queryid: Option<String>,
    /// The page is sent in reverse order (XEP-0313 §4.3.4).
    pub(super) flip: bool,
}

impl Query {
    /// Reads a `<query/>`.
    ///
    /// # Errors
    /// `feature-not-implemented` for a field nobody knows or a page by index, `bad-request` for a faulty form, time or
    /// number, `jid-malformed`, `policy-violation` for too many ids, `item-not-found` for a node or what cannot be an
    /// id of this archive.
    pub(super) fn read(query: &Element, limits: &Limits) -> Result<Self, StanzaError> {
        // Nodes are for the archives of publish-subscribe (XEP-0442), which accounts do not have.
        if query.attr("node").is_some() {
            return Err(Condition::ItemNotFound.into());
        }
        Ok(Self {
            filter: read_filter(query, limits)?,
            paging: read_paging(query, limits)?,
            queryid: query.attr("queryid").map(str::to_owned),
            flip: query.has_child("flip-page", ns::MAM),
        })
    }

    /// Whether the page begins where the filtered messages begin.
    pub(super) fn begins_at_start(&self) -> bool {
        self.paging.after.is_none() && self.paging.before.is_none()
    }

    /// Whether the page, when it is complete, holds all filtered messages.
    pub(super) fn is_unpaged(&self) -> bool {
        self.paging.after.is_none() && matches!(self.paging.before, None | Some(Before::End))
    }
}

fn read_filter(query: &Element, limits: &Limits) -> Result<Filter, StanzaError> {
    if !query.has_child("x", ns::DATA_FORMS) {
        return Ok(Filter::default());
    }
    let form = Submission::read(query).filter(|form| form.form_type() == Some(ns::MAM));
    let form = form.ok_or(StanzaError::with_text(Condition::BadRequest, "not a submitted form of the archive"))?;
    if form.vars().any(|var| var != "FORM_TYPE" && !FIELDS.contains(&var)) {
        return Err(StanzaError::with_text(Condition::FeatureNotImplemented, "unknown field"));
    }
    let ids_max = limits.mam_list_max.min(storage::limits::QUERY_IDS_MAX);
    let ids = form.values("ids");
    if ids.len() > ids_max {
        return Err(StanzaError::with_text(Condition::PolicyViolation, "too many ids"));
    }
    Ok(Filter {
        with: form.value("with").filter(|with| !with.is_empty()).map(read_with).transpose()?,
        start_ms: form.value("start").map(read_time).transpose()?,
        end_ms: form.value("end").map(read_time).transpose()?,
        after_id: form.value("after-id").map(read_id).transpose()?,
        before_id: form.value("before-id").map(read_id).transpose()?,
        ids: ids.iter().map(|id| read_id(id)).collect::<Result<_, _>>()?,
    })
}

fn read_with(text: &str) -> Result<With, StanzaError> {
    let jid = address::parse(text).ok_or(Condition::JidMalformed)?;
    let resource = jid.resource().map(|resource| resource.as_str().to_owned());
    Ok(With { bare: jid.into_bare().into_inner(), resource })
}

fn read_time(text: &str) -> Result<i64, StanzaError> {
    clock::parse_xmpp_time(text).ok_or(StanzaError::with_text(Condition::BadRequest, "not a time of XEP-0082"))
}

fn read_id(text: &str) -> Result<ArchiveId, StanzaError> {
    // Ids mean nothing to clients: what is no id of ours is one that does not exist.
    text.parse().map_err(|_| Condition::ItemNotFound.into())
}

fn read_paging(query: &Element, limits: &Limits) -> Result<Paging, StanzaError> {
    let request = rsm::Request::read(query)
        .map_err(|_| StanzaError::with_text(Condition::BadRequest, "not a number"))?
        .unwrap_or(rsm::Request { anchor: Anchor::First, max: None });
    let max = request.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(limits.mam_page_default);
    let max = u32::try_from(max.min(limits.mam_page_max)).unwrap_or(u32::MAX);
    let first = Paging { count: max == 0, ..Paging::first(max) };
    Ok(match request.anchor {
        Anchor::First => first,
        Anchor::Last => Paging { before: Some(Before::End), ..first },
        Anchor::After(id) => Paging { after: Some(read_id(&id)?), ..first },
        Anchor::Before(id) => Paging { before: Some(Before::Id(read_id(&id)?)), ..first },
        Anchor::Index(_) => {
            return Err(StanzaError::with_text(Condition::FeatureNotImplemented, "pages by index are not supported"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attributes: &str, children: &str) -> Result<Query, Condition> {
        let xml = format!("<query xmlns='{}' {attributes}>{children}</query>", ns::MAM);
        Query::read(&xml.parse().unwrap(), &Limits::default()).map_err(|error| error.condition)
    }

    fn form(fields: &[(&str, &str)]) -> String {
        let fields: String =
            fields.iter().map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>")).collect();
        format!(
            "<x xmlns='{}' type='submit'><field var='FORM_TYPE'><value>{}</value></field>{fields}</x>",
            ns::DATA_FORMS,
            ns::MAM
        )
    }

    fn filter(fields: &[(&str, &str)]) -> Result<Filter, Condition> {
        read("", &form(fields)).map(|query| query.filter)
    }

    fn paging(set: &str) -> Result<Paging, Condition> {
        read("", &format!("<set xmlns='{}'>{set}</set>", ns::RSM)).map(|query| query.paging)
    }

    fn id(number: i64) -> ArchiveId {
        ArchiveId::from_i64(number).unwrap()
    }

    #[test]
    fn an_empty_query_means_the_first_page_of_everything() {
        let query = read("queryid='f27'", "").unwrap();
        assert_eq!(query.filter, Filter::default());
        assert_eq!(query.paging, Paging::first(50));
        assert_eq!(query.queryid.as_deref(), Some("f27"));
        assert!(!query.flip && query.begins_at_start() && query.is_unpaged());
        assert!(read("", "<flip-page/>").unwrap().flip);
    }

    #[test]
    fn filters_are_read_from_the_form() {
        assert_eq!(
            filter(&[
                ("with", "Juliet@capulet.lit/Balcony"),
                ("start", "2010-06-07T00:00:00Z"),
                ("end", "2010-06-07T02:00:01+02:00"),
                ("after-id", "0000000000001"),
                ("before-id", "0000000000009"),
                ("ids", "0000000000005"),
            ]),
            Ok(Filter {
                with: Some(With { bare: "juliet@capulet.lit".into(), resource: Some("Balcony".into()) }),
                start_ms: Some(1_275_868_800_000),
                end_ms: Some(1_275_868_801_000),
                after_id: Some(id(1)),
                before_id: Some(id(9)),
                ids: vec![id(5)],
            })
        );
        let bare = With { bare: "capulet.lit".into(), resource: None };
        assert_eq!(filter(&[("with", "capulet.lit")]).unwrap().with, Some(bare));
    }

    #[test]
    fn faulty_forms_name_their_condition() {
        for (field, value, expected) in [
            ("with", "a@@", Condition::JidMalformed),
            ("start", "yesterday", Condition::BadRequest),
            ("end", "2010-06-07", Condition::BadRequest),
            ("after-id", "28482-98726-73623", Condition::ItemNotFound),
            ("before-id", "", Condition::ItemNotFound),
            ("ids", "x", Condition::ItemNotFound),
            ("include-groupchat", "true", Condition::FeatureNotImplemented),
            ("{http://example.com/}free-text-search", "x", Condition::FeatureNotImplemented),
        ] {
            assert_eq!(filter(&[(field, value)]), Err(expected), "{field} {value}");
        }
        let unfilled = format!("<x xmlns='{}' type='form'/>", ns::DATA_FORMS);
        assert_eq!(read("", &unfilled), Err(Condition::BadRequest));
        assert_eq!(read("", &form(&[]).replace(ns::MAM, "urn:xmpp:mam:1")), Err(Condition::BadRequest));
        assert_eq!(read("node='x'", ""), Err(Condition::ItemNotFound));
    }

    #[test]
    fn a_query_names_no_more_ids_than_the_limit() {
        let ids = |count: usize| {
            let values = "<value>0000000000005</value>".repeat(count);
            form(&[]).replace("</x>", &format!("<field var='ids'>{values}</field></x>"))
        };
        let max = Limits::default().mam_list_max;
        assert_eq!(read("", &ids(max)).unwrap().filter.ids.len(), max);
        assert_eq!(read("", &ids(max + 1)), Err(Condition::PolicyViolation));
    }

    #[test]
    fn pages_are_capped_and_counted_only_without_messages() {
        let page_max = u32::try_from(Limits::default().mam_page_max).unwrap();
        assert_eq!(paging("<max>10</max>"), Ok(Paging::first(10)));
        assert_eq!(paging("<max>1000000</max>"), Ok(Paging::first(page_max)));
        assert_eq!(paging("<max>0</max>"), Ok(Paging { count: true, ..Paging::first(0) }));
        assert_eq!(paging("<max>5</max><before/>"), Ok(Paging::last(5)));
        let after = Paging { after: Some(id(7)), ..Paging::first(50) };
        assert_eq!(paging("<after>0000000000007</after>"), Ok(after));
        let before = Paging { before: Some(Before::Id(id(7))), ..Paging::first(50) };
        assert_eq!(paging("<before>0000000000007</before>"), Ok(before));
    }

    #[test]
    fn faulty_pages_name_their_condition() {
        assert_eq!(paging("<max>many</max>"), Err(Condition::BadRequest));
        assert_eq!(paging("<index>3</index>"), Err(Condition::FeatureNotImplemented));
        assert_eq!(paging("<after>never-given-out</after>"), Err(Condition::ItemNotFound));
    }
}
