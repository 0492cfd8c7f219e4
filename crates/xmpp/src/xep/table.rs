//! What is supported: the one table that service discovery, `doap.xml` and the documents are made from.

use crate::ns;

/// How far an extension is implemented, in DOAP's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All that the text requires of a server.
    Complete,
    /// A part; the note says which.
    Partial,
}

/// One supported extension.
#[derive(Clone, Copy, Debug)]
pub struct Xep {
    /// Its number.
    pub number: u16,
    /// Its title.
    pub name: &'static str,
    /// The version implemented.
    pub version: &'static str,
    /// The first release that has it.
    pub since: &'static str,
    /// How far.
    pub status: Status,
    /// What a reader should know.
    pub note: &'static str,
    /// Features that the server's own JID announces (XEP-0030).
    pub server_features: &'static [&'static str],
    /// Features that an account's bare JID announces.
    pub account_features: &'static [&'static str],
}

const fn xep(number: u16, name: &'static str, version: &'static str) -> Xep {
    Xep {
        number,
        name,
        version,
        since: "0.1.0",
        status: Status::Complete,
        note: "",
        server_features: &[],
        account_features: &[],
    }
}

/// Every supported extension, by number.
pub const SUPPORTED: &[Xep] = &[
    Xep { server_features: &[ns::DATA_FORMS], ..xep(4, "Data Forms", "2.13.2") },
    Xep {
        server_features: &[ns::LAST_ACTIVITY],
        account_features: &[ns::LAST_ACTIVITY],
        ..xep(12, "Last Activity", "2.0")
    },
    Xep {
        server_features: &[ns::DISCO_INFO, ns::DISCO_ITEMS],
        account_features: &[ns::DISCO_INFO, ns::DISCO_ITEMS],
        ..xep(30, "Service Discovery", "2.5.0")
    },
    Xep { server_features: &[ns::PRIVATE_XML], ..xep(49, "Private XML Storage", "1.2") },
    Xep { server_features: &[ns::COMMANDS], ..xep(50, "Ad-Hoc Commands", "1.3.0") },
    Xep { server_features: &[ns::VCARD], account_features: &[ns::VCARD], ..xep(54, "vcard-temp", "1.3.0") },
    Xep { server_features: &[ns::RSM], ..xep(59, "Result Set Management", "1.0") },
    Xep {
        status: Status::Partial,
        note: "on accounts (XEP-0163): no collections, no subscription options, no access model authorize",
        // Some clients look for it there, and ask no account.
        server_features: &[ns::PUBSUB_OPTIONS],
        account_features: ns::PUBSUB_FEATURES,
        ..xep(60, "Publish-Subscribe", "1.30.0")
    },
    Xep { note: "off by default", ..xep(77, "In-Band Registration", "2.4") },
    xep(84, "User Avatar", "1.1.4"),
    Xep { note: "routed, never stored", ..xep(85, "Chat State Notifications", "2.1") },
    Xep { server_features: &[ns::VERSION], ..xep(92, "Software Version", "1.1") },
    xep(114, "Jabber Component Protocol", "1.6"),
    Xep { note: "read for what clients want to be told of", ..xep(115, "Entity Capabilities", "1.6.0") },
    Xep {
        note: "without multiple streams",
        ..xep(124, "Bidirectional-streams Over Synchronous HTTP (BOSH)", "1.11.2")
    },
    Xep {
        status: Status::Partial,
        note: "add, delete, disable and re-enable users, change password, end sessions, announce, counts and lists",
        ..xep(133, "Service Administration", "1.3.1")
    },
    Xep { note: "the photo's hash is put into presence (XEP-0398)", ..xep(153, "vCard-Based Avatars", "1.1.1") },
    Xep { note: "host-meta in XML and JSON", ..xep(156, "Discovering Alternative XMPP Connection Methods", "1.4.0") },
    xep(157, "Contact Addresses for XMPP Services", "1.1.1"),
    Xep { server_features: &[ns::OFFLINE], ..xep(160, "Best Practices for Handling Offline Messages", "1.0.1") },
    xep(163, "Personal Eventing Protocol", "1.2.2"),
    xep(172, "User Nickname", "1.1"),
    Xep { note: "routed and archived", ..xep(184, "Message Delivery Receipts", "1.4.0") },
    Xep { server_features: &[ns::BLOCKING], ..xep(191, "Blocking Command", "1.3") },
    xep(198, "Stream Management", "1.6.3"),
    Xep { server_features: &[ns::PING], account_features: &[ns::PING], ..xep(199, "XMPP Ping", "2.0.1") },
    Xep { server_features: &[ns::TIME], ..xep(202, "Entity Time", "2.0") },
    xep(203, "Delayed Delivery", "2.0"),
    xep(206, "XMPP Over BOSH", "1.4"),
    Xep { note: "STUN and TURN, when the operator names them", ..xep(215, "External Service Discovery", "1.0.0") },
    xep(222, "Persistent Storage of Public Data via PubSub", "1.0"),
    xep(223, "Persistent Storage of Private Data via PubSub", "1.1.1"),
    Xep {
        note: "blocked JIDs stand in a privacy list",
        ..xep(227, "Portable Import/Export Format for XMPP-IM Servers", "1.1")
    },
    Xep { server_features: &[ns::CARBONS, ns::CARBONS_RULES], ..xep(280, "Message Carbons", "1.0.1") },
    Xep { note: "as a node", ..xep(292, "vCard4 Over XMPP", "0.12.0") },
    Xep { account_features: &[ns::FORWARD], ..xep(297, "Stanza Forwarding", "1.0") },
    Xep { account_features: &[ns::MAM, ns::MAM_EXTENDED], ..xep(313, "Message Archive Management", "1.1.3") },
    Xep { note: "routed and archived", ..xep(333, "Displayed Markers", "1.0.0") },
    Xep { server_features: &[ns::HINTS], ..xep(334, "Message Processing Hints", "1.0.0") },
    xep(352, "Client State Indication", "1.0.0"),
    Xep { account_features: &[ns::STANZA_ID], ..xep(359, "Unique and Stable Stanza IDs", "0.7.0") },
    Xep { note: "without purposes; on upload.DOMAIN", ..xep(363, "HTTP File Upload", "1.2.0") },
    Xep { note: "direct TLS", ..xep(368, "SRV records for XMPP over TLS", "1.1.0") },
    xep(379, "Pre-Authenticated Roster Subscription", "0.3.3"),
    Xep { note: "nodes of device lists and bundles are open to everybody", ..xep(384, "OMEMO Encryption", "0.9.1") },
    xep(386, "Bind 2", "1.1.0"),
    Xep { note: "without tasks", ..xep(388, "Extensible SASL Profile", "1.0.4") },
    Xep {
        account_features: &[ns::AVATAR_CONVERSION],
        ..xep(398, "User Avatar to vCard-Based Avatars Conversion", "1.0.0")
    },
    xep(401, "Ad-hoc Account Invitation Generation", "0.6.0"),
    Xep { account_features: &[ns::BOOKMARKS_COMPAT], ..xep(402, "PEP Native Bookmarks", "1.2.0") },
    xep(440, "SASL Channel-Binding Type Capability", "1.0.0"),
    xep(441, "Message Archive Management Preferences", "0.2.0"),
    Xep { note: "with the links of XEP-0401", ..xep(445, "Pre-Authenticated In-Band Registration", "0.2.0") },
    xep(474, "SASL SCRAM Downgrade Protection", "0.5.0"),
    xep(478, "Stream Limits Advertisement", "0.2.0"),
    Xep {
        note: "HT-SHA-256-EXPR, -ENDP and -NONE; no TLS early data",
        ..xep(484, "Fast Authentication Streamlining Tokens", "0.2.0")
    },
    Xep { account_features: &[ns::DISPLAYED_ASSIST], ..xep(490, "Message Displayed Synchronization", "1.0.1") },
    Xep { note: "kept within bookmarks", ..xep(492, "Chat notification settings", "0.2.0") },
    Xep {
        status: Status::Partial,
        note: "clients that name themselves by a user-agent id (XEP-0388)",
        account_features: &[ns::CLIENT_ACCESS],
        ..xep(494, "Client Access Management", "0.1.0")
    },
    xep(509, "Initial Authentication Pipelining", "0.2.0"),
];
