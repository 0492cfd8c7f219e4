//! Whether the server may be given work: `/readyz`. That it lives at all, `/healthz`, needs no answer but one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::host::Host;

/// How long the database may take to answer.
const DATABASE: Duration = Duration::from_secs(2);
/// For how long its answer counts: asking more often costs nothing.
const FRESH: Duration = Duration::from_secs(1);

/// What is known of the server's health.
#[derive(Debug, Default)]
pub struct Health {
    is_listening: AtomicBool,
    database: Mutex<Option<(Instant, bool)>>,
}

impl Health {
    /// Every listener is bound, and connections are accepted.
    pub fn listens(&self) {
        self.is_listening.store(true, Ordering::Release);
    }

    /// Why the server should get no new connections now, a word or a few for each reason; empty when it should.
    pub async fn unready(&self, host: &Host) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        if !self.is_listening.load(Ordering::Acquire) {
            reasons.push("starting");
        }
        if host.stopping.is_cancelled() {
            reasons.push("draining");
        } else if !self.database_answers(host).await {
            reasons.push("database unreachable");
        }
        reasons
    }

    /// One question at a time; whoever comes meanwhile gets the same answer.
    async fn database_answers(&self, host: &Host) -> bool {
        let mut known = self.database.lock().await;
        if let Some((at, answers)) = *known
            && at.elapsed() < FRESH
        {
            return answers;
        }
        let answers = matches!(tokio::time::timeout(DATABASE, host.db.ping()).await, Ok(Ok(())));
        *known = Some((Instant::now(), answers));
        answers
    }
}
