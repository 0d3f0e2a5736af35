//! Axes of charts: where a value stands, which values are written beside the axis, and how they are said.

use crate::report::style::count;

/// An axis: what it tells, and how its values are spread.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What its values are, such as `connack, ms`.
    pub(crate) title: String,
    /// What follows a value where it is said, such as ` ms`.
    pub(crate) unit: &'static str,
    /// How values are spread.
    pub(crate) scale: Scale,
}

/// How the values of an axis are spread over its length.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Evenly, from 0.
    Linear,
    /// By their logarithms.
    Log,
    /// Shares of 1 by how rare the rest is: 90 %, 99 % and 99.9 % are equally far from each other.
    Nines,
    /// 0, 1, 2 ... are names.
    Named(Vec<String>),
}

/// The part of an axis that is drawn, in its own places, and what is written beside it.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

/// A time of 0 has no logarithm: it stands where the shortest one does that is told, in milliseconds.
const LEAST: f64 = 1e-3;
/// Shares beyond which no percentile is told.
const RAREST: f64 = 1e-6;
/// Ticks that are never more than this many on an axis.
const TICKS: f64 = 6.0;

impl Axis {
    /// An axis of numbers from 0 on.
    pub(crate) fn linear(title: &str, unit: &'static str) -> Self {
        Self { title: title.to_owned(), unit, scale: Scale::Linear }
    }

    /// Seconds of a run.
    pub(crate) fn seconds() -> Self {
        Self::linear("seconds of the run", " s")
    }

    pub(crate) fn log(title: &str, unit: &'static str) -> Self {
        Self { title: format!("{title} (logarithmic)"), unit, scale: Scale::Log }
    }

    /// Percentiles, as shares of 1.
    pub(crate) fn nines() -> Self {
        let title = "percentile: so many were at least as fast".to_owned();
        Self { title, unit: "", scale: Scale::Nines }
    }

    /// Names that stand at 0, 1, 2 ...
    pub(crate) fn named(title: &str, names: &[String]) -> Self {
        Self { title: title.to_owned(), unit: "", scale: Scale::Named(names.to_vec()) }
    }

    /// Whether its values are names, between which there is nothing.
    pub(super) fn is_named(&self) -> bool {
        matches!(self.scale, Scale::Named(_))
    }

    /// Where a value stands.
    pub(super) fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear | Scale::Named(_) => value,
            Scale::Log => value.max(LEAST).log10(),
            Scale::Nines => -(1.0 - value).max(RAREST).log10(),
        }
    }

    /// A value in words, with its unit.
    pub(super) fn words(&self, value: f64) -> String {
        match &self.scale {
            Scale::Linear | Scale::Log => format!("{}{}", plain(value), self.unit),
            Scale::Nines if value == 0.0 => "fastest".to_owned(),
            Scale::Nines => percent(value),
            Scale::Named(names) => names.get(value as usize).cloned().unwrap_or_default(),
        }
    }

    /// What is to be drawn so that all of these values are in it.
    pub(super) fn span(&self, values: impl Iterator<Item = f64> + Clone, headroom: f64) -> Span {
        match &self.scale {
            Scale::Linear => linear(values.fold(0.0, f64::max), headroom),
            Scale::Log => {
                let places = values.map(|value| self.place(value));
                let least = places.clone().fold(f64::INFINITY, f64::min);
                logarithmic(least, places.fold(f64::NEG_INFINITY, f64::max))
            }
            Scale::Nines => {
                let most = values.map(|value| self.place(value)).fold(1.0, f64::max);
                let shares = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999];
                let tick = |share: f64| (self.place(share), self.words(share));
                let ticks = shares.map(tick).into_iter().filter(|(at, _)| *at <= most + 1e-9);
                // A little room on the left, where the labels of both axes meet.
                Span { low: -0.06, high: most * 1.02, ticks: ticks.collect() }
            }
            Scale::Named(names) => Span {
                low: -0.5,
                high: names.len() as f64 - 0.5,
                ticks: (0..).map(f64::from).zip(names.iter().cloned()).collect(),
            },
        }
    }
}

/// From 0 to a value, with ticks at round numbers.
fn linear(most: f64, headroom: f64) -> Span {
    let most = if most > 0.0 { most } else { 1.0 };
    let rough = most / TICKS;
    let decade = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|factor| factor * decade)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(10.0 * decade);
    let high = most * (1.0 + headroom);
    let ticks = (0..).map(|number| f64::from(number) * step).take_while(|at| *at <= high);
    Span { low: 0.0, high, ticks: ticks.map(|at| (at, plain(at))).collect() }
}

/// Between two places of a logarithmic axis, out to the next tick.
fn logarithmic(least: f64, most: f64) -> Span {
    // Over few decades there is room for 2 and 5 between their ends.
    let steps: &[f64] = if most - least > 3.2 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let all: Vec<f64> = (-4..10)
        .flat_map(|decade| steps.iter().map(move |step| step.log10() + f64::from(decade)))
        .collect();
    let low = all.iter().copied().rfind(|at| *at < least + 1e-9).unwrap_or(least);
    let high = all.iter().copied().find(|at| *at > most.max(low + 0.1)).unwrap_or(most);
    let within = all.into_iter().filter(|at| *at >= low - 1e-9 && *at <= high + 1e-9);
    Span { low, high, ticks: within.map(|at| (at, plain(10_f64.powf(at)))).collect() }
}

/// A share of 1 in percent, with as many nines as it has.
fn percent(share: f64) -> String {
    let digits = format!("{:.4}", share * 100.0);
    format!("{} %", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// A number with three digits that matter, without zeros that say nothing.
pub(super) fn plain(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 100.0 => return count(value.round().max(0.0) as u64),
        0.0 => return "0".to_owned(),
        small => (2.0 - small.log10().floor()).clamp(1.0, 6.0) as usize,
    };
    let digits = format!("{value:.decimals$}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
