//! Hop 3: the ordered rules for messages. Archive, then acknowledge, then route (`DESIGN.md`, invariant 1).

use std::sync::Arc;

use bytes::Bytes;
use jid::Jid;
use smallvec::SmallVec;
use storage::ArchiveId;
use storage::archive::{Direction, Entry};
use tracing::Instrument as _;
use xmpp::address;
use xmpp::error::{Condition, ErrorType, StanzaError};
use xmpp::ns;
use xmpp::stanza::{Kind, MessageType, Stanza};
use xmpp::xml::Child;

use super::delivery::{self, Candidate, Otherwise, Plan};
use super::line::Place;
use super::{Elsewhere, Origin, Unhandled};
use crate::accounts::Account;
use crate::config::Retention;
use crate::ext::{archive_prefs, blocking, carbons};
use crate::host::Host;
use crate::mailbox::{self, Keep};
use crate::pep;
use crate::sessions::{Class, Delivery, Resources};
use crate::traces::TARGET;

/// A message on its way.
struct Envelope {
    message: Stanza,
    /// Known once it is stored.
    id: ArchiveId,
    /// The message as forwarded, spoofed ids taken out, without the server's own additions.
    xml: Bytes,
    decision: Decision,
}

/// All that can be decided before a message is stored.
struct Decision {
    to: Jid,
    sender: Option<Arc<Account>>,
    sender_archives: bool,
    destination: Destination,
}

enum Destination {
    Local(Recipient),
    Component(String),
}

struct Recipient {
    account: Arc<Account>,
    archives: bool,
    waits: bool,
}

/// Handles messages of one origin in their order, with one commit for all.
pub async fn handle(host: &Arc<Host>, origin: &Origin<'_>, messages: Vec<Stanza>) -> Result<(), Unhandled> {
    let mut envelopes = Vec::with_capacity(messages.len());
    for mut message in messages {
        if let Origin::Session(session) = origin {
            // XEP-0490 §6.2: before anybody sees it.
            pep::take_displayed(host, session, &mut message).await;
        }
        match decide(host, origin, &message).await {
            Ok(Some(decision)) => envelopes.push(Envelope::new(host, message, decision)),
            Ok(None) => {}
            Err(error) => super::answer_error(host, origin, &message, &error).await,
        }
    }
    // Before anyone sees them, and before the sender's client hears that they are handled.
    let storing = tracing::debug_span!(target: TARGET, "store");
    let place = match store(host, &mut envelopes).instrument(storing).await {
        Ok(place) => place,
        Err(error) => {
            tracing::error!(%error, "messages could not be stored");
            let error = StanzaError::from(error);
            for envelope in &envelopes {
                super::answer_error(host, origin, &envelope.message, &error).await;
            }
            return Err(Unhandled::NotStored);
        }
    };
    let delivering = tracing::debug_span!(target: TARGET, "deliver");
    let refused: Vec<_> = delivering.in_scope(|| {
        let refusal = |envelope| deliver(host, origin, envelope).err().map(|error| (envelope, error));
        envelopes.iter().filter_map(refusal).collect()
    });
    drop(place);
    for (envelope, error) in refused {
        super::answer_error(host, origin, &envelope.message, &error).await;
    }
    Ok(())
}

/// Gives the messages their ids, and returns once they are stored and it is their turn to be delivered. What need not
/// be stored waits for nobody.
async fn store<'a>(host: &'a Host, envelopes: &mut [Envelope]) -> Result<Option<Place<'a>>, storage::Error> {
    if !envelopes.iter().any(Envelope::is_stored) {
        return Ok(None);
    }
    let (entrance, place) = host.line.join().await;
    let now_ms = host.clock.now_ms();
    envelopes.iter_mut().for_each(|envelope| envelope.id = host.ids.next(now_ms));
    let appending = storage::archive::queue(&host.db, envelopes.iter().flat_map(entries).collect()).await?;
    drop(entrance);
    appending.stored().await?;
    place.turn().await;
    Ok(Some(place))
}

