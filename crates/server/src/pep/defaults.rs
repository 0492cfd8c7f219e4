//! How nodes are configured that come into being by a publication, where their XEP wants something else than
//! XEP-0163 §6: a client that sends no options is private, or found, all the same.

use xmpp::ns;
use xmpp::xep::pubsub::{AccessModel, Config, MaxItems, SendLast};

/// The configuration of a new node of that name.
pub(super) fn config(name: &str) -> Config {
    let plain = Config::default();
    match name {
        // XEP-0402 §5, XEP-0490 §7: for the account's own devices alone, and every item counts.
        ns::BOOKMARKS | ns::DISPLAYED => Config {
            access_model: AccessModel::Whitelist,
            max_items: MaxItems::Max,
            send_last: SendLast::Never,
            ..plain
        },
        // XEP-0048 §3.
        ns::BOOKMARKS_LEGACY => Config { access_model: AccessModel::Whitelist, ..plain },
        // XEP-0384 §4.6: whoever wants to write needs the devices.
        ns::OMEMO_BUNDLES => Config { access_model: AccessModel::Open, max_items: MaxItems::Max, ..plain },
        ns::OMEMO_DEVICES => Config { access_model: AccessModel::Open, ..plain },
        _ if name.starts_with(ns::OMEMO_LEGACY_NODES) => Config { access_model: AccessModel::Open, ..plain },
        _ => plain,
    }
}
