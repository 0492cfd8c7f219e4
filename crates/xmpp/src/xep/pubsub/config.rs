//! How a node is configured (XEP-0060 §8.2, §16.4.3): the fields of `pubsub#node_config` that are understood.

use crate::build::Xml;
use crate::ns;
use crate::xep::data_form;

/// Who may subscribe and retrieve items (XEP-0060 §4.5). `authorize` is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessModel {
    /// Anyone.
    Open,
    /// Whoever receives the owner's presence.
    Presence,
    /// Those of certain groups of the owner's roster.
    Roster,
    /// Whom the owner has named.
    Whitelist,
}

/// When the item that was published last is sent (XEP-0060 §16.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendLast {
    /// Never.
    Never,
    /// To new subscribers.
    OnSub,
    /// To new subscribers, and to whoever comes online.
    OnSubAndPresence,
}

/// How many items a node keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxItems {
    /// As many as the service allows (`max`).
    Max,
    /// The newest ones; at least 1.
    Count(u32),
}

/// What subscribers are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// Anything at all.
    pub events: bool,
    /// Items with their payloads.
    pub payloads: bool,
    /// That items were retracted or purged.
    pub retract: bool,
    /// That the node was deleted.
    pub delete: bool,
    /// That the configuration has changed.
    pub config: bool,
}

/// A node's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// A name for people.
    pub title: String,
    /// A description for people.
    pub description: String,
    /// The namespace of payloads; empty for any.
    pub payload_type: String,
    /// Who may read.
    pub access_model: AccessModel,
    /// Groups that may read, with [`AccessModel::Roster`].
    pub roster_groups: Vec<String>,
    /// Items are stored.
    pub persist_items: bool,
    /// How many of them.
    pub max_items: MaxItems,
    /// When the last one is sent.
    pub send_last: SendLast,
    /// What subscribers are told of.
    pub notify: Notify,
}

impl Default for Config {
    /// The defaults of XEP-0163 §6: one item, for whoever receives the owner's presence.
    fn default() -> Self {
        Self {
            title: String::new(),
            description: String::new(),
            payload_type: String::new(),
            access_model: AccessModel::Presence,
            roster_groups: Vec::new(),
            persist_items: true,
            max_items: MaxItems::Count(1),
            send_last: SendLast::OnSubAndPresence,
            notify: Notify { events: true, payloads: true, retract: true, delete: true, config: false },
        }
    }
}

/// Why a field was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such field here.
    Unknown,
    /// Its value is none of those that are understood.
    Value,
    /// That access model is not offered.
    AccessModel,
}

/// Fields with the one value that is offered.
const FIXED: &[(&str, &[&str])] = &[
    ("pubsub#publish_model", &["publishers"]),
    ("pubsub#notification_type", &["headline"]),
    ("pubsub#purge_offline", &["0", "false"]),
    ("pubsub#presence_based_delivery", &["0", "false"]),
    ("pubsub#notify_sub", &["0", "false"]),
];

const ACCESS_MODELS: &[(&str, AccessModel)] = &[
    ("open", AccessModel::Open),
    ("presence", AccessModel::Presence),
    ("roster", AccessModel::Roster),
    ("whitelist", AccessModel::Whitelist),
];
const SEND_LAST: &[(&str, SendLast)] =
    &[("never", SendLast::Never), ("on_sub", SendLast::OnSub), ("on_sub_and_presence", SendLast::OnSubAndPresence)];

impl AccessModel {
    /// The value of `pubsub#access_model`.
    pub fn as_str(self) -> &'static str {
        name_of(ACCESS_MODELS, self)
    }
}

impl Config {
    /// Sets one field; more than `items_max` items are refused.
    ///
    /// # Errors
    /// [`Fault`]; nothing is changed then.
    pub fn set(&mut self, var: &str, values: &[String], items_max: u32) -> Result<(), Fault> {
        let value = values.first().map(|value| value.trim()).unwrap_or_default();
        match var {
            "FORM_TYPE" => {}
            "pubsub#title" => value.clone_into(&mut self.title),
            "pubsub#description" => value.clone_into(&mut self.description),
            "pubsub#type" => value.clone_into(&mut self.payload_type),
            "pubsub#access_model" => {
                self.access_model = value_of(ACCESS_MODELS, value).ok_or(Fault::AccessModel)?;
            }
            "pubsub#roster_groups_allowed" => self.roster_groups = values.to_vec(),
            "pubsub#persist_items" => self.persist_items = boolean(value)?,
            "pubsub#max_items" => self.max_items = max_items(value, items_max)?,
            "pubsub#send_last_published_item" => {
                self.send_last = value_of(SEND_LAST, value).ok_or(Fault::Value)?;
            }
            "pubsub#deliver_notifications" => self.notify.events = boolean(value)?,
            "pubsub#deliver_payloads" => self.notify.payloads = boolean(value)?,
            "pubsub#notify_retract" => self.notify.retract = boolean(value)?,
            "pubsub#notify_delete" => self.notify.delete = boolean(value)?,
            "pubsub#notify_config" => self.notify.config = boolean(value)?,
            _ => {
                let (_, offered) = FIXED.iter().find(|(name, _)| *name == var).ok_or(Fault::Unknown)?;
                if !offered.contains(&value) {
                    return Err(Fault::Value);
                }
            }
        }
        Ok(())
    }