/// Everything that can be decided before storing. None: the message is dropped without a word.
async fn decide(host: &Arc<Host>, origin: &Origin<'_>, message: &Stanza) -> Result<Option<Decision>, StanzaError> {
    let Kind::Message(kind) = message.kind else { return Ok(None) };
    let Some(from) = message.from.clone() else { return Ok(None) };
    // RFC 6120 §10.3.1: without 'to' it is for the sender's own bare JID.
    let to = message.to.clone().unwrap_or_else(|| Jid::from(from.to_bare()));
    let sender = match origin {
        Origin::Session(session) => Some(session.account.clone()),
        _ => None,
    };
    if sender.as_ref().is_some_and(|sender| sender.has_blocked(&to)) {
        return Err(blocking::blocked_by_user());
    }
    let keep = mailbox::keeping(message);
    let destination = match local_recipient(host, &from, &to, kind, keep).await? {
        Where::Local(recipient) => Destination::Local(recipient),
        Where::Component(domain) => Destination::Component(domain),
        Where::Nowhere => return Ok(None),
    };
    let sender_archives = match &sender {
        Some(sender) if keep == Keep::Archive && keeps_history(host) => archives(host, sender, &to).await?,
        _ => false,
    };
    Ok(Some(Decision { to, sender, sender_archives, destination }))
}

impl Envelope {
    fn new(host: &Host, mut message: Stanza, decision: Decision) -> Self {
        let domain = host.domain.domain().as_str();
        message.to = Some(decision.to.clone());
        let xml = message.to_xml(|child| !is_spoofed_id(child, domain), "").into();
        Self { message, id: ArchiveId::MIN, xml, decision }
    }

    fn is_stored(&self) -> bool {
        let recipient = matches!(&self.decision.destination, Destination::Local(to) if to.archives || to.waits);
        recipient || self.decision.sender_archives
    }
}

enum Where {
    Local(Recipient),
    Component(String),
    Nowhere,
}

/// RFC 6121 §8.5.1 and the rules that need no session: who is it for, and may it be delivered at all?
async fn local_recipient(
    host: &Host,
    from: &Jid,
    to: &Jid,
    kind: MessageType,
    keep: Keep,
) -> Result<Where, StanzaError> {
    let unavailable = || StanzaError::new(Condition::ServiceUnavailable);
    if to.domain() != host.domain.domain() {
        return match super::elsewhere(host, to) {
            Elsewhere::Component(domain) => Ok(Where::Component(domain)),
            Elsewhere::Nowhere => Err(Condition::RemoteServerNotFound.into()),
        };
    }
    let Some(account) = host.accounts.find(&host.db, &to.to_bare()).await? else {
        return if kind == MessageType::Error { Ok(Where::Nowhere) } else { Err(unavailable()) };
    };
    // XEP-0191 §3.5: a blocked sender learns no more than of an account that does not exist.
    if account.has_blocked(from) {
        return if kind == MessageType::Error { Ok(Where::Nowhere) } else { Err(unavailable()) };
    }
    let sessions = host.sessions.of(account.localpart());
    let plan = plan_for(&sessions, to, kind, false);
    match plan.otherwise {
        Otherwise::Bounce if plan.message.is_empty() => return Err(unavailable()),
        Otherwise::Drop if plan.message.is_empty() => return Ok(Where::Nowhere),
        _ => {}
    }
    let waits = keep != Keep::Nothing;
    if waits && plan.message.is_empty() {
        let limit = u64::try_from(host.config.limits.offline_messages_max).unwrap_or(u64::MAX);
        if limit != u64::MAX && !account.has_room_for_one_more(&host.db, limit).await? {
            let full = StanzaError::with_text(Condition::ServiceUnavailable, "the recipient's mailbox is full");
            return Err(full.of_type(ErrorType::Wait));
        }
    }
    let archives = keep == Keep::Archive && keeps_history(host) && archives(host, &account, from).await?;
    Ok(Where::Local(Recipient { account, archives, waits }))
}

/// Whether messages stay after their delivery.
fn keeps_history(host: &Host) -> bool {
    host.config.archive.retention != Retention::UntilDelivered
}

/// XEP-0441: whether the account's owner wants the conversation with `peer` archived.
async fn archives(host: &Host, account: &Account, peer: &Jid) -> Result<bool, storage::Error> {
    let prefs = account.prefs();
    if let Some(decided) = archive_prefs::decide(&prefs, peer) {
        return Ok(decided);
    }
    let peer = peer.to_bare();
    account.with_roster(&host.db, async |roster| Ok(roster.item(&peer).is_some_and(|item| item.in_roster))).await
}

/// XEP-0359 §5: nobody but the server says what ids the archives of its own accounts gave.
fn is_spoofed_id(child: &Child<'_>, domain: &str) -> bool {
    child.is("stanza-id", ns::STANZA_ID)
        && child.attr("by").is_none_or(|by| address::parse(&by).is_none_or(|by| by.domain().as_str() == domain))
}

