//! Many senders and many recipients at once, over every death of the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use minidom::Element;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::archive::{Archived, archived_of};
use super::dice::Dice;
use super::ledger::{Ledger, Pair};
use super::recipient::Recipient;
use super::sender::Sender;
use crate::pattern::show;
use crate::{Login, TestServer};

/// How long a client tries to come back, over the server's deaths.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two tries.
const RETRY: Duration = Duration::from_millis(20);
/// Archives read at a time.
const READERS: usize = 4;

/// How much traffic.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Accounts that send.
    pub senders: usize,
    /// Accounts that receive.
    pub recipients: usize,
    /// How many recipients each sender writes to.
    pub contacts: usize,
    /// The database dies under a server that goes on. Then errors are excused, what was not acknowledged may turn up or
    /// not, and only what was acknowledged must be in order.
    pub database_fails: bool,
}

/// What everybody does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Run,
    /// Senders write nothing new and wait for what is outstanding; recipients stay online.
    Finish,
    /// Everybody leaves.
    Over,
}

#[derive(Clone, Debug)]
pub(super) struct Phases(watch::Receiver<Phase>);

impl Phases {
    pub(super) fn now(&self) -> Phase {
        *self.0.borrow()
    }

    pub(super) async fn until(&mut self, fits: impl Fn(Phase) -> bool) {
        // The end of the traffic without a word is its end too.
        let _ = self.0.wait_for(|phase| fits(*phase)).await;
    }
}

/// The ledger that all share.
#[derive(Clone, Debug, Default)]
pub(super) struct Books(Arc<Mutex<Ledger>>);

