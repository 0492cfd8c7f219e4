//! Running a script, step by step.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, anyhow, bail, ensure};
use minidom::Element;
use tokio::sync::Mutex;

use super::script::{Action, Script, Step};
use super::target::Target;
use crate::pattern::{Captures, matches, parse_fragment, parse_fragments, show};
use crate::sm::Suspended;
use crate::{ACCEPT, Client, Component};

const CLIENT: &str = "jabber:client";
const ADMIN: &str = "admin";
const SM: &str = "urn:xmpp:sm:3";

/// Runs a script against a server; its users are made first.
///
/// # Errors
/// Names the line, what was expected and what came.
pub async fn run(script: &Script, target: &Target) -> Result<()> {
    // What is there once on a server, one script at a time may use.
    static SHARED: Mutex<()> = Mutex::const_new(());
    let shares = script.users.contains(ADMIN) || !script.components.is_empty();
    let _guard = if shares { Some(SHARED.lock().await) } else { None };
    let mut names = BTreeMap::from([(String::from("domain"), target.domain().to_owned())]);
    for user in &script.users {
        let localpart = target.account(user, &password(user)).await.with_context(|| format!("making {user}"))?;
        names.insert(format!("{user}.localpart"), localpart.clone());
        names.insert(user.clone(), format!("{localpart}@{}", target.domain()));
    }
    for newcomer in &script.newcomers {
        let localpart = Target::unused(newcomer);
        names.insert(format!("{newcomer}.localpart"), localpart.clone());
        names.insert(newcomer.clone(), format!("{localpart}@{}", target.domain()));
    }
    for component in &script.components {
        names.insert(component.clone(), format!("{component}.{}", target.domain()));
    }
    let mut stage = Stage {
        script,
        target,
        names,
        clients: HashMap::new(),
        suspended: HashMap::new(),
        components: HashMap::new(),
        captures: Captures::default(),
    };
    for (one, other) in &script.friends {
        stage.befriend(one, other).await.with_context(|| format!("making friends of {one} and {other}"))?;
    }
    for step in &script.steps {
        stage.step(step).await.map_err(|error| anyhow!("line {}: {}\n{error:#}", step.line, step.text))?;
    }
    Ok(())
}

fn password(user: &str) -> String {
    format!("{user}-secret")
}

struct Stage<'a> {
    script: &'a Script,
    target: &'a Target,
    /// Bare JIDs and domains by the names of the script.
    names: BTreeMap<String, String>,
    clients: HashMap<String, Client>,
    suspended: HashMap<String, Suspended>,
    components: HashMap<String, Component>,
    captures: Captures,
}