/// One row per owner: the recipient's, and the sender's own copy (a message to oneself is one row).
fn entries(envelope: &Envelope) -> impl Iterator<Item = Entry> {
    let row = |owner: &Account, peer: &Jid, direction, archived, undelivered| Entry {
        owner: owner.id,
        id: envelope.id,
        peer: peer.to_bare().to_string(),
        peer_resource: peer.resource().map(|resource| resource.as_str().to_owned()),
        direction,
        stanza: envelope.xml.clone(),
        archived,
        undelivered,
    };
    let mut rows: SmallVec<[Entry; 2]> = SmallVec::new();
    let mut to_self = false;
    if let (Destination::Local(recipient), Some(from)) = (&envelope.decision.destination, &envelope.message.from) {
        to_self = envelope.decision.sender.as_ref().is_some_and(|sender| sender.id == recipient.account.id);
        if recipient.archives || recipient.waits {
            rows.push(row(&recipient.account, from, Direction::Received, recipient.archives, recipient.waits));
        }
    }
    if let Some(sender) = envelope.decision.sender.as_ref().filter(|_| envelope.decision.sender_archives && !to_self) {
        rows.push(row(sender, &envelope.decision.to, Direction::Sent, true, false));
    }
    rows.into_iter()
}

/// Sends a stored message to whoever is here.
fn deliver(host: &Arc<Host>, origin: &Origin<'_>, envelope: &Envelope) -> Result<(), StanzaError> {
    let delivered = match &envelope.decision.destination {
        Destination::Local(recipient) => deliver_local(host, envelope, recipient),
        Destination::Component(domain) => {
            super::send_to_component(host, domain, envelope.xml.clone())?;
            Resources::new()
        }
    };
    if let Origin::Session(session) = origin
        && carbons::eligible(&envelope.message, carbons::Copy::Sent)
    {
        let own = session.account.jid.as_str();
        let id = envelope.decision.sender_archives.then(|| mailbox::stanza_id(own, envelope.id));
        let copy = mailbox::with_children(&envelope.xml, id.as_deref().unwrap_or_default());
        for device in host.sessions.of(session.account.localpart()) {
            let is_party = Arc::ptr_eq(&device, session) || delivered.iter().any(|got| Arc::ptr_eq(got, &device));
            if device.has_carbons() && !is_party {
                let kind = envelope.message.kind;
                device.deliver(Delivery::urgent(carbons::wrap(
                    carbons::Copy::Sent,
                    kind,
                    own,
                    device.jid.as_str(),
                    &copy,
                )));
            }
        }
    }
    Ok(())
}

/// The recipient's sessions get the message or a carbon; those that got either are given back.
fn deliver_local(host: &Arc<Host>, envelope: &Envelope, recipient: &Recipient) -> Resources {
    let Kind::Message(kind) = envelope.message.kind else { return Resources::new() };
    let own = recipient.account.jid.as_str();
    let copied = carbons::eligible(&envelope.message, carbons::Copy::Received);
    let sessions = host.sessions.of(recipient.account.localpart());
    let plan = plan_for(&sessions, &envelope.decision.to, kind, copied);
    if plan.message.is_empty() && plan.carbon.is_empty() {
        host.metrics.kept.add(u64::from(recipient.waits));
        return Resources::new();
    }
    let id = recipient.archives.then(|| mailbox::stanza_id(own, envelope.id));
    let xml = mailbox::with_children(&envelope.xml, id.as_deref().unwrap_or_default());
    let class = match &envelope.message.from {
        Some(from) if mailbox::is_chat_state(&envelope.message) => Class::ChatState(from.as_str().into()),
        _ => Class::Urgent,
    };
    let undelivered = recipient.waits.then_some(envelope.id);
    let mut got = Resources::new();
    for session in plan.carbon.iter().filter_map(|at| sessions.get(*at)) {
        let copy = carbons::wrap(carbons::Copy::Received, envelope.message.kind, own, session.jid.as_str(), &xml);
        session.deliver(Delivery { xml: copy.into(), class: class.clone(), undelivered });
        got.push(session.clone());
    }
    let delivery = Arc::new(Delivery { xml, class, undelivered });
    for session in plan.message.iter().filter_map(|at| sessions.get(*at)) {
        session.deliver(delivery.clone());
        got.push(session.clone());
    }
    got
}

fn plan_for(sessions: &Resources, to: &Jid, kind: MessageType, copied: bool) -> Plan {
    let resource = to.resource();
    let candidates: SmallVec<[Candidate; 4]> = sessions
        .iter()
        .map(|session| Candidate {
            priority: session.priority(),
            addressed: resource.is_some_and(|resource| session.jid.resource() == resource),
            carbons: session.has_carbons(),
        })
        .collect();
    delivery::plan(kind, resource.is_some(), copied, &candidates)
}
