//! What the process takes of the machine, read from `/proc` (proc(5)) and by the names that every Prometheus client uses.

use std::fs;

use super::exposition::{Exposition, Kind};

/// Clock ticks a second in `/proc/self/stat`: Linux shows this many to all programs, on every machine it runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// Adds what can be read; on a system without `/proc` that is nothing.
pub(super) fn add(text: &mut Exposition, started_ms: i64) {
    if let Some(seconds) = cpu_seconds(&fs::read_to_string("/proc/self/stat").unwrap_or_default()) {
        text.one("process_cpu_seconds_total", Kind::Counter, "User and system CPU time.", seconds);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(kib) = field(&status, "VmRSS:") {
        text.one("process_resident_memory_bytes", Kind::Gauge, "Memory in use.", kib.saturating_mul(1024));
    }
    if let Some(threads) = field(&status, "Threads:") {
        text.one("process_threads", Kind::Gauge, "Threads.", threads);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        let open = open.count().saturating_sub(1);
        text.one("process_open_fds", Kind::Gauge, "Open files and sockets.", open);
    }
    if let Ok((soft, _)) = rlimit::getrlimit(rlimit::Resource::NOFILE) {
        text.one("process_max_fds", Kind::Gauge, "Files and sockets that may be open.", soft);
    }
    let started_secs = started_ms as f64 / 1000.0;
    text.one("process_start_time_seconds", Kind::Gauge, "When the process started, since the epoch.", started_secs);
}

/// The 14th and 15th field; the 2nd, a name in parentheses, may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(|field| field.parse::<f64>().ok());
    Some((fields.next()?? + fields.next()??) / TICKS_A_SECOND)
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_does_not_shift_its_fields() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds(""), None);
    }

    #[test]
    fn this_process_takes_something() {
        let mut text = Exposition::default();
        add(&mut text, 0);
        let text = text.into_text();
        for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            assert!(value.is_some_and(|value| value >= 0.0), "{name}: {value:?}");
        }
    }
}
