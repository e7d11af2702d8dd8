//! What the server tells about itself: log lines as text or JSON, and traces over OTLP.
//!
//! Owns: who writes them. Does not own: what is worth a line. Without an endpoint no span is made, so that requests pay nothing for traces.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{self, LogFormat};
use crate::failure::invalid;

/// A collector that does not answer for so long is passed over.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Ends traces: what is left is sent.
#[derive(Debug)]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Begins to write log lines, and to send traces if there is somewhere to send them.
    pub fn start(settings: &config::Telemetry) -> Result<Telemetry> {
        let level = EnvFilter::try_new(&settings.log_level)?;
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
        let lines = match settings.log_format {
            LogFormat::Text => lines.with_filter(level).boxed(),
            LogFormat::Json => lines.json().with_filter(level).boxed(),
        };
        let provider = settings.otlp_endpoint.as_deref().map(provider).transpose()?;
        let traces = provider.as_ref().map(|provider| {
            let ours = Targets::new().with_target("weir", LevelFilter::TRACE);
            tracing_opentelemetry::layer().with_tracer(provider.tracer("weir")).with_filter(ours)
        });
        let registry = tracing_subscriber::registry().with(lines).with(traces);
        registry.try_init().map_err(|error| anyhow!("cannot write log lines: {error}"))?;
        Ok(Telemetry(provider))
    }

    /// Sends what is left.
    pub fn stop(self) {
        if let Some(Err(error)) = self.0.map(|provider| provider.shutdown()) {
            tracing::warn!(%error, "some traces could not be sent");
        }
    }
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider> {
    let config = ureq::Agent::config_builder().timeout_global(Some(EXPORT_TIMEOUT)).http_status_as_error(false);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Post(config.build().into()))
        .with_endpoint(endpoint)
        .build()
        .map_err(|error| invalid(format!("telemetry.otlp_endpoint {endpoint}: {error}")))
        .context("traces cannot be sent")?;
    let resource = Resource::builder().with_service_name("weir").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// Sends requests from the exporter's own thread, which may wait.
#[derive(Debug)]
struct Post(ureq::Agent);

#[async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut answer = self.0.run(Request::from_parts(parts, body.to_vec()))?;
        let bytes = Bytes::from(answer.body_mut().read_to_vec()?);
        let mut response = Response::new(bytes);
        *response.status_mut() = answer.status();
        Ok(response)
    }
}
