//! What a broker tells of itself in the Prometheus text format.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use prometheus_parse::{Sample, Scrape, Value};
use tokio::runtime::{Builder, Runtime};

use crate::{
    clock::{Clock, SECOND},
    results::monitor::Usage,
    scenario,
    tls::{self, Trust},
    web::{self, Way},
};

/// How long an answer may take; a second is read anew when the next one begins.
const PATIENCE: Duration = Duration::from_millis(900);

/// Names under which exporters have what every process has; the first that is there counts.
const CPU: [&str; 2] = ["process_cpu_seconds_total", "container_cpu_usage_seconds_total"];
const RSS: [&str; 3] = [
    "process_resident_memory_bytes",
    "rabbitmq_process_resident_memory_bytes",
    "container_memory_rss",
];
const DESCRIPTORS: [&str; 2] = ["process_open_fds", "rabbitmq_process_open_fds"];
const THREADS: [&str; 3] = ["process_threads", "process_num_threads", "go_threads"];

/// How old what it told may be, to count as told now.
const FRESH: u64 = 3 * SECOND;

/// An endpoint that is asked once a second by a thread of its own: readings of processes must not wait for it.
#[derive(Debug)]
pub(super) struct Scraper {
    endpoint: Arc<Mutex<Endpoint>>,
    told: Arc<Mutex<Told>>,
    clock: Clock,
    /// Its end tells the thread to end.
    _stop: Sender<()>,
}

impl Scraper {
    /// Asks once, and then every second.
    pub(super) fn start(url: &str, metrics: &BTreeMap<String, String>, clock: Clock) -> Self {
        let endpoint = Arc::new(Mutex::new(Endpoint::new(url, metrics)));
        let (stop, stopped) = channel::<()>();
        let scraper = Self { endpoint, told: Arc::default(), clock, _stop: stop };
        scraper.ask();
        let (endpoint, told) = (Arc::clone(&scraper.endpoint), Arc::clone(&scraper.told));
        // Without a thread what it told first grows old, and is left empty.
        let _ = thread::Builder::new().name("scrape".into()).spawn(move || {
            // What drives clients comes first.
            let _ = rustix::process::setpriority_process(None, 5);
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_secs(1))
            {
                ask(&endpoint, &told, clock);
            }
        });
        scraper
    }

    /// Asks now, and waits for the answer.
    pub(super) fn ask(&self) {
        ask(&self.endpoint, &self.told, self.clock);
    }

    /// What it told last, and when; nothing where that is old.
    pub(super) fn read(&self, warnings: &mut Vec<String>) -> (u64, Usage) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, usage, said) = &*told;
        warnings.extend(said.iter().cloned());
        if self.clock.now() - at < FRESH {
            return (*at, usage.clone());
        }
        (*at, Usage { named: vec![None; usage.named.len()], ..Usage::default() })
    }
}

/// What was told, when, and what could not be.
type Told = (u64, Usage, Vec<String>);

fn ask(endpoint: &Mutex<Endpoint>, told: &Mutex<Told>, clock: Clock) {
    let mut warnings = Vec::new();
    let usage = endpoint.lock().unwrap_or_else(PoisonError::into_inner).read(&mut warnings);
    *told.lock().unwrap_or_else(PoisonError::into_inner) = (clock.now(), usage, warnings);
}

/// An endpoint.
#[derive(Debug)]
struct Endpoint {
    url: String,
    metrics: BTreeMap<String, String>,
    http: Option<(Runtime, reqwest::Client)>,
}

