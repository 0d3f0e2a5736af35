//! Whether a series of values goes up or down, and by how much: the trend test of Mann and Kendall, the slope of Theil and
//! Sen, and Student's interval of a mean.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// How surely a trend must not be chance, of both directions together.
const LEVEL: f64 = 0.01;

/// A trend in values that were seen one after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// By how much a value grows from one to the next: the median over all pairs (Sen 1968).
    pub slope: f64,
    /// How likely pairs would lean one way so clearly if there were no trend (Mann 1945, Kendall 1975).
    pub p: f64,
}

impl Trend {
    /// The trend of values that are evenly spaced; `None` of fewer than four.
    pub fn of(values: &[f64]) -> Option<Self> {
        let points: Vec<(f64, f64)> =
            values.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect();
        Self::over(&points)
    }

    /// The trend of values, each with its place, in the order of those; `None` of fewer than four.
    ///
    /// Kendall, Rank Correlation Methods (1975), in its normal approximation, ties taken into account; Sen, Estimates of the
    /// regression coefficient based on Kendall's tau, JASA 63 (1968).
    pub fn over(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len();
        if n < 4 {
            return None;
        }
        let (mut lean, mut slopes) = (0.0, Vec::with_capacity(n * (n - 1) / 2));
        for (at, (place, value)) in points.iter().enumerate() {
            for (later_place, later) in &points[at + 1..] {
                let rise = later - value;
                if rise != 0.0 {
                    lean += rise.signum();
                }
                if later_place > place {
                    slopes.push(rise / (later_place - place));
                }
            }
        }
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let ties: f64 = sorted
            .chunk_by(|a, b| a.total_cmp(b).is_eq())
            .map(|tied| tied.len() as f64)
            .map(|t| t * (t - 1.0) * (2.0 * t + 5.0))
            .sum();
        let n = n as f64;
        let variance = (n * (n - 1.0) * (2.0 * n + 5.0) - ties) / 18.0;
        let p = if variance > 0.0 && lean != 0.0 {
            let z = (lean.abs() - 1.0) / variance.sqrt();
            2.0 * (1.0 - Normal::standard().cdf(z))
        } else {
            1.0
        };
        Some(Self { slope: median(&mut slopes), p })
    }

    /// Whether it is more than chance.
    pub fn is_clear(&self) -> bool {
        self.p < LEVEL
    }
}

/// The median; of none 0.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count => f64::midpoint(values[(count - 1) / 2], values[count / 2]),
    }
}

/// The mean and the bounds of its 95 % confidence interval (Student 1908); `None` of fewer than two.
pub fn mean_interval(values: &[f64]) -> Option<(f64, f64, f64)> {
    let n = values.len();
    if n < 2 {
        return None;
    }
    let count = n as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let quantile = StudentsT::new(0.0, 1.0, count - 1.0).ok()?.inverse_cdf(0.975);
    let half = quantile * (variance / count).sqrt();
    Some((mean, mean - half, mean + half))
}

#[cfg(test)]
mod tests;
