//! The one place that reads the clock, and [`Clock`], the port of [`Host`](crate::host::Host) that says which one.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where a host takes the time from.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The operating system.
    #[default]
    System,
    /// The runtime's timers, which a simulation moves: it was `epoch_ms` when it began.
    Timers {
        /// Milliseconds since the Unix epoch.
        epoch_ms: i64,
        /// When that was.
        began: tokio::time::Instant,
    },
}

impl Clock {
    /// Milliseconds since the Unix epoch, UTC.
    pub fn now_ms(self) -> i64 {
        match self {
            Self::System => now_ms(),
            Self::Timers { epoch_ms, began } => {
                epoch_ms.saturating_add(i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX))
            }
        }
    }
}

/// [`Clock::System`] for what has no host: milliseconds since the Unix epoch, UTC.
pub fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// XEP-0082 DateTime in UTC with milliseconds, for example `2026-11-24T02:27:01.250Z`.
pub fn xmpp_time(ms: i64) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000) else {
        return String::new();
    };
    // Written digit by digit: an archive page has hundreds, and a format description is interpreted each time.
    let mut text = String::with_capacity("2026-11-24T02:27:01.250Z".len());
    push_digits(&mut text, u32::try_from(time.year()).unwrap_or(0), 4, '-');
    push_digits(&mut text, u32::from(u8::from(time.month())), 2, '-');
    push_digits(&mut text, u32::from(time.day()), 2, 'T');
    push_digits(&mut text, u32::from(time.hour()), 2, ':');
    push_digits(&mut text, u32::from(time.minute()), 2, ':');
    push_digits(&mut text, u32::from(time.second()), 2, '.');
    push_digits(&mut text, u32::from(time.millisecond()), 3, 'Z');
    text
}

/// The last `digits` digits of a number, then what separates it from the next.
fn push_digits(text: &mut String, number: u32, digits: u32, after: char) {
    for place in (0..digits).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        text.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
    text.push(after);
}

/// Parses an XEP-0082 DateTime; None when it is none.
pub fn parse_xmpp_time(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip_and_bad_ones_are_refused() {
        for ms in [0, 951_782_400_000, 1_795_487_221_250, 4_102_444_799_999] {
            assert_eq!(parse_xmpp_time(&xmpp_time(ms)), Some(ms), "{}", xmpp_time(ms));
        }
        assert_eq!(xmpp_time(1_082_246_400_000), "2004-04-18T00:00:00.000Z");
        assert_eq!(parse_xmpp_time("2010-06-07T00:00:00Z"), Some(1_275_868_800_000));
        assert_eq!(parse_xmpp_time("2010-06-07T02:00:00+02:00"), Some(1_275_868_800_000));
        assert_eq!(parse_xmpp_time("2010-06-07T00:00:00.5Z"), Some(1_275_868_800_500));
        for bad in ["", "2010", "2010-02-30T00:00:00Z", "2010-06-07T25:00:00Z", "2010-06-07T00:00:00", "yesterday"] {
            assert_eq!(parse_xmpp_time(bad), None, "{bad}");
        }
    }
}
