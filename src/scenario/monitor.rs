//! `[monitor]`: whose CPU, memory, descriptors and threads are watched beside those of the harness.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{self, As};

/// `[monitor]` of a scenario. Embedded brokers are watched without being named.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Monitor {
    /// Processes of the broker on this host, by their ids.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "Vec::<bounds::Process>")]
    pub pid: Vec<i32>,
    /// The same by their names, as `/proc/PID/comm` has them, or that of their program; several processes of one
    /// name are taken together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub process: Vec<String>,
    /// URL of the broker's metrics in the Prometheus text format, `http` or `https`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<String>,
    /// Metrics of that endpoint that become columns of `monitor.csv`: column to metric, with labels in braces or without
    /// (then all are summed). `cpu_s`, `rss_bytes`, `descriptors` and `threads` have the usual names of exporters unless
    /// given.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, String>,
}

/// The URL of metrics without user, password and query, which may be secrets.
pub fn shown(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return "a URL that is none".to_owned() };
    // Fails of URLs that have no host, and so no user.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.set_query(None);
    parsed.to_string()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn neither_user_nor_password_nor_query_of_a_url_is_shown() {
        assert_eq!(
            shown("https://ann:hunter2@metrics.example:9090/metrics?token=hunter2"),
            "https://metrics.example:9090/metrics"
        );
        assert!(!shown("hunter2").contains("hunter2"));
    }
}
