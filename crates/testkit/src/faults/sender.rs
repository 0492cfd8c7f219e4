//! Somebody who writes to several others, as fast as the server acknowledges, and gives up nothing that was not
//! acknowledged (XEP-0198).

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use anyhow::Result;
use minidom::Element;
use tokio::time::{MissedTickBehavior, interval};

use super::dice::Dice;
use super::ledger::{Fate, Note, Pair};
use super::traffic::{Books, Patience, Phase, Phases, is_error, recipient, recipient_number};
use crate::{Client, Login};

const SM: &str = "urn:xmpp:sm:3";
/// Unacknowledged messages after which a sender waits.
const WINDOW: usize = 64;
/// Messages written with one call, at most.
const BURST: u64 = 8;
/// How often a sender looks whether it may write.
const TICK: Duration = Duration::from_millis(25);

pub(super) struct Sender {
    pub(super) number: usize,
    pub(super) login: Login,
    /// The recipients, by number.
    pub(super) to: Vec<usize>,
    pub(super) books: Books,
    pub(super) phases: Phases,
    pub(super) dice: Dice,
    /// Sent on this session and not acknowledged, oldest first.
    pub(super) outstanding: VecDeque<(Pair, Note)>,
    /// Of those, what came back as an error.
    pub(super) refused: BTreeSet<(Pair, Note)>,
}

/// How a connection ended.
enum End {
    Done,
    Lost,
    Cut,
}

impl Sender {
    /// Writes until the traffic ends and everything is acknowledged.
    pub(super) async fn run(mut self) -> Result<()> {
        loop {
            let mut client = self.connect().await?;
            let mut h = 0;
            // The session is a new one: whatever was not acknowledged is sent again.
            let mut sent = self.repeat(&mut client, Fate::Unknown).await.is_ok();
            loop {
                let end = if sent { self.converse(&mut client, &mut h).await } else { End::Lost };
                match end {
                    End::Done => return client.close().await.or(Ok(())),
                    End::Lost => break,
                    End::Cut => {}
                }
                let suspended = client.cut();
                tokio::time::sleep(Duration::from_millis(self.dice.below(60))).await; // tidy: allow sleep, a connection is away for a while
                let Ok((resumed, answer)) = suspended.resume().await else { break };
                client = resumed;
                self.acknowledged(&answer, &mut h);
                sent = self.repeat(&mut client, Fate::Refused).await.is_ok();
            }
        }
    }

    async fn connect(&self) -> Result<Client> {
        let patience = Patience::begin();
        loop {
            let connecting = async {
                let mut client = Client::connect(self.login.clone()).await?;
                client.enable_sm().await?;
                Ok(client)
            };
            match connecting.await {
                Ok(client) => return Ok(client),
                Err(error) => patience.retry(error).await?,
            }
        }
    }

    /// Sends again, as new entries of the ledger and in their order, what is outstanding.
    async fn repeat(&mut self, client: &mut Client, fate: Fate) -> Result<()> {
        let outstanding = std::mem::take(&mut self.outstanding);
        let mut burst = String::new();
        {
            let mut ledger = self.books.lock();
            for (pair, note) in outstanding {
                if fate == Fate::Refused {
                    ledger.learn(pair, note, fate);
                }
                let note = ledger.send(pair, Some(note));
                self.outstanding.push_back((pair, note));
                burst.push_str(&self.message(pair, note));
            }
        }
        self.ask(client, burst).await
    }

    async fn converse(&mut self, client: &mut Client, h: &mut u32) -> End {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                element = client.recv_any() => match element {
                    Ok(element) if element.is("a", SM) => self.acknowledged(&element, h),
                    Ok(element) => {
                        if is_error(&element) {
                            self.books.complain(&self.login.localpart, &element);
                            self.refused(&element);
                        }
                    }
                    Err(_) => return End::Lost,
                },
                _ = tick.tick() => {
                    let finishing = self.phases.now() == Phase::Finish;
                    if finishing && self.outstanding.is_empty() {
                        return End::Done;
                    }
                    let written = match finishing {
                        true => self.ask(client, String::new()).await,
                        false => self.write(client).await,
                    };
                    if written.is_err() {
                        return End::Lost;
                    }
                    if self.dice.percent(1) {
                        return End::Cut;
                    }
                }
            }
        }
    }

    /// A burst of new messages, if the window has room.
    async fn write(&mut self, client: &mut Client) -> Result<()> {
        if self.outstanding.len() >= WINDOW {
            return Ok(());
        }
        let mut burst = String::new();
        for _ in 0..self.dice.between(1, BURST) {
            let Some(recipient) = self.dice.pick(&self.to).copied() else { break };
            let pair = Pair { sender: self.number, recipient };
            let note = self.books.lock().send(pair, None);
            self.outstanding.push_back((pair, note));
            burst.push_str(&self.message(pair, note));
        }
        self.ask(client, burst).await
    }

    async fn ask(&self, client: &mut Client, before: String) -> Result<()> {
        client.send(&format!("{before}<r xmlns='{SM}'/>")).await
    }

    fn message(&self, pair: Pair, note: Note) -> String {
        // XEP-0359 §3.1: a repetition is the same message to whoever looks at its origin-id.
        format!(
            "<message type='chat' id='{counter}.{attempt}' to='{to}@{domain}'><body>{body}</body>\
             <origin-id xmlns='urn:xmpp:sid:0' id='{sender}-{recipient}-{counter}'/></message>",
            counter = note.counter,
            attempt = note.attempt,
            to = recipient(pair.recipient),
            domain = self.login.domain,
            body = note.body(),
            sender = pair.sender,
            recipient = pair.recipient,
        )
    }

    /// A message came back as an error: the server has counted it, and promised nothing.
    fn refused(&mut self, error: &Element) {
        let is_it = |(pair, note): &(Pair, Note)| {
            let id = format!("{}.{}", note.counter, note.attempt);
            error.attr("id") == Some(&id) && recipient_number(error.attr("from")) == Some(pair.recipient)
        };
        self.refused.extend(self.outstanding.iter().copied().filter(is_it));
    }

    /// `<a/>` or `<resumed/>`: the oldest outstanding messages are the server's now.
    fn acknowledged(&mut self, answer: &Element, h: &mut u32) {
        let Some(now) = answer.attr("h").and_then(|h| h.parse::<u32>().ok()) else { return };
        let mut ledger = self.books.lock();
        for _ in 0..now.wrapping_sub(*h) {
            match self.outstanding.pop_front() {
                Some(refused) if self.refused.contains(&refused) => {}
                Some((pair, note)) => ledger.learn(pair, note, Fate::Acknowledged),
                None => {
                    ledger.complain(format!("{}: the server acknowledges more than was sent", self.login.localpart));
                    break;
                }
            }
        }
        *h = now;
    }
}
