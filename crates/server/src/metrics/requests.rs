//! HTTP requests by route and status. A route is its template (`/upload/{slot}`), so that there are only so many.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use storage::Histogram;

use super::exposition::{Exposition, Kind};

/// Milliseconds of a request. Some are meant to take long: BOSH holds them, transfers are large.
const MILLIS: &[u64] = &[1, 5, 25, 100, 500, 2_500, 10_000, 60_000];

/// Requests answered so far.
#[derive(Debug, Default)]
pub struct Requests {
    answered: RwLock<BTreeMap<(String, u16), Arc<Histogram<9>>>>,
}

impl Requests {
    /// Counts a request by the template of its route, None for one that has none.
    pub fn count(&self, route: Option<&str>, status: u16, took: Duration) {
        let key = (route.unwrap_or("other").to_owned(), status);
        let known = self.answered.read().get(&key).cloned();
        let histogram = known.unwrap_or_else(|| {
            let new = || Arc::new(Histogram::new(MILLIS));
            Arc::clone(self.answered.write().entry(key).or_insert_with(new))
        });
        histogram.observe(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }

    pub(super) fn add(&self, text: &mut Exposition) {
        const NAME: &str = "whimbrel_http_request_duration_seconds";
        let help = "HTTP requests by the template of their route and by status, until their answer began.";
        let mut family = text.family(NAME, Kind::Histogram, help);
        for ((route, status), histogram) in self.answered.read().iter() {
            family.histogram(&[("route", route), ("status", &status.to_string())], &histogram.read(), 1e3);
        }
    }
}