impl Endpoint {
    /// The endpoint at a URL; `metrics` are columns and the metrics that go there.
    fn new(url: &str, metrics: &BTreeMap<String, String>) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().ok();
        let http = runtime.zip(client());
        Self { url: url.to_owned(), metrics: metrics.clone(), http }
    }

    /// What it tells now.
    fn read(&mut self, warnings: &mut Vec<String>) -> Usage {
        let samples = self.samples().unwrap_or_else(|why| {
            warnings.push(format!(
                "`{}` tells no metrics ({why}): what they would say is left empty in monitor.csv",
                self.shown()
            ));
            Vec::new()
        });
        let base = |column: &str, usual: &[&str]| match self.metrics.get(column) {
            Some(metric) => find(&samples, metric),
            None => usual.iter().find_map(|metric| find(&samples, metric)),
        };
        let whole = |value: Option<f64>| value.filter(|value| *value >= 0.0).map(|v| v as u64);
        for metric in self
            .metrics
            .values()
            .filter(|metric| !samples.is_empty() && find(&samples, metric).is_none())
        {
            warnings.push(format!(
                "`{}` has no metric `{metric}`: its column in monitor.csv is left empty",
                self.shown()
            ));
        }
        Usage {
            cpu_s: base("cpu_s", &CPU),
            rss_bytes: whole(base("rss_bytes", &RSS)),
            descriptors: whole(base("descriptors", &DESCRIPTORS)),
            threads: whole(base("threads", &THREADS)),
            named: self.metrics.values().map(|metric| find(&samples, metric)).collect(),
        }
    }

    /// Its URL, without what may be a secret in it.
    fn shown(&self) -> String {
        scenario::monitor::shown(&self.url)
    }

    fn samples(&self) -> Result<Vec<Sample>, String> {
        let (runtime, http) = self.http.as_ref().ok_or("no HTTP client")?;
        let text = runtime.block_on(async {
            let answer = http.get(&self.url).send().await.map_err(|error| web::why(&error))?;
            if !answer.status().is_success() {
                return Err(format!("HTTP {}", answer.status().as_u16()));
            }
            let body = web::body(answer).await.map_err(|error| web::why(&error))?;
            body.ok_or_else(|| "an answer of more than 1 MB".to_owned())
        })?;
        let text = String::from_utf8_lossy(&text);
        if text.trim_start().starts_with('<') {
            return Err("the answer is HTML or XML".into());
        }
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).map_err(|error| error.to_string())?;
        if scrape.samples.is_empty() {
            return Err("there is none in the answer".into());
        }
        Ok(scrape.samples)
    }
}

fn client() -> Option<reqwest::Client> {
    web::client(tls::client_of(&Trust::default()).ok()?, Way::AsEnvironmentSays)
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .ok()
}

/// The value of a metric, `name` or `name{label="value"}`: the sum over all that match.
fn find(samples: &[Sample], metric: &str) -> Option<f64> {
    let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
    let wanted: Vec<(&str, &str)> = labels
        .trim_end_matches('}')
        .split(',')
        .filter_map(|label| label.split_once('='))
        .map(|(label, value)| (label.trim(), value.trim().trim_matches('"')))
        .collect();
    let values: Vec<f64> = samples
        .iter()
        .filter(|sample| sample.metric == name.trim())
        .filter(|sample| {
            wanted.iter().all(|(label, value)| sample.labels.get(label) == Some(*value))
        })
        .filter_map(|sample| match sample.value {
            Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => Some(value),
            Value::Histogram(_) | Value::Summary(_) => None,
        })
        .collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_name_and_labels_and_summed_over_the_others() {
        let text = "# TYPE a_total counter\na_total{node=\"x\",kind=\"q\"} 3\na_total{node=\"y\",kind=\"q\"} 4\nb 5\n";
        let samples = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap().samples;
        assert_eq!(find(&samples, "a_total"), Some(7.0));
        assert_eq!(find(&samples, "a_total{node=\"y\"}"), Some(4.0));
        assert_eq!(find(&samples, "a_total{kind=\"q\", node=\"x\"}"), Some(3.0));
        assert_eq!(find(&samples, "b"), Some(5.0));
        assert_eq!(find(&samples, "c"), None);
        assert_eq!(find(&samples, "a_total{node=\"z\"}"), None);
    }
}
