//! One fetch: the request of a grant, and what its answer is worth.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, UNIX_EPOCH},
};

use parking_lot::Mutex;

use base64::{Engine, engine::general_purpose::STANDARD};
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, DeviceAuthorizationUrl, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, RefreshToken, RequestTokenError, ResourceOwnerPassword,
    ResourceOwnerUsername, Scope, StandardDeviceAuthorizationResponse, StandardRevocableToken,
    TokenResponse, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
    http::Request,
};
use serde_json::{Map, json};
use url::form_urlencoded;

use super::{
    Failure, Inner, Strange,
    answer::{Answer, in_plain_form},
    held::{LONGEST_TOKEN, REFRESH_TOKEN_TOO_LONG, TOKEN_TOO_LONG},
    http::Http,
    refresh::{End, INVALID_GRANT, Lent},
    token::Token,
};
use crate::{
    base::{
        clock::{Clock, SECOND},
        web,
    },
    client::attempt::Code,
    plan::fetching::Fetching,
    scenario::{
        ClientAuth, Grant, Send as Sent, bounds,
        oauth::{ACCESS_TOKEN, JWT_BEARER, TOKEN_EXCHANGE},
    },
    token::{key::material::random_id, oracle::foreign::Alg},
};

/// The code of an answer without `access_token`.
const NO_ACCESS_TOKEN: &str = "no_access_token";
/// How long an assertion is good, in seconds: as long as a request may take, and clocks may differ.
const ASSERTION_TTL: i64 = 60;

/// Which part of `load.connect_timeout` a device asks for its approval: the rest is for the answer to reach the client before
/// it gives up.
const PATIENCE: f64 = 0.9;

type Client = oauth2::Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;
type Failed = RequestTokenError<Broken, BasicErrorResponse>;

/// A request without an answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(&'static str);

/// The way to the server for one fetch: through the rate limit and the pool of connections.
struct Way<'a> {
    inner: &'a Inner,
    /// Whose fetch it is.
    client: u64,
    last: Mutex<Last>,
    /// What becomes of the refresh token that it carries, where it does.
    refresh: Option<&'a End>,
}

/// What is kept of the last answer.
#[derive(Clone, Default)]
struct Last {
    status: u16,
    retry_after: Option<Duration>,
    /// The OAuth error in it.
    error: Option<String>,
    /// Whether it is a page for people.
    is_html: bool,
}

impl<'c> AsyncHttpClient<'c> for Way<'_> {
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Broken>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let inner = self.inner;
            let asked = inner.clock.now();
            if let Some(limiter) = &inner.limiter {
                limiter.until_ready().await;
            }
            let _connection = inner.connections.acquire().await.map_err(|_| Broken("closed"))?;
            let mut request_sent =
                Underway { inner, asked, sent: inner.clock.now(), code: GAVE_UP };
            self.tell(End::sent);
            let answer = send(&inner.http, self.client, request).await;
            request_sent.code = match &answer {
                Ok(answer) => Code::Status(answer.status().as_u16()),
                Err(lost) => Code::Word(lost.word),
            };
            drop(request_sent);
            let answer = answer.map_err(|lost| {
                if !lost.was_heard {
                    self.tell(End::was_not_used);
                }
                Broken(lost.word)
            })?;
            let after = answer.headers().get("retry-after").and_then(|after| after.to_str().ok());
            let retry_after = after.and_then(|after| retry_after(after, inner.clock));
            let status = answer.status().as_u16();
            let is_html = web::text(answer.body()).starts_with('<');
            let (answer, error) = in_plain_form(answer);
            match (status, error.as_deref()) {
                (_, Some(INVALID_GRANT)) => self.tell(End::was_refused),
                (400..=499 | 503, _) => self.tell(End::was_not_used),
                _ => {}
            }
            *self.last.lock() = Last { status, retry_after, error, is_html };
            Ok(answer)
        })
    }
}

impl Way<'_> {
    /// Says what is known of the refresh token that it carries.
    fn tell(&self, what: impl FnOnce(&End)) {
        if let Some(refresh) = self.refresh {
            what(refresh);
        }
    }
}

/// What a request comes to whose client gives up on it.
const GAVE_UP: Code = Code::Word("gave_up");

/// A request that is counted when it is over, however that is: also one that nobody waits for any more.
struct Underway<'a> {
    inner: &'a Inner,
    asked: u64,
    sent: u64,
    code: Code,
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let took = self.inner.clock.now() - self.sent;
        self.inner.stats.lock().requested(self.code, self.sent - self.asked, took);
    }
}

/// When the server wants to be asked again: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(text: &str, clock: Clock) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(bounds::LONGEST));
    }
    let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let now = Duration::from_nanos(clock.wall(clock.now()).max(0) as u64);
    Some(date.saturating_sub(now))
}

