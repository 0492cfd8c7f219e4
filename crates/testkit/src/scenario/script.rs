//! Reading a script into steps.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

/// A script, read.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The first comment: what the script shows.
    pub title: String,
    /// Users who get an account, by the names the script gives them.
    pub users: BTreeSet<String>,
    /// Users who have a name but no account yet.
    pub newcomers: BTreeSet<String>,
    /// Pairs whose mutual subscription is set up before the first step.
    pub friends: Vec<(String, String)>,
    /// External components, by name.
    pub components: BTreeSet<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it begins, from 1.
    pub line: usize,
    /// The line itself.
    pub text: String,
    /// The client: `alice`, or `alice/phone`.
    pub who: String,
    /// What it does.
    pub action: Action,
}

/// What a client does or sees. Blocks of XML are kept as text until names are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Opens a stream.
    Open,
    /// Opens a stream and authenticates, with a password other than the usual one if given.
    LogIn(Option<String>),
    /// Also binds its resource; a component shakes hands.
    Connect(Option<String>),
    /// Also asks for the roster and sends presence.
    ComeOnline(Option<String>),
    /// Is refused when it connects with this password or secret, and receives this.
    Refused(String, String),
    /// The stream's features fit this.
    Offered(String),
    /// Sends elements.
    Send(String),
    /// Sends text that need not be well-formed.
    SendRaw(String),
    /// Receives elements in this order, and nothing in between.
    Receive(String),
    /// Receives elements in any order.
    ReceiveUnordered(String),
    /// Has received nothing more, which a round trip proves.
    ReceiveNothing,
    /// Throws away what has arrived, after a round trip.
    CatchUp,
    /// The server ends the stream; with a block, after sending exactly this.
    CutOff(Option<String>),
    /// Closes the stream.
    Disconnect,
    /// Loses the connection.
    Cut,
    /// Enables stream management with resumption.
    EnableSm,
    /// Acknowledges what it has received.
    Ack,
    /// Reconnects and resumes the session.
    Resume,
    /// Authenticates in one request (XEP-0388) with these children, with the password or a token.
    Authenticate(Option<String>, String),
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// Names the line that cannot be understood.
    pub fn parse(text: &str) -> Result<Self> {
        let mut script = Self::default();
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
        while let Some((number, line)) = lines.next() {
            if let Some(comment) = line.strip_prefix('#') {
                if script.title.is_empty() {
                    comment.trim().clone_into(&mut script.title);
                }
                continue;
            }
            if line.trim().is_empty() {
                continue;
            }
            ensure!(!line.starts_with([' ', '\t']), "line {number}: a block without a step that ends in a colon");
            if script.header(line)? {
                continue;
            }
            let mut block = String::new();
            while let Some((_, inside)) =
                lines.next_if(|(_, next)| next.starts_with([' ', '\t']) || next.trim().is_empty())
            {
                block.push_str(inside.trim());
                block.push('\n');
            }
            let step = step(number, line.trim_end(), block.trim()).with_context(|| format!("line {number}: {line}"))?;
            script.steps.push(step);
        }
        ensure!(!script.title.is_empty(), "no title: begin with a comment that says what is shown");
        ensure!(!script.steps.is_empty(), "no steps");
        for step in &script.steps {
            let name = step.who.split('/').next().unwrap_or_default();
            if !script.components.contains(name) && !script.newcomers.contains(name) {
                script.users.insert(name.to_owned());
            }
        }
        Ok(script)
    }

    fn header(&mut self, line: &str) -> Result<bool> {
        let Some((key, value)) = line.split_once(": ") else { return Ok(false) };
        let names = value.split(',').map(|name| name.trim().to_owned());
        match key {
            "users" => self.users.extend(names),
            "newcomers" => self.newcomers.extend(names),
            "components" => self.components.extend(names),
            "friends" => {
                for pair in names {
                    let (one, other) = pair.split_once('+').with_context(|| format!("write alice+bob, not {pair}"))?;
                    self.users.extend([one.to_owned(), other.to_owned()]);
                    self.friends.push((one.to_owned(), other.to_owned()));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn step(line: usize, text: &str, block: &str) -> Result<Step> {
    let (who, verb) = text.split_once(' ').context("no verb")?;
    let (verb, with) = match verb.split_once(" with ") {
        Some((verb, with)) => (verb, Some(quoted(with)?)),
        None => (verb, None),
    };
    let whole = match (&with, text.ends_with(':')) {
        (Some(_), true) => format!("{verb}:"),
        _ => verb.to_owned(),
    };
    let needs_block = whole.ends_with(':');
    ensure!(
        needs_block != block.is_empty(),
        if needs_block { "the block is missing" } else { "a block needs a colon" }
    );
    let block = block.to_owned();
    let action = match (whole.as_str(), with) {
        ("opens", None) => Action::Open,
        ("logs in", password) => Action::LogIn(password),
        ("connects", password) => Action::Connect(password),
        ("comes online", password) => Action::ComeOnline(password),
        ("is refused:", Some(password)) => Action::Refused(password, block),
        ("is offered:", None) => Action::Offered(block),
        ("sends:", None) => Action::Send(block),
        ("sends raw:", None) => Action::SendRaw(block),
        ("receives:", None) => Action::Receive(block),
        ("receives in any order:", None) => Action::ReceiveUnordered(block),
        ("receives nothing", None) => Action::ReceiveNothing,
        ("catches up", None) => Action::CatchUp,
        ("is cut off:", None) => Action::CutOff(Some(block)),
        ("is cut off", None) => Action::CutOff(None),
        ("disconnects", None) => Action::Disconnect,
        ("cuts", None) => Action::Cut,
        ("enables stream management", None) => Action::EnableSm,
        ("acks", None) => Action::Ack,
        ("resumes", None) => Action::Resume,
        ("authenticates:", token) => Action::Authenticate(token, block),
        (other, _) => bail!("no such step: {other}"),
    };
    Ok(Step { line, text: text.to_owned(), who: who.to_owned(), action })
}

/// `password "x"`, `secret "x"` or `token "x"`, perhaps with a colon behind.
fn quoted(with: &str) -> Result<String> {
    let with = with.strip_suffix(':').unwrap_or(with);
    let value = ["password ", "secret ", "token "].iter().find_map(|kind| with.strip_prefix(kind));
    let value = value.and_then(|value| value.strip_prefix('"')).and_then(|value| value.strip_suffix('"'));
    Ok(value.context("write: with password \"...\", secret \"...\" or token \"...\"")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_into_steps() {
        let script = Script::parse(
            "# Hello\nfriends: alice+bob\nusers: carol\ncomponents: echo\n\nalice comes online\nbob/phone logs in with password \"new one\"\nalice sends:\n  <a/>\n\n  <b/>\nalice receives nothing\necho connects with secret \"s\"\n",
        )
        .unwrap();
        assert_eq!(script.title, "Hello");
        assert_eq!(script.users.iter().map(String::as_str).collect::<Vec<_>>(), ["alice", "bob", "carol"]);
        assert_eq!(script.steps.len(), 5);
        assert_eq!(script.steps[1].who, "bob/phone");
        assert_eq!(script.steps[1].action, Action::LogIn(Some(String::from("new one"))));
        assert_eq!(script.steps[2].action, Action::Send(String::from("<a/>\n\n<b/>")));
        assert_eq!(script.steps[2].line, 8);
    }

    #[test]
    fn what_cannot_be_understood_is_named_by_its_line() {
        for (text, line) in [
            ("# t\nalice dances\n", "line 2"),
            ("# t\n\nalice sends:\nalice connects\n", "line 3"),
            ("# t\nalice connects\n  <a/>\n", "line 2"),
            ("# t\n  <a/>\n", "line 2"),
            ("alice connects\n", "no title"),
            ("# t\n", "no steps"),
        ] {
            let error = format!("{:#}", Script::parse(text).unwrap_err());
            assert!(error.contains(line), "{error}");
        }
    }
}
