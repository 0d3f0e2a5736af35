//! The metrics as `OpenMetrics` writes them.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::{
    cumulated::{BOUNDS, Cumulated},
    families::{self, Family, Samples},
    runs::Latest,
};
use crate::base::clock::SECOND;

/// What is told to whoever asks.
#[derive(Debug)]
pub(super) struct Told(pub(super) Latest);

impl Collector for Told {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        // Not kept while it is written: the collector does not wait for whoever asks.
        let latest = self.0.lock().as_ref().map(Arc::clone);
        families::each(latest.as_deref(), |family| write(&mut encoder, &family))
    }
}

fn write(to: &mut DescriptorEncoder<'_>, family: &Family<'_>) -> fmt::Result {
    let Family { name, help, unit, samples } = family;
    let kind = match samples {
        Samples::Info(_) => MetricType::Info,
        Samples::Gauges(_) => MetricType::Gauge,
        Samples::Counters(_) | Samples::Sums(_) => MetricType::Counter,
        Samples::Histograms(_) => MetricType::Histogram,
    };
    let mut metric = to.encode_descriptor(name, help, unit.as_ref(), kind)?;
    match samples {
        Samples::Info(labels) => metric.encode_info(labels),
        Samples::Gauges(samples) => samples
            .iter()
            .try_for_each(|(labels, value)| metric.encode_family(labels)?.encode_gauge(value)),
        Samples::Counters(samples) => samples.iter().try_for_each(|(labels, count)| {
            metric.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)
        }),
        Samples::Sums(samples) => samples.iter().try_for_each(|(labels, sum)| {
            metric.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(sum, None)
        }),
        Samples::Histograms(samples) => samples
            .iter()
            .try_for_each(|(labels, times)| histogram(metric.encode_family(labels)?, times)),
    }
}

fn histogram(mut metric: MetricEncoder<'_>, times: &Cumulated) -> fmt::Result {
    let bounds = BOUNDS.iter().map(|bound| *bound as f64 / SECOND as f64);
    let buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(times.counts).collect();
    let sum = times.sum_ns as f64 / SECOND as f64;
    metric.encode_histogram::<NoLabelSet>(sum, times.count(), &buckets, None)
}
