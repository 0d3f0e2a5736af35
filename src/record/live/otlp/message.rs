//! The metrics as OTLP has them.

use std::convert::Infallible;

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point::Value,
    },
    resource::v1::Resource,
};
use prometheus_client::registry::Unit;

use super::super::{
    Snapshot,
    cumulated::{BOUNDS, Cumulated},
    families::{self, Family, Labels, OF_OTHERS, Samples},
};
use super::stale::Shown;
use crate::{
    base::{
        clock::{Clock, SECOND},
        error::Result,
    },
    record::results::environment::tool,
    token::key::material::random_id,
};

/// Who it is that tells, and since when.
pub(super) struct Source {
    clock: Clock,
    /// Tells this program from others that push to the same receiver.
    instance: String,
    shown: Shown,
}

/// From when counts are, and of when they are, in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Span {
    from: u64,
    to: u64,
}

impl Source {
    /// This program, which begins to count now.
    ///
    /// # Errors
    /// When the system has no randomness for its name.
    pub(super) fn new() -> Result<Self> {
        Ok(Self { clock: Clock::start(), instance: random_id()?, shown: Shown::default() })
    }

    /// What a snapshot tells.
    pub(super) fn message(&mut self, snapshot: &Snapshot) -> ExportMetricsServiceRequest {
        let wall = |at| u64::try_from(self.clock.wall(at)).unwrap_or_default();
        let span = Span { from: wall(0), to: wall(self.clock.now()) };
        let mut metrics = Vec::new();
        let kept = families::each(Some(snapshot), |family| {
            metrics.extend(metric(&family, span));
            Ok::<_, Infallible>(())
        });
        let Ok(()) = kept;
        self.shown.mark(&mut metrics, span.to);
        let tool = tool();
        let attributes = vec![
            attribute("service.name", &tool.name),
            attribute("service.version", &tool.version),
            attribute("service.instance.id", &self.instance),
        ];
        let scope = InstrumentationScope {
            name: tool.name,
            version: tool.version,
            ..InstrumentationScope::default()
        };
        let scope = ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() };
        let resource = Some(Resource { attributes, ..Resource::default() });
        let all =
            ResourceMetrics { resource, scope_metrics: vec![scope], ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![all] }
    }

    /// The receiver has taken the last message.
    pub(super) fn arrived(&mut self) {
        self.shown.arrived();
    }
}

pub(super) fn attribute(name: &str, value: &str) -> KeyValue {
    let value = any_value::Value::StringValue(value.to_owned());
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// A metric, where it has any values. A server of Prometheus that receives it makes the name of it that it scrapes.
fn metric(family: &Family<'_>, span: Span) -> Option<Metric> {
    let Family { name, help, unit, samples } = family;
    // 0 says that nobody knows (`start_time_unix_nano` in the protocol).
    let from = if *name == OF_OTHERS { 0 } else { span.from };
    let mut ending = "";
    let data = match samples {
        Samples::Info(labels) => {
            ending = "_info";
            let data_points = vec![number(labels, Value::AsInt(1), 0, span)];
            Data::Gauge(Gauge { data_points })
        }
        Samples::Gauges(samples) => {
            let points = samples
                .iter()
                .map(|(labels, value)| number(labels, Value::AsDouble(*value), 0, span));
            Data::Gauge(Gauge { data_points: points.collect() })
        }
        Samples::Counters(samples) => sum(samples.iter().map(|(labels, count)| {
            number(labels, Value::AsInt((*count).cast_signed()), from, span)
        })),
        Samples::Sums(samples) => sum(samples
            .iter()
            .map(|(labels, value)| number(labels, Value::AsDouble(*value), from, span))),
        Samples::Histograms(samples) => {
            let points = samples.iter().map(|(labels, times)| histogram(labels, times, span));
            let aggregation_temporality = AggregationTemporality::Cumulative.into();
            Data::Histogram(Histogram { data_points: points.collect(), aggregation_temporality })
        }
    };
    let unit = match unit {
        Some(Unit::Seconds) => "s",
        Some(Unit::Bytes) => "By",
        _ => "",
    };
    family.has_samples().then(|| Metric {
        name: format!("tokenstorm.{name}{ending}"),
        description: (*help).to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

fn attributes(labels: &Labels<'_>) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn number(labels: &Labels<'_>, value: Value, from: u64, span: Span) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: from,
        time_unix_nano: span.to,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn sum(points: impl Iterator<Item = NumberDataPoint>) -> Data {
    Data::Sum(Sum {
        data_points: points.collect(),
        aggregation_temporality: AggregationTemporality::Cumulative.into(),
        is_monotonic: true,
    })
}

fn histogram(labels: &Labels<'_>, times: &Cumulated, span: Span) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        count: times.count(),
        sum: Some(times.sum_ns as f64 / SECOND as f64),
        bucket_counts: times.counts.to_vec(),
        explicit_bounds: BOUNDS.iter().map(|bound| *bound as f64 / SECOND as f64).collect(),
        ..HistogramDataPoint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{
        live::{Now, Usage},
        measure::Measurements,
        results::{fixture, monitor::Side},
    };

    fn snapshot(now: Now) -> Snapshot {
        let plan = fixture::plan(
            "name = \"otlp\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n\
             [load]\nclients = 1\nconcurrency = 1\n[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n",
        );
        Snapshot::of(&plan, &Measurements::new(1, 1), now)
    }

    /// The first point of a counter.
    fn point(metrics: &[Metric], name: &str) -> NumberDataPoint {
        let of_name = metrics.iter().find(|metric| metric.name == name);
        match of_name.and_then(|metric| metric.data.as_ref()) {
            Some(Data::Sum(sum)) => sum.data_points[0].clone(),
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn a_counter_counts_since_this_program_began_but_for_the_one_that_others_began() {
        let usage = vec![Usage { side: Side::Broker, cpu_s: Some(1.5), resident_bytes: None }];
        let snapshot = snapshot(Now { usage, ..Now::default() });
        let message = Source::new().unwrap().message(&snapshot);
        let metrics = &message.resource_metrics[0].scope_metrics[0].metrics;
        for own in ["tokenstorm.generator_cpu", "tokenstorm.attempts_started"] {
            assert!(point(metrics, own).start_time_unix_nano > 0, "{own}");
        }
        assert_eq!(point(metrics, "tokenstorm.monitor_cpu").start_time_unix_nano, 0);
    }

    #[test]
    fn the_next_run_ends_the_info_of_the_one_before() {
        let mut source = Source::new().unwrap();
        let mut infos = |run: &str| {
            let now = Now { run: run.to_owned(), ..Now::default() };
            let message = source.message(&snapshot(now));
            let metrics = &message.resource_metrics[0].scope_metrics[0].metrics;
            let info = metrics.iter().find(|metric| metric.name == "tokenstorm.run_info");
            let Some(Data::Gauge(info)) = &info.unwrap().data else { panic!("{info:?}") };
            let has = |point: &NumberDataPoint| (point.value.is_some(), point.flags);
            info.data_points.iter().map(has).collect::<Vec<_>>()
        };
        assert_eq!(infos("001"), [(true, 0)]);
        assert_eq!(infos("002"), [(true, 0), (false, 1)]);
    }
}
