//! XEP-0198: which stanzas the client has not acknowledged yet, and the name its session is resumed by.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::outbound::Delivery;

/// The secret name of a resumable session (`previd`): 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SmId([u8; 16]);

impl SmId {
    /// An id from random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// Parses the text form; None when it cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for SmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It authenticates a resumption as much as a password does: never in a log.
        f.write_str("SmId(..)")
    }
}

/// The client acknowledged stanzas that were never sent (XEP-0198 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentTooLittle {
    /// What it claims to have handled.
    pub h: u32,
    /// What was sent to it.
    pub sent: u32,
}

/// The outgoing half of stream management.
#[derive(Debug)]
pub struct Sm {
    /// The name for resumption, when the client asked for it.
    pub id: Option<SmId>,
    /// How long the session waits for its client, in seconds.
    pub resume_secs: u64,
    /// A `<r/>` was written and not answered yet.
    pub asked: bool,
    unacked: VecDeque<Arc<Delivery>>,
    unacked_bytes: usize,
    acked: u32,
}

impl Sm {
    /// Stream management from here on.
    pub fn new(id: Option<SmId>, resume_secs: u64) -> Self {
        Self { id, resume_secs, asked: false, unacked: VecDeque::new(), unacked_bytes: 0, acked: 0 }
    }

    /// Notes that a stanza goes out.
    pub fn sent(&mut self, delivery: Arc<Delivery>) {
        self.unacked_bytes += delivery.xml.len();
        self.unacked.push_back(delivery);
    }

    /// How many stanzas, and bytes, wait for acknowledgement.
    pub fn waiting(&self) -> (usize, usize) {
        (self.unacked.len(), self.unacked_bytes)
    }

    /// The stanzas not yet acknowledged, oldest first.
    pub fn unacked(&self) -> impl Iterator<Item = &Arc<Delivery>> {
        self.unacked.iter()
    }

    /// The client has handled `h` stanzas: those are given back, oldest first.
    pub fn acknowledge(&mut self, h: u32) -> Result<impl Iterator<Item = Arc<Delivery>> + '_, SentTooLittle> {
        self.asked = false;
        // XEP-0198 §4: h wraps at 2^32.
        let newly = h.wrapping_sub(self.acked);
        let newly_len = usize::try_from(newly).unwrap_or(usize::MAX);
        if newly_len > self.unacked.len() {
            let waiting = u32::try_from(self.unacked.len()).unwrap_or(u32::MAX);
            return Err(SentTooLittle { h, sent: self.acked.wrapping_add(waiting) });
        }
        self.acked = h;
        let taken_bytes: usize = self.unacked.iter().take(newly_len).map(|d| d.xml.len()).sum();
        self.unacked_bytes -= taken_bytes;
        Ok(self.unacked.drain(..newly_len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sm(sent: usize) -> Sm {
        let mut sm = Sm::new(None, 300);
        (0..sent).for_each(|n| sm.sent(Delivery::urgent(n.to_string()).into()));
        sm
    }

    #[test]
    fn acknowledged_stanzas_are_given_back_in_order() {
        let mut sm = sm(5);
        let acked: Vec<_> = sm.acknowledge(2).unwrap().map(|d| d.xml.clone()).collect();
        assert_eq!(acked, ["0", "1"]);
        assert_eq!(sm.waiting(), (3, 3));
        assert_eq!(sm.acknowledge(2).unwrap().count(), 0);
        assert_eq!(sm.acknowledge(5).unwrap().count(), 3);
    }

    #[test]
    fn a_count_past_what_was_sent_is_an_error_and_a_smaller_one_too() {
        assert_eq!(sm(3).acknowledge(4).err(), Some(SentTooLittle { h: 4, sent: 3 }));
        let mut sm = sm(3);
        assert_eq!(sm.acknowledge(2).unwrap().count(), 2);
        assert_eq!(sm.acknowledge(1).err(), Some(SentTooLittle { h: 1, sent: 3 }));
    }

    #[test]
    fn the_count_wraps() {
        let mut sm = sm(2);
        sm.acked = u32::MAX;
        assert_eq!(sm.acknowledge(1).unwrap().count(), 2);
    }

    #[test]
    fn ids_are_parsed_strictly() {
        let id = SmId::new([7; 16]);
        assert_eq!(SmId::parse(&id.to_string()), Some(id));
        assert_eq!(SmId::parse("+0070707070707070707070707070707"), None);
        assert_eq!(SmId::parse(""), None);
    }
}
