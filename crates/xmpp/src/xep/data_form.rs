//! XEP-0004 data forms: reading what was submitted, writing forms and results.

use minidom::Element;

use crate::build::Xml;
use crate::ns;

/// A submitted form: values by field name, in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    fields: Vec<(String, Vec<String>)>,
}

impl Submission {
    /// Reads the `<x/>` child of `parent` when it has the type `submit`.
    pub fn read(parent: &Element) -> Option<Self> {
        let form = parent.get_child("x", ns::DATA_FORMS)?;
        if form.attr("type") != Some("submit") {
            return None;
        }
        Some(Self::of(form))
    }

    /// The fields of a form, whatever its type.
    pub fn of(form: &Element) -> Self {
        let fields = form
            .children()
            .filter(|child| child.is("field", ns::DATA_FORMS))
            .filter_map(|field| {
                let values = field.children().filter(|c| c.is("value", ns::DATA_FORMS)).map(Element::text).collect();
                Some((field.attr("var")?.to_owned(), values))
            })
            .collect();
        Self { fields }
    }

    /// The hidden `FORM_TYPE`.
    pub fn form_type(&self) -> Option<&str> {
        self.value("FORM_TYPE")
    }

    /// The first value of a field, when it was sent with one.
    pub fn value(&self, var: &str) -> Option<&str> {
        self.values(var).first().map(String::as_str)
    }

    /// All values of a field; empty when it was not sent.
    pub fn values(&self, var: &str) -> &[String] {
        self.fields.iter().find(|(name, _)| name == var).map_or(&[], |(_, values)| values)
    }

    /// The fields sent, each with its values.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.fields.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// The names of the fields sent.
    pub fn vars(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }
}

/// A form to fill in (`type='form'`) with the fields given.
pub fn form(form_type: &str, title: Option<&str>, instructions: Option<&str>, fields: Vec<Xml>) -> Xml {
    let mut x = Xml::new("x", ns::DATA_FORMS).attr("type", "form");
    if let Some(title) = title {
        x = x.text_child("title", title);
    }
    if let Some(instructions) = instructions {
        x = x.text_child("instructions", instructions);
    }
    x.child(hidden("FORM_TYPE", form_type)).children(fields)
}

/// A result (`type='result'`) with the fields given.
pub fn result(form_type: &str, fields: Vec<Xml>) -> Xml {
    Xml::new("x", ns::DATA_FORMS).attr("type", "result").child(hidden("FORM_TYPE", form_type)).children(fields)
}

/// A hidden field.
pub fn hidden(var: &str, value: &str) -> Xml {
    Xml::bare("field").attr("var", var).attr("type", "hidden").text_child("value", value)
}

/// A field of a form, of a type such as `text-single`, `jid-single`, `boolean`, without a value.
pub fn field(var: &str, kind: &str, label: &str, required: bool) -> Xml {
    let field = Xml::bare("field").attr("var", var).attr("type", kind).attr("label", label);
    if required { field.child(Xml::bare("required")) } else { field }
}

/// A field with values, for results.
pub fn values(var: &str, kind: &str, values: impl IntoIterator<Item = impl AsRef<str>>) -> Xml {
    let field = Xml::bare("field").attr("var", var).attr("type", kind);
    values.into_iter().fold(field, |field, value| field.text_child("value", value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_gives_values_by_name() {
        let dom: Element = format!(
            "<command xmlns='{}'><x xmlns='{}' type='submit'><field var='FORM_TYPE'><value>urn:f</value></field>\
             <field var='jids'><value>a@x</value><value>b@x</value></field><field var='empty'/></x></command>",
            ns::COMMANDS,
            ns::DATA_FORMS
        )
        .parse()
        .unwrap();
        let form = Submission::read(&dom).unwrap();
        assert_eq!(form.form_type(), Some("urn:f"));
        assert_eq!(form.values("jids"), ["a@x", "b@x"]);
        assert_eq!(form.value("empty"), None);
        assert_eq!(form.value("absent"), None);
    }
}