/// A request that no answer came to.
struct Unanswered {
    word: &'static str,
    /// Whether the server may have heard it.
    was_heard: bool,
}

async fn send(http: &Http, client: u64, request: HttpRequest) -> Result<HttpResponse, Unanswered> {
    let http = http.of(client).map_err(|_| Unanswered { word: "no_client", was_heard: false })?;
    let unsent = |_| Unanswered { word: "request", was_heard: false };
    let unanswered = |error: reqwest::Error| Unanswered {
        word: web::word(&error),
        was_heard: !web::was_not_heard(&error),
    };
    let request = reqwest::Request::try_from(request).map_err(unsent)?;
    let answer = http.execute(request).await.map_err(unanswered)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = web::body(answer).await.map_err(unanswered)?;
    let body = body.ok_or(Unanswered { word: "too_long", was_heard: true })?;
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Scopes and other parameters, put onto a request of any grant.
macro_rules! with_parameters {
    ($request:expr, $parameters:expr) => {{
        let mut request = $request;
        for scope in &$parameters.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        for (name, value) in &$parameters.more {
            request = request.add_extra_param(*name, value.clone());
        }
        request
    }};
}

/// What every request of a client carries beside its grant.
struct Parameters {
    scopes: Vec<String>,
    more: Vec<(&'static str, String)>,
}

impl Inner {
    /// Fetches the token of client `n` by a grant, once.
    pub(super) async fn fetch(&self, n: u64, grant: Grant) -> Result<Token, Failure> {
        let fetching = self.fetching()?;
        let lent = if grant == Grant::RefreshToken {
            let lent = self.refresh.lend(n, fetching.refresh_token.as_ref());
            Some(lent.ok_or(Failure::word("no_refresh_token"))?)
        } else {
            None
        };
        let refresh = lent.as_ref().map(|lent| &lent.end);
        let way = Way { inner: self, client: self.plan.named(n), last: Mutex::default(), refresh };
        let refresh_token = lent.as_ref().map(Lent::secret);
        let answer = match self.asked(fetching, (grant, refresh_token), n, &way).await {
            Ok(answer) => answer,
            Err(failed) => return Err(self.explained(failure(&failed, &way)).await),
        };
        let is_token = answer.access().or(answer.id()).is_some();
        match lent {
            Some(lent) if is_token => lent.brought(answer.refresh_token().is_some()),
            Some(_) => return Err(Failure { is_used_up: true, ..Failure::word(NO_ACCESS_TOKEN) }),
            None => {}
        }
        self.keep_refresh(n, grant, answer.refresh_token())?;
        let sent = match fetching.settings.send {
            Sent::AccessToken => answer.access().ok_or(Failure::word(NO_ACCESS_TOKEN))?,
            Sent::IdToken => answer.id().ok_or(Failure::word("no_token"))?,
        };
        let lifetime = answer.expires_in().map(|lifetime| lifetime.as_secs());
        if sent.len() > LONGEST_TOKEN {
            return Err(Failure::word(TOKEN_TOO_LONG));
        }
        let token = Token::read(sent, lifetime, self.clock.wall(self.clock.now()), &self.kids);
        let start = self.judge.start(&token.foreign);
        let place = self.room.take((sent.len() + token.foreign.size()) as u64)?;
        Ok(self.with_key(token.good_from(start).placed(place)))
    }

    /// Keeps the refresh token of an answer where its client is to use it: for its first token, or for those of later turns.
    fn keep_refresh(&self, n: u64, by: Grant, given: Option<&RefreshToken>) -> Result<(), Failure> {
        let is_first =
            by != Grant::RefreshToken && self.fetching()?.settings.grant == Grant::RefreshToken;
        let is_wanted = is_first || self.plan.fetches_later(self.plan.kind_of(n));
        match given.map(RefreshToken::secret).filter(|_| is_wanted) {
            Some(token) if token.len() > LONGEST_TOKEN => {
                return Err(Failure::word(REFRESH_TOKEN_TOO_LONG));
            }
            Some(token) => {
                let place = self.room.take(token.len() as u64)?;
                self.refresh.keep(n, (token.clone(), Some(place)));
            }
            // The one that was sent is still good.
            None if is_wanted && by == Grant::RefreshToken => {}
            None => self.refresh.forget(n),
        }
        Ok(())
    }

    /// The token with the number of its key in the watched set. Secrets are in no set, whatever they are called.
    fn with_key(&self, mut token: Token) -> Token {
        let is_secret = matches!(token.foreign.alg(), Alg::Known(named) if named.is_hmac());
        if let (Some(set), Some(kid), false) = (&self.key_set, token.foreign.kid(), is_secret) {
            token.key = set.number_of(kid);
        }
        token
    }

    /// A failure, with what a look at the port adds where plain HTTP met something strange there.
    async fn explained(&self, failure: Failure) -> Failure {
        let url = &self.endpoints.token;
        let is_strange = match failure.code {
            Code::Word(word) => word == "broken",
            Code::Status(status) => status == 400 && failure.error.is_none(),
            Code::Byte(_) => false,
        };
        if url.scheme() != "http" || !is_strange {
            return failure;
        }
        if !*self.is_tls_port.get_or_init(|| web::speaks_tls(url)).await {
            return failure;
        }
        match failure.code {
            Code::Status(_) => Failure { strange: Some(Strange::TlsPort), ..failure },
            _ => {
                Failure { is_used_up: failure.is_used_up, ..Failure::word(Strange::TlsPort.name()) }
            }
        }
    }

    async fn asked(
        &self,
        fetching: &Fetching,
        (grant, refresh_token): (Grant, Option<String>),
        n: u64,
        way: &Way<'_>,
    ) -> Result<Answer, Failed> {
        let client = self.client(fetching, n);
        let parameters = self.parameters(fetching, n)?;
        match grant {
            Grant::ClientCredentials => {
                let request = client.exchange_client_credentials();
                with_parameters!(request, parameters).request_async(way).await
            }
            Grant::Password => {
                let user = ResourceOwnerUsername::new(fetching.username.text(n));
                let secret = fetching.password.as_ref().map(|password| password.text(n));
                let secret = ResourceOwnerPassword::new(secret.unwrap_or_default());
                let request = client.exchange_password(&user, &secret);
                with_parameters!(request, parameters).request_async(way).await
            }
            Grant::RefreshToken => {
                let token = RefreshToken::new(refresh_token.unwrap_or_default());
                let request = client.exchange_refresh_token(&token);
                with_parameters!(request, parameters).request_async(way).await
            }
            Grant::DeviceCode => {
                let device =
                    self.endpoints.device.clone().ok_or(Failed::Request(Broken("request")))?;
                let client =
                    client.set_device_authorization_url(DeviceAuthorizationUrl::from_url(device));
                let request = client.exchange_device_code();
                let details: StandardDeviceAuthorizationResponse =
                    with_parameters!(request, parameters).request_async(way).await?;
                let assertion =
                    parameters.more.iter().filter(|(name, _)| name.starts_with("client_"));
                let mut request = client.exchange_device_access_token(&details);
                for (name, value) in assertion {
                    request = request.add_extra_param(*name, value.clone());
                }
                // Nobody waits longer than a client does, and then the last answer says why there is no token.
                let patience = self.plan.load().connect_timeout.mul_f64(PATIENCE);
                let asked = request.request_async(way, tokio::time::sleep, None);
                match tokio::time::timeout(patience, asked).await {
                    Ok(answer) => answer.map_err(|failed| by_device(&failed)),
                    Err(_) if way.last.lock().error.is_some() => {
                        Err(Failed::Other("not approved".into()))
                    }
                    Err(_) => Err(Failed::Request(Broken("timeout"))),
                }
            }
            Grant::TokenExchange => {
                let subject = if let Some(token) = &fetching.subject_token {
                    token.clone()
                } else {
                    let request = client.exchange_client_credentials();
                    let answer = with_parameters!(request, parameters).request_async(way).await?;
                    answer.access().ok_or(Failed::Request(Broken(NO_ACCESS_TOKEN)))?.to_owned()
                };
                // With an assertion of its own: each serves once (RFC 7523, 3).
                let parameters = self.parameters(fetching, n)?;
                self.exchanged(fetching, n, &subject, &parameters, way).await
            }
        }
    }

    fn client(&self, fetching: &Fetching, n: u64) -> Client {
        let client = oauth2::Client::new(ClientId::new(fetching.client_id.text(n)))
            .set_token_uri(TokenUrl::from_url(self.endpoints.token.clone()));
        let client = match &fetching.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.text(n))),
            None => client,
        };
        client.set_auth_type(match fetching.settings.client_auth {
            ClientAuth::Basic => AuthType::BasicAuth,
            ClientAuth::Post => AuthType::RequestBody,
        })
    }

    fn parameters(&self, fetching: &Fetching, n: u64) -> Result<Parameters, Failed> {
        let scopes = fetching.scope.as_ref().map(|scope| scope.text(n)).unwrap_or_default();
        let mut more = Vec::new();
        for (name, template) in [("audience", &fetching.audience), ("resource", &fetching.resource)]
        {
            if let Some(template) = template {
                more.push((name, template.text(n)));
            }
        }
        if fetching.assertion_key.is_some() {
            more.push(("client_assertion_type", JWT_BEARER.to_owned()));
            more.push(("client_assertion", self.assertion(fetching, n)?));
        }
        Ok(Parameters { scopes: scopes.split_whitespace().map(str::to_owned).collect(), more })
    }

    /// A token by which a client shows who it is (RFC 7523, 3).
    fn assertion(&self, fetching: &Fetching, n: u64) -> Result<String, Failed> {
        let unsigned = || Failed::Request(Broken("no_assertion"));
        let key = fetching.assertion_key.and_then(|key| self.plan.mould.keys.get(key));
        let key = key.ok_or_else(unsigned)?;
        let now = self.clock.wall(self.clock.now()).div_euclid(SECOND as i64);
        let mut claims = Map::new();
        let client_id = fetching.client_id.text(n);
        claims.insert("iss".into(), client_id.as_str().into());
        claims.insert("sub".into(), client_id.into());
        let audience = fetching.assertion_audience.as_ref().map(|audience| audience.text(n));
        let audience = audience
            .or_else(|| self.endpoints.issuer.clone())
            .unwrap_or_else(|| self.endpoints.token.as_str().to_owned());
        claims.insert("aud".into(), audience.into());
        claims.insert("iat".into(), now.into());
        claims.insert("exp".into(), (now + ASSERTION_TTL).into());
        claims.insert("jti".into(), random_id().map_err(|_| unsigned())?.into());
        key.compact(&claims).map_err(|_| unsigned())
    }

    /// RFC 8693, which the library does not know.
    async fn exchanged(
        &self,
        fetching: &Fetching,
        n: u64,
        subject: &str,
        parameters: &Parameters,
        way: &Way<'_>,
    ) -> Result<Answer, Failed> {
        let body = exchange_form(fetching, n, subject, parameters).into_bytes();
        let mut request = Request::post(self.endpoints.token.as_str())
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(basic) = basic(fetching, n) {
            request = request.header("authorization", basic);
        }
        let request = request.body(body).map_err(|_| Failed::Request(Broken("request")))?;
        let answer = way.call(request).await.map_err(Failed::Request)?;
        if answer.status() == reqwest::StatusCode::OK {
            return serde_json::from_slice(answer.body())
                .map_err(|_| Failed::Other("no token".into()));
        }
        Err(match serde_json::from_slice::<BasicErrorResponse>(answer.body()) {
            Ok(error) => Failed::ServerResponse(error),
            Err(_) => Failed::Other("no error".into()),
        })
    }
}

