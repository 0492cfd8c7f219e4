//! `whimbreld run`: the server in the foreground, until a signal ends it.

use std::path::Path;

use super::init::private_dir;
use super::output::Failure;
use crate::config::Config;
use crate::control::DataDirLock;
use crate::traces::Traces;

pub(super) fn run(file: &Path) -> Result<(), Failure> {
    foreground(Config::load(file)?)
}

/// Runs a server until SIGTERM or SIGINT; the data folder is made when it is missing, and locked.
pub(super) fn foreground(config: Config) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("whimbreld").build()?;
    let traces = Traces::start(&config.traces, &config.server.node, runtime.handle()).map_err(Failure::new)?;
    crate::log::start(&config.log, traces.as_ref());
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(descriptors) => tracing::debug!(descriptors, "raised the limit of open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
    // The allocator asks for huge pages: 2 MiB are cleared and held where a session needs 4 KiB.
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay allowed");
    }
    private_dir(&config.server.data_dir)?;
    let _lock = DataDirLock::acquire(&config.server.data_dir)?;
    let served = runtime.block_on(crate::run::serve(config));
    if let Some(traces) = traces {
        traces.finish();
    }
    Ok(served?)
}
