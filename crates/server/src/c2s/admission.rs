//! Who may connect at all: bounds on connections per address and on those that have not logged in yet.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts connections.
#[derive(Debug, Default)]
pub struct Admission {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    per_ip: HashMap<IpAddr, usize>,
    strangers: usize,
}

/// The bounds, from `[limits]`.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections of one [`subscriber`].
    pub per_ip_max: usize,
    /// Connections that have not logged in.
    pub strangers_max: usize,
}

/// A connection that was let in; it counts until this is dropped.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    ip: IpAddr,
    stranger: bool,
}

impl Admission {
    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.counts.lock().per_ip.values().sum()
    }

    /// Lets a connection in, unless there are too many.
    pub fn admit(self: &Arc<Self>, ip: IpAddr, bounds: Bounds) -> Option<Admitted> {
        let ip = subscriber(ip);
        let mut counts = self.counts.lock();
        if counts.strangers >= bounds.strangers_max {
            return None;
        }
        let of_ip = counts.per_ip.entry(ip).or_default();
        if *of_ip >= bounds.per_ip_max {
            return None;
        }
        *of_ip += 1;
        counts.strangers += 1;
        Some(Admitted { admission: self.clone(), ip, stranger: true })
    }
}

impl Admitted {
    /// The connection has logged in.
    pub fn is_known(&mut self) {
        if std::mem::take(&mut self.stranger) {
            self.admission.counts.lock().strangers -= 1;
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock();
        if self.stranger {
            counts.strangers -= 1;
        }
        if let Some(of_ip) = counts.per_ip.get_mut(&self.ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                counts.per_ip.remove(&self.ip);
            }
        }
    }
}

/// What one customer of a provider has at least, and is counted as one address: an IPv4 address, or a /64 of IPv6.
pub fn subscriber(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_hold_and_places_are_given_back() {
        let admission = Arc::new(Admission::default());
        let bounds = Bounds { per_ip_max: 2, strangers_max: 3 };
        let (one, two): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let mut first = admission.admit(one, bounds).unwrap();
        let second = admission.admit(one, bounds).unwrap();
        assert!(admission.admit(one, bounds).is_none(), "a third of the same address");
        let _third = admission.admit(two, bounds).unwrap();
        assert!(admission.admit(two, bounds).is_none(), "a fourth stranger");
        first.is_known();
        let _fourth = admission.admit(two, bounds).unwrap();
        drop(second);
        assert!(admission.admit(one, bounds).is_some());
    }
}