impl Stage<'_> {
    async fn step(&mut self, step: &Step) -> Result<()> {
        if self.script.components.contains(&step.who) {
            return self.component_step(&step.who, &step.action).await;
        }
        let who = step.who.as_str();
        match &step.action {
            Action::Open => {
                let client = Client::open(self.login(who, None)?).await?;
                self.clients.insert(who.to_owned(), client);
            }
            Action::LogIn(password) => {
                let mut client = Client::open(self.login(who, password.as_deref())?).await?;
                client.authenticate().await?;
                self.clients.insert(who.to_owned(), client);
            }
            Action::Connect(password) => {
                let client = Client::connect(self.login(who, password.as_deref())?).await?;
                self.clients.insert(who.to_owned(), client);
            }
            Action::ComeOnline(password) => {
                let mut client = Client::connect(self.login(who, password.as_deref())?).await?;
                client.come_online().await?;
                self.clients.insert(who.to_owned(), client);
            }
            Action::Refused(password, block) => {
                let mut client = Client::open(self.login(who, Some(password))?).await?;
                let failure = client.try_authenticate().await?.context("was let in")?;
                self.fits_one(block, CLIENT, &failure, client.jid())?;
            }
            Action::Offered(block) => {
                let features = self.client(who)?.features().clone();
                let jid = self.client(who)?.jid().to_owned();
                self.fits_one(block, CLIENT, &features, &jid)?;
            }
            Action::Send(block) => {
                let xml = self.filled(block)?;
                parse_fragments(&xml, CLIENT).context("the script's own XML")?;
                self.client(who)?.send(&xml).await?;
            }
            Action::SendRaw(block) => {
                let xml = self.filled(block)?;
                self.client(who)?.send(&xml).await?;
            }
            Action::Receive(block) => {
                for pattern in self.patterns(block, CLIENT)? {
                    let jid = self.client(who)?.jid().to_owned();
                    let element =
                        self.next(who, &pattern).await.with_context(|| format!("expected {}", show(&pattern)))?;
                    self.fits(&pattern, &element, &jid)?;
                }
            }
            Action::ReceiveUnordered(block) => self.unordered(who, block).await?,
            Action::ReceiveNothing => {
                self.settle().await;
                self.client(who)?.expect_nothing().await?;
            }
            Action::CatchUp => {
                self.settle().await;
                self.client(who)?.arrived().await?;
            }
            Action::CutOff(block) => self.cut_off(who, block.as_deref()).await?,
            Action::Disconnect => self.leave(who)?.close().await?,
            Action::Cut => {
                let suspended = self.leave(who)?.cut();
                self.suspended.insert(who.to_owned(), suspended);
            }
            Action::EnableSm => drop(self.client(who)?.enable_sm().await?),
            Action::Ack => self.client(who)?.ack().await?,
            Action::Authenticate(token, block) => {
                let (token, children) =
                    (token.as_ref().map(|token| self.filled(token)).transpose()?, self.filled(block)?);
                self.client(who)?.authenticate_inline(token.as_deref(), &children).await?;
            }
            Action::Resume => {
                let suspended = self.suspended.remove(who).context("was not cut")?;
                let (client, _) = suspended.resume().await?;
                self.clients.insert(who.to_owned(), client);
            }
        }
        Ok(())
    }

    async fn component_step(&mut self, who: &str, action: &Action) -> Result<()> {
        let jid = self.names.get(who).cloned().unwrap_or_default();
        match action {
            Action::Connect(secret) => {
                let secret = secret.as_deref().unwrap_or("secret");
                let component = Component::connect(self.target.components()?, &jid, secret).await?;
                self.components.insert(who.to_owned(), component);
            }
            Action::Refused(secret, block) => {
                let (_, answer) = Component::attempt(self.target.components()?, &jid, secret).await?;
                let answer = answer.context("the stream ended without an error")?;
                self.fits_one(block, ACCEPT, &answer, &jid)?;
            }
            Action::Send(block) => {
                let xml = self.filled(block)?;
                parse_fragments(&xml, ACCEPT).context("the script's own XML")?;
                self.component(who)?.send(&xml).await?;
            }
            Action::Receive(block) => {
                for pattern in self.patterns(block, ACCEPT)? {
                    let element =
                        self.component(who)?.recv().await.with_context(|| format!("expected {}", show(&pattern)))?;
                    self.fits(&pattern, &element, &jid)?;
                }
            }
            Action::ReceiveNothing => {
                self.settle().await;
                let domain = self.target.domain();
                let arrived = self.component(who)?.arrived(domain).await?;
                ensure!(
                    arrived.is_empty(),
                    "{jid} received {}",
                    arrived.iter().map(show).collect::<Vec<_>>().join("\n")
                );
            }
            Action::CutOff(block) => {
                if let Some(block) = block {
                    let error = self.component(who)?.recv().await?;
                    self.fits_one(block, ACCEPT, &error, &jid)?;
                }
                let more = self.component(who)?.next().await?;
                ensure!(more.is_none(), "the stream goes on with {}", more.as_ref().map(show).unwrap_or_default());
                self.components.remove(who);
            }
            Action::Disconnect => {
                let mut component = self.components.remove(who).context("is not connected")?;
                component.send("</stream:stream>").await?;
                while component.next().await?.is_some() {}
            }
            Action::Cut => drop(self.components.remove(who).context("is not connected")?),
            other => bail!("a component cannot do that: {other:?}"),
        }
        Ok(())
    }

    /// Lets the server handle all that anybody sent before somebody's silence is judged. Who cannot
    /// ping any more has sent nothing that counts.
    async fn settle(&mut self) {
        for client in self.clients.values_mut().filter(|client| client.is_bound()) {
            let _ = client.round_trip().await;
        }
        for component in self.components.values_mut() {
            let _ = component.round_trip(self.target.domain()).await;
        }
    }

    async fn unordered(&mut self, who: &str, block: &str) -> Result<()> {
        let mut patterns = self.patterns(block, CLIENT)?;
        let jid = self.client(who)?.jid().to_owned();
        while let Some(first) = patterns.first() {
            let element = self.next(who, first).await.with_context(|| {
                format!("still expected\n{}", patterns.iter().map(show).collect::<Vec<_>>().join("\n"))
            })?;
            let captures = &mut self.captures;
            let found = patterns.iter().position(|pattern| matches(pattern, &element, captures, &jid).is_ok());
            let Some(found) = found else {
                let expected: Vec<String> = patterns.iter().map(show).collect();
                bail!("none of these fits\nexpected {}\nreceived {}", expected.join("\nor       "), show(&element));
            };
            patterns.remove(found);
        }
        Ok(())
    }

    async fn cut_off(&mut self, who: &str, block: Option<&str>) -> Result<()> {
        let mut client = self.leave(who)?;
        let mut before = client.ended().await?;
        before.retain(|element| !crate::sm::is_optional(element));
        let Some(block) = block else { return Ok(()) };
        let patterns = self.patterns(block, CLIENT)?;
        ensure!(patterns.len() == before.len(), "received {}", before.iter().map(show).collect::<Vec<_>>().join("\n"));
        for (pattern, element) in patterns.iter().zip(&before) {
            self.fits(pattern, element, client.jid())?;
        }
        Ok(())
    }

    /// The next element; what is optional is passed over unless the pattern asks for it.
    async fn next(&mut self, who: &str, pattern: &Element) -> Result<Element> {
        let client = self.client(who)?;
        loop {
            let element = client.recv_any().await?;
            let asked = pattern.is(element.name(), element.ns().as_str())
                && (element.ns() == SM || pattern.attr("type") == Some("unavailable"));
            if asked || !crate::sm::is_optional(&element) {
                return Ok(element);
            }
        }
    }

    fn fits(&mut self, pattern: &Element, element: &Element, me: &str) -> Result<()> {
        matches(pattern, element, &mut self.captures, me)
            .map_err(|why| anyhow!("{why}\nexpected {}\nreceived {}", show(pattern), show(element)))
    }

    fn fits_one(&mut self, block: &str, namespace: &str, element: &Element, me: &str) -> Result<()> {
        let pattern = parse_fragment(&self.named(block), namespace).context("the script's own XML")?;
        self.fits(&pattern, element, me)
    }

    fn patterns(&self, block: &str, namespace: &str) -> Result<Vec<Element>> {
        parse_fragments(&self.named(block), namespace).context("the script's own XML")
    }

    /// Puts JIDs in place of names.
    fn named(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, jid)| text.replace(&format!("{{{name}}}"), jid))
    }

    fn filled(&self, block: &str) -> Result<String> {
        self.captures.fill(&self.named(block))
    }

    fn client(&mut self, who: &str) -> Result<&mut Client> {
        self.clients.get_mut(who).with_context(|| format!("{who} is not connected"))
    }

    fn leave(&mut self, who: &str) -> Result<Client> {
        self.clients.remove(who).with_context(|| format!("{who} is not connected"))
    }

    fn component(&mut self, who: &str) -> Result<&mut Component> {
        self.components.get_mut(who).with_context(|| format!("{who} is not connected"))
    }

    /// `alice` asks for the resource `home`, `alice/phone` for `phone`.
    fn login(&self, who: &str, other_password: Option<&str>) -> Result<crate::Login> {
        let (user, resource) = who.split_once('/').unwrap_or((who, "home"));
        let jid = self.names.get(user).with_context(|| format!("there is no {user}"))?;
        let localpart = jid.split('@').next().unwrap_or_default();
        // Scripts share the admin, and a server may take a second `home` for the first one's return.
        let resource = if user == ADMIN { Target::unused(resource) } else { resource.to_owned() };
        let password = other_password.map_or_else(|| password(user), str::to_owned);
        self.target.login(localpart, &password, Some(resource))
    }

    async fn befriend(&self, one: &str, other: &str) -> Result<()> {
        let mut a = Client::connect(self.login(&format!("{one}/setup"), None)?).await?;
        let mut b = Client::connect(self.login(&format!("{other}/setup"), None)?).await?;
        a.come_online().await?;
        b.come_online().await?;
        a.befriend(&mut b).await?;
        for mut client in [a, b] {
            client.send("<presence type='unavailable'/>").await?;
            client.round_trip().await?;
            client.close().await?;
        }
        Ok(())
    }
}
