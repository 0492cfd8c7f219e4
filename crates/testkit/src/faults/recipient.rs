//! Somebody who receives, and is away half of the time: closed, cut and resumed, or cut and come back as new.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use minidom::Element;

use super::dice::Dice;
use super::ledger::{Note, Pair};
use super::traffic::{Books, Patience, Phase, Phases, is_error, sender_number};
use crate::{Client, Login};

const SM: &str = "urn:xmpp:sm:3";
const SID: &str = "urn:xmpp:sid:0";
/// How long a recipient stays on or off, in milliseconds.
const STAY_MS: u64 = 400;

pub(super) struct Recipient {
    pub(super) number: usize,
    pub(super) login: Login,
    pub(super) books: Books,
    pub(super) phases: Phases,
    pub(super) dice: Dice,
    /// Stanza-ids of the present session: stream management delivers each once.
    pub(super) in_session: HashSet<String>,
}

/// How a stay ended.
enum End {
    Done,
    Lost,
    Leave,
}

impl Recipient {
    /// Receives until the traffic is over.
    pub(super) async fn run(mut self) -> Result<()> {
        loop {
            if self.phases.now() == Phase::Run && self.dice.percent(60) {
                self.stay_away().await;
            }
            if self.phases.now() == Phase::Over {
                return Ok(());
            }
            let (mut client, arrived) = self.connect().await?;
            self.in_session.clear();
            for element in &arrived {
                self.take(element);
            }
            if self.dice.percent(80) && client.ack().await.is_err() {
                continue;
            }
            loop {
                match self.listen(&mut client).await {
                    End::Done => return client.close().await.or(Ok(())),
                    End::Lost => break,
                    End::Leave => {}
                }
                match self.dice.below(3) {
                    0 => {
                        let suspended = client.cut();
                        self.stay_away().await;
                        match suspended.resume().await {
                            Ok((resumed, _)) => client = resumed,
                            Err(_) => break,
                        }
                    }
                    1 => {
                        // What is not acknowledged by now comes again.
                        if self.dice.percent(70) {
                            let _ = client.ack().await;
                        }
                        let _ = client.close().await;
                        self.stay_away().await;
                        break;
                    }
                    _ => {
                        drop(client.cut());
                        break;
                    }
                }
            }
        }
    }

    /// Online with stream management, and what had waited.
    async fn connect(&self) -> Result<(Client, Vec<Element>)> {
        let patience = Patience::begin();
        loop {
            let connecting = async {
                let mut client = Client::connect(self.login.clone()).await?;
                client.enable_sm().await?;
                client.come_online().await?;
                let arrived = client.arrived().await?;
                Ok((client, arrived))
            };
            match connecting.await {
                Ok(online) => return Ok(online),
                Err(error) => patience.retry(error).await?,
            }
        }
    }

    async fn stay_away(&mut self) {
        let away = Duration::from_millis(self.dice.below(STAY_MS));
        let _ = tokio::time::timeout(away, self.phases.until(|phase| phase != Phase::Run)).await;
    }

    async fn listen(&mut self, client: &mut Client) -> End {
        let until = tokio::time::Instant::now() + Duration::from_millis(self.dice.between(20, STAY_MS));
        let mut phases = self.phases.clone();
        loop {
            let finishing = phases.now() != Phase::Run;
            tokio::select! {
                biased;
                () = phases.until(|phase| phase == Phase::Over) => return End::Done,
                element = client.recv_any() => match element {
                    Ok(element) if element.is("r", SM) => {
                        if (finishing || self.dice.percent(85)) && client.ack().await.is_err() {
                            return End::Lost;
                        }
                    }
                    Ok(element) => self.take(&element),
                    Err(_) => return End::Lost,
                },
                () = tokio::time::sleep_until(until), if !finishing => return End::Leave,
            }
        }
    }

    fn take(&mut self, element: &Element) {
        if is_error(element) {
            return self.books.complain(&self.login.localpart, element);
        }
        let Some(body) = element.get_child("body", "jabber:client").map(Element::text) else { return };
        let own = format!("{}@{}", self.login.localpart, self.login.domain);
        let id = element.children().find(|child| child.is("stanza-id", SID) && child.attr("by") == Some(&own));
        let (Some(note), Some(sender), Some(id)) =
            (Note::parse(&body), sender_number(element.attr("from")), id.and_then(|id| id.attr("id")))
        else {
            return self.books.complain(&self.login.localpart, element);
        };
        let pair = Pair { sender, recipient: self.number };
        let mut ledger = self.books.lock();
        if !self.in_session.insert(id.to_owned()) {
            ledger.complain(format!("{pair:?}: twice in one session: {note:?}"));
        }
        ledger.receive(pair, id, note);
    }
}
