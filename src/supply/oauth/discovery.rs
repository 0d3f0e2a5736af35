//! Where the endpoints of a server are: `OpenID` Connect Discovery 1.0, then RFC 8414.

use reqwest::{Response, header::LOCATION};
use serde::Deserialize;
use url::Url;

use crate::{
    base::{
        error::{Error, Result},
        tls::failure,
        web,
    },
    client::attempt::advice,
    plan::fetching::{Fetching, Server},
    scenario::{self, Grant},
    servers::issuer::Issuer,
};

/// Where the document is, below the issuer's URL (`OpenID` Connect Discovery 1.0, 4).
const OPENID: &str = "/.well-known/openid-configuration";
/// Where it is by RFC 8414, 3: before the path of the issuer's URL.
const BY_RFC: &str = "/.well-known/oauth-authorization-server";

/// The longest URL in a document that is taken, in bytes: what servers take as a request line (RFC 9110, 4.1, has 8000).
const LONGEST_URL: usize = 8000;
/// What is told of why a text is no document, in characters: it may quote the text.
const LONGEST_REASON: usize = 200;

/// Where tokens are asked for.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Endpoints {
    pub(super) token: Url,
    pub(super) device: Option<Url>,
    /// What the server calls itself, where discovery told it.
    pub(super) issuer: Option<String>,
    /// Where its key set is, where discovery told it.
    pub(super) jwks: Option<Url>,
}

/// What is needed of a discovery document.
#[derive(Deserialize)]
struct Document {
    issuer: Option<String>,
    token_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    jwks_uri: Option<String>,
    mtls_endpoint_aliases: Option<Aliases>,
}

/// Where clients are asked for a certificate (RFC 8705, 5).
#[derive(Deserialize)]
struct Aliases {
    token_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
}

