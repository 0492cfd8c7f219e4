//! Stream features (RFC 6120 §4.3.2): what the client may do next.

use xmpp::build::Xml;
use xmpp::ns;
use xmpp::sasl::{Hash, TokenMechanism, payload};

use super::auth::Channel;
use crate::config::RegistrationConfig;
use crate::limits::Limits;

/// Before TLS, where TLS is required.
pub(super) fn only_starttls(limits: &Limits) -> String {
    features()
        .child(Xml::new("starttls", ns::TLS).child(Xml::bare("required")))
        .child(stream_limits(limits.pre_auth_stanza_bytes_max, limits.pre_auth_secs))
        .to_string()
}

/// Before log-in; and the name of that offer (XEP-0509), the same for as long as the offer is.
pub(super) fn before_login(
    channel: &Channel,
    starttls: bool,
    registration: &RegistrationConfig,
    limits: &Limits,
) -> (String, String) {
    let mut features = features();
    if starttls {
        features = features.child(Xml::new("starttls", ns::TLS));
    }
    features = features.child(Xml::new("mechanisms", ns::SASL).children(mechanisms(channel)));
    features = features.child(authentication(channel));
    if !channel.offer.channel_bindings.is_empty() {
        // XEP-0440
        let types = channel.offer.channel_bindings.iter().map(|kind| Xml::bare("channel-binding").attr("type", kind));
        features = features.child(Xml::new("sasl-channel-binding", ns::CHANNEL_BINDING).children(types));
    }
    if registration.invites {
        // XEP-0445 §3
        features = features.child(Xml::new("register", ns::REGISTER_TOKEN));
    }
    // XEP-0445 §3 shows both: with a token it is registration as ever.
    if registration.in_band || registration.invites {
        features = features.child(Xml::new("register", ns::REGISTER_FEATURE));
    }
    features = features.child(stream_limits(limits.pre_auth_stanza_bytes_max, limits.pre_auth_secs));
    let version = payload::encode(&Hash::Sha256.digest(features.to_string().as_bytes()));
    let config = Xml::new("config-version", ns::PIPELINING).attr("scheme", "opaque").attr("value", &version);
    (features.child(config).to_string(), version)
}

fn mechanisms(channel: &Channel) -> impl Iterator<Item = Xml> {
    channel.offer.mechanisms.iter().map(|name| Xml::bare("mechanism").text(name))
}

/// XEP-0388 §2.1: logging in with all that follows in one request.
fn authentication(channel: &Channel) -> Xml {
    let tokens = TokenMechanism::on(&channel.bindings).map(|mechanism| Xml::bare("mechanism").text(mechanism.name()));
    let in_bind = [ns::CARBONS, ns::CSI, ns::SM].map(|var| Xml::bare("feature").attr("var", var));
    let inline = Xml::bare("inline")
        .child(Xml::new("bind", ns::BIND2).child(Xml::bare("inline").children(in_bind)))
        .child(Xml::new("sm", ns::SM))
        .child(Xml::new("fast", ns::FAST).children(tokens));
    Xml::new("authentication", ns::SASL2).children(mechanisms(channel)).child(inline)
}

/// After log-in.
pub(super) fn after_login(limits: &Limits) -> String {
    let bind = Xml::new("bind", ns::BIND).child(Xml::bare("required"));
    let session = Xml::new("session", ns::SESSION).child(Xml::bare("optional"));
    bound_too(features().child(bind).child(session), limits)
}

/// After log-in with a resource bound in the same request (XEP-0386).
pub(super) fn after_binding(limits: &Limits) -> String {
    bound_too(features(), limits)
}

fn bound_too(features: Xml, limits: &Limits) -> String {
    let idle_secs = limits.idle_secs.saturating_add(limits.ping_timeout_secs);
    features
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
