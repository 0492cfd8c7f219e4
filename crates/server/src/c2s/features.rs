//! Stream features (RFC 6120 §4.3.2): what the client may do next.

use xmpp::build::Xml;
use xmpp::ns;
use xmpp::sasl::Offer;

use crate::limits::Limits;

/// Before TLS, where TLS is required.
pub(super) fn only_starttls(limits: &Limits) -> String {
    features()
        .child(Xml::new("starttls", ns::TLS).child(Xml::bare("required")))
        .child(stream_limits(limits.pre_auth_stanza_bytes_max, limits.pre_auth_secs))
        .to_string()
}

/// Before log-in.
pub(super) fn before_login(offer: &Offer, starttls: bool, registration: bool, limits: &Limits) -> String {
    let names = offer.mechanisms.iter().map(|name| Xml::bare("mechanism").text(name));
    let mut features = features();
    if starttls {
        features = features.child(Xml::new("starttls", ns::TLS));
    }
    features = features.child(Xml::new("mechanisms", ns::SASL).children(names));
    if !offer.channel_bindings.is_empty() {
        // XEP-0440
        let types = offer.channel_bindings.iter().map(|kind| Xml::bare("channel-binding").attr("type", kind));
        features = features.child(Xml::new("sasl-channel-binding", ns::CHANNEL_BINDING).children(types));
    }
    if registration {
        features = features.child(Xml::new("register", ns::REGISTER_FEATURE));
    }
    features.child(stream_limits(limits.pre_auth_stanza_bytes_max, limits.pre_auth_secs)).to_string()
}

/// After log-in.
pub(super) fn after_login(limits: &Limits) -> String {
    let idle_secs = limits.idle_secs.saturating_add(limits.ping_timeout_secs);
    features()
        .child(Xml::new("bind", ns::BIND).child(Xml::bare("required")))
        .child(Xml::new("session", ns::SESSION).child(Xml::bare("optional")))
        .child(Xml::new("sm", ns::SM))
        .child(Xml::new("csi", ns::CSI))
        .child(Xml::new("ver", ns::ROSTER_VERSIONING))
        .child(Xml::new("sub", ns::PRE_APPROVAL))
        .child(stream_limits(limits.stanza_bytes_max, idle_secs))
        .to_string()
}

/// XEP-0478: what holds in this phase of the stream.
fn stream_limits(stanza_bytes: usize, idle_secs: u64) -> Xml {
    Xml::new("limits", ns::STREAM_LIMITS)
        .text_child("max-bytes", stanza_bytes.to_string())
        .text_child("idle-seconds", idle_secs.to_string())
}

fn features() -> Xml {
    Xml::bare("stream:features")
}
