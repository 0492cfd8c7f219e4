//! When a certificate is renewed: pure, in seconds since the epoch.

use std::time::Duration;

/// The longest time between two looks: an authority may want a certificate renewed early (RFC 9773 §4.3.2).
const LOOK_SECS_MAX: i64 = 6 * 3_600;
/// The first pause after a failure. Authorities count failures by the hour (often five): the pauses grow fast.
const RETRY_SECS_MIN: u64 = 5;
const RETRY_SECS_MAX: u64 = 6 * 3_600;

/// When the authority would like a certificate to be renewed (RFC 9773 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start_secs: i64,
    pub(super) end_secs: i64,
}

/// The moment for renewal: somewhere in the authority's window, `chance` (0 to 1) saying where, so that not all its
/// customers come at once; or when two thirds of the lifetime are over. Never in the last tenth.
pub(super) fn renew_at((not_before, not_after): (i64, i64), window: Option<Window>, chance: f64) -> i64 {
    let lifetime = not_after.saturating_sub(not_before).max(0);
    match window {
        None => not_after - lifetime / 3,
        Some(Window { start_secs, end_secs }) => {
            let length = end_secs.saturating_sub(start_secs).max(0) as f64;
            start_secs.saturating_add((length * chance) as i64).min(not_after - lifetime / 10)
        }
    }
}

/// How long until the next look at a certificate that is renewed at `at_secs`. `again` is how soon the authority wants
/// to be asked about its window again.
pub(super) fn until_next_look(now_secs: i64, at_secs: i64, again: Option<Duration>) -> Duration {
    let again = again.map_or(LOOK_SECS_MAX, |again| i64::try_from(again.as_secs()).unwrap_or(LOOK_SECS_MAX).max(1));
    let wait = at_secs.saturating_sub(now_secs).min(again).clamp(0, LOOK_SECS_MAX);
    Duration::from_secs(u64::try_from(wait).unwrap_or(0))
}

/// How long to wait after that many failures in a row, at least one; `chance` (0 to 1) adds up to a fifth.
pub(super) fn pause_after(failures: u32, chance: f64) -> Duration {
    let secs = RETRY_SECS_MIN.saturating_mul(5_u64.saturating_pow(failures.saturating_sub(1))).min(RETRY_SECS_MAX);
    Duration::from_secs_f64(secs as f64 * (1.0 + chance / 5.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn a_certificate_is_renewed_when_two_thirds_of_its_time_are_over() {
        assert_eq!(renew_at((0, 90 * DAY), None, 0.5), 60 * DAY);
        assert_eq!(renew_at((0, 6), None, 0.5), 4);
    }

    #[test]
    fn the_authority_s_window_counts_and_never_the_last_moment() {
        let validity = (0, 100 * DAY);
        let window = |start_secs, end_secs| Some(Window { start_secs, end_secs });
        assert_eq!(renew_at(validity, window(20 * DAY, 30 * DAY), 0.5), 25 * DAY);
        assert_eq!(renew_at(validity, window(99 * DAY, 120 * DAY), 1.0), 90 * DAY);
        // A window in the past says: now.
        assert!(renew_at(validity, window(-9, -5), 1.0) < 0);
        assert_eq!(renew_at(validity, window(30 * DAY, 20 * DAY), 1.0), 30 * DAY, "an end before the start");
    }

    #[test]
    fn looks_come_at_the_moment_and_now_and_then_before() {
        assert_eq!(until_next_look(0, 60 * DAY, None), Duration::from_secs(6 * 3_600));
        assert_eq!(until_next_look(0, 60, None), Duration::from_secs(60));
        assert_eq!(until_next_look(100, 60, None), Duration::ZERO);
        assert_eq!(until_next_look(0, 60 * DAY, Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(until_next_look(0, 60 * DAY, Some(Duration::ZERO)), Duration::from_secs(1));
    }

    #[test]
    fn pauses_grow_so_that_an_hour_sees_few_failures() {
        let pauses: Vec<u64> = (1..=8).map(|failures| pause_after(failures, 0.0).as_secs()).collect();
        assert_eq!(pauses, [5, 25, 125, 625, 3_125, 15_625, 21_600, 21_600]);
        assert_eq!(pause_after(2, 1.0), Duration::from_secs(30));
        assert_eq!(pause_after(u32::MAX, 0.0), Duration::from_secs(RETRY_SECS_MAX));
    }
}
