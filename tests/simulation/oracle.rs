//! What must hold after every run (`DESIGN.md`: the promise, and invariants 1 and 2).

use std::collections::BTreeMap;

use crate::record::{Fate, Keeping, MessageNo, Record, Sent, SessionRecord, User, Way};
use crate::world::World;

/// An archive from its beginning to its end: ids, and the messages behind them.
pub type Archive = Vec<(String, Option<MessageNo>)>;

/// Says what does not hold.
pub fn judge(world: &World, archives: &[Archive]) {
    let mut problems = Vec::new();
    {
        let record = world.record();
        let judge = Judge { record: &record, archives };
        problems.extend(judge.archived_once_and_in_order());
        problems.extend(judge.acknowledged_messages_are_in_both_archives());
        problems.extend(judge.acknowledged_messages_reach_somebody());
        problems.extend(judge.one_id_for_a_message());
        problems.extend(judge.no_session_gets_a_message_twice());
        problems.extend(judge.sessions_get_what_they_are_entitled_to());
        problems.extend(judge.messages_arrive_in_order());
        problems.extend(judge.pages_are_pieces_of_the_archive());
    }
    problems.into_iter().for_each(|problem| world.problem(problem));
}

struct Judge<'a> {
    record: &'a Record,
    archives: &'a [Archive],
}

type Problems = Vec<String>;

impl Judge<'_> {
    fn messages(&self) -> impl Iterator<Item = (MessageNo, &Sent)> {
        self.record.messages.iter().enumerate()
    }

    fn times_archived(&self, user: User, message: MessageNo) -> usize {
        self.archives[user].iter().filter(|(_, entry)| *entry == Some(message)).count()
    }

    fn archived_once_and_in_order(&self) -> Problems {
        let mut problems = Problems::new();
        for (user, archive) in self.archives.iter().enumerate() {
            if !archive.is_sorted_by(|(one, _), (next, _)| one < next) {
                problems.push(format!("the archive of {user} is not in the order of its ids"));
            }
            let mut last: BTreeMap<_, MessageNo> = BTreeMap::new();
            for message in archive.iter().filter_map(|(_, message)| *message) {
                let sent = &self.record.messages[message];
                if let Some(before) = last.insert((sent.session, sent.to), message)
                    && before >= message
                {
                    problems.push(format!("the archive of {user} has m{before} before m{message}"));
                }
            }
        }
        problems
    }

    fn acknowledged_messages_are_in_both_archives(&self) -> Problems {
        let mut problems = Problems::new();
        for (message, sent) in self.messages() {
            let archived = sent.keeping == Keeping::Archived;
            let wanted = match sent.fate {
                Fate::Acknowledged if archived => 1..=1,
                Fate::Unknown if archived => 0..=1,
                _ => 0..=0,
            };
            for user in [sent.from, sent.to] {
                let times = self.times_archived(user, message);
                if !wanted.contains(&times) {
                    problems.push(format!("m{message} ({:?}) is {times} times in the archive of {user}", sent.fate));
                }
            }
        }
        problems
    }

    fn acknowledged_messages_reach_somebody(&self) -> Problems {
        let acknowledged = self.messages().filter(|(_, sent)| sent.fate == Fate::Acknowledged);
        acknowledged
            .filter(|(message, sent)| {
                let sessions = self.record.sessions.iter().filter(|session| session.user == sent.to);
                let seen = sessions.flat_map(|session| &session.seen);
                let pages = self.record.pages.iter().filter(|page| page.user == sent.to);
                let read = pages.flat_map(|page| &page.entries).any(|(_, read)| *read == Some(*message));
                !read && !seen.into_iter().any(|seen| seen.message == *message && seen.way != Way::CarbonSent)
            })
            .map(|(message, _)| format!("m{message} was acknowledged and reached nobody"))
            .collect()
    }

    fn one_id_for_a_message(&self) -> Problems {
        let mut problems = Problems::new();
        for ((user, message), ids) in &self.record.stanza_ids {
            if ids.len() > 1 {
                problems.push(format!("m{message} has the ids {ids:?} for {user}"));
            }
        }
        problems
    }

    fn no_session_gets_a_message_twice(&self) -> Problems {
        let mut problems = Problems::new();
        for (number, session) in self.record.sessions.iter().enumerate() {
            let mut seen: Vec<_> = session.seen.iter().map(|seen| seen.message).collect();
            seen.sort_unstable();
            let twice = seen.windows(2).filter(|pair| pair[0] == pair[1]);
            problems.extend(twice.map(|pair| format!("s{number} got m{} twice", pair[0])));
        }
        problems
    }

    /// A session that lived to the end, through whatever resumptions, has missed nothing.
    fn sessions_get_what_they_are_entitled_to(&self) -> Problems {
        let mut problems = Problems::new();
        for (number, session) in self.record.sessions.iter().enumerate().filter(|(_, session)| session.lived) {
            for (message, sent) in self.messages().filter(|(_, sent)| sent.fate == Fate::Acknowledged) {
                if is_entitled(number, session, sent) && !session.seen.iter().any(|seen| seen.message == message) {
                    problems.push(format!("s{number} has missed m{message}"));
                }
            }
        }
        problems
    }

    /// RFC 6120 §10.1: of one sender, to one address, in one session. A device that wants carbons before it is available
    /// may get newer messages as carbons before it gets what waited for it.
    fn messages_arrive_in_order(&self) -> Problems {
        let mut problems = Problems::new();
        for (number, session) in self.record.sessions.iter().enumerate() {
            let mut last: BTreeMap<_, MessageNo> = BTreeMap::new();
            for seen in &session.seen {
                let sent = &self.record.messages[seen.message];
                if let Some(before) = last.insert((sent.session, sent.to, &sent.resource, seen.way), seen.message)
                    && before > seen.message
                {
                    problems.push(format!("s{number} got m{before} before m{}", seen.message));
                }
            }
        }
        problems
    }

    /// Whoever reads on from where it stopped misses nothing: an archive grows at its end alone.
    fn pages_are_pieces_of_the_archive(&self) -> Problems {
        let mut problems = Problems::new();
        for page in &self.record.pages {
            let rest =
                self.archives[page.user].iter().filter(|(id, _)| page.after.as_ref().is_none_or(|after| id > after));
            let there: Vec<_> = rest.take(page.entries.len()).collect();
            if there != page.entries.iter().collect::<Vec<_>>() {
                problems
                    .push(format!("a page of {} after {:?} is not what the archive has there", page.user, page.after));
            }
        }
        problems
    }
}

/// Whether the session must have got the message, by what the server was known to know before it was sent.
fn is_entitled(number: usize, session: &SessionRecord, sent: &Sent) -> bool {
    let before = |since: Option<usize>| since.is_some_and(|since| since < sent.at);
    let addressed = sent.resource.as_ref().is_none_or(|resource| *resource == session.resource);
    let is_sender = sent.session == number;
    let received = sent.to == session.user
        && (before(session.available_since) && addressed || before(session.carbons_since) && !is_sender);
    let copied = sent.from == session.user && !is_sender && before(session.carbons_since);
    received || copied
}
