//! Hop 4: which sessions get a message (RFC 6121 §8.5, XEP-0280 §7). A pure plan; the caller sends.

use smallvec::SmallVec;
use xmpp::stanza::MessageType;

/// What the plan needs to know of a session.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its priority while available, None while it has sent no presence.
    pub priority: Option<i8>,
    /// It is the resource the message is addressed to.
    pub addressed: bool,
    /// It has message carbons on.
    pub carbons: bool,
}

/// Who gets a message; numbers are positions among the candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The message itself.
    pub message: SmallVec<[usize; 4]>,
    /// A carbon of it.
    pub carbon: SmallVec<[usize; 4]>,
    /// What else happens when nobody gets the message itself.
    pub otherwise: Otherwise,
}

/// What becomes of a message nobody is here for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// It waits in the mailbox, when it is worth keeping.
    #[default]
    Wait,
    /// Nobody is told.
    Drop,
    /// The sender is told that the service is unavailable.
    Bounce,
}

/// RFC 6121 §8.5.2 and §8.5.3 for an account that exists. `to_full` says whether the address has a resource.
pub fn plan(kind: MessageType, to_full: bool, copied: bool, candidates: &[Candidate]) -> Plan {
    let addressed: SmallVec<[usize; 4]> = positions(candidates, |c| c.addressed);
    let (message, otherwise) = match (to_full, kind) {
        (true, _) if !addressed.is_empty() => (addressed, Otherwise::Wait),
        // §8.5.3.2.1: no such resource. A chat message is treated as if it were for the bare JID.
        (true, MessageType::Normal | MessageType::Groupchat) => (SmallVec::new(), Otherwise::Bounce),
        (true, MessageType::Headline | MessageType::Error) => (SmallVec::new(), Otherwise::Drop),
        (_, MessageType::Chat) | (false, MessageType::Normal) => (willing(candidates), Otherwise::Wait),
        (false, MessageType::Headline) => (willing(candidates), Otherwise::Drop),
        // §8.5.2.1.1 and §8.5.2.2.1: never to a resource by way of the bare JID.
        (false, MessageType::Groupchat) => (SmallVec::new(), Otherwise::Bounce),
        (false, MessageType::Error) => (SmallVec::new(), Otherwise::Drop),
    };
    let carbon = if copied && otherwise == Otherwise::Wait {
        candidates
            .iter()
            .enumerate()
            .filter(|(at, candidate)| candidate.carbons && !message.contains(at))
            .map(|(at, _)| at)
            .collect()
    } else {
        SmallVec::new()
    };
    Plan { message, carbon, otherwise }
}

/// RFC 6121 §8.5.2.1.1: available resources that accept messages, all of them.
fn willing(candidates: &[Candidate]) -> SmallVec<[usize; 4]> {
    positions(candidates, |candidate| candidate.priority.is_some_and(|priority| priority >= 0))
}

fn positions(candidates: &[Candidate], pick: impl Fn(&Candidate) -> bool) -> SmallVec<[usize; 4]> {
    candidates.iter().enumerate().filter(|(_, candidate)| pick(candidate)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use MessageType::{Chat, Error, Groupchat, Headline, Normal};

    use super::*;

    const HERE: Candidate = Candidate { priority: Some(0), addressed: false, carbons: false };
    const NEGATIVE: Candidate = Candidate { priority: Some(-1), addressed: false, carbons: true };
    const SILENT: Candidate = Candidate { priority: None, addressed: false, carbons: false };

    fn got(kind: MessageType, to_full: bool, candidates: &[Candidate]) -> (Vec<usize>, Vec<usize>, Otherwise) {
        let plan = plan(kind, to_full, true, candidates);
        (plan.message.to_vec(), plan.carbon.to_vec(), plan.otherwise)
    }

    #[test]
    fn the_bare_jid_reaches_every_willing_resource() {
        let all = [HERE, NEGATIVE, SILENT, HERE];
        assert_eq!(got(Chat, false, &all), (vec![0, 3], vec![1], Otherwise::Wait));
        assert_eq!(got(Normal, false, &all), (vec![0, 3], vec![1], Otherwise::Wait));
        assert_eq!(got(Headline, false, &all), (vec![0, 3], vec![], Otherwise::Drop));
        assert_eq!(got(Groupchat, false, &all), (vec![], vec![], Otherwise::Bounce));
        assert_eq!(got(Error, false, &all), (vec![], vec![], Otherwise::Drop));
    }

    #[test]
    fn with_nobody_willing_only_chat_and_normal_messages_wait() {
        for nobody in [&[][..], &[NEGATIVE][..], &[SILENT][..]] {
            assert_eq!(got(Chat, false, nobody).0, Vec::<usize>::new());
            assert_eq!(got(Chat, false, nobody).2, Otherwise::Wait);
            assert_eq!(got(Normal, false, nobody).2, Otherwise::Wait);
            assert_eq!(got(Headline, false, nobody).2, Otherwise::Drop);
        }
    }

    #[test]
    fn a_full_jid_reaches_that_resource_whatever_its_priority() {
        let target = Candidate { addressed: true, ..NEGATIVE };
        for kind in [Chat, Normal, Headline, Groupchat, Error] {
            assert_eq!(got(kind, true, &[HERE, target]).0, vec![1]);
        }
        assert_eq!(got(Chat, true, &[Candidate { carbons: true, ..HERE }, target]).1, vec![0]);
    }

    #[test]
    fn a_full_jid_that_is_gone_is_the_bare_jid_for_chat_messages_alone() {
        assert_eq!(got(Chat, true, &[HERE]), (vec![0], vec![], Otherwise::Wait));
        assert_eq!(got(Normal, true, &[HERE]), (vec![], vec![], Otherwise::Bounce));
        assert_eq!(got(Groupchat, true, &[HERE]), (vec![], vec![], Otherwise::Bounce));
        assert_eq!(got(Headline, true, &[HERE]), (vec![], vec![], Otherwise::Drop));
        assert_eq!(got(Error, true, &[HERE]), (vec![], vec![], Otherwise::Drop));
    }
}
