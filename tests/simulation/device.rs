//! One device of a user: a task that does what the script says and meanwhile answers as clients do.

mod say;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use xmpp::ns;
use xmpp::xml::Element;

use crate::link::Link;
use crate::random::Random;
use crate::record::{Keeping, SessionNo, SessionRecord, User};
use crate::session::{Acks, Counting, Expected, Session};
use crate::world::{DOMAIN, World};

/// How long half a stanza may take to be written.
const TORN: Duration = Duration::from_millis(20);

/// More than a run can give reason for.
const QUESTIONS_MAX: usize = 5_000;

/// What a device is told to do. What makes no sense at the moment is passed over.
#[derive(Debug)]
pub enum Command {
    /// Connects and binds its resource anew, whatever it had before.
    LogIn(Wishes),
    /// Resumes its session on another connection; binds anew when that is gone.
    Resume,
    /// Sends so many messages with one write.
    Send {
        to: User,
        resource: Option<String>,
        keeping: Keeping,
        count: usize,
    },
    /// Says that it writes, which an inactive client need not hear.
    ChatState(User),
    /// Available with this priority, or unavailable.
    Presence(Option<i8>),
    Carbons(bool),
    Active(bool),
    /// Reads the archive from where it stopped.
    ReadArchive(usize),
    Block(User, bool),
    /// Acknowledges what it has got.
    Acknowledge,
    /// Reads nothing for so many milliseconds.
    Stall(u64),
    /// The connection is cut, after half a stanza if `torn`.
    Cut {
        torn: bool,
    },
    /// Closes the stream in good order.
    Close,
    /// Takes everything that waits and says so; resumes for that if it may.
    Settle {
        resume: bool,
        done: oneshot::Sender<SessionNo>,
    },
}

/// How a device sets up a session.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    pub stream_management: bool,
    pub acks: Acks,
    pub carbons: bool,
    pub priority: Option<i8>,
}

pub struct Device {
    world: Arc<World>,
    user: User,
    resource: String,
    random: Random,
    wishes: Wishes,
    requests: usize,
    /// How often it was asked what it has handled.
    questions: usize,
    link: Option<Link>,
    session: Option<Session>,
    read_to: Option<String>,
}

