//! Every XML namespace Whimbrel speaks, and nowhere else (a tidy check holds this).

/// Content namespace of client streams (RFC 6120 §4.8.2).
pub const CLIENT: &str = "jabber:client";
/// The stream element itself (RFC 6120 §4.8.1).
pub const STREAM: &str = "http://etherx.jabber.org/streams";
/// Conditions of stream errors (RFC 6120 §4.9).
pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// Conditions of stanza errors (RFC 6120 §8.3).
pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// STARTTLS (RFC 6120 §5).
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// SASL (RFC 6120 §6).
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// Resource binding (RFC 6120 §7).
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// The session request of RFC 3921, kept as a no-op for old clients.
pub const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// Roster (RFC 6121 §2).
pub const ROSTER: &str = "jabber:iq:roster";
/// Roster versioning stream feature (RFC 6121 §2.6).
pub const ROSTER_VERSIONING: &str = "urn:xmpp:features:rosterver";
/// Subscription pre-approval stream feature (RFC 6121 §3.4).
pub const PRE_APPROVAL: &str = "urn:xmpp:features:pre-approval";
/// The namespace of `xml:lang`.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of namespace declarations, which nothing may be bound to.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// XEP-0004 data forms.
pub const DATA_FORMS: &str = "jabber:x:data";
/// XEP-0012 last activity.
pub const LAST_ACTIVITY: &str = "jabber:iq:last";
/// XEP-0016 privacy lists, which are not spoken, only read from and written to exports (XEP-0227).
pub const PRIVACY: &str = "jabber:iq:privacy";
/// XEP-0030 service discovery: identity and features.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030 service discovery: items.
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0045 payload a client adds when it talks as an occupant of a room.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0049 private XML storage.
pub const PRIVATE_XML: &str = "jabber:iq:private";
/// XEP-0050 ad-hoc commands.
pub const COMMANDS: &str = "http://jabber.org/protocol/commands";
/// XEP-0054 vcard-temp.
pub const VCARD: &str = "vcard-temp";
/// XEP-0059 result set management.
pub const RSM: &str = "http://jabber.org/protocol/rsm";
/// XEP-0060 publish-subscribe.
pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// XEP-0060 what only owners of a node may ask.
pub const PUBSUB_OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
/// XEP-0060 notifications.
pub const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";
/// XEP-0060 conditions of errors.
pub const PUBSUB_ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";
/// XEP-0060 form type of a node's configuration.
pub const PUBSUB_CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";
/// XEP-0060 form type of conditions for a publication, and the feature.
pub const PUBSUB_OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";
/// XEP-0060 form type of what is said of a node.
pub const PUBSUB_META: &str = "http://jabber.org/protocol/pubsub#meta-data";
/// XEP-0060 and XEP-0163: what accounts can do as services, as disco features.
pub const PUBSUB_FEATURES: &[&str] = &[
    PUBSUB,
    "http://jabber.org/protocol/pubsub#access-open",
    "http://jabber.org/protocol/pubsub#access-presence",
    "http://jabber.org/protocol/pubsub#access-roster",
    "http://jabber.org/protocol/pubsub#access-whitelist",
    "http://jabber.org/protocol/pubsub#auto-create",
    "http://jabber.org/protocol/pubsub#auto-subscribe",
    "http://jabber.org/protocol/pubsub#config-node",
    "http://jabber.org/protocol/pubsub#config-node-max",
    "http://jabber.org/protocol/pubsub#create-and-configure",
    "http://jabber.org/protocol/pubsub#create-nodes",
    "http://jabber.org/protocol/pubsub#delete-items",
    "http://jabber.org/protocol/pubsub#delete-nodes",
    "http://jabber.org/protocol/pubsub#filtered-notifications",
    "http://jabber.org/protocol/pubsub#item-ids",
    "http://jabber.org/protocol/pubsub#last-published",
    "http://jabber.org/protocol/pubsub#manage-subscriptions",
    "http://jabber.org/protocol/pubsub#member-affiliation",
    "http://jabber.org/protocol/pubsub#meta-data",
    "http://jabber.org/protocol/pubsub#modify-affiliations",
    "http://jabber.org/protocol/pubsub#multi-items",
    "http://jabber.org/protocol/pubsub#outcast-affiliation",
    "http://jabber.org/protocol/pubsub#persistent-items",
    "http://jabber.org/protocol/pubsub#publish",
    "http://jabber.org/protocol/pubsub#publisher-affiliation",
    PUBSUB_OPTIONS,
    "http://jabber.org/protocol/pubsub#purge-nodes",
    "http://jabber.org/protocol/pubsub#retract-items",
    "http://jabber.org/protocol/pubsub#retrieve-affiliations",
    "http://jabber.org/protocol/pubsub#retrieve-default",
    "http://jabber.org/protocol/pubsub#retrieve-items",
    "http://jabber.org/protocol/pubsub#retrieve-subscriptions",
    "http://jabber.org/protocol/pubsub#rsm",
    "http://jabber.org/protocol/pubsub#subscribe",
];
/// XEP-0077 in-band registration.
pub const REGISTER: &str = "jabber:iq:register";
/// XEP-0077 stream feature.
pub const REGISTER_FEATURE: &str = "http://jabber.org/features/iq-register";
/// XEP-0048 bookmarks in one element, and the node they are published to.
pub const BOOKMARKS_LEGACY: &str = "storage:bookmarks";
/// XEP-0084 node of avatars' images.
pub const AVATAR_DATA: &str = "urn:xmpp:avatar:data";
/// XEP-0084 node of what is said of avatars.
pub const AVATAR_METADATA: &str = "urn:xmpp:avatar:metadata";
/// XEP-0085 chat states.
pub const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
/// XEP-0092 software version.
pub const VERSION: &str = "jabber:iq:version";
/// XEP-0114 content namespace of component streams.
pub const COMPONENT: &str = "jabber:component:accept";
/// XEP-0115 entity capabilities.
pub const CAPS: &str = "http://jabber.org/protocol/caps";
/// XEP-0133 names of administration commands begin with this and `#`.
pub const ADMIN: &str = "http://jabber.org/protocol/admin";
/// XEP-0122 validation of a data form's field.
pub const DATA_VALIDATE: &str = "http://jabber.org/protocol/xdata-validate";
/// XEP-0153 photo hash in presence.
pub const VCARD_UPDATE: &str = "vcard-temp:x:update";
/// XEP-0124 BOSH: the elements around a stream's.
pub const HTTP_BIND: &str = "http://jabber.org/protocol/httpbind";
/// XEP-0206 attributes of XMPP on those elements.
pub const XBOSH: &str = "urn:xmpp:xbosh";
/// RFC 7395 opening and closing a stream over WebSocket.
pub const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
/// XEP-0156 the relation of a WebSocket's address.
pub const ALT_WEBSOCKET: &str = "urn:xmpp:alt-connections:websocket";
/// XEP-0156 the relation of BOSH's address.
pub const ALT_BOSH: &str = "urn:xmpp:alt-connections:xbosh";
/// RFC 6415 host metadata.
pub const XRD: &str = "http://docs.oasis-open.org/ns/xri/xrd-1.0";
/// XEP-0157 form type of contact addresses.
pub const SERVER_INFO: &str = "http://jabber.org/network/serverinfo";
/// XEP-0160 disco feature: messages are kept for users who are offline.
pub const OFFLINE: &str = "msgoffline";
/// XEP-0184 delivery receipts.
pub const RECEIPTS: &str = "urn:xmpp:receipts";
/// XEP-0191 blocking.
pub const BLOCKING: &str = "urn:xmpp:blocking";
/// XEP-0191 error payload for stanzas to a contact one has blocked.
pub const BLOCKING_ERRORS: &str = "urn:xmpp:blocking:errors";
/// XEP-0198 stream management.
pub const SM: &str = "urn:xmpp:sm:3";
/// XEP-0199 ping.
pub const PING: &str = "urn:xmpp:ping";
/// XEP-0202 entity time.
pub const TIME: &str = "urn:xmpp:time";
/// XEP-0203 delayed delivery.
pub const DELAY: &str = "urn:xmpp:delay";
/// XEP-0227 portable accounts.
pub const PORTABLE: &str = "urn:xmpp:pie:0";
/// XEP-0227 what verifies a password, in an exported account.
pub const PORTABLE_SCRAM: &str = "urn:xmpp:pie:0#scram";
/// XEP-0227 the message archive of an exported account.
pub const PORTABLE_ARCHIVE: &str = "urn:xmpp:pie:0#mam";
/// What XEP-0227 has no place for and Whimbrel exports of an account.
pub const PORTABLE_ACCOUNT: &str = "urn:x-whimbrel:account:0";
/// XML Inclusions, by which an export is split into files (XEP-0227).
pub const XINCLUDE: &str = "http://www.w3.org/2001/XInclude";
/// XEP-0249 direct invitation to a room.
pub const CONFERENCE: &str = "jabber:x:conference";
/// XEP-0215 external services.
pub const EXTERNAL_SERVICES: &str = "urn:xmpp:extdisco:2";
/// XEP-0280 message carbons.
pub const CARBONS: &str = "urn:xmpp:carbons:2";
/// XEP-0280 §6.1 disco feature: the recommended rules are followed.
pub const CARBONS_RULES: &str = "urn:xmpp:carbons:rules:0";
/// XEP-0297 stanza forwarding.
pub const FORWARD: &str = "urn:xmpp:forward:0";
/// XEP-0313 message archive.
pub const MAM: &str = "urn:xmpp:mam:2";
/// XEP-0313 §4 extended features: before-id, after-id, ids, flip-page, metadata.
pub const MAM_EXTENDED: &str = "urn:xmpp:mam:2#extended";
/// XEP-0333 displayed markers.
pub const MARKERS: &str = "urn:xmpp:chat-markers:0";
/// XEP-0334 processing hints.
pub const HINTS: &str = "urn:xmpp:hints";
/// XEP-0352 client state indication.
pub const CSI: &str = "urn:xmpp:csi:0";
/// XEP-0353 Jingle message initiation.
pub const JINGLE_MESSAGE: &str = "urn:xmpp:jingle-message:0";
/// XEP-0359 unique and stable stanza ids.
pub const STANZA_ID: &str = "urn:xmpp:sid:0";
/// XEP-0379 the token of a subscription request, and of a registration (XEP-0445).
pub const PREAUTH: &str = "urn:xmpp:pars:0";
/// XEP-0363 HTTP file upload.
pub const HTTP_UPLOAD: &str = "urn:xmpp:http:upload:0";
/// XEP-0380 explicit message encryption.
pub const EME: &str = "urn:xmpp:eme:0";
/// XEP-0384 OMEMO, the version most clients speak.
pub const OMEMO_LEGACY: &str = "eu.siacs.conversations.axolotl";
/// XEP-0384 OMEMO 2.
pub const OMEMO: &str = "urn:xmpp:omemo:2";
/// XEP-0384 what nodes of the version most clients speak begin with.
pub const OMEMO_LEGACY_NODES: &str = "eu.siacs.conversations.axolotl.";
/// XEP-0384 node of OMEMO 2's device list.
pub const OMEMO_DEVICES: &str = "urn:xmpp:omemo:2:devices";
/// XEP-0384 node of OMEMO 2's bundles, one item for each device.
pub const OMEMO_BUNDLES: &str = "urn:xmpp:omemo:2:bundles";
/// XEP-0386 Bind 2.
pub const BIND2: &str = "urn:xmpp:bind:0";
/// XEP-0388 extensible SASL profile.
pub const SASL2: &str = "urn:xmpp:sasl:2";
/// XEP-0401 names of the commands that invite begin with this and `#`.
pub const INVITE: &str = "urn:xmpp:invite";
/// XEP-0401 form type of an invitation.
pub const INVITATION: &str = "urn:xmpp:invite#invitation";
/// XEP-0398 disco feature: an avatar that is published becomes the photo of the vCard.
pub const AVATAR_CONVERSION: &str = "urn:xmpp:pep-vcard-conversion:0";
/// XEP-0402 bookmarks, one item for each room.
pub const BOOKMARKS: &str = "urn:xmpp:bookmarks:1";
/// XEP-0402 disco feature: bookmarks in private XML (XEP-0049) are the same ones.
pub const BOOKMARKS_COMPAT: &str = "urn:xmpp:bookmarks:1#compat";
/// XEP-0440 channel-binding capability.
pub const CHANNEL_BINDING: &str = "urn:xmpp:sasl-cb:0";
/// XEP-0445 stream feature: an account can be registered with a token.
pub const REGISTER_TOKEN: &str = "urn:xmpp:ibr-token:0";
/// XEP-0478 stream limits advertisement.
pub const STREAM_LIMITS: &str = "urn:xmpp:stream-limits:0";
/// XEP-0484 fast authentication streamlining tokens.
pub const FAST: &str = "urn:xmpp:fast:0";
/// XEP-0490 how far chats were displayed.
pub const DISPLAYED: &str = "urn:xmpp:mds:displayed:0";
/// XEP-0490 disco feature: a message may carry it.
pub const DISPLAYED_ASSIST: &str = "urn:xmpp:mds:server-assist:0";
/// XEP-0494 client access management.
pub const CLIENT_ACCESS: &str = "urn:xmpp:cam:0";
/// XEP-0509 initial authentication pipelining.
pub const PIPELINING: &str = "urn:xmpp:iap:0";
