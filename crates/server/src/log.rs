//! Logging: events of `tracing`, to standard error, as text or JSON; and spans to the collector of traces, if there is
//! one.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogConfig, LogFormat};
use crate::traces::Traces;

/// Starts logging for the whole process; a second call changes nothing.
pub fn start(config: &LogConfig, traces: Option<&Traces>) {
    // The level was checked when the configuration was read.
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    // Without traces one filter decides for all; with them each takes what it wants.
    let started = match traces {
        None => tracing_subscriber::registry().with(lines(config)).with(filter).try_init(),
        Some(traces) => {
            tracing_subscriber::registry().with(lines(config).with_filter(filter)).with(traces.layer()).try_init()
        }
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

fn lines(config: &LogConfig) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}
