//! Guessing of passwords: the failed log-ins that one address may have in a minute, and one account. Over the bound an
//! attempt is refused before anything is spent on it (RFC 6120 §13.12; §6.5.9, `temporary-auth-failure`).
//!
//! Whoever guesses must not be able to lock the owner out: an address from which the account was logged in to within
//! the last day passes, and so does a token (XEP-0484), which nobody guesses, where only the account is under attack.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;

use parking_lot::Mutex;

use super::admission::subscriber;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// Addresses and accounts with failures, and pairs that are known, remembered at most. Each takes about 50 bytes.
const REMEMBERED_MAX: usize = 100_000;

/// The bounds, from `[limits]`; `u32::MAX` is none.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Failures of one address in a minute.
    pub per_ip_max: u32,
    /// Failures on one account in a minute.
    pub per_account_max: u32,
}

/// What somebody comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// A password, by whatever mechanism.
    Password,
    /// A token of XEP-0484.
    Token,
}

/// An attempt to log in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The client's address.
    pub ip: IpAddr,
    /// The account's name, whether there is such an account or not.
    pub localpart: &'a str,
    /// What the client comes with.
    pub secret: Secret,
}

/// Why an attempt is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The bound that was reached, by its name in `[limits]`.
    pub bound: &'static str,
    /// The first refusal of this address in this minute: worth a line in the log.
    pub is_first: bool,
}

/// Failed log-ins of late, and who logged in from where.
pub struct Guessing {
    bounds: Bounds,
    hasher: RandomState,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    of_ip: Minutes<IpAddr>,
    of_account: Minutes<u64>,
    refused: Minutes<IpAddr>,
    known: Known,
}

impl Guessing {
    /// Nothing has happened yet.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, hasher: RandomState::new(), recent: Mutex::default() }
    }

    /// Whether an attempt may go on at `now_ms`.
    ///
    /// # Errors
    /// [`Refusal`] when there were too many failures in the minute.
    pub fn check(&self, attempt: &Attempt<'_>, now_ms: i64) -> Result<(), Refusal> {
        let (ip, account) = self.keys(attempt);
        let mut recent = self.recent.lock();
        let bound = if recent.of_ip.count(&ip, now_ms) >= self.bounds.per_ip_max {
            "auth_failures_per_ip_per_minute_max"
        } else if attempt.secret == Secret::Password
            && recent.of_account.count(&account, now_ms) >= self.bounds.per_account_max
        {
            "auth_failures_per_account_per_minute_max"
        } else {
            return Ok(());
        };
        if recent.known.has((account, ip), now_ms) {
            return Ok(());
        }
        Err(Refusal { bound, is_first: recent.refused.add(ip, now_ms) == 1 })
    }

    /// An attempt has failed.
    pub fn failed(&self, attempt: &Attempt<'_>, now_ms: i64) {
        let (ip, account) = self.keys(attempt);
        let mut recent = self.recent.lock();
        recent.of_ip.add(ip, now_ms);
        if attempt.secret == Secret::Password {
            recent.of_account.add(account, now_ms);
        }
    }

    /// An attempt has succeeded: for a day its address is known to the account.
    pub fn succeeded(&self, attempt: &Attempt<'_>, now_ms: i64) {
        let (ip, account) = self.keys(attempt);
        self.recent.lock().known.add((account, ip), now_ms);
    }

    /// Names are kept as keyed hashes: short, and no password that was typed as a name stays in memory.
    fn keys(&self, attempt: &Attempt<'_>) -> (IpAddr, u64) {
        (subscriber(attempt.ip), self.hasher.hash_one(attempt.localpart))
    }
}

/// What happened how often in a minute, which begins with the first time.
struct Minutes<K> {
    minutes: HashMap<K, Minute>,
    sweep_at_ms: i64,
}

struct Minute {
    began_ms: i64,
    count: u32,
}

impl<K> Default for Minutes<K> {
    fn default() -> Self {
        Self { minutes: HashMap::new(), sweep_at_ms: 0 }
    }
}

impl<K: Eq + Hash> Minutes<K> {
    fn count(&self, key: &K, now_ms: i64) -> u32 {
        self.minutes.get(key).filter(|minute| !minute.is_over(now_ms)).map_or(0, |minute| minute.count)
    }