    /// Every field with a value, each value for itself: what [`Config::set`] makes the same configuration of.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let flag = |flag: bool| if flag { "1" } else { "0" }.to_owned();
        let max_items = match self.max_items {
            MaxItems::Max => "max".to_owned(),
            MaxItems::Count(count) => count.to_string(),
        };
        let mut fields = vec![
            ("pubsub#title", self.title.clone()),
            ("pubsub#description", self.description.clone()),
            ("pubsub#type", self.payload_type.clone()),
            ("pubsub#access_model", self.access_model.as_str().to_owned()),
            ("pubsub#persist_items", flag(self.persist_items)),
            ("pubsub#max_items", max_items),
            ("pubsub#send_last_published_item", name_of(SEND_LAST, self.send_last).to_owned()),
            ("pubsub#deliver_notifications", flag(self.notify.events)),
            ("pubsub#deliver_payloads", flag(self.notify.payloads)),
            ("pubsub#notify_retract", flag(self.notify.retract)),
            ("pubsub#notify_delete", flag(self.notify.delete)),
            ("pubsub#notify_config", flag(self.notify.config)),
        ];
        fields.extend(self.roster_groups.iter().map(|group| ("pubsub#roster_groups_allowed", group.clone())));
        fields
    }

    /// The form to fill in (XEP-0060 §8.2.2).
    pub fn form(&self) -> Xml {
        let mut fields: Vec<Xml> = self
            .fields()
            .into_iter()
            .filter(|(var, _)| *var != "pubsub#roster_groups_allowed")
            .map(|(var, value)| {
                let (kind, options) = kind_of(var);
                data_form::values(var, kind, [value])
                    .children(options.iter().map(|option| Xml::bare("option").text_child("value", option)))
            })
            .collect();
        fields.push(data_form::values("pubsub#roster_groups_allowed", "list-multi", &self.roster_groups));
        for (var, offered) in FIXED {
            let kind = if offered.len() > 1 { "boolean" } else { "list-single" };
            fields.push(data_form::values(var, kind, offered.first()));
        }
        data_form::form(ns::PUBSUB_CONFIG, None, None, fields)
    }
}

fn kind_of(var: &str) -> (&'static str, &'static [&'static str]) {
    match var {
        "pubsub#access_model" => ("list-single", &["open", "presence", "roster", "whitelist"]),
        "pubsub#send_last_published_item" => ("list-single", &["never", "on_sub", "on_sub_and_presence"]),
        "pubsub#title" | "pubsub#description" | "pubsub#type" | "pubsub#max_items" => ("text-single", &[]),
        _ => ("boolean", &[]),
    }
}

fn boolean(value: &str) -> Result<bool, Fault> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Fault::Value),
    }
}

fn max_items(value: &str, items_max: u32) -> Result<MaxItems, Fault> {
    match value {
        "max" => Ok(MaxItems::Max),
        _ => match value.parse() {
            Ok(count) if (1..=items_max).contains(&count) => Ok(MaxItems::Count(count)),
            _ => Err(Fault::Value),
        },
    }
}

fn value_of<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn name_of<T: Copy + PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use minidom::Element;

    use super::*;
    use crate::xep::data_form::Submission;

    fn set(config: &mut Config, var: &str, value: &str) -> Result<(), Fault> {
        config.set(var, &[value.to_owned()], 100)
    }

    #[test]
    fn a_configuration_comes_back_from_its_fields_and_from_its_form() {
        let mut config = Config { title: "t".into(), roster_groups: vec!["A".into(), "B".into()], ..Config::default() };
        set(&mut config, "pubsub#access_model", "roster").unwrap();
        set(&mut config, "pubsub#max_items", "max").unwrap();
        set(&mut config, "pubsub#send_last_published_item", "never").unwrap();
        set(&mut config, "pubsub#persist_items", "false").unwrap();
        let form: Element = config.form().to_string().parse().unwrap();
        let mut read = Config::default();
        for (var, values) in Submission::of(&form).fields() {
            assert_eq!(read.set(var, values, 100), Ok(()), "{var}");
        }
        assert_eq!(read, config);
        let mut read = Config::default();
        let groups: Vec<String> = vec!["A".into(), "B".into()];
        for (var, value) in config.fields() {
            read.set(var, &[value], 100).unwrap();
        }
        read.roster_groups = groups;
        assert_eq!(read, config);
    }

    #[test]
    fn what_is_not_understood_is_refused_and_changes_nothing() {
        let mut config = Config::default();
        for (var, value, fault) in [
            ("pubsub#colour", "red", Fault::Unknown),
            ("pubsub#max_items", "0", Fault::Value),
            ("pubsub#max_items", "101", Fault::Value),
            ("pubsub#max_items", "many", Fault::Value),
            ("pubsub#persist_items", "yes", Fault::Value),
            ("pubsub#access_model", "authorize", Fault::AccessModel),
            ("pubsub#publish_model", "open", Fault::Value),
        ] {
            assert_eq!(set(&mut config, var, value), Err(fault), "{var}={value}");
        }
        assert_eq!(set(&mut config, "pubsub#publish_model", "publishers"), Ok(()));
        assert_eq!(config, Config::default());
    }
}
