//! Where the endpoints of a server are: `OpenID` Connect Discovery 1.0, then RFC 8414.

use serde::Deserialize;
use url::Url;

use crate::{
    error::{Error, Result},
    issuer::Issuer,
    plan::fetching::{Fetching, Server},
    scenario::Grant,
    web,
};

/// Where tokens are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Endpoints {
    pub(super) token: Url,
    pub(super) device: Option<Url>,
}

/// What is needed of a discovery document.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    token_endpoint: Url,
    device_authorization_endpoint: Option<Url>,
}

/// Finds them out.
pub(super) async fn endpoints(
    http: &reqwest::Client,
    fetching: &Fetching,
    own: Option<&Issuer>,
) -> Result<Endpoints> {
    let issuer = match (&fetching.server, own) {
        (Server::Endpoint(token), _) => {
            return Ok(Endpoints { token: token.clone(), device: None });
        }
        (Server::Discovered(url), _) => url.to_string(),
        // Whatever name it goes by elsewhere: secrets of this run go to where it listens.
        (Server::Own, Some(own)) => return own_endpoints(own.root()),
        (Server::Own, None) => return Err(Error::usage("the run's own issuer does not run")),
    };
    let issuer = issuer.trim_end_matches('/');
    let url = Url::parse(issuer)
        .map_err(|error| Error::usage(format!("`oauth.issuer` is `{issuer}`: {error}")))?;
    // RFC 8414, 3: the well-known part stands before the path, OpenID has it behind.
    let mut by_rfc = url.clone();
    let path = url.path().trim_end_matches('/');
    by_rfc.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    let openid = format!("{issuer}/.well-known/openid-configuration");
    let mut tried = Vec::new();
    for place in [openid, by_rfc.to_string()] {
        match document(http, &place).await {
            Ok(found) => return checked(found, issuer, fetching),
            Err(why) => tried.push(format!("{place}: {why}")),
        }
    }
    Err(Error::not_measured(format!("`oauth.issuer` has no discovery document: {}", tried.join("; ")))
        .hint("is the URL that of the issuer, and does it run? `token_endpoint = \"...\"` does without discovery"))
}

/// Those of the run's own issuer.
fn own_endpoints(root: &str) -> Result<Endpoints> {
    let url = |path: &str| {
        Url::parse(&format!("{root}{path}"))
            .map_err(|error| Error::usage(format!("`issuer.listen` makes no URL: {error}")))
    };
    Ok(Endpoints { token: url("/token")?, device: Some(url("/device_authorization")?) })
}

fn checked(found: Document, issuer: &str, fetching: &Fetching) -> Result<Endpoints> {
    // OpenID Connect Discovery 1.0, 4.3; RFC 8414, 3.3: it MUST be the same.
    if found.issuer.trim_end_matches('/') != issuer {
        return Err(Error::not_measured(format!(
            "the discovery document of `{issuer}` is that of `{}`",
            found.issuer
        ))
        .hint("write that URL as `oauth.issuer`, if it is the one that you mean"));
    }
    if fetching.settings.grant == Grant::DeviceCode && found.device_authorization_endpoint.is_none()
    {
        return Err(Error::not_measured(format!(
            "`{issuer}` has no `device_authorization_endpoint`"
        ))
        .hint("it does not serve the grant `device_code`"));
    }
    Ok(Endpoints { token: found.token_endpoint, device: found.device_authorization_endpoint })
}

async fn document(http: &reqwest::Client, place: &str) -> std::result::Result<Document, String> {
    let response = http.get(place).send().await.map_err(|error| web::why(&error))?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("status {}", status.as_u16()));
    }
    let body = web::body(response).await.map_err(|error| web::why(&error))?;
    let body = body.ok_or("a document of over 1 MB")?;
    serde_json::from_slice(&body).map_err(|error| format!("no discovery document ({error})"))
}
