//! Who may read a node (XEP-0060 §4.5): the rule, and what it needs to know of the asker.

use std::collections::{BTreeMap, BTreeSet};

use jid::{BareJid, Jid};
use xmpp::error::{Condition, StanzaError};
use xmpp::xep::pubsub::{AccessModel, Affiliation, Config, error};

use super::node::Node;
use crate::accounts::Account;
use crate::host::Host;

/// What somebody is to an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Relation {
    /// Receives the presence of the account's user.
    pub(super) is_subscriber: bool,
    /// The groups it is in on the account's roster.
    pub(super) groups: Vec<String>,
}

/// Whether someone may read a node.
///
/// # Errors
/// Those that XEP-0060 §6.1.3 names for each access model.
pub(super) fn decide(config: &Config, affiliation: Affiliation, relation: &Relation) -> Result<(), StanzaError> {
    match affiliation {
        Affiliation::Owner | Affiliation::Publisher | Affiliation::Member => return Ok(()),
        Affiliation::Outcast => return Err(Condition::Forbidden.into()),
        Affiliation::None => {}
    }
    match config.access_model {
        AccessModel::Open => Ok(()),
        AccessModel::Presence if relation.is_subscriber => Ok(()),
        AccessModel::Presence => Err(error(Condition::NotAuthorized, "presence-subscription-required")),
        AccessModel::Roster => {
            let in_group = relation.groups.iter().any(|group| config.roster_groups.contains(group));
            if relation.is_subscriber && in_group {
                Ok(())
            } else {
                Err(error(Condition::NotAuthorized, "not-in-roster-group"))
            }
        }
        AccessModel::Whitelist => Err(error(Condition::NotAllowed, "closed-node")),
    }
}

/// Whether `jid`, which is that to the account, may read the node.
pub(super) fn may_read(account: &Account, node: &Node, jid: &BareJid, relation: &Relation) -> Result<(), StanzaError> {
    decide(&node.config, node.affiliation(&account.jid, jid), relation)
}

/// What `jid` is to the account.
pub(super) async fn relation(host: &Host, account: &Account, jid: &Jid) -> Result<Relation, storage::Error> {
    let jid = jid.to_bare();
    if jid == account.jid {
        return Ok(Relation::default());
    }
    account
        .with_roster(&host.db, async |roster| {
            Ok(roster.item(&jid).map_or_else(Relation::default, |item| Relation {
                is_subscriber: item.subscription.has_from(),
                groups: item.groups.clone(),
            }))
        })
        .await
}

/// What those are to the account who may be told of a node: whoever receives the user's presence, and `others`.
pub(super) async fn relations(
    host: &Host,
    account: &Account,
    others: &BTreeSet<BareJid>,
) -> Result<BTreeMap<BareJid, Relation>, storage::Error> {
    let of_roster = async |roster: &mut crate::roster::Roster| {
        let known = roster.items().filter(|(jid, item)| item.subscription.has_from() || others.contains(*jid));
        let known = known.map(|(jid, item)| {
            let is_subscriber = item.subscription.has_from();
            (jid.clone(), Relation { is_subscriber, groups: item.groups.clone() })
        });
        Ok(known.collect::<BTreeMap<_, _>>())
    };
    let mut relations = account.with_roster(&host.db, of_roster).await?;
    for jid in others {
        relations.entry(jid.clone()).or_default();
    }
    Ok(relations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_access_model_lets_in_whom_it_says() {
        let stranger = Relation::default();
        let contact = Relation { is_subscriber: true, groups: Vec::new() };
        let friend = Relation { is_subscriber: true, groups: vec!["Friends".into()] };
        let one_way = Relation { is_subscriber: false, groups: vec!["Friends".into()] };
        let everybody = [&stranger, &contact, &friend, &one_way];
        for (access_model, expected) in [
            (AccessModel::Open, [true, true, true, true]),
            (AccessModel::Presence, [false, true, true, false]),
            (AccessModel::Roster, [false, false, true, false]),
            (AccessModel::Whitelist, [false; 4]),
        ] {
            let config = Config { access_model, roster_groups: vec!["Friends".into()], ..Config::default() };
            let allowed = |affiliation| everybody.map(|relation| decide(&config, affiliation, relation).is_ok());
            assert_eq!(allowed(Affiliation::None), expected, "{access_model:?}");
            assert_eq!(allowed(Affiliation::Outcast), [false; 4], "{access_model:?}");
            for affiliation in [Affiliation::Owner, Affiliation::Publisher, Affiliation::Member] {
                assert_eq!(allowed(affiliation), [true; 4], "{access_model:?}");
            }
        }
    }
}
