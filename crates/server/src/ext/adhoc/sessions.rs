//! Commands in progress (XEP-0050 §3.3): a form was sent, its answer is awaited.

use std::collections::HashMap;

use jid::Jid;
use parking_lot::Mutex;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::sasl::{Hash, hash};

/// Hexadecimal digits of an id: 64 bits of chance, then a seal.
const NONCE_DIGITS: usize = 32;
const SEAL_DIGITS: usize = 32;

/// All commands in progress. A session id is sealed with a key of this process for one asker and one command: it can
/// be neither guessed nor lent, and one of ours that is over is told from one that never was.
pub struct Commands {
    per_asker_max: usize,
    keep_ms: i64,
    key: String,
    running: Mutex<HashMap<String, Running>>,
}

struct Running {
    asker: Jid,
    began_ms: i64,
}

impl Commands {
    /// Up to `per_asker_max` commands for each full JID, each kept for `keep_secs` seconds.
    pub fn new(per_asker_max: usize, keep_secs: u64) -> Self {
        let keep_ms = i64::try_from(keep_secs.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Self { per_asker_max, keep_ms, key: crate::c2s::random_id(), running: Mutex::default() }
    }

    /// A session id for `node` asked by `asker`, made from something that never comes twice.
    pub(super) fn new_id(&self, asker: &Jid, node: &str, nonce: &str) -> String {
        let nonce = hex(&Hash::Sha256.digest(nonce.as_bytes()), NONCE_DIGITS);
        let seal = self.seal(asker, node, &nonce);
        nonce + &seal
    }

    /// Awaits an answer for that session. The asker's oldest command ends when there are too many.
    pub(super) fn begin(&self, id: &str, asker: &Jid, now_ms: i64) {
        let mut running = self.running.lock();
        running.retain(|_, command| !self.is_over(command, now_ms));
        let of_asker = || running.iter().filter(|(_, command)| command.asker == *asker);
        if of_asker().count() >= self.per_asker_max {
            let oldest = of_asker().min_by_key(|(_, command)| command.began_ms).map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                running.remove(&oldest);
            }
        }
        running.insert(id.to_owned(), Running { asker: asker.clone(), began_ms: now_ms });
    }

    /// Whether the session goes on: of this asker, for this command, neither ended nor too old.
    ///
    /// # Errors
    /// Those of XEP-0050 §4.4: `bad-sessionid` and `session-expired`.
    pub(super) fn check(&self, id: &str, asker: &Jid, node: &str, now_ms: i64) -> Result<(), StanzaError> {
        let sealed = id
            .split_at_checked(NONCE_DIGITS)
            .is_some_and(|(nonce, seal)| hash::equal(seal.as_bytes(), self.seal(asker, node, nonce).as_bytes()));
        if !sealed {
            return Err(StanzaError::new(Condition::BadRequest).with_application("bad-sessionid", ns::COMMANDS));
        }
        let running = self.running.lock();
        if running.get(id).is_none_or(|command| self.is_over(command, now_ms)) {
            return Err(StanzaError::new(Condition::NotAllowed).with_application("session-expired", ns::COMMANDS));
        }
        Ok(())
    }

    /// The command is completed or cancelled.
    pub(super) fn end(&self, id: &str) {
        self.running.lock().remove(id);
    }

    fn is_over(&self, command: &Running, now_ms: i64) -> bool {
        now_ms.saturating_sub(command.began_ms) >= self.keep_ms
    }

    fn seal(&self, asker: &Jid, node: &str, nonce: &str) -> String {
        // No JID and no id contains NUL: no two sealed texts meet.
        let text = format!("{nonce}\0{asker}\0{node}");
        hex(&Hash::Sha256.hmac(self.key.as_bytes(), text.as_bytes()), SEAL_DIGITS)
    }
}

fn hex(bytes: &[u8], digits: usize) -> String {
    bytes.iter().take(digits / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "http://jabber.org/protocol/admin#add-user";

    fn bard() -> Jid {
        Jid::new("bard@shakespeare.lit/globe").unwrap()
    }

    fn begun(commands: &Commands, nonce: &str, now_ms: i64) -> String {
        let id = commands.new_id(&bard(), NODE, nonce);
        commands.begin(&id, &bard(), now_ms);
        id
    }

    fn application(commands: &Commands, id: &str, asker: &Jid, node: &str, now_ms: i64) -> &'static str {
        commands.check(id, asker, node, now_ms).unwrap_err().application.unwrap().0
    }

    #[test]
    fn a_command_goes_on_until_it_ends_or_expires() {
        let commands = Commands::new(8, 600);
        let id = begun(&commands, "1", 0);
        assert!(commands.check(&id, &bard(), NODE, 599_999).is_ok());
        assert_eq!(application(&commands, &id, &bard(), NODE, 600_000), "session-expired");
        let other = begun(&commands, "2", 0);
        commands.end(&other);
        assert_eq!(application(&commands, &other, &bard(), NODE, 1), "session-expired");
    }

    #[test]
    fn an_id_is_of_no_use_to_others_or_for_another_command() {
        let commands = Commands::new(8, 600);
        let id = begun(&commands, "1", 0);
        let elsewhere = Jid::new("bard@shakespeare.lit/tavern").unwrap();
        assert_eq!(application(&commands, &id, &elsewhere, NODE, 1), "bad-sessionid");
        assert_eq!(
            application(&commands, &id, &bard(), "http://jabber.org/protocol/admin#delete-user", 1),
            "bad-sessionid"
        );
        for forged in ["", "x", "add-user:20040408T0337Z", &"0".repeat(64), &"é".repeat(32)] {
            assert_eq!(application(&commands, forged, &bard(), NODE, 1), "bad-sessionid");
        }
    }

    #[test]
    fn the_oldest_command_makes_room_for_a_new_one() {
        let commands = Commands::new(2, 600);
        let first = begun(&commands, "1", 0);
        let second = begun(&commands, "2", 1);
        let third = begun(&commands, "3", 2);
        assert_eq!(application(&commands, &first, &bard(), NODE, 3), "session-expired");
        assert!(commands.check(&second, &bard(), NODE, 3).is_ok());
        assert!(commands.check(&third, &bard(), NODE, 3).is_ok());
        assert_eq!(commands.running.lock().len(), 2);
    }

    #[test]
    fn expired_commands_are_not_kept() {
        let commands = Commands::new(2, 600);
        begun(&commands, "1", 0);
        begun(&commands, "2", 600_000);
        assert_eq!(commands.running.lock().len(), 1);
    }
}
