//! What the numbers were measured on, and where data lies while they are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::process::number_after;

/// One line about the machine: cores, memory, system.
pub fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = first("/proc/cpuinfo", |line| {
        Some(line.strip_prefix("model name")?.trim_start_matches([' ', '\t', ':']).to_owned())
    });
    let gib = first("/proc/meminfo", |line| Some(number_after(line, "MemTotal:")?.div_ceil(1024 * 1024)));
    let debian = fs::read_to_string("/etc/debian_version").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cores} cores ({}), {} GiB, Debian {}, Linux {}",
        model.unwrap_or_default(),
        gib.unwrap_or_default(),
        debian.trim(),
        kernel.trim()
    )
}

/// How busy the machine was in the last minute: processes that wanted a core.
pub fn load() -> f64 {
    first("/proc/loadavg", |line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

/// Today, as `2026-01-31`.
pub fn date() -> Result<String> {
    Ok(OffsetDateTime::now_utc().format(format_description!("[year]-[month]-[day]"))?)
}

/// A number of `/proc/meminfo` or `/proc/net/sockstat` by the start of its line.
pub fn kernel_number(file: &str, key: &str) -> u64 {
    first(file, |line| number_after(line, key)).unwrap_or(0)
}

/// A folder that goes when it is dropped.
#[derive(Debug)]
pub struct Workplace(PathBuf);

impl Workplace {
    /// In memory where the system has a place for that, so that CPU is compared and not disks.
    pub fn in_memory() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        Self::below(if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() })
    }

    /// On the disk that holds the build.
    pub fn on_disk() -> Result<Self> {
        Self::below(std::env::current_exe()?.parent().context("no folder")?.to_owned())
    }

    fn below(parent: PathBuf) -> Result<Self> {
        let path = parent.join(format!("whimbrel-bench-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its file system, as `ext4 on vda`.
    pub fn file_system(&self) -> String {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let here = mounts.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let (device, on, kind) = (words.next()?, words.next()?, words.next()?);
            self.0
                .starts_with(on)
                .then(|| (on.len(), format!("{kind} on {}", device.rsplit('/').next().unwrap_or(device))))
        });
        here.max().map_or_else(|| String::from("an unknown file system"), |(_, name)| name)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a folder and what is in it; sockets and the like are left out.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn first<T>(file: &str, of: impl Fn(&str) -> Option<T>) -> Option<T> {
    fs::read_to_string(file).ok()?.lines().find_map(of)
}
