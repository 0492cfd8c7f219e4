//! How many accounts one address may create in an hour (XEP-0077 §3.1.1 leaves it to the deployment).

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use crate::c2s::admission::subscriber;

const HOUR_MS: i64 = 3_600_000;
/// How often addresses are forgotten whose hour is over.
const SWEEP_EVERY_MS: i64 = 60_000;
/// Addresses remembered at most; registration pauses for new ones after that.
const ADDRESSES_MAX: usize = 100_000;

/// Registrations of late, by address.
pub struct Registrations {
    per_hour: u32,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    hours: HashMap<IpAddr, Hour>,
    sweep_at_ms: i64,
}

/// One address's hour, which begins with its first registration.
struct Hour {
    began_ms: i64,
    count: u32,
}

impl Registrations {
    /// Up to `per_hour` registrations from each address; `u32::MAX` is no bound.
    pub fn new(per_hour: u32) -> Self {
        Self { per_hour, recent: Mutex::default() }
    }

    /// Counts a registration from `ip`, unless there were too many in the hour before `now_ms`.
    pub fn admit(&self, ip: IpAddr, now_ms: i64) -> bool {
        if self.per_hour == u32::MAX {
            return true;
        }
        let mut recent = self.recent.lock();
        let address = subscriber(ip);
        if now_ms >= recent.sweep_at_ms {
            recent.hours.retain(|_, hour| now_ms - hour.began_ms < HOUR_MS);
            recent.sweep_at_ms = now_ms + SWEEP_EVERY_MS;
        }
        if recent.hours.len() >= ADDRESSES_MAX && !recent.hours.contains_key(&address) {
            return false;
        }
        let hour = recent.hours.entry(address).or_insert(Hour { began_ms: now_ms, count: 0 });
        if now_ms - hour.began_ms >= HOUR_MS {
            *hour = Hour { began_ms: now_ms, count: 0 };
        }
        if hour.count >= self.per_hour {
            return false;
        }
        hour.count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_registers_so_often_an_hour_and_others_are_not_held_up() {
        let registrations = Registrations::new(2);
        assert!(registrations.admit(ip("192.0.2.1"), 0));
        assert!(registrations.admit(ip("192.0.2.1"), 1_000));
        assert!(!registrations.admit(ip("192.0.2.1"), HOUR_MS - 1));
        assert!(registrations.admit(ip("192.0.2.2"), HOUR_MS - 1));
        assert!(registrations.admit(ip("192.0.2.1"), HOUR_MS), "a new hour begins");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let registrations = Registrations::new(1);
        assert!(registrations.admit(ip("2001:db8:0:1::1"), 0));
        assert!(!registrations.admit(ip("2001:db8:0:1:ffff::2"), 0));
        assert!(registrations.admit(ip("2001:db8:0:2::1"), 0));
        assert!(registrations.admit(ip("::ffff:192.0.2.1"), 0));
        assert!(!registrations.admit(ip("192.0.2.1"), 0), "the same machine, as IPv4");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let registrations = Registrations::new(1);
        for number in 0..ADDRESSES_MAX {
            let address = IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
            assert!(registrations.admit(address, 0));
        }
        assert!(!registrations.admit(ip("192.0.2.1"), 0));
        assert!(registrations.admit(ip("192.0.2.1"), HOUR_MS), "there is room once an hour is over");
        assert_eq!(registrations.recent.lock().hours.len(), 1);
    }

    #[test]
    fn without_a_bound_nothing_is_remembered() {
        let registrations = Registrations::new(u32::MAX);
        for _ in 0..10 {
            assert!(registrations.admit(ip("192.0.2.1"), 0));
        }
        assert!(registrations.recent.lock().hours.is_empty());
    }
}