impl Device {
    /// A device that is off, and the way to tell it what to do. It ends when that is dropped.
    pub fn start(world: &Arc<World>, user: User, resource: &str, random: Random) -> mpsc::UnboundedSender<Command> {
        let (commands, received) = mpsc::unbounded_channel();
        let wishes = Wishes { stream_management: true, acks: Acks::AtOnce, carbons: false, priority: None };
        let device = Self {
            world: world.clone(),
            user,
            resource: resource.to_owned(),
            random,
            wishes,
            requests: 0,
            questions: 0,
            link: None,
            session: None,
            read_to: None,
        };
        tokio::spawn(device.run(received));
        commands
    }

    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let incoming = match &mut self.link {
                Some(link) => tokio::select! {
                    biased;
                    command = commands.recv() => Err(command),
                    incoming = link.next() => Ok(incoming),
                },
                None => Err(commands.recv().await),
            };
            match incoming {
                Ok(Some(element)) => self.handle(&element),
                Ok(None) => self.lost(),
                Err(Some(command)) => self.perform(command).await,
                Err(None) => return,
            }
        }
    }

    fn log(&self, text: impl std::fmt::Display) {
        let session = self.session.as_ref().map_or_else(String::new, |session| format!("/s{}", session.number));
        self.world.log(format!("{}/{}{session} {text}", self.world.logins[self.user].name, self.resource));
    }

    async fn perform(&mut self, command: Command) {
        match command {
            Command::LogIn(wishes) => {
                self.wishes = wishes;
                self.log_in().await;
            }
            Command::Resume => self.resume().await,
            Command::Settle { resume, done } => self.settle(resume, done).await,
            Command::Stall(ms) => tokio::time::sleep(Duration::from_millis(ms)).await, // tidy: allow sleep, virtual time
            Command::Cut { torn } => self.cut(torn).await,
            command if self.link.is_some() && self.session.is_some() => self.say(command).await,
            _ => {}
        }
    }

    async fn say(&mut self, command: Command) {
        self.log(format!("{command:?}"));
        match command {
            Command::Send { to, resource, keeping, count } => {
                (0..count).for_each(|_| self.send_message(to, resource.as_deref(), keeping));
                self.ask_for_handled();
            }
            Command::ChatState(to) => {
                let state = format!("<composing xmlns='{}'/>", ns::CHAT_STATES);
                self.send(&format!("<message type='chat' to='{}'>{state}</message>", self.world.bare(to)), None);
            }
            Command::Presence(priority) => self.presence(priority),
            Command::Carbons(on) => self.carbons(on),
            Command::Active(true) => self.queue(&format!("<active xmlns='{}'/>", ns::CSI)),
            Command::Active(false) => self.queue(&format!("<inactive xmlns='{}'/>", ns::CSI)),
            Command::ReadArchive(max) => self.read_archive(max),
            Command::Block(whom, on) => {
                let name = if on { "block" } else { "unblock" };
                let item = format!("<item jid='{}'/>", self.world.bare(whom));
                self.request(
                    "set",
                    "",
                    &format!("<{name} xmlns='{}'>{item}</{name}>", ns::BLOCKING),
                    Expected::Nothing,
                );
            }
            Command::Acknowledge => self.acknowledge(),
            Command::Close => {
                // It may not be resumed after that.
                self.queue("</stream:stream>");
                self.drain().await;
                self.session = None;
            }
            _ => {}
        }
    }

    fn handle(&mut self, element: &Element) {
        let Some(session) = &mut self.session else { return };
        let world = self.world.clone();
        match (element.namespace(), element.name()) {
            (ns::CLIENT, _) => {
                let answer = session.stanza(&world, element);
                self.read_to = session.read_to.clone();
                if let Some(answer) = answer {
                    self.send(&answer, None);
                }
            }
            (ns::SM, "r") => {
                self.questions += 1;
                assert!(self.questions < QUESTIONS_MAX, "the server asks for acknowledgements without end");
                let answers = match session.acks {
                    Acks::AtOnce => true,
                    Acks::Sometimes => self.random.percent(40),
                    Acks::Withheld => false,
                };
                if answers {
                    self.acknowledge();
                }
            }
            (ns::SM, "a") => {
                let h = element.attr("h").and_then(|h| h.parse().ok()).unwrap_or(u32::MAX);
                session.acknowledged(&world, h);
            }
            (ns::SM, "enabled") => {
                if let Some(counting) = &mut session.counting {
                    counting.id = element.attr("id").map(|id| id.into_owned());
                }
            }
            (ns::STREAM, "error") => {
                let condition = element.children().next().map(|child| child.name().to_owned());
                self.log(format!("stream error {}", condition.unwrap_or_default()));
            }
            (_, name) => world.problem(format!("an unexpected <{name}/>")),
        }
    }

    /// The connection is gone; with it the session, unless it can be resumed.
    fn lost(&mut self) {
        self.log("lost");
        self.link = None;
        if self.session.as_ref().is_some_and(|session| !session.is_resumable()) {
            self.session = None;
        }
    }

    /// Takes what the server has written already, to the end of the stream.
    async fn drain(&mut self) {
        while let Some(link) = &mut self.link {
            match link.next().await {
                Some(element) => self.handle(&element),
                None => self.lost(),
            }
        }
    }

    /// Without stream management what was written counts as delivered, so it must be read to its end.
    async fn cut(&mut self, torn: bool) {
        let Some(link) = &mut self.link else { return };
        if torn && link.is_idle() {
            let half = format!("<message type='chat' to='{}'><body>to", self.world.bare(0));
            let _ = tokio::time::timeout(TORN, link.ask(&half)).await;
        }
        self.log(if torn { "cut, torn" } else { "cut" });
        if self.session.as_ref().is_some_and(|session| !session.is_resumable())
            && let Some(link) = &mut self.link
        {
            link.hang_up().await;
            self.drain().await;
        }
        self.lost();
    }

    async fn log_in(&mut self) {
        let world = self.world.clone();
        let Ok(link) = Link::log_in(&world.host, world.pipe_bytes, &world.logins[self.user]).await else {
            return self.log("no log-in");
        };
        self.bind(link).await;
    }

    /// Binds on a new connection. The one before has not noticed yet.
    async fn bind(&mut self, mut link: Link) {
        let bind = format!("<bind xmlns='{}'><resource>{}</resource></bind>", ns::BIND, self.resource);
        let bound = async {
            link.ask(&format!("<iq type='set' id='bind'>{bind}</iq>")).await?;
            link.element().await
        };
        let bound: io::Result<Element> = bound.await;
        if !bound.is_ok_and(|answer| answer.attr("type").as_deref() == Some("result")) {
            return self.log("not bound");
        }
        self.cut(false).await;
        let number = {
            let mut record = self.world.record();
            record.sessions.push(SessionRecord {
                user: self.user,
                resource: self.resource.clone(),
                carbons_since: None,
                available_since: None,
                seen: Vec::new(),
                lived: false,
            });
            record.sessions.len() - 1
        };
        let mut session = Session::new(number, self.user, self.wishes.acks, self.read_to.clone());
        if self.wishes.stream_management {
            link.queue(&format!("<enable xmlns='{}' resume='true'/>", ns::SM));
            session.counting = Some(Counting::default());
        }
        self.link = Some(link);
        self.session = Some(session);
        self.log(format!("bound {:?}", self.wishes));
        if self.wishes.carbons {
            self.carbons(true);
        }
        if self.wishes.priority.is_some() {
            self.presence(self.wishes.priority);
        }
    }

    async fn resume(&mut self) {
        let Some(counting) = self.session.as_ref().and_then(|session| session.counting.as_ref()) else { return };
        let Some(id) = counting.id.clone() else { return };
        // What the old connection still brings is not read any more.
        let resume = format!("<resume xmlns='{}' previd='{id}' h='{}'/>", ns::SM, counting.handled);
        let _old = self.link.take();
        let world = self.world.clone();
        let answer = async {
            let mut link = Link::log_in(&world.host, world.pipe_bytes, &world.logins[self.user]).await?;
            link.ask(&resume).await?;
            let answer = link.element().await?;
            io::Result::Ok((link, answer))
        };
        let Ok((mut link, answer)) = answer.await else { return self.log("no resumption") };
        let Some(session) = self.session.as_mut().filter(|_| answer.is("resumed", ns::SM)) else {
            self.log("not resumed");
            self.session = None;
            return self.bind(link).await;
        };
        session.acknowledged(&world, answer.attr("h").and_then(|h| h.parse().ok()).unwrap_or(u32::MAX));
        link.queue(&session.send_again(&world));
        self.link = Some(link);
        self.log("resumed");
        self.ask_for_handled();
    }

    async fn settle(&mut self, resume: bool, done: oneshot::Sender<SessionNo>) {
        if self.link.is_none() && resume {
            self.resume().await;
        }
        if let Some(session) = self.session.as_mut().filter(|_| self.link.is_some()) {
            session.acks = Acks::AtOnce;
            self.acknowledge();
            self.ask_for_handled();
            self.request("get", DOMAIN, &format!("<ping xmlns='{}'/>", ns::PING), Expected::Settled(done));
        }
    }
}
