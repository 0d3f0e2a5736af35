//! The paths of an issuer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Form as Body, Json, Router,
    extract::{Request, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    Shared,
    token_endpoint::{Form, GRANTS, Refused},
    visits::caller,
};
use crate::scenario::Outage;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const METADATA: &str = "/.well-known/oauth-authorization-server";
/// Paths that are counted by their name.
const PATHS: [&str; 7] =
    [DISCOVERY, METADATA, "/token", "/device_authorization", "/introspect", "/revoke", "/jwks"];

type Own = State<Arc<Shared>>;

/// All but the key set.
pub(super) fn main(shared: Arc<Shared>) -> Router {
    let router = Router::new()
        .route(DISCOVERY, get(discovery))
        .route(METADATA, get(discovery))
        .route("/token", post(token))
        .route("/device_authorization", post(device))
        .route("/introspect", post(introspect))
        .route("/revoke", post(revoke));
    counted(router, shared)
}

pub(super) fn key_set(shared: Arc<Shared>) -> Router {
    counted(Router::new().route("/jwks", get(jwks)), shared)
}

fn counted(router: Router<Arc<Shared>>, shared: Arc<Shared>) -> Router {
    let count = middleware::from_fn_with_state(Arc::clone(&shared), count);
    router.layer(count).with_state(shared)
}

async fn count(State(shared): Own, request: Request, next: Next) -> Response {
    let path = PATHS.into_iter().find(|path| *path == request.uri().path()).unwrap_or("other");
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let unanswered = Unanswered { shared, path, caller: caller(agent), status: 0 };
    let response = next.run(request).await;
    unanswered.answered(response.status().as_u16());
    response
}

/// A request that is counted when it is dropped: also one that nobody waits for any more.
struct Unanswered {
    shared: Arc<Shared>,
    path: &'static str,
    caller: String,
    status: u16,
}

impl Unanswered {
    fn answered(mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.shared.visits.count(self.path, self.status, &self.caller);
    }
}

/// `OpenID` Connect Discovery 1.0, 3; RFC 8414, 2.
async fn discovery(State(shared): Own) -> Json<Value> {
    let url = &shared.url;
    let algorithms = shared.keys.read().algorithms();
    let auth = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    Json(json!({
        "issuer": url,
        "jwks_uri": shared.jwks_url,
        "token_endpoint": format!("{url}/token"),
        "device_authorization_endpoint": format!("{url}/device_authorization"),
        "introspection_endpoint": format!("{url}/introspect"),
        "revocation_endpoint": format!("{url}/revoke"),
        "grant_types_supported": GRANTS,
        "token_endpoint_auth_methods_supported": auth,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "id_token_signing_alg_values_supported": algorithms,
        "response_types_supported": [],
        "subject_types_supported": ["public"],
    }))
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
}

fn answer(given: Result<Value, Refused>) -> Response {
    match given {
        Ok(value) => {
            // RFC 6749, 5.1.
            ([(header::CACHE_CONTROL, "no-store")], Json(value)).into_response()
        }
        Err(refused) => {
            let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let error = json!({ "error": refused.0, "error_description": refused.1 });
            let mut response = (status, Json(error)).into_response();
            if status == StatusCode::UNAUTHORIZED {
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
            }
            response
        }
    }
}

/// The parameters of a request; what is no form is refused as RFC 6749, 5.2 has it.
fn read(form: Sent) -> Result<Form, Refused> {
    form.map(|Body(form)| form).map_err(|_| Refused("invalid_request", "the body is no form"))
}

type Sent = Result<Body<Form>, FormRejection>;

async fn token(State(shared): Own, headers: HeaderMap, form: Sent) -> Response {
    if shared.limiter.as_ref().is_some_and(|limiter| limiter.check().is_err()) {
        let error =
            json!({ "error": "temporarily_unavailable", "error_description": "too many requests" });
        // Whole seconds, and never sooner than meant.
        let after = shared.retry_after.as_secs_f64().ceil().to_string();
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, after)], Json(error))
            .into_response();
    }
    let slow = shared.slow.load(Ordering::Relaxed);
    if slow > 0 {
        tokio::time::sleep(Duration::from_nanos(slow)).await;
    }
    answer(read(form).and_then(|form| shared.grant(authorization(&headers), &form)))
}

async fn device(State(shared): Own, headers: HeaderMap, form: Sent) -> Response {
    answer(read(form).and_then(|form| shared.device(authorization(&headers), &form)))
}

async fn introspect(State(shared): Own, headers: HeaderMap, form: Sent) -> Response {
    answer(read(form).and_then(|form| shared.introspect(authorization(&headers), &form)))
}

async fn revoke(State(shared): Own, headers: HeaderMap, form: Sent) -> Response {
    match read(form).and_then(|form| shared.revoke(authorization(&headers), &form)) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refused) => answer(Err(refused)),
    }
}

async fn jwks(State(shared): Own) -> Response {
    let outage = *shared.outage.read();
    let text = match outage {
        Some(Outage::Hang) => std::future::pending().await,
        Some(Outage::Status500) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Outage::Html) => {
            return Html("<!doctype html><title>Maintenance</title><p>Back soon.").into_response();
        }
        Some(Outage::EmptySet | Outage::DuplicateKid | Outage::Huge) => {
            shared.wrong_set.read().clone()
        }
        Some(_) | None => Some(shared.keys.read().text().to_owned()),
    };
    let Some(text) = text else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    // RFC 7517, 8.5.2; most servers say the latter, and some clients want it.
    let mut response = ([(header::CONTENT_TYPE, "application/json")], text).into_response();
    if let Some(age) = shared.max_age {
        let said = HeaderValue::from_str(&format!("max-age={}", age.as_secs()));
        if let Ok(said) = said {
            response.headers_mut().insert(header::CACHE_CONTROL, said);
        }
    }
    response
}