/// The header `Authorization`, where the client shows its secret there: both parts form-encoded (RFC 6749, 2.3.1).
fn basic(fetching: &Fetching, n: u64) -> Option<String> {
    let secret = fetching.client_secret.as_ref()?;
    if fetching.settings.client_auth == ClientAuth::Post {
        return None;
    }
    let encoded =
        |text: String| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let shown = format!("{}:{}", encoded(fetching.client_id.text(n)), encoded(secret.text(n)));
    Some(format!("Basic {}", STANDARD.encode(shown)))
}

/// The body of a request to exchange a token (RFC 8693, 2.1).
fn exchange_form(fetching: &Fetching, n: u64, subject: &str, parameters: &Parameters) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", TOKEN_EXCHANGE)
        .append_pair("subject_token", subject)
        .append_pair("subject_token_type", ACCESS_TOKEN);
    if basic(fetching, n).is_none() {
        form.append_pair("client_id", &fetching.client_id.text(n));
        if let Some(secret) = &fetching.client_secret {
            form.append_pair("client_secret", &secret.text(n));
        }
    }
    if !parameters.scopes.is_empty() {
        form.append_pair("scope", &parameters.scopes.join(" "));
    }
    for (name, value) in &parameters.more {
        form.append_pair(name, value);
    }
    form.finish()
}

