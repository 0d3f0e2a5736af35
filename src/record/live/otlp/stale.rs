//! Gauges that are over: a receiver shows the last value of each until it is told that there is none any more.

use opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, Gauge, Metric, NumberDataPoint, metric::Data,
};

/// The gauges that the receiver may show, as they were sent last.
#[derive(Default)]
pub(super) struct Shown(Vec<Metric>);

impl Shown {
    /// Adds a point without a value to what is sent at this instant for each gauge that is shown and not sent any more.
    pub(super) fn mark(&mut self, metrics: &mut Vec<Metric>, at: u64) {
        for shown in self.0.drain(..) {
            let place = metrics.iter().position(|own| own.name == shown.name);
            let sent = place.map(|place| points(&metrics[place]).to_vec()).unwrap_or_default();
            let is_gone =
                |old: &&NumberDataPoint| !sent.iter().any(|new| new.attributes == old.attributes);
            let gone: Vec<_> =
                points(&shown).iter().filter(is_gone).map(|old| over(old, at)).collect();
            if gone.is_empty() {
                continue;
            }
            let own = place.and_then(|place| metrics[place].data.as_mut());
            if let Some(Data::Gauge(gauge)) = own {
                gauge.data_points.extend(gone);
            } else {
                let data = Some(Data::Gauge(Gauge { data_points: gone }));
                metrics.push(Metric { data, ..shown });
            }
        }
        // Those that are over stay here as well: nobody knows yet whether this arrives.
        self.0.extend(metrics.iter().filter(|metric| !points(metric).is_empty()).cloned());
    }

    /// What was sent last has arrived.
    pub(super) fn arrived(&mut self) {
        for metric in &mut self.0 {
            if let Some(Data::Gauge(gauge)) = &mut metric.data {
                gauge.data_points.retain(|point| point.value.is_some());
            }
        }
    }
}

/// The points of a gauge; of other metrics none.
fn points(metric: &Metric) -> &[NumberDataPoint] {
    match &metric.data {
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        _ => &[],
    }
}

fn over(old: &NumberDataPoint, at: u64) -> NumberDataPoint {
    let flags = DataPointFlags::NoRecordedValueMask as u32;
    NumberDataPoint { time_unix_nano: at, flags, value: None, ..old.clone() }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

    use super::*;
    use crate::record::live::otlp::message::attribute;

    /// A gauge with a point for each of these labels.
    fn gauge(name: &str, labels: &[&str]) -> Metric {
        let point = |label: &&str| NumberDataPoint {
            attributes: vec![attribute("run", label)],
            value: Some(Value::AsInt(1)),
            ..NumberDataPoint::default()
        };
        let data = Data::Gauge(Gauge { data_points: labels.iter().map(point).collect() });
        Metric { name: name.into(), data: Some(data), ..Metric::default() }
    }

    /// What is sent of these gauges: the name and the label of each point, and whether it has a value.
    fn sent(shown: &mut Shown, mut metrics: Vec<Metric>) -> Vec<(String, NumberDataPoint)> {
        shown.mark(&mut metrics, 7);
        let each =
            metrics.iter().flat_map(|of| points(of).iter().map(|it| (of.name.clone(), it.clone())));
        each.filter(|(_, point)| point.value.is_none()).collect()
    }

    #[test]
    fn a_gauge_that_is_gone_is_marked_until_that_arrives_and_no_longer() {
        let mut shown = Shown::default();
        let first = vec![gauge("info", &["001"]), gauge("bound", &["001"])];
        assert!(sent(&mut shown, first).is_empty(), "nothing was shown before");
        shown.arrived();
        let next = || vec![gauge("info", &["002"])];
        for _ in 0..2 {
            let marked = sent(&mut shown, next());
            let names: Vec<&str> = marked.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["info", "bound"], "it is said again as long as it has not arrived");
            for (_, point) in &marked {
                assert_eq!(point.attributes, [attribute("run", "001")]);
                assert_eq!((point.flags, point.time_unix_nano), (1, 7));
            }
        }
        shown.arrived();
        assert!(sent(&mut shown, next()).is_empty(), "it has arrived");
        assert!(sent(&mut shown, vec![gauge("info", &["002", "003"])]).is_empty());
    }

    #[test]
    fn a_gauge_that_did_not_arrive_for_all_one_knows_is_marked_as_well() {
        let mut shown = Shown::default();
        sent(&mut shown, vec![gauge("info", &["001"])]);
        let marked = sent(&mut shown, vec![gauge("info", &["002"])]);
        assert_eq!(marked.len(), 1, "a push that was not answered may have been taken");
        assert!(sent(&mut shown, vec![gauge("info", &["001", "002"])]).is_empty(), "it is back");
    }
}
