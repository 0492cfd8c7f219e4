//! What whoever started the process hears from it (sd_notify(3)): that it is ready, that it still works, that it ends.
//! Without `NOTIFY_SOCKET` in the environment nobody listens, and nothing is said.

use std::time::Duration;

use sd_notify::NotifyState;

/// The server can be reached.
pub fn ready() {
    say(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// The server ends, and may need this long for it.
pub fn stopping() {
    say(&[NotifyState::Stopping, NotifyState::Status("closing streams")]);
}

/// Says that the process works, as often as the supervisor wants to hear it; for ever. It is said by the runtime that
/// serves clients, so a runtime that is stuck is restarted.
pub async fn reassure() {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    // Twice as often as must be: one may be late.
    let mut ticks = tokio::time::interval((period / 2).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        say(&[NotifyState::Watchdog]);
    }
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the supervisor could not be told");
    }
}
