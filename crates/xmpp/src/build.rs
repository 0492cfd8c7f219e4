//! Building XML text: what the server says of itself, escaped as it is written.
//!
//! Parsing is elsewhere ([`crate::xml`] on the hot path, `minidom` off it); this only writes.

use std::fmt;

use crate::xml::{escape_attribute_into, escape_into};

/// One element being written. Attribute values and text are escaped; names are the caller's constants.
#[derive(Clone, Debug)]
pub struct Xml {
    name: &'static str,
    start: String,
    body: String,
}

impl Xml {
    /// `<name xmlns='namespace'>`.
    pub fn new(name: &'static str, namespace: &str) -> Self {
        Self::bare(name).attr("xmlns", namespace)
    }

    /// `<name>` in whatever default namespace is in force around it.
    pub fn bare(name: &'static str) -> Self {
        Self { name, start: format!("<{name}"), body: String::new() }
    }

    /// Adds an attribute.
    pub fn attr(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.start.push(' ');
        self.start.push_str(name);
        self.start.push_str("='");
        escape_attribute_into(&mut self.start, value.as_ref());
        self.start.push('\'');
        self
    }

    /// Adds an attribute when there is a value for it.
    pub fn attr_opt(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Adds character data.
    pub fn text(mut self, text: impl AsRef<str>) -> Self {
        escape_into(&mut self.body, text.as_ref());
        self
    }

    /// Adds a child element.
    pub fn child(mut self, child: Xml) -> Self {
        child.write_into(&mut self.body);
        self
    }

    /// Adds a child element when there is one.
    pub fn child_opt(self, child: Option<Xml>) -> Self {
        match child {
            Some(child) => self.child(child),
            None => self,
        }
    }

    /// Adds child elements in order.
    pub fn children(mut self, children: impl IntoIterator<Item = Xml>) -> Self {
        for child in children {
            child.write_into(&mut self.body);
        }
        self
    }

    /// Adds `<name>text</name>`.
    pub fn text_child(self, name: &'static str, text: impl AsRef<str>) -> Self {
        self.child(Xml::bare(name).text(text))
    }

    /// Adds XML that is already well-formed in this place.
    pub fn raw(mut self, xml: &str) -> Self {
        self.body.push_str(xml);
        self
    }

    /// Appends the element's text to `out`.
    pub fn write_into(&self, out: &mut String) {
        out.push_str(&self.start);
        if self.body.is_empty() {
            out.push_str("/>");
        } else {
            out.push('>');
            out.push_str(&self.body);
            out.push_str("</");
            out.push_str(self.name);
            out.push('>');
        }
    }
}

impl fmt::Display for Xml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(self.start.len() + self.body.len() + self.name.len() + 4);
        self.write_into(&mut out);
        f.write_str(&out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_text_are_escaped_and_empty_elements_are_short() {
        let xml = Xml::new("a", "urn:x").attr("b", "<'&\">").child(Xml::bare("c")).text("x < y & z");
        let text = xml.to_string();
        let dom: minidom::Element = text.parse().unwrap();
        assert_eq!(dom.attr("b"), Some("<'&\">"));
        assert_eq!(dom.text(), "x < y & z");
        assert!(text.contains("<c/>"));
    }
}
