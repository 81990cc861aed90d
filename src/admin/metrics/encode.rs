//! Writes families of metrics through the client library.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::shard::Histogram;

pub(super) type Labels<const COUNT: usize> = [(&'static str, String); COUNT];

/// Writes families, each with its samples. A family without samples is left out.
#[derive(Debug)]
pub(super) struct Encoder<'a>(pub(super) DescriptorEncoder<'a>);

impl Encoder<'_> {
    pub(super) fn counter<const LABELS: usize, N: EncodeCounterValue>(
        &mut self,
        name: &str,
        unit: Option<&Unit>,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<LABELS>, N)>,
    ) -> fmt::Result {
        self.family(
            name,
            unit,
            help,
            MetricType::Counter,
            samples,
            |out, value| out.encode_counter::<NoLabelSet, _, u64>(&value, None),
        )
    }

    pub(super) fn gauge<const LABELS: usize, N: EncodeGaugeValue>(
        &mut self,
        name: &str,
        unit: Option<&Unit>,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<LABELS>, N)>,
    ) -> fmt::Result {
        self.family(
            name,
            unit,
            help,
            MetricType::Gauge,
            samples,
            |out, value| out.encode_gauge(&value),
        )
    }

    /// `scale` converts the unit of the histograms into that of the family.
    pub(super) fn histogram<const LABELS: usize, const BOUNDS: usize>(
        &mut self,
        name: &str,
        unit: &Unit,
        help: &str,
        scale: f64,
        samples: impl IntoIterator<Item = (Labels<LABELS>, Histogram<BOUNDS>)>,
    ) -> fmt::Result {
        self.family(
            name,
            Some(unit),
            help,
            MetricType::Histogram,
            samples,
            |out, value| {
                let within = value
                    .buckets()
                    .map(|(bound, count)| (scaled(bound, scale), count));
                let buckets: Vec<_> = within.chain([(f64::INFINITY, value.beyond())]).collect();
                let sum = value.sum() as f64 * scale;
                out.encode_histogram::<NoLabelSet>(sum, value.count(), &buckets, None)
            },
        )
    }

    pub(super) fn info(
        &mut self,
        name: &str,
        help: &str,
        labels: &[(&str, String)],
    ) -> fmt::Result {
        let mut out = self
            .0
            .encode_descriptor(name, help, None, MetricType::Info)?;
        out.encode_info(&labels)
    }

    fn family<const LABELS: usize, V>(
        &mut self,
        name: &str,
        unit: Option<&Unit>,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels<LABELS>, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut out = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in samples {
            write(&mut out.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}

/// Divides, because a product would have a binary tail: 0.05, not 0.049999999999999996.
fn scaled(bound: u64, scale: f64) -> f64 {
    bound as f64 / scale.recip().round()
}

/// The sum of all histograms; `None` if there are none.
pub(super) fn sum_histograms<'a, const BOUNDS: usize>(
    mut histograms: impl Iterator<Item = &'a Histogram<BOUNDS>>,
) -> Option<Histogram<BOUNDS>> {
    let first = histograms.next()?.clone();
    Some(histograms.fold(first, |mut sum, more| {
        sum.add(more);
        sum
    }))
}

/// Sums of counts by label, with 0 for a label without counts: a series that begins with its first event
/// hides that event from `rate`.
pub(super) fn sum_by_label<'a>(
    labels: &[&'static str],
    counts: impl Iterator<Item = &'a BTreeMap<&'static str, u64>>,
) -> BTreeMap<&'static str, u64> {
    let mut sums: BTreeMap<&'static str, u64> = labels.iter().map(|label| (*label, 0)).collect();
    for (label, count) in counts.flatten() {
        *sums.entry(label).or_default() += count;
    }
    sums
}