    /// The number of times, this one included; 0 when there is no room to remember one more.
    fn add(&mut self, key: K, now_ms: i64) -> u32 {
        if now_ms >= self.sweep_at_ms {
            self.minutes.retain(|_, minute| !minute.is_over(now_ms));
            self.sweep_at_ms = now_ms + MINUTE_MS;
        }
        if self.minutes.len() >= REMEMBERED_MAX && !self.minutes.contains_key(&key) {
            return 0;
        }
        let minute = self.minutes.entry(key).or_insert(Minute { began_ms: now_ms, count: 0 });
        if minute.is_over(now_ms) {
            *minute = Minute { began_ms: now_ms, count: 0 };
        }
        minute.count = minute.count.saturating_add(1);
        minute.count
    }
}

impl Minute {
    fn is_over(&self, now_ms: i64) -> bool {
        // Also when the clock was set back.
        !(0..MINUTE_MS).contains(&(now_ms - self.began_ms))
    }
}

/// From where accounts were logged in to, and when last.
#[derive(Default)]
struct Known {
    last_ms: HashMap<(u64, IpAddr), i64>,
}

impl Known {
    fn has(&self, pair: (u64, IpAddr), now_ms: i64) -> bool {
        self.last_ms.get(&pair).is_some_and(|last_ms| now_ms - last_ms < DAY_MS)
    }

