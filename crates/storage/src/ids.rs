//! Archive ids: the order of a mailbox, the XEP-0359 stanza-id and the XEP-0313
//! UID in one number, sortable by time in binary and in text.

use std::{fmt, str::FromStr};

use parking_lot::Mutex;

/// Bits below the time: a counter that starts at a random place per process.
const COUNTER_BITS: u32 = 20;
const COUNTER_MASK: i64 = (1 << COUNTER_BITS) - 1;
/// Milliseconds that fit above the counter (until the year 2248).
const MS_MAX: i64 = i64::MAX >> COUNTER_BITS;

/// 5 bits a character, 63 bits of number.
const TEXT_LEN: usize = 13;
/// Crockford's alphabet, lower case: in ASCII order, without i, l, o and u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Identifies a message in its owner's archive: `(unix ms << 20) | 20 bits`.
///
/// Its text is 13 lower-case characters that sort as the number does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveId(i64);

impl ArchiveId {
    /// The id before all others. No message has it.
    pub const MIN: Self = Self(0);
    /// The id after all others. No message has it.
    pub const MAX: Self = Self(i64::MAX);

    /// The id with this number, or `None` for a negative one.
    pub fn from_i64(number: i64) -> Option<Self> {
        (number >= 0).then_some(Self(number))
    }

    /// The number that the database stores; never negative.
    pub fn to_i64(self) -> i64 {
        self.0
    }

    /// When the message was archived, in milliseconds since the Unix epoch.
    pub fn at_ms(self) -> i64 {
        self.0 >> COUNTER_BITS
    }

    /// The smallest id of this millisecond; times out of range are clamped.
    pub fn first_at(ms: i64) -> Self {
        Self(ms.clamp(0, MS_MAX) << COUNTER_BITS)
    }

    /// The greatest id of this millisecond; times out of range are clamped.
    pub fn last_at(ms: i64) -> Self {
        Self(Self::first_at(ms).0 | COUNTER_MASK)
    }

    /// The next greater id; the greatest one stays.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The next smaller id; the smallest one stays.
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1).max(0))
    }
}

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; TEXT_LEN];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            *place = usize::try_from(rest & 31).ok().and_then(|digit| ALPHABET.get(digit)).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArchiveId({self})")
    }
}

/// The text is no archive id: one has exactly 13 characters of lower-case
/// Crockford base32, at most `7zzzzzzzzzzzz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an archive id")]
pub struct ParseArchiveIdError;

impl FromStr for ArchiveId {
    type Err = ParseArchiveIdError;

    fn from_str(text: &str) -> Result<Self, ParseArchiveIdError> {
        if text.len() != TEXT_LEN {
            return Err(ParseArchiveIdError);
        }
        let mut number: i64 = 0;
        for character in text.bytes() {
            let digit = ALPHABET.binary_search(&character).map_err(|_| ParseArchiveIdError)?;
            let digit = i64::try_from(digit).map_err(|_| ParseArchiveIdError)?;
            number = number.checked_mul(32).ok_or(ParseArchiveIdError)? | digit;
        }
        Ok(Self(number))
    }
}

/// Makes archive ids that strictly increase within the process, also when the
/// clock steps back or more than a million are made in a millisecond.
#[derive(Debug)]
pub struct IdSource {
    counter_start: i64,
    last: Mutex<i64>,
}

impl IdSource {
    /// A source whose counters start at `seed`'s low 20 bits. Give each process a
    /// random one, so that two nodes rarely meet in a millisecond.
    pub fn seeded(seed: u32) -> Self {
        Self { counter_start: i64::from(seed) & COUNTER_MASK, last: Mutex::new(0) }
    }

    /// Makes only ids greater than `id` from here on.
    pub fn go_past(&self, id: ArchiveId) {
        let mut last = self.last.lock();
        *last = id.0.max(*last);
    }

    /// The next id for `now_ms`, milliseconds since the Unix epoch.
    pub fn next(&self, now_ms: i64) -> ArchiveId {
        let fresh = ArchiveId::first_at(now_ms).0 | self.counter_start;
        let mut last = self.last.lock();
        *last = fresh.max(last.saturating_add(1));
        ArchiveId(*last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_go_on_after_what_is_stored_when_the_clock_was_set_back() {
        let ids = IdSource::seeded(7);
        ids.go_past(ArchiveId::last_at(5_000));
        assert!(ids.next(1_000) > ArchiveId::last_at(5_000));
        assert!(ids.next(9_000) > ArchiveId::first_at(9_000).previous());
    }

    proptest! {
        #[test]
        fn text_sorts_as_the_number_and_parses_back(a in 0..=i64::MAX, b in 0..=i64::MAX) {
            let (a, b) = (ArchiveId(a), ArchiveId(b));
            prop_assert_eq!(a.to_string().len(), TEXT_LEN);
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        }

        #[test]
        fn whatever_parses_is_the_text_of_its_number(text in "[0-9a-zA-Z]{12,14}") {
            if let Ok(id) = text.parse::<ArchiveId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn a_source_increases_whatever_the_clock_does(seed: u32, clock in prop::collection::vec(-5..MS_MAX, 1..50)) {
            let source = IdSource::seeded(seed);
            let ids: Vec<_> = clock.iter().map(|now_ms| source.next(*now_ms)).collect();
            prop_assert!(ids.is_sorted_by(|a, b| a < b));
        }

        #[test]
        fn an_id_tells_its_time(seed: u32, now_ms in 0..MS_MAX) {
            let id = IdSource::seeded(seed).next(now_ms);
            prop_assert_eq!(id.at_ms(), now_ms);
            prop_assert!(ArchiveId::first_at(now_ms) <= id && id <= ArchiveId::last_at(now_ms));
        }
    }

    #[test]
    fn an_id_beyond_63_bits_or_outside_the_alphabet_is_refused() {
        assert_eq!("7zzzzzzzzzzzz".parse(), Ok(ArchiveId::MAX));
        for text in [
            "8000000000000",
            "zzzzzzzzzzzzz",
            "",
            "000000000000",
            "00000000000000",
            "000000000000l",
            "000000000000A",
            "00000000000é",
        ] {
            assert_eq!(text.parse::<ArchiveId>(), Err(ParseArchiveIdError), "{text}");
        }
    }

    #[test]
    fn more_than_a_million_ids_of_one_millisecond_stay_distinct() {
        let source = IdSource::seeded(u32::MAX);
        assert_eq!(source.next(7).at_ms(), 7);
        assert_eq!(source.next(7), ArchiveId::first_at(8));
        assert!(source.next(8) > ArchiveId::first_at(8));
    }
}
