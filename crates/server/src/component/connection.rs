//! One component's connection (XEP-0114): handshake, then stanzas both ways until either side ends the stream.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jid::{BareJid, Jid};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use xmpp::error::StreamError;
use xmpp::ns;
use xmpp::stanza::{Rejected, Stanza};
use xmpp::xml::{Element, Frame};

use super::handshake::{self, Refused};
use super::{Components, Outlet};
use crate::c2s;
use crate::c2s::wire::{Incoming, Transport, Wire, xml_limits};
use crate::host::Host;
use crate::routing::{self, Origin};

/// Stanzas taken off the queue at a time.
const BATCH_STANZAS: usize = 64;
/// Bytes gathered before they are written.
const BATCH_BYTES: usize = 64 * 1024;
/// How long a component may take to read what is left when its stream ends.
const CLOSING: Duration = Duration::from_secs(5);

/// Serves a component on `socket` until its stream ends.
pub(super) async fn run(host: &Arc<Host>, socket: TcpStream, connection: u64) {
    let limits = &host.config.limits;
    let mut wire = Wire::new(Transport::Tcp(socket), xml_limits(limits, limits.pre_auth_stanza_bytes_max));
    let stream_id = c2s::random_id();
    let negotiated = tokio::select! {
        negotiated = handshake::negotiate(&mut wire, &host.components, &stream_id) => negotiated,
        () = sleep(Duration::from_secs(limits.pre_auth_secs)) => Err(Refused::With(StreamError::new("connection-timeout"))),
        error = host.components.closing() => Err(Refused::With(error)),
    };
    let admitted = negotiated.and_then(|domain| {
        let outlet = host.components.attach(&domain, connection).map_err(Refused::With)?;
        Ok((domain, outlet))
    });
    match admitted {
        Ok((domain, outlet)) => {
            wire.incoming.set_limits(xml_limits(limits, limits.stanza_bytes_max));
            let attached = Attached { components: &host.components, domain: &domain, connection };
            tracing::info!(connection, domain, "component connected");
            exchange(host, wire, outlet, attached).await;
            tracing::info!(connection, domain, "component disconnected");
        }
        Err(Refused::With(error)) => {
            tracing::warn!(connection, %error, "component refused");
            close(wire, Some(&error)).await;
        }
        Err(Refused::Gone) => close(wire, None).await,
    }
}

/// A connection's place in the table of components, given back when it ends.
struct Attached<'a> {
    components: &'a Components,
    domain: &'a str,
    connection: u64,
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.components.detach(self.domain, self.connection);
    }
}

/// Stanzas both ways, then the end of the stream.
async fn exchange(host: &Arc<Host>, wire: Wire, outlet: Outlet, attached: Attached<'_>) {
    let Wire { transport, incoming, .. } = wire;
    let (reader, mut writer) = tokio::io::split(transport);
    if writer.write_all(handshake::accepted_xml().as_bytes()).await.is_err() {
        return;
    }
    let mut writing = std::pin::pin!(write(outlet.queue, writer));
    let error = tokio::select! {
        // In this order: when the table lets the link go, its reason is there before the queue ends.
        biased;
        error = outlet.end => error.ok(),
        // Without its queue having ended, writing only ends when the socket has failed.
        _ = &mut writing => return,
        error = read(host, attached.domain, incoming, reader) => error,
    };
    if let Some(error) = &error {
        tracing::info!(connection = attached.connection, condition = error.condition, "a component's stream ends");
    }
    // The queue ends with the link: what stands in it is written, nothing follows.
    drop(attached);
    let _ = timeout(CLOSING, async {
        let mut writer = writing.await?;
        let mut xml = error.as_ref().map(StreamError::to_xml).unwrap_or_default();
        xml.push_str("</stream:stream>");
        writer.write_all(xml.as_bytes()).await?;
        writer.shutdown().await
    })
    .await;
}

/// Writes what is queued until the queue ends, many stanzas at a time.
async fn write<W: AsyncWrite + Unpin>(mut queue: mpsc::Receiver<Bytes>, mut writer: W) -> io::Result<W> {
    let mut stanzas = Vec::with_capacity(BATCH_STANZAS);
    let mut batch = BytesMut::new();
    while queue.recv_many(&mut stanzas, BATCH_STANZAS).await > 0 {
        for stanza in stanzas.drain(..) {
            batch.extend_from_slice(&stanza);
            if batch.len() >= BATCH_BYTES {
                writer.write_all(&batch).await?;
                batch.clear();
            }
        }
        writer.write_all(&batch).await?;
        batch.clear();
        writer.flush().await?;
    }
    Ok(writer)
}