/// Why a place has no document.
enum Missing {
    /// What is wrong with its answer.
    Wrong(String),
    /// It sends to another place: the status, and where to.
    Moved(u16, Option<Url>),
    /// No request comes through, and why; it would be the same with any other place.
    Unreachable(String),
    /// TLS does not come about: the word for it, and why.
    NoTls(&'static str, String),
}

pub(super) async fn endpoints(
    http: &reqwest::Client,
    fetching: &Fetching,
    own: Option<&Issuer>,
) -> Result<Endpoints> {
    let issuer = match (&fetching.server, own) {
        (Server::Endpoint(token), _) => {
            return Ok(Endpoints { token: token.clone(), device: None, issuer: None, jwks: None });
        }
        (Server::Discovered(url), _) => url.to_string(),
        // Whatever name it goes by elsewhere: secrets of this run go to where it listens.
        (Server::Own, Some(own)) => return own_endpoints(own.root()),
        (Server::Own, None) => return Err(Error::usage("the run's own issuer does not run")),
    };
    // Who writes where the document is means the issuer that it is of.
    let issuer = without_document(&issuer);
    let issuer = issuer.as_str();
    let url = Url::parse(issuer)
        .map_err(|error| Error::usage(format!("`oauth.issuer` is `{issuer}`: {error}")))?;
    let mut by_rfc = url.clone();
    let path = url.path().trim_end_matches('/');
    by_rfc.set_path(&format!("{BY_RFC}{path}"));
    let openid = format!("{issuer}{OPENID}");
    let mut tried = Vec::new();
    for place in [openid, by_rfc.to_string()] {
        match document(http, &place).await {
            Ok(found) => return checked(&found, &url, Wanted::of(fetching)),
            Err(why) => {
                let is_final = matches!(why, Missing::Unreachable(_) | Missing::NoTls(..));
                tried.push((place, why));
                if is_final {
                    break;
                }
            }
        }
    }
    let error = no_document(&tried);
    let is_strange = tried.iter().all(|(_, why)| matches!(why, Missing::Wrong(_)));
    if url.scheme() == "http" && is_strange && web::speaks_tls(&url).await {
        return Err(
            error.hint("the server speaks TLS at this port: write `https://` in `oauth.issuer`")
        );
    }
    Err(error)
}

/// The issuer of a URL that is that of its document, by either standard; other URLs as they are.
fn without_document(url: &str) -> String {
    let url = url.trim_end_matches('/').trim_end_matches(OPENID);
    match url.split_once(BY_RFC) {
        // Its path comes after (RFC 8414, 3.1).
        Some((host, path)) => format!("{host}{path}"),
        None => url.to_owned(),
    }
    .trim_end_matches('/')
    .to_owned()
}

/// Those of the run's own issuer.
fn own_endpoints(root: &str) -> Result<Endpoints> {
    let url = |path: &str| {
        Url::parse(&format!("{root}{path}"))
            .map_err(|error| Error::usage(format!("`issuer.listen` makes no URL: {error}")))
    };
    Ok(Endpoints {
        token: url("/token")?,
        device: Some(url("/device_authorization")?),
        issuer: None,
        jwks: None,
    })
}

/// The error of a server without a discovery document in these places.
fn no_document(tried: &[(String, Missing)]) -> Error {
    let told = tried.iter().map(|(place, why)| match why {
        Missing::Wrong(why) | Missing::Unreachable(why) | Missing::NoTls(_, why) => {
            format!("{place}: {why}")
        }
        Missing::Moved(status, Some(to)) => {
            format!("{place}: status {status}, a redirect to {}", shown(to))
        }
        Missing::Moved(status, None) => format!("{place}: status {status}, a redirect to nowhere"),
    });
    let message = format!(
        "`oauth.issuer` has no discovery document: {}",
        told.collect::<Vec<_>>().join("; ")
    );
    // Where a document was moved together with its issuer, the new one can be written down.
    let moved_to = tried.iter().find_map(|(_, why)| match why {
        Missing::Moved(_, Some(to)) => shown(to).strip_suffix(OPENID).map(str::to_owned),
        _ => None,
    });
    let no_tls = tried.iter().find_map(|(_, why)| match why {
        Missing::NoTls(word, _) => advice(crate::base::words::OutcomeKind::TokenFailed, word),
        _ => None,
    });
    if let Some(way_out) = no_tls {
        return Error::not_measured(message).hint(way_out);
    }
    let is_moved = tried.iter().any(|(_, why)| matches!(why, Missing::Moved(..)));
    Error::not_measured(message).hint(match (moved_to, is_moved) {
        (Some(to), _) => format!(
            "redirects are not followed, as a secret must not go where nobody meant it to: write `issuer = \"{to}\"`, if \
             that is the server that you mean, or `token_endpoint = \"...\"` in place of `issuer`"
        ),
        (None, true) => "redirects are not followed, as a secret must not go where nobody meant it to: write \
                         `token_endpoint = \"...\"` in place of `issuer`, with the URL of the token endpoint"
            .into(),
        (None, false) => "is the URL that of the issuer, and does it run? `token_endpoint = \"...\"` in place of `issuer` \
                          does without discovery"
            .into(),
    })
}

/// What clients need of a server.
#[derive(Clone, Copy)]
struct Wanted {
    /// Where they show a certificate.
    by_certificate: bool,
    /// Where a device asks.
    device: bool,
}

impl Wanted {
    fn of(fetching: &Fetching) -> Self {
        Self {
            by_certificate: fetching.trust.own.is_some() || fetching.shows_own,
            device: fetching.settings.grant == Grant::DeviceCode,
        }
    }
}

/// All places that a document names to whoever asked for it there.
///
/// # Errors
/// When it is none, or that of another issuer.
pub(crate) fn endpoints_in(body: &[u8], asked: &Url, by_certificate: bool) -> Result<Vec<Url>> {
    let found = read(body).map_err(Error::not_measured)?;
    let found = checked(&found, asked, Wanted { by_certificate, device: false })?;
    Ok([Some(found.token), found.device, found.jwks].into_iter().flatten().collect())
}

fn checked(found: &Document, asked: &Url, wanted: Wanted) -> Result<Endpoints> {
    let endpoint = |name: &str, text: Option<&str>| -> Result<Option<Url>> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        // Some documents have the path only.
        let url = asked
            .join(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            // What it says there would be sent as if it were ours.
            .filter(|url| url.username().is_empty() && url.password().is_none());
        url.map(Some).ok_or_else(|| {
            Error::not_measured(format!(
                "the discovery document of `{asked}` names a `{name}` that is no URL of a server, or has a user in it"
            ))
            .hint("write `token_endpoint = \"...\"` in place of `issuer`")
        })
    };
    let aliases = found.mtls_endpoint_aliases.as_ref().filter(|_| wanted.by_certificate);
    let alias = |of: fn(&Aliases) -> &Option<String>| aliases.and_then(|all| of(all).as_deref());
    let token = alias(|all| &all.token_endpoint).or(found.token_endpoint.as_deref());
    let token = endpoint("token_endpoint", token)?;
    let device = alias(|all| &all.device_authorization_endpoint)
        .or(found.device_authorization_endpoint.as_deref());
    let device = endpoint("device_authorization_endpoint", device)?;
    // OpenID Connect Discovery 1.0, 4.3; RFC 8414, 3.3: it MUST be the same.
    if let Some(other) = found.issuer.as_deref().filter(|issuer| !is_same(issuer, asked)) {
        return Err(another_issuer(asked, other, token.as_ref()));
    }
    let token = token.ok_or_else(|| {
        Error::not_measured(format!("the discovery document of `{asked}` has no `token_endpoint`"))
            .hint("write `token_endpoint = \"...\"` in place of `issuer`, if the server has one")
    })?;
    if wanted.device && device.is_none() {
        return Err(Error::not_measured(format!(
            "`{asked}` has no `device_authorization_endpoint`"
        ))
        .hint("it does not serve the grant `device_code`"));
    }
    // Who only fetches needs no key set, so that what is no URL is as good as none.
    let jwks = endpoint("jwks_uri", found.jwks_uri.as_deref()).ok().flatten();
    Ok(Endpoints { token, device, issuer: found.issuer.clone(), jwks })
}

/// Whether an issuer is the one that was asked: scheme, host, port and path are compared as URLs are.
fn is_same(issuer: &str, asked: &Url) -> bool {
    let plain = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    Url::parse(issuer).is_ok_and(|url| plain(&url) == plain(asked))
}

/// The error of a document that is of another issuer than was asked, with a way out that can be gone.
fn another_issuer(asked: &Url, other: &str, token: Option<&Url>) -> Error {
    let message = format!("the discovery document of `{asked}` is that of `{other}`");
    let by_endpoint = |url: Option<&Url>| {
        let url = url.map_or("...".to_owned(), |url| {
            // Its query is public, as the document is.
            let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
            shown(url) + &query
        });
        format!("`token_endpoint = \"{url}\"` in place of `issuer`")
    };
    let is_url = !other.contains(['{', '}']);
    let Some(its) = Url::parse(other).ok().filter(|url| is_url && url.has_host()) else {
        // Servers of many tenants have a placeholder there.
        return Error::not_measured(message).hint(format!(
            "no URL can be that, so write {}; or, where a tenant is meant by it, the issuer of your tenant",
            by_endpoint(token)
        ));
    };
    if (its.host(), its.port_or_known_default()) == (asked.host(), asked.port_or_known_default())
        && its.scheme() == asked.scheme()
    {
        return Error::not_measured(message).hint(format!(
            "write `issuer = \"{other}\"`, if it is the one that you mean, or {}",
            by_endpoint(token)
        ));
    }
    // The server knows itself by another name, as one in a container does: its endpoint by the name that was asked.
    let here = token.map(|token| {
        let mut here = asked.clone();
        here.set_path(token.path());
        here.set_query(token.query());
        here
    });
    Error::not_measured(message).hint(format!(
        "where that name is not known here, write {}; else `issuer = \"{other}\"`, if it is the one that you mean",
        by_endpoint(here.as_ref())
    ))
}

/// A URL without user, password and query, which may be secrets.
fn shown(url: &Url) -> String {
    scenario::monitor::shown(url.as_str())
}

async fn document(http: &reqwest::Client, place: &str) -> std::result::Result<Document, Missing> {
    let broken = |error: reqwest::Error| {
        let why = web::why(&error);
        match failure::behind(&error) {
            Some(refused) => Missing::NoTls(failure::word(refused), why),
            _ if error.is_connect() => Missing::Unreachable(why),
            _ => Missing::Wrong(why),
        }
    };
    let response = http.get(place).send().await.map_err(broken)?;
    let status = response.status();
    if status.is_redirection() {
        return Err(Missing::Moved(status.as_u16(), leads_to(&response)));
    }
    if !status.is_success() {
        return Err(Missing::Wrong(format!("status {}", status.as_u16())));
    }
    let body = web::body(response).await.map_err(broken)?;
    let body = body.ok_or_else(|| Missing::Wrong("a document of over 1 MB".into()))?;
    read(&body).map_err(Missing::Wrong)
}

/// Reads a document.
///
/// # Errors
/// Why it is none.
fn read(body: &[u8]) -> std::result::Result<Document, String> {
    let text = web::text(body);
    let found: Document = serde_json::from_str(&text).map_err(|error| {
        let why: String = error.to_string().chars().take(LONGEST_REASON).collect();
        let is_page = if text.starts_with('<') { ": HTML, a login page?" } else { "" };
        format!("no discovery document ({why}{is_page})")
    })?;
    let aliases = found.mtls_endpoint_aliases.as_ref();
    let urls = [
        &found.issuer,
        &found.token_endpoint,
        &found.device_authorization_endpoint,
        &found.jwks_uri,
    ];
    let of_aliases = aliases.map(|all| [&all.token_endpoint, &all.device_authorization_endpoint]);
    let all = urls.into_iter().chain(of_aliases.into_iter().flatten()).flatten();
    if all.into_iter().any(|url| url.len() > LONGEST_URL) {
        return Err(format!("no discovery document (a URL in it has over {LONGEST_URL} bytes)"));
    }
    Ok(found)
}

/// Where a redirect leads.
fn leads_to(response: &Response) -> Option<Url> {
    let place = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(place).ok()
}
