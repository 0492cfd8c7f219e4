//! What was sent, what the server promised, what arrived; and what is wrong when that is compared with the archives.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::archive::Archived;

/// One sender and one recipient, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// Account `s…`.
    pub sender: usize,
    /// Account `r…`.
    pub recipient: usize,
}

/// What stands in the body of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Numbers everything written to the socket within a pair, repetitions too: the order sent.
    pub serial: usize,
    /// Numbers what the user wrote within a pair; a repetition keeps it.
    pub counter: usize,
    /// 1, and one more for each repetition.
    pub attempt: usize,
}

impl Note {
    /// The body.
    #[must_use]
    pub fn body(self) -> String {
        format!("{} {} {} some text of ordinary length, as people write it", self.serial, self.counter, self.attempt)
    }

    /// Reads a body; `None` when it is none of ours.
    #[must_use]
    pub fn parse(body: &str) -> Option<Self> {
        let mut numbers = body.split(' ').map(|word| word.parse().ok());
        Some(Self { serial: numbers.next()??, counter: numbers.next()??, attempt: numbers.next()?? })
    }
}

/// What a sender knows of something it has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The connection ended before an answer: the server may have stored it or not.
    Unknown,
    /// The server has counted it (XEP-0198 `h`): it must never be lost.
    Acknowledged,
    /// On resumption the server said that it never handled it: it must not turn up.
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    note: Note,
    fate: Fate,
}

#[derive(Clone, Debug, Default)]
struct Conversation {
    sent: Vec<Sent>,
    counters: usize,
    /// Stanza-id and note, in the order of the first arrival of each stanza-id.
    received: Vec<(String, Note)>,
    received_ids: HashMap<String, Note>,
}

/// The books of a run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    conversations: BTreeMap<Pair, Conversation>,
    complaints: Vec<String>,
    acknowledged: u64,
    /// Only what was acknowledged must be there and in order: see [`Plan`](super::Plan).
    database_fails: bool,
}

impl Ledger {
    /// Empty books.
    #[must_use]
    pub fn new(database_fails: bool) -> Self {
        Self { database_fails, ..Self::default() }
    }

    /// Whether a stream may end with an error.
    pub(super) fn excuses_errors(&self) -> bool {
        self.database_fails
    }

    /// Enters a message about to be sent; a repetition names the note it repeats.
    pub fn send(&mut self, pair: Pair, repeats: Option<Note>) -> Note {
        let conversation = self.conversations.entry(pair).or_default();
        let (counter, attempt) = match repeats {
            Some(note) => (note.counter, note.attempt + 1),
            None => (conversation.counters, 1),
        };
        conversation.counters += usize::from(repeats.is_none());
        let note = Note { serial: conversation.sent.len(), counter, attempt };
        conversation.sent.push(Sent { note, fate: Fate::Unknown });
        note
    }

    /// Enters what the server said of a message.
    pub fn learn(&mut self, pair: Pair, note: Note, fate: Fate) {
        let conversation = self.conversations.entry(pair).or_default();
        // Whether the database had stored it, the server could not say.
        let fate = if self.database_fails && fate == Fate::Refused { Fate::Unknown } else { fate };
        if let Some(sent) = conversation.sent.get_mut(note.serial) {
            sent.fate = fate;
            self.acknowledged += u64::from(fate == Fate::Acknowledged);
        }
    }

    /// Enters a message that arrived.
    pub fn receive(&mut self, pair: Pair, stanza_id: &str, note: Note) {
        let conversation = self.conversations.entry(pair).or_default();
        match conversation.received_ids.insert(stanza_id.to_owned(), note) {
            None => conversation.received.push((stanza_id.to_owned(), note)),
            Some(other) if other != note => {
                self.complaints.push(format!("{pair:?}: stanza-id {stanza_id} names {other:?} and {note:?}"));
            }
            Some(_) => {}
        }
    }

    /// Enters something that should not have happened.
    pub fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }

    /// How many messages the server has acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many were written to a socket so far, repetitions included, and how many arrived.
    #[must_use]
    pub fn totals(&self) -> (usize, usize) {
        let sum = |of: fn(&Conversation) -> usize| self.conversations.values().map(of).sum();
        (sum(|conversation| conversation.sent.len()), sum(|conversation| conversation.received.len()))
    }

    /// How many acknowledged messages have not arrived.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.conversations.values().map(|conversation| conversation.missing().len()).sum()
    }

    /// Every broken promise, as a sentence. `archives` has the archive of each sender and each recipient, as the part of
    /// it that belongs to a pair: the sender's first.
    #[must_use]
    pub fn violations(&self, archives: &BTreeMap<Pair, (Vec<Archived>, Vec<Archived>)>) -> Vec<String> {
        let mut found = self.complaints.clone();
        for (pair, conversation) in &self.conversations {
            let nothing = (Vec::new(), Vec::new());
            let (sender, recipient) = archives.get(pair).unwrap_or(&nothing);
            let mut say = |what: String| found.push(format!("{pair:?}: {what}"));
            for missing in conversation.missing() {
                say(format!("acknowledged and never received: {missing:?}"));
            }
            let counts = |note: &Note| !self.database_fails || conversation.is_acknowledged(*note);
            check_order("received", conversation.received.iter().map(|(_, note)| *note).filter(counts), &mut say);
            for (whose, archive) in [("the sender's archive", sender), ("the recipient's archive", recipient)] {
                conversation.check_archive(whose, archive, &counts, &mut say);
            }
            if ids(sender) != ids(recipient) {
                say(String::from("the two archives differ"));
            }
            let received: BTreeSet<&str> = conversation.received.iter().map(|(id, _)| id.as_str()).collect();
            for archived in recipient.iter().filter(|archived| !received.contains(archived.id.as_str())) {
                if Note::parse(&archived.body).is_some_and(|note| !counts(&note)) {
                    continue;
                }
                say(format!("archived and never received: {:?}", archived.body));
            }
            if received.len() > recipient.len() {
                say(String::from("more was received than archived"));
            }
        }
        found
    }
}