    fn add(&mut self, pair: (u64, IpAddr), now_ms: i64) {
        if let Some(last_ms) = self.last_ms.get_mut(&pair) {
            *last_ms = now_ms;
            return;
        }
        // The oldest make room, half of the time that is left at once, so that sweeps are rare.
        let mut age_ms = DAY_MS;
        while self.last_ms.len() >= REMEMBERED_MAX {
            // None is left at last, whatever the clock does.
            self.last_ms.retain(|_, last_ms| (0..age_ms).contains(&(now_ms - *last_ms)));
            age_ms /= 2;
        }
        self.last_ms.insert(pair, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { per_ip_max: 3, per_account_max: 5 };
    const PER_IP: &str = "auth_failures_per_ip_per_minute_max";
    const PER_ACCOUNT: &str = "auth_failures_per_account_per_minute_max";

    fn password(ip: &str, localpart: &'static str) -> Attempt<'static> {
        Attempt { ip: ip.parse().unwrap(), localpart, secret: Secret::Password }
    }

    fn token(ip: &str, localpart: &'static str) -> Attempt<'static> {
        Attempt { secret: Secret::Token, ..password(ip, localpart) }
    }

    fn fail(guessing: &Guessing, attempt: &Attempt<'_>, times: u32) {
        (0..times).for_each(|_| guessing.failed(attempt, 0));
    }

    fn bound(guessing: &Guessing, attempt: &Attempt<'_>, now_ms: i64) -> Option<&'static str> {
        guessing.check(attempt, now_ms).err().map(|refusal| refusal.bound)
    }

    /// Alice was here before from .1; somebody fails on her account, up to either bound.
    #[test]
    fn each_bound_holds_for_whom_it_should_and_until_the_minute_is_over() {
        let (home, elsewhere) = (password("192.0.2.1", "alice"), password("192.0.2.9", "alice"));
        let one_guesser = |times| vec![(password("192.0.2.7", "alice"), times)];
        let many_guessers = || (10..15).map(|n| (password(&format!("192.0.2.{n}"), "alice"), 1)).collect();
        let at_home = |times| vec![(home, times)];
        type Row = (&'static str, Vec<(Attempt<'static>, u32)>, Attempt<'static>, i64, Option<&'static str>);
        let table: [Row; 13] = [
            ("below the bound", one_guesser(2), password("192.0.2.7", "alice"), 0, None),
            ("at the bound", one_guesser(3), password("192.0.2.7", "alice"), 0, Some(PER_IP)),
            ("on another account", one_guesser(3), password("192.0.2.7", "bob"), 0, Some(PER_IP)),
            ("with a token", one_guesser(3), token("192.0.2.7", "alice"), 0, Some(PER_IP)),
            ("to the end of the minute", one_guesser(3), password("192.0.2.7", "bob"), MINUTE_MS - 1, Some(PER_IP)),
            ("in the next minute", one_guesser(3), password("192.0.2.7", "bob"), MINUTE_MS, None),
            ("another address", one_guesser(3), password("192.0.2.8", "bob"), 0, None),
            ("an account from everywhere", many_guessers(), elsewhere, 0, Some(PER_ACCOUNT)),
            ("other accounts meanwhile", many_guessers(), password("192.0.2.9", "bob"), 0, None),
            ("the owner meanwhile", many_guessers(), home, 0, None),
            ("a token meanwhile", many_guessers(), token("192.0.2.9", "alice"), 0, None),
            ("a guesser beside the owner", at_home(3), password("192.0.2.1", "bob"), 0, Some(PER_IP)),
            ("the owner beside the guesser", at_home(3), home, 0, None),
        ];
        for (what, failures, attempt, now_ms, expected) in table {
            let guessing = Guessing::new(BOUNDS);
            guessing.succeeded(&home, 0);
            failures.iter().for_each(|(attempt, times)| fail(&guessing, attempt, *times));
            assert_eq!(bound(&guessing, &attempt, now_ms), expected, "{what}");
        }
    }

    #[test]
    fn an_address_is_known_for_a_day_after_its_last_success() {
        let guessing = Guessing::new(BOUNDS);
        let home = password("192.0.2.1", "alice");
        guessing.succeeded(&home, 0);
        guessing.succeeded(&home, 1_000);
        for (now_ms, expected) in [(DAY_MS + 999, None), (DAY_MS + 1_000, Some(PER_IP))] {
            (0..3).for_each(|_| guessing.failed(&home, now_ms));
            assert_eq!(bound(&guessing, &home, now_ms), expected, "at {now_ms}");
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let guessing = Guessing::new(BOUNDS);
        for last in 1..=3 {
            fail(&guessing, &password(&format!("2001:db8:0:1::{last}"), "alice"), 1);
        }
        assert_eq!(bound(&guessing, &password("2001:db8:0:1:ffff::9", "bob"), 0), Some(PER_IP));
        assert_eq!(bound(&guessing, &password("2001:db8:0:2::1", "bob"), 0), None);
    }

    #[test]
    fn an_address_is_worth_one_line_a_minute() {
        let guessing = Guessing::new(BOUNDS);
        let guesser = password("192.0.2.7", "alice");
        let is_first = |now_ms| guessing.check(&guesser, now_ms).map_err(|refusal| refusal.is_first);
        fail(&guessing, &guesser, 3);
        assert_eq!([is_first(0), is_first(1), is_first(59_999)], [Err(true), Err(false), Err(false)]);
        (0..3).for_each(|_| guessing.failed(&guesser, MINUTE_MS));
        assert_eq!(is_first(MINUTE_MS), Err(true));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut minutes = Minutes::default();
        let mut known = Known::default();
        let ip = IpAddr::from([192, 0, 2, 1]);
        for number in 0..REMEMBERED_MAX + 10 {
            let number = u64::try_from(number).unwrap();
            minutes.add(number, 0);
            known.add((number, ip), i64::try_from(number).unwrap());
        }
        assert_eq!(minutes.minutes.len(), REMEMBERED_MAX);
        assert_eq!(minutes.add(0, 0), 2, "those at hand are counted on");
        minutes.add(u64::MAX, MINUTE_MS);
        assert_eq!(minutes.minutes.len(), 1, "there is room once a minute is over");
        assert!(known.last_ms.len() <= REMEMBERED_MAX);
        let newest = u64::try_from(REMEMBERED_MAX).unwrap() + 9;
        assert!(known.has((newest, ip), DAY_MS) && !known.has((0, ip), 200_000), "the oldest made room");
    }

    #[test]
    fn a_clock_that_is_set_back_neither_locks_out_nor_hangs() {
        let guessing = Guessing::new(BOUNDS);
        let guesser = password("192.0.2.7", "alice");
        (0..3).for_each(|_| guessing.failed(&guesser, DAY_MS));
        assert_eq!(guessing.check(&guesser, 0), Ok(()));
        let mut known = Known::default();
        (0..=REMEMBERED_MAX).for_each(|n| known.add((u64::try_from(n).unwrap(), guesser.ip), DAY_MS));
        known.add((0, guesser.ip), 0);
        assert!(known.last_ms.len() <= REMEMBERED_MAX);
    }

    #[test]
    fn without_bounds_nobody_is_refused() {
        let guessing = Guessing::new(Bounds { per_ip_max: u32::MAX, per_account_max: u32::MAX });
        let guesser = password("192.0.2.7", "alice");
        fail(&guessing, &guesser, 10_000);
        assert_eq!(guessing.check(&guesser, 0), Ok(()));
    }
}
