//! Commands to the task that owns a session. They never wait behind stanzas.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use xmpp::error::StreamError;

use super::outbound::Outbox;

/// What a session's task may be told.
#[derive(Debug)]
pub enum Control {
    /// End the session with this stream error; it cannot be resumed.
    End(StreamError),
    /// Give the session to the connection that asks (XEP-0198 §5).
    Resume(oneshot::Sender<Handover>),
}

/// A session's outbox on its way from the old connection to the new one.
#[derive(Debug)]
pub struct Handover {
    /// What waits to be written.
    pub outbox: Outbox,
}

/// A slot for one command: an `End` replaces a `Resume`, never the other way round.
#[derive(Clone, Debug, Default)]
pub struct ControlSlot(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    command: Mutex<Option<Control>>,
    notify: Notify,
}

impl ControlSlot {
    /// Leaves a command for the session's task.
    pub fn put(&self, command: Control) {
        let mut slot = self.0.command.lock();
        if !matches!(*slot, Some(Control::End(_))) {
            *slot = Some(command);
            self.0.notify.notify_one();
        }
    }

    /// Waits for a command. Cancel-safe.
    pub async fn take(&self) -> Control {
        loop {
            if let Some(command) = self.0.command.lock().take() {
                return command;
            }
            self.0.notify.notified().await;
        }
    }
}