/// The errors of polling for a device are another type with the same words.
fn by_device(failed: &RequestTokenError<Broken, oauth2::DeviceCodeErrorResponse>) -> Failed {
    match failed {
        RequestTokenError::ServerResponse(error) => {
            let said = json!({ "error": error.error().to_string() });
            serde_json::from_value(said).map_or_else(
                |_: serde_json::Error| Failed::Other("no error".into()),
                Failed::ServerResponse,
            )
        }
        RequestTokenError::Request(Broken(word)) => Failed::Request(Broken(word)),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            Failed::Other("no token".into())
        }
    }
}

/// What a failed request is called in the results. Nothing of what the server wrote but its OAuth error is kept: it may
/// repeat what it was told.
fn failure(failed: &Failed, way: &Way<'_>) -> Failure {
    let Last { status, retry_after, error, is_html } = way.last.lock().clone();
    let is_used_up = way.refresh.is_some_and(End::is_used_up);
    match failed {
        RequestTokenError::Request(Broken(word)) => Failure { is_used_up, ..Failure::word(word) },
        _ if (200..300).contains(&status) && error.is_none() => {
            Failure { is_used_up, ..Failure::word("no_json") }
        }
        _ => {
            let strange = is_html.then_some(Strange::Page);
            Failure { code: Code::Status(status), error, retry_after, strange, is_used_up }
        }
    }
}
