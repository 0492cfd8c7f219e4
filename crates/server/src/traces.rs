//! OpenTelemetry traces (`[traces]`): how long what clients ask for takes, and where. Spans of the target [`TARGET`] go to
//! a collector by OTLP over HTTP, a sample of them. They carry fixed names and numbers only: no address, no JID, no text.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, filter::LevelFilter};

use crate::config::TracesConfig;

/// The target of every span that is exported.
pub const TARGET: &str = "whimbrel_trace";

/// How long an export may take, and the last one when the server stops.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The exporter; it ends, with what it still has, by [`Traces::finish`].
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts exporting, by requests on that runtime. None: no collector is configured.
    ///
    /// # Errors
    /// One line that says what is wrong with the endpoint.
    pub fn start(config: &TracesConfig, node: &str, runtime: &Handle) -> Result<Option<Self>, String> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
        let unfit = |error: &dyn std::fmt::Display| format!("traces.otlp_endpoint {endpoint}: {error}");
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let collector = Collector {
            runtime: runtime.clone(),
            client: reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| unfit(&error))?,
            is_away: AtomicBool::new(false),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(url)
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| unfit(&error))?;
        let resource = Resource::builder()
            .with_service_name(config.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", node.to_owned()))
            .build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_resource(resource)
            .build();
        Ok(Some(Self { provider }))
    }

    /// What takes the spans of [`TARGET`] from `tracing`.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let only_ours = Targets::new().with_target(TARGET, LevelFilter::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("whimbreld"))
            // Where in the code, on which thread and for how long it was polled: much, and nothing for operators.
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(only_ours)
    }

    /// Exports what is left. Blocks, for [`TIMEOUT`] at most; the runtime must still run.
    pub fn finish(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(TIMEOUT) {
            tracing::debug!(%error, "the last traces were not exported");
        }
    }
}

/// Sends what the exporter's own thread gives it, on the runtime.
#[derive(Debug)]
struct Collector {
    runtime: Handle,
    client: reqwest::Client,
    /// The last request failed: that is said once.
    is_away: AtomicBool,
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request.try_into()?).await?.error_for_status()?;
            let status = answer.status();
            let mut response = Response::new(answer.bytes().await?);
            *response.status_mut() = status;
            Ok::<_, HttpError>(response)
        });
        let sent = sent.await?;
        match &sent {
            Ok(_) if self.is_away.swap(false, Ordering::Relaxed) => tracing::info!("traces are exported again"),
            Err(error) if !self.is_away.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "traces cannot be exported; look at traces.otlp_endpoint");
            }
            _ => {}
        }
        sent
    }
}
