//! All metrics of a running server as one text.

use storage::dialect::Dialect;

use super::exposition::{Exposition, Kind};
use super::{ByStanza, Logins, Metrics, process};
use crate::host::Host;

/// The text for Prometheus. Looks at every session, so it is not for the threads that serve them.
pub fn collect(host: &Host) -> String {
    let mut text = Exposition::default();
    build(&mut text, host);
    let metrics = &host.metrics;
    sessions(&mut text, host);
    stanzas(&mut text, metrics);
    logins(&mut text, metrics);
    database(&mut text, host);
    metrics.requests.add(&mut text);
    certificate(&mut text, host);
    process::add(&mut text, host.started_ms);
    text.into_text()
}

fn build(text: &mut Exposition, host: &Host) {
    let database = match host.db.dialect() {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgres",
        Dialect::Mysql => "mysql",
    };
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("database", database), ("node", &host.config.server.node)];
    text.family("whimbrel_build_info", Kind::Gauge, "What runs; always 1.").sample(&labels, 1);
    let draining = u8::from(host.stopping.is_cancelled());
    text.one("whimbrel_draining", Kind::Gauge, "1 while the server stops.", draining);
}

fn sessions(text: &mut Exposition, host: &Host) {
    let metrics = &host.metrics;
    let help = "Sessions by transport and state; one that hibernates waits for its client to resume it.";
    let mut family = text.family("whimbrel_sessions", Kind::Gauge, help);
    for (transport, gauge) in metrics.connected.each() {
        family.sample(&[("transport", transport), ("state", "connected")], gauge.read());
    }
    family.sample(&[("transport", "none"), ("state", "hibernating")], metrics.hibernating.read());
    text.one("whimbrel_sessions_begun_total", Kind::Counter, "Sessions begun.", metrics.begun.read());
    text.one("whimbrel_sessions_resumed_total", Kind::Counter, "Sessions resumed.", metrics.resumed.read());
    let connections = host.admission.connections();
    text.one("whimbrel_connections", Kind::Gauge, "Client connections, those that log in included.", connections);
    let (waiting, longest) = host.sessions.queued();
    let help = "Stanzas in the queues of all sessions.";
    text.one("whimbrel_session_queue_stanzas", Kind::Gauge, help, waiting);
    let help = "Stanzas in the longest queue of a session; at limits.session_queue_stanzas_max the session ends.";
    text.one("whimbrel_session_queue_longest_stanzas", Kind::Gauge, help, longest);
}

fn stanzas(text: &mut Exposition, metrics: &Metrics) {
    let mut by_kind = |name, help, counted: &ByStanza| {
        let mut family = text.family(name, Kind::Counter, help);
        family.sample(&[("kind", "message")], counted.message.read());
        family.sample(&[("kind", "presence")], counted.presence.read());
        family.sample(&[("kind", "iq")], counted.iq.read());
    };
    by_kind("whimbrel_stanzas_received_total", "Stanzas that clients and components sent.", &metrics.received);
    by_kind("whimbrel_stanzas_sent_total", "Stanzas written to clients.", &metrics.sent);
    let help = "Messages stored for a recipient of whom no device was here.";
    text.one("whimbrel_messages_kept_total", Kind::Counter, help, metrics.kept.read());
    let help = "Messages written from the mailbox to a device that came back.";
    text.one("whimbrel_messages_caught_up_total", Kind::Counter, help, metrics.caught_up.read());
}

fn logins(text: &mut Exposition, metrics: &Metrics) {
    let help = "Attempts to log in, by what the client came with and what became of it.";
    let mut family = text.family("whimbrel_logins_total", Kind::Counter, help);
    for (secret, Logins { accepted, wrong, refused }) in [("password", &metrics.passwords), ("token", &metrics.tokens)]
    {
        for (outcome, counter) in [("accepted", accepted), ("wrong", wrong), ("refused", refused)] {
            family.sample(&[("secret", secret), ("outcome", outcome)], counter.read());
        }
    }
}

fn database(text: &mut Exposition, host: &Host) {
    let stats = host.db.stats().snapshot();
    let name = "whimbrel_database_commit_duration_seconds";
    let mut family = text.family(name, Kind::Histogram, "From BEGIN to the end of COMMIT.");
    family.histogram(&[], &stats.commit_micros, 1e6);
    let mut family = text.family("whimbrel_database_commit_batches", Kind::Histogram, "Batches that shared a commit.");
    family.histogram(&[], &stats.batches_of_commit, 1.0);
    let help = "Commits that failed, each with all of its batches.";
    text.one("whimbrel_database_commits_failed_total", Kind::Counter, help, stats.groups_failed);
    let help = "Batches that failed alone, in a commit that succeeded.";
    text.one("whimbrel_database_batches_failed_total", Kind::Counter, help, stats.batches_failed);
    text.one("whimbrel_database_queries_total", Kind::Counter, "Queries answered.", stats.queries);
    let waiting = host.db.waiting();
    let mut family = text.family("whimbrel_database_queue", Kind::Gauge, "What waits for the database.");
    family.sample(&[("of", "batches")], waiting.batches);
    family.sample(&[("of", "queries")], waiting.queries);
    let help = "Connections made to the database server after the first ones.";
    text.one("whimbrel_database_connections_made_total", Kind::Counter, help, stats.connected);
    let help = "Connections to the database server that were lost.";
    text.one("whimbrel_database_connections_lost_total", Kind::Counter, help, stats.lost);
}

fn certificate(text: &mut Exposition, host: &Host) {
    if let Some(tls) = &host.tls {
        let help = "When the certificate that is served ends, since the epoch.";
        let ends = tls.current().not_after_secs();
        text.one("whimbrel_certificate_end_time_seconds", Kind::Gauge, help, ends);
    }
    let help = "Attempts to get a certificate by ACME.";
    let mut family = text.family("whimbrel_certificate_renewals_total", Kind::Counter, help);
    family.sample(&[("outcome", "renewed")], host.metrics.renewals.renewed.read());
    family.sample(&[("outcome", "failed")], host.metrics.renewals.failed.read());
}
