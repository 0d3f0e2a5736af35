//! Proxies that the environment names (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`, in any case), and which
//! requests go through one.

use std::{collections::HashMap, env};

use parking_lot::Mutex;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::{Host, Url};

use crate::base::host::loopback;

/// The schemes of a proxy that the HTTP library can use.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// What the library asks for each new connection.
pub(super) fn of_environment() -> reqwest::Proxy {
    let proxies = Proxies::of_environment();
    reqwest::Proxy::custom(move |url| proxies.of(url).map(|proxy| proxy.url.clone()))
}

/// Whether requests to this URL go through a proxy.
pub fn is_proxied(url: &Url) -> bool {
    Proxies::of_environment().of(url).is_some()
}

/// A sentence that names the proxy that requests to this URL go through; nothing where they go straight to the server.
/// Users and passwords of either URL are left out.
pub fn proxy_note(url: &Url) -> Option<String> {
    let proxies = Proxies::of_environment();
    let proxy = proxies.of(url)?;
    Some(format!(
        "requests to `{}` go through the proxy `{}`, which the environment names (`{}`); to ask the server itself, add its \
         host to `no_proxy`",
        url.host_str().unwrap_or_default(),
        proxy.shown(),
        proxy.variable
    ))
}

/// A proxy, and the variable that names it.
#[derive(Clone)]
struct Proxy {
    url: Url,
    variable: String,
}

impl Proxy {
    /// Its URL without user and password.
    fn shown(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }
}

/// The proxies of an environment.
struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// Intercepts all that `no_proxy` does not exempt.
    not_exempt: Matcher,
    /// Whether names of hosts are names of this one, as far as that was looked up.
    here: Mutex<HashMap<String, bool>>,
}

impl Proxies {
    fn of_environment() -> Self {
        let variables: Vec<(String, String)> = env::vars_os()
            .filter_map(|(name, value): (std::ffi::OsString, std::ffi::OsString)| {
                Some((name.into_string().ok()?, value.into_string().ok()?))
            })
            .collect();
        Self::of_variables(&variables)
    }

    fn of_variables(variables: &[(String, String)]) -> Self {
        let exempt = value("no_proxy", variables).map(|(_, list)| exempt_hosts(list));
        let exempt = exempt.unwrap_or_default();
        // The library would exempt names by that, and no addresses.
        let is_off = exempt.iter().any(|host| host == "*");
        let named = |name| proxy(name, variables).filter(|_| !is_off);
        Self {
            http: named("http_proxy").or_else(|| named("all_proxy")),
            https: named("https_proxy").or_else(|| named("all_proxy")),
            not_exempt: Matcher::builder().all("http://proxy.invalid").no(exempt.join(",")).build(),
            here: Mutex::default(),
        }
    }

    /// The proxy for requests to this URL.
    fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        }?;
        let uri: Uri = url.as_str().parse().ok()?;
        let is_wanted = !is_loopback(url) && self.not_exempt.intercept(&uri).is_some();
        (is_wanted && !self.is_name_of_this_host(url)).then_some(proxy)
    }

    /// Whether all addresses of the host are of this one. Asked only where there is a proxy, and once a host.
    fn is_name_of_this_host(&self, url: &Url) -> bool {
        let Some(Host::Domain(name)) = url.host() else { return false };
        let mut here = self.here.lock();
        *here.entry(name.to_owned()).or_insert_with(|| {
            let addresses = url.socket_addrs(|| None).unwrap_or_default();
            !addresses.is_empty()
                && addresses.iter().all(|address| loopback::is_loopback(address.ip()))
        })
    }
}

/// Whether the URL itself says that its host is this one.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            loopback::is_loopback(address.into()) || address.is_unspecified()
        }
        None => false,
    }
}

/// The proxy that a variable names; nothing where it names none that can be used.
fn proxy(variable: &str, variables: &[(String, String)]) -> Option<Proxy> {
    let (variable, text) = value(variable, variables)?;
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&text).ok()?;
    let is_usable = SCHEMES.contains(&url.scheme()) && url.has_host();
    is_usable.then(|| Proxy { url, variable: variable.to_owned() })
}

/// The variable of this name in any case, and its value: in lower case before others, as `curl` reads them.
fn value<'a>(name: &str, variables: &'a [(String, String)]) -> Option<(&'a str, &'a str)> {
    let found = variables.iter().filter(|(other, value): &&(String, String)| {
        other.eq_ignore_ascii_case(name) && !value.trim().is_empty()
    });
    let best = found.min_by_key(|(other, _)| (other != name, *other != name.to_ascii_uppercase()));
    best.map(|(name, value)| (name.as_str(), value.trim()))
}

/// The hosts of `no_proxy` in the form that the library reads: `curl` also takes blanks between hosts, `*.example.com` and
/// addresses in brackets.
fn exempt_hosts(list: &str) -> Vec<String> {
    let hosts = list.split([',', ' ', '\t']).filter(|host| !host.is_empty());
    hosts
        .map(|host| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            if host == "*" { host.to_owned() } else { host.trim_start_matches('*').to_owned() }
        })
        .collect()
}

#[cfg(test)]
mod tests;
