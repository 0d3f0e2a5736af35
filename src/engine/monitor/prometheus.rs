//! What a broker tells of itself in the Prometheus text format.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;

use prometheus_parse::{Sample, Scrape, Value};
use tokio::runtime::{Builder, Runtime};

use crate::{
    base::{
        clock::{Clock, SECOND},
        tls::{self, Trust},
        web::{self, Way},
    },
    record::results::monitor::{OF_PROCESSES, Usage, count, cpu_time, named},
    scenario,
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
        let told = self.told.lock();
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
    let usage = endpoint.lock().read(&mut warnings);
    *told.lock() = (clock.now(), usage, warnings);
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

    /// What it tells now: what is no number of its kind is no value.
    fn read(&mut self, warnings: &mut Vec<String>) -> Usage {
        let page = self.page();
        let has_told = page.is_ok();
        let page = page.unwrap_or_else(|why| {
            warnings.push(format!(
                "`{}` tells no metrics ({why}): what they would say is left empty in monitor.csv",
                self.shown()
            ));
            Page::default()
        });
        let process = |column: &str, usual: &[&str]| match self.metrics.get(column) {
            Some(metric) => page.find(metric),
            None => usual.iter().find_map(|metric| page.find(metric)),
        };
        let usage = Usage {
            cpu_s: process("cpu_s", &CPU).and_then(cpu_time),
            rss_bytes: process("rss_bytes", &RSS).and_then(count),
            descriptors: process("descriptors", &DESCRIPTORS).and_then(count),
            threads: process("threads", &THREADS).and_then(count),
            named: named(&self.metrics).map(|(_, metric)| page.find(metric)).collect(),
        };
        if has_told {
            warnings.extend(self.left_empty(&page, &usage));
        }
        usage
    }

    /// Which columns that the scenario asks for are left empty, and why.
    fn left_empty(&self, page: &Page, usage: &Usage) -> Vec<String> {
        let [cpu_s, rss_bytes, descriptors, threads] = OF_PROCESSES;
        let has_value = |column: &str, metric: &str| match column {
            _ if column == cpu_s => usage.cpu_s.is_some(),
            _ if column == rss_bytes => usage.rss_bytes.is_some(),
            _ if column == descriptors => usage.descriptors.is_some(),
            _ if column == threads => usage.threads.is_some(),
            _ => page.find(metric).is_some(),
        };
        let empty = self.metrics.iter().filter(|(column, metric)| !has_value(column, metric));
        let words = |(column, metric): (&String, &String)| {
            let why = if page.is_twice(metric) {
                "has twice the same series of"
            } else if page.is_there(metric) {
                "tells no number of its kind by"
            } else {
                "has no metric"
            };
            format!("`{}` {why} `{metric}`: `{column}` in monitor.csv is left empty", self.shown())
        };
        empty.map(words).collect()
    }

    /// Its URL, without what may be a secret in it.
    fn shown(&self) -> String {
        scenario::monitor::shown(&self.url)
    }

    fn page(&self) -> Result<Page, String> {
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
        let usual = CPU.iter().chain(&RSS).chain(&DESCRIPTORS).chain(&THREADS).copied();
        let names = self.metrics.values().map(|metric| name(metric)).chain(usual).collect();
        let page = Page::of(&text, &names).map_err(|error| error.to_string())?;
        if page.is_empty {
            return Err("there is none in the answer".into());
        }
        Ok(page)
    }
}

fn client() -> Option<reqwest::Client> {
    web::client(tls::client_of(&Trust::default()).ok()?, Way::AsEnvironmentSays)
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .ok()
}

/// What an endpoint told at one time of the metrics that are asked for.
#[derive(Debug, Default)]
struct Page {
    samples: Vec<Sample>,
    /// Metrics that have two samples of the same series, of which nobody knows which is right.
    twice: BTreeSet<String>,
    /// It has no sample at all.
    is_empty: bool,
}

impl Page {
    /// Reads what a text has of the metrics of these names: the rest could be long, and is not asked for.
    fn of(text: &str, names: &BTreeSet<&str>) -> std::io::Result<Self> {
        let is_asked = |name: &str| names.contains(name);
        let (mut seen, mut twice, mut is_empty) = (BTreeSet::new(), BTreeSet::new(), true);
        for line in text.lines().map(str::trim) {
            let series = match line.rfind('}') {
                Some(end) => &line[..end],
                None => line.split_whitespace().next().unwrap_or_default(),
            };
            if series.is_empty() || series.starts_with('#') {
                continue;
            }
            is_empty = false;
            let name = name(series);
            if is_asked(name) && !seen.insert(series) {
                twice.insert(name.to_owned());
            }
        }
        let is_wanted = |line: &&str| {
            let line = line.trim();
            let name = match line.strip_prefix('#') {
                // What type it has, which of a histogram is said of all its parts.
                Some(comment) => comment.split_whitespace().nth(1).unwrap_or_default(),
                None => {
                    line.split(|c: char| c == '{' || c.is_whitespace()).next().unwrap_or_default()
                }
            };
            let has_parts = || is_asked(&format!("{name}_bucket"));
            !twice.contains(name) && (is_asked(name) || line.starts_with('#') && has_parts())
        };
        let lines = text.lines().filter(is_wanted).map(|line| Ok(line.to_owned()));
        let samples = Scrape::parse(lines)?.samples;
        Ok(Self { samples, twice, is_empty })
    }

    fn is_twice(&self, metric: &str) -> bool {
        self.twice.contains(name(metric))
    }

    fn is_there(&self, metric: &str) -> bool {
        self.is_twice(metric) || self.samples.iter().any(|sample| sample.metric == name(metric))
    }

    /// The value of a metric, `name` or `name{label="value"}`: the sum over all that match, where that is a number.
    fn find(&self, metric: &str) -> Option<f64> {
        if self.is_twice(metric) {
            return None;
        }
        let labels = metric.split_once('{').map_or("", |(_, labels)| labels);
        let wanted: Vec<(&str, &str)> = labels
            .trim_end_matches('}')
            .split(',')
            .filter_map(|label| label.split_once('='))
            .map(|(label, value)| (label.trim(), value.trim().trim_matches('"')))
            .collect();
        let values: Vec<f64> = self
            .samples
            .iter()
            .filter(|sample| sample.metric == name(metric))
            .filter(|sample| {
                wanted.iter().all(|(label, value)| sample.labels.get(label) == Some(*value))
            })
            .filter_map(|sample| match sample.value {
                Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => Some(value),
                Value::Histogram(_) | Value::Summary(_) => None,
            })
            .collect();
        let sum: f64 = values.iter().sum();
        (!values.is_empty() && sum.is_finite()).then_some(sum)
    }
}

/// The name of a metric without its labels.
fn name(metric: &str) -> &str {
    metric.split('{').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests;
