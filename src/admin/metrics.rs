//! The text of /metrics: OpenMetrics for clients that ask for it, and the older format of Prometheus for
//! all others. docs/METRICS.md explains each metric. To add one, add it to `shards` or `process`.

mod encode;
mod process;
mod shards;

use std::sync::Arc;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use super::Facts;
use super::board::Board;
use process::ProcessMetrics;
use shards::ShardMetrics;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    Prometheus,
}

impl Format {
    pub(super) const ALL: [Format; 2] = [Format::OpenMetrics, Format::Prometheus];

    /// Chooses by the Accept header of the request.
    pub(super) fn asked_for(accept: Option<&[u8]>) -> Format {
        const NAME: &[u8] = b"application/openmetrics-text";
        let named =
            accept.is_some_and(|accept| accept.windows(NAME.len()).any(|part| part == NAME));
        if named {
            Format::OpenMetrics
        } else {
            Format::Prometheus
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }
}

#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
}

impl Metrics {
    pub(super) fn new(facts: Arc<Facts>, board: Arc<Board>) -> Metrics {
        let mut registry = Registry::default();
        let shards = ShardMetrics {
            facts: facts.clone(),
            board: board.clone(),
        };
        registry
            .sub_registry_with_prefix("pacemaker")
            .register_collector(Box::new(shards));
        registry
            .sub_registry_with_prefix("process")
            .register_collector(Box::new(ProcessMetrics { facts, board }));
        Metrics { registry }
    }

    pub(super) fn text(&self, format: Format) -> String {
        let mut out = String::new();
        let encoded = match format {
            Format::OpenMetrics => text::encode(&mut out, &self.registry),
            Format::Prometheus => prometheus_text::encode(&mut out, &self.registry),
        };
        encoded.expect("writing to a String does not fail");
        out
    }
}