/// Routes what the component sends until its stream ends; Some: with this error, told by us.
async fn read(
    host: &Arc<Host>,
    domain: &str,
    mut incoming: Incoming,
    mut reader: impl AsyncRead + Unpin,
) -> Option<StreamError> {
    loop {
        match incoming.next_frame() {
            Ok(Some(Frame::Element(element))) => match admit(domain, element) {
                Admitted::Route(stanza) => {
                    host.metrics.received.count(stanza.kind);
                    let (host, domain) = (host.clone(), domain.to_owned());
                    // In a task of its own: what is begun is finished, also when the connection ends meanwhile. A
                    // message that could not be kept was answered with an error: nothing is left to do here.
                    let routed = tokio::spawn(async move {
                        let _ = routing::route(&host, &Origin::Component(&domain), *stanza).await;
                    });
                    let _ = routed.await;
                }
                // It is the component's own queue: when that is full, its connection ends like for anybody's stanza.
                Admitted::Answer(xml) => _ = host.components.send(domain, xml.into()),
                Admitted::Close(error) => return Some(error),
                Admitted::Nothing => {}
            },
            Ok(Some(Frame::Close)) => return None,
            Ok(Some(Frame::Open(_))) => return Some(StreamError::new("invalid-xml")),
            Ok(None) => {
                if incoming.fill(&mut reader).await.is_err() {
                    return None;
                }
            }
            Err(error) => return Some(StreamError::with_text(error.condition(), error.to_string())),
        }
    }
}

/// What to do with an element that a component sent.
#[derive(Debug)]
enum Admitted {
    Route(Box<Stanza>),
    /// The component gets this answer.
    Answer(String),
    /// The component breaks the protocol.
    Close(StreamError),
    /// A fault in what must not be answered.
    Nothing,
}

/// XEP-0114 §3: a stanza has a `from` at the component's domain, and a `to`.
fn admit(domain: &str, element: Element) -> Admitted {
    if element.namespace() != ns::COMPONENT && element.namespace() != ns::CLIENT {
        return Admitted::Close(StreamError::new("invalid-namespace"));
    }
    let (mut stanza, fault) = match Stanza::parse(element) {
        Ok(stanza) => (Box::new(stanza), None),
        Err(Rejected::NotAStanza) => return Admitted::Close(StreamError::new("unsupported-stanza-type")),
        Err(Rejected::Faulty(stanza, error)) => (stanza, Some(error)),
    };
    if stanza.from.as_ref().is_none_or(|from| from.domain().as_str() != domain) {
        return Admitted::Close(StreamError::with_text("invalid-from", "from must be at the component's own domain"));
    }
    if stanza.element.attr("to").is_none() {
        return Admitted::Close(StreamError::new("improper-addressing"));
    }
    let Some(error) = fault else { return Admitted::Route(stanza) };
    // A faulty `to` was dropped; the error comes from the component's own domain then.
    if stanza.to.is_none() {
        stanza.to = BareJid::new(domain).ok().map(Jid::from);
    }
    stanza.error_xml(&error).map_or(Admitted::Nothing, Admitted::Answer)
}

async fn close(mut wire: Wire, error: Option<&StreamError>) {
    // A component that does not read is not waited for.
    let _ = timeout(CLOSING, wire.close(error)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(text: &'static str) -> Admitted {
        admit("echo.localhost", Element::parse(text, ns::COMPONENT).unwrap())
    }

    fn condition(text: &'static str) -> &'static str {
        match admitted(text) {
            Admitted::Close(error) => error.condition,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_component_speaks_for_anybody_at_its_domain() {
        for text in [
            "<message from='echo.localhost' to='a@localhost'><body>hi</body></message>",
            "<presence from='user@echo.localhost/x' to='a@localhost'/>",
            "<iq from='echo.localhost/r' to='localhost' type='get' id='1' xmlns='jabber:client'/>",
        ] {
            assert!(matches!(admitted(text), Admitted::Route(_)), "{text}");
        }
    }

    #[test]
    fn a_component_speaks_for_nobody_else() {
        assert_eq!(condition("<message from='localhost' to='a@localhost'/>"), "invalid-from");
        assert_eq!(condition("<message from='a@sub.echo.localhost' to='a@localhost'/>"), "invalid-from");
        assert_eq!(condition("<message to='a@localhost'/>"), "invalid-from");
        assert_eq!(condition("<message from='@echo.localhost' to='a@localhost'/>"), "invalid-from");
    }

    #[test]
    fn what_is_no_stanza_for_somebody_ends_the_stream() {
        assert_eq!(condition("<message from='echo.localhost'/>"), "improper-addressing");
        assert_eq!(condition("<handshake/>"), "unsupported-stanza-type");
        assert_eq!(condition("<message xmlns='urn:x' from='echo.localhost' to='a@localhost'/>"), "invalid-namespace");
    }

    #[test]
    fn a_faulty_stanza_is_answered_and_a_faulty_error_is_not() {
        let Admitted::Answer(xml) = admitted("<message from='u@echo.localhost' to='@@' id='7'/>") else { panic!() };
        assert!(xml.starts_with("<message from='echo.localhost' to='u@echo.localhost' type='error' id='7'>"), "{xml}");
        assert!(xml.contains("<jid-malformed "), "{xml}");
        let error = "<message from='u@echo.localhost' to='@@' type='error'/>";
        assert!(matches!(admitted(error), Admitted::Nothing));
    }

    #[tokio::test]
    async fn what_is_queued_is_written_in_order_until_the_queue_ends() {
        let (sender, queue) = mpsc::channel(200);
        for number in 0..200 {
            sender.try_send(Bytes::from(format!("<m n='{number}'/>"))).unwrap();
        }
        drop(sender);
        let written = write(queue, Vec::new()).await.unwrap();
        let expected: String = (0..200).map(|number| format!("<m n='{number}'/>")).collect();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
