//! XEP-0059 result set management: which page of a long answer is asked for, and which was given.

use minidom::Element;

use crate::build::Xml;
use crate::ns;

/// Where a page begins or ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// From the first item on.
    First,
    /// The items right after this id.
    After(String),
    /// The items right before this id.
    Before(String),
    /// The last page (an empty `<before/>`).
    Last,
    /// The page that begins at this index.
    Index(u64),
}

/// A requested page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where it lies.
    pub anchor: Anchor,
    /// At most this many items; None leaves it to the responder. 0 asks for the count alone.
    pub max: Option<u64>,
}

impl Request {
    /// Reads the `<set/>` child of `query`, when there is one. Err: a number that is none.
    pub fn read(query: &Element) -> Result<Option<Self>, InvalidNumber> {
        let Some(set) = query.get_child("set", ns::RSM) else { return Ok(None) };
        let text = |name: &str| set.get_child(name, ns::RSM).map(Element::text);
        let number = |name: &str| text(name).map(|t| t.trim().parse::<u64>().map_err(|_| InvalidNumber)).transpose();
        let max = number("max")?;
        let anchor = match (text("after"), text("before"), number("index")?) {
            (Some(id), _, _) if !id.is_empty() => Anchor::After(id),
            (_, Some(id), _) if id.is_empty() => Anchor::Last,
            (_, Some(id), _) => Anchor::Before(id),
            (_, _, Some(index)) => Anchor::Index(index),
            _ => Anchor::First,
        };
        Ok(Some(Self { anchor, max }))
    }
}

/// `max` or `index` is not a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidNumber;

/// The `<set/>` that describes a page: ids of its first and last item, the first one's index, the count of all.
pub fn page(first: Option<&str>, last: Option<&str>, index: Option<u64>, count: Option<u64>) -> Xml {
    let mut set = Xml::new("set", ns::RSM);
    if let Some(first) = first {
        set = set.child(Xml::bare("first").attr_opt("index", index.map(|i| i.to_string())).text(first));
    }
    if let Some(last) = last {
        set = set.text_child("last", last);
    }
    match count {
        Some(count) => set.text_child("count", count.to_string()),
        None => set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &str) -> Result<Option<Request>, InvalidNumber> {
        Request::read(&format!("<q xmlns='urn:q'>{set}</q>").parse().unwrap())
    }

    #[test]
    fn pages_are_read_by_their_anchor() {
        let of = |body: &str| read(&format!("<set xmlns='{}'>{body}</set>", ns::RSM)).unwrap().unwrap();
        assert_eq!(read("").unwrap(), None);
        assert_eq!(of("<max>10</max>"), Request { anchor: Anchor::First, max: Some(10) });
        assert_eq!(of("<after>x</after>").anchor, Anchor::After("x".into()));
        assert_eq!(of("<before/>").anchor, Anchor::Last);
        assert_eq!(of("<before>x</before>").anchor, Anchor::Before("x".into()));
        assert_eq!(of("<index>7</index>").anchor, Anchor::Index(7));
        assert_eq!(read(&format!("<set xmlns='{}'><max>-1</max></set>", ns::RSM)), Err(InvalidNumber));
    }
}