fn ids(archive: &[Archived]) -> Vec<(&str, &str)> {
    archive.iter().map(|archived| (archived.id.as_str(), archived.body.as_str())).collect()
}

/// Serials must rise: what falls is out of order, what repeats stands there twice.
fn check_order(what: &str, notes: impl Iterator<Item = Note>, say: &mut impl FnMut(String)) {
    let mut last: Option<Note> = None;
    for note in notes {
        match last {
            Some(before) if before.serial == note.serial => say(format!("{what} under two stanza-ids: {note:?}")),
            Some(before) if before.serial > note.serial => say(format!("{what} {note:?} after {before:?}")),
            _ => {}
        }
        last = Some(note);
    }
}

impl Conversation {
    fn missing(&self) -> Vec<Note> {
        let received: BTreeSet<usize> = self.received.iter().map(|(_, note)| note.serial).collect();
        let acknowledged = self.sent.iter().filter(|sent| sent.fate == Fate::Acknowledged).map(|sent| sent.note);
        acknowledged.filter(|note| !received.contains(&note.serial)).collect()
    }

    fn is_acknowledged(&self, note: Note) -> bool {
        self.sent.get(note.serial).is_some_and(|sent| sent.fate == Fate::Acknowledged)
    }

    fn check_archive(
        &self,
        whose: &str,
        archive: &[Archived],
        counts: &impl Fn(&Note) -> bool,
        say: &mut impl FnMut(String),
    ) {
        let notes: Vec<Note> = archive.iter().filter_map(|archived| Note::parse(&archived.body)).collect();
        check_order(whose, notes.iter().copied().filter(counts), say);
        let serials: BTreeSet<usize> = notes.iter().map(|note| note.serial).collect();
        for sent in &self.sent {
            match (sent.fate, serials.contains(&sent.note.serial)) {
                (Fate::Acknowledged, false) => say(format!("acknowledged and not in {whose}: {:?}", sent.note)),
                (Fate::Refused, true) => {
                    say(format!("never handled by the server's account, and in {whose}: {:?}", sent.note))
                }
                _ => {}
            }
        }
        for archived in archive {
            if let (Some(received), Some(note)) = (self.received_ids.get(&archived.id), Note::parse(&archived.body))
                && *received != note
            {
                say(format!("{} is {note:?} in {whose} and arrived as {received:?}", archived.id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Pair = Pair { sender: 1, recipient: 2 };

    fn archived(id: &str, note: Note) -> Archived {
        Archived { id: id.to_owned(), from: String::new(), to: String::new(), body: note.body() }
    }

    fn violations(ledger: &Ledger, archive: &[(&str, Note)]) -> Vec<String> {
        let archive: Vec<Archived> = archive.iter().map(|(id, note)| archived(id, *note)).collect();
        ledger.violations(&BTreeMap::from([(PAIR, (archive.clone(), archive))]))
    }

    #[test]
    fn a_body_tells_its_note() {
        let note = Note { serial: 12, counter: 3, attempt: 2 };
        assert_eq!(Note::parse(&note.body()), Some(note));
        assert_eq!(Note::parse("hello"), None);
    }

    #[test]
    fn each_broken_promise_is_found() {
        let mut ledger = Ledger::default();
        let first = ledger.send(PAIR, None);
        let second = ledger.send(PAIR, None);
        ledger.learn(PAIR, first, Fate::Acknowledged);
        assert_eq!(ledger.missing(), 1);
        assert!(violations(&ledger, &[]).iter().any(|v| v.contains("never received")));
        ledger.receive(PAIR, "a", first);
        ledger.receive(PAIR, "a", first);
        assert_eq!(violations(&ledger, &[("a", first)]), Vec::<String>::new());
        assert!(violations(&ledger, &[]).iter().any(|v| v.contains("not in the sender's archive")));
        assert!(violations(&ledger, &[("a", first), ("b", second)]).iter().any(|v| v.contains("archived and never")));
        ledger.receive(PAIR, "b", second);
        assert_eq!(violations(&ledger, &[("a", first), ("b", second)]), Vec::<String>::new());
        assert!(violations(&ledger, &[("b", second), ("a", first)]).iter().any(|v| v.contains("after")));
        ledger.learn(PAIR, second, Fate::Refused);
        assert!(violations(&ledger, &[("a", first), ("b", second)]).iter().any(|v| v.contains("never handled")));
        ledger.receive(PAIR, "c", second);
        assert!(violations(&ledger, &[("a", first)]).iter().any(|v| v.contains("under two stanza-ids")));
    }

    #[test]
    fn a_repetition_counts_as_another_sending_of_the_same() {
        let mut ledger = Ledger::default();
        let first = ledger.send(PAIR, None);
        let again = ledger.send(PAIR, Some(first));
        assert_eq!((again.serial, again.counter, again.attempt), (1, 0, 2));
        ledger.learn(PAIR, again, Fate::Acknowledged);
        ledger.receive(PAIR, "a", first);
        ledger.receive(PAIR, "b", again);
        assert_eq!(violations(&ledger, &[("a", first), ("b", again)]), Vec::<String>::new());
    }
}