impl Books {
    fn new(database_fails: bool) -> Self {
        Self(Arc::new(Mutex::new(Ledger::new(database_fails))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn complain(&self, who: &str, element: &Element) {
        if is_error(element) && self.lock().excuses_errors() {
            return;
        }
        self.lock().complain(format!("{who} received {}", show(element)));
    }
}

/// The localpart of a recipient.
pub(super) fn recipient(number: usize) -> String {
    format!("r{number}")
}

fn sender(number: usize) -> String {
    format!("s{number}")
}

/// The number of the sender with this JID.
pub(super) fn sender_number(jid: Option<&str>) -> Option<usize> {
    jid?.split('@').next()?.strip_prefix('s')?.parse().ok()
}

/// The number of the recipient with this JID.
pub(super) fn recipient_number(jid: Option<&str>) -> Option<usize> {
    jid?.split('@').next()?.strip_prefix('r')?.parse().ok()
}

/// A stream error or a stanza of type `error`: nothing that a crash excuses.
pub(super) fn is_error(element: &Element) -> bool {
    element.attr("type") == Some("error") || element.is("error", crate::client::STREAMS)
}

/// Waits before another try, while the server is away; the error once that takes too long.
pub(super) struct Patience(Instant);

impl Patience {
    pub(super) fn begin() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    pub(super) async fn retry(&self, error: anyhow::Error) -> Result<()> {
        ensure!(Instant::now() < self.0, "the server does not come back: {error:#}");
        tokio::time::sleep(RETRY).await; // tidy: allow sleep, one step of a bounded poll
        Ok(())
    }
}

/// Traffic under way.
#[derive(Debug)]
pub struct Traffic {
    plan: Plan,
    books: Books,
    phase: watch::Sender<Phase>,
    senders: JoinSet<Result<()>>,
    recipients: JoinSet<Result<()>>,
    logins: BTreeMap<String, Login>,
}

impl Traffic {
    /// Makes the accounts on `server` and starts.
    ///
    /// # Errors
    /// When an account cannot be made.
    pub async fn start(server: &TestServer, plan: Plan, dice: &Dice) -> Result<Self> {
        let names = (0..plan.senders).map(sender).chain((0..plan.recipients).map(recipient));
        let mut logins = BTreeMap::new();
        for name in names {
            server.add_user(&name, &name).await?;
            let login = Login { resource: Some(String::from("device")), ..server.login(&name, &name)? };
            logins.insert(name, login);
        }
        let (phase, phases) = watch::channel(Phase::Run);
        let phases = Phases(phases);
        let mut traffic = Self {
            plan,
            books: Books::new(plan.database_fails),
            phase,
            senders: JoinSet::new(),
            recipients: JoinSet::new(),
            logins,
        };
        for number in 0..plan.senders {
            // Neighbours on a circle, so that every recipient has several senders.
            let to = (0..plan.contacts).map(|step| (number + step * 3) % plan.recipients.max(1)).collect();
            let sender = Sender {
                number,
                login: traffic.login(&sender(number))?,
                to,
                books: traffic.books.clone(),
                phases: phases.clone(),
                dice: dice.fork(u64::try_from(number)?),
                outstanding: Default::default(),
                refused: Default::default(),
            };
            traffic.senders.spawn(sender.run());
        }
        for number in 0..plan.recipients {
            let recipient = Recipient {
                number,
                login: traffic.login(&recipient(number))?,
                books: traffic.books.clone(),
                phases: phases.clone(),
                dice: dice.fork(u64::try_from(plan.senders + number)?),
                in_session: Default::default(),
            };
            traffic.recipients.spawn(recipient.run());
        }
        Ok(traffic)
    }

    fn login(&self, name: &str) -> Result<Login> {
        self.logins.get(name).cloned().with_context(|| format!("no account {name}"))
    }

    /// How many messages were acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.books.lock().acknowledged()
    }

    /// Waits until so many more messages are acknowledged.
    ///
    /// # Errors
    /// When that takes longer than clients are patient.
    pub async fn acknowledges(&self, more: u64) -> Result<()> {
        let goal = self.acknowledged() + more;
        self.wait_for("no messages are acknowledged", || self.acknowledged() >= goal).await
    }

    /// Ends the traffic: everything is acknowledged and everything acknowledged has arrived, or time is up. Returns the
    /// ledger.
    ///
    /// # Errors
    /// When a sender cannot finish.
    pub async fn finish(&mut self) -> Result<Ledger> {
        self.phase.send_replace(Phase::Finish);
        while let Some(ended) =
            tokio::time::timeout(PATIENCE, self.senders.join_next()).await.context("senders wait")?
        {
            ended??;
        }
        // What is missing in the end is for the ledger to say.
        let _ = self.wait_for("messages are missing", || self.books.lock().missing() == 0).await;
        self.phase.send_replace(Phase::Over);
        while let Some(ended) = self.recipients.join_next().await {
            ended??;
        }
        Ok(self.books.lock().clone())
    }

    async fn wait_for(&self, what: &'static str, fulfilled: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !fulfilled() {
            ensure!(Instant::now() < deadline, what);
            tokio::time::sleep(Duration::from_millis(5)).await; // tidy: allow sleep, one step of a bounded poll
        }
        Ok(())
    }

    /// The archives of both sides of each pair, read over XMPP.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn archives(&self) -> Result<BTreeMap<Pair, (Vec<Archived>, Vec<Archived>)>> {
        let mut reading = JoinSet::new();
        let mut archives: BTreeMap<Pair, (Vec<Archived>, Vec<Archived>)> = BTreeMap::new();
        let mut waiting = self.logins.values().cloned();
        loop {
            while reading.len() < READERS
                && let Some(login) = waiting.next()
            {
                reading
                    .spawn(async move { Ok::<_, anyhow::Error>((login.localpart.clone(), archived_of(login).await?)) });
            }
            let Some(read) = reading.join_next().await else { return Ok(archives) };
            let (owner, archive) = read??;
            for archived in archive {
                let pair = sender_number(Some(&archived.from)).zip(recipient_number(Some(&archived.to)));
                let (sender, recipient) =
                    pair.with_context(|| format!("a stranger's message in {owner}: {archived:?}"))?;
                let sides = archives.entry(Pair { sender, recipient }).or_default();
                if owner.starts_with('s') { sides.0.push(archived) } else { sides.1.push(archived) }
            }
        }
    }

    /// How many accounts take part.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.plan.senders + self.plan.recipients
    }
}
