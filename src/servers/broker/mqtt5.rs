//! The crate `mqtt5` as a broker: it takes tokens by enhanced authentication alone (MQTT 5.0, 4.12), and verifies them by
//! itself.

use std::{net::SocketAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use mqtt5::broker::{
    AuthProvider, MqttBroker,
    auth_mechanisms::jwt::{JwtAuthProvider, JwtVerifier, JwtVerifierKey},
    config::{AuthConfig, AuthMethod, BrokerConfig, StorageConfig},
};

use super::{HookKey, VerifyingKey, ending::told_to_end};
use crate::{
    base::{
        error::{Error, Result},
        host::Limits,
    },
    scenario::Algorithm,
    token::{
        key::public::{PublicForm, form},
        oracle::Expected,
    },
};

/// Connections that it takes: more than one host can have.
const CLIENTS: usize = 1_000_000;

/// Runs the broker in this process until a signal ends it, or until standard input closes where `follows_stdin`; tells
/// `ready` where it listens.
///
/// # Errors
/// When it can't listen, or a key can't be used.
pub(super) fn serve(
    listen: SocketAddr,
    provider: JwtAuthProvider,
    follows_stdin: bool,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    Limits::raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let ended = runtime.block_on(async {
        let broker = MqttBroker::with_config(config(listen)).await;
        let provider: Arc<dyn AuthProvider> = Arc::new(provider);
        let mut broker = broker.map_err(|error| failed(&error))?.with_auth_provider(provider);
        let address = broker.local_addr().ok_or_else(|| failed(&"it does not say where"))?;
        let running = tokio::spawn(async move { broker.run().await });
        ready(address);
        tokio::select! {
            ended = running => ended.map_err(|error| failed(&error)).and_then(|ended| ended.map_err(|error| failed(&error))),
            () = told_to_end(follows_stdin) => Ok(()),
        }
    });
    runtime.shutdown_background();
    ended
}

/// Settings of which nothing but the verifier is met, and that keep nothing on disk.
fn config(listen: SocketAddr) -> BrokerConfig {
    let mut auth = AuthConfig { allow_anonymous: false, ..AuthConfig::default() };
    // The verifier itself takes its place. An address that was refused is not locked out.
    auth.auth_method = AuthMethod::None;
    auth.rate_limit.enabled = false;
    BrokerConfig {
        bind_addresses: vec![listen],
        max_clients: CLIENTS,
        auth_config: auth,
        storage_config: StorageConfig { enable_persistence: false, ..StorageConfig::default() },
        sys_topics_enabled: false,
        ..BrokerConfig::default()
    }
}

/// A verifier by these keys, which compares `iss` and `aud` with the right ones where there are any, and lets tokens in for so
/// many seconds after their `exp`.
///
/// # Errors
/// When it can't use a key.
pub(super) fn verifier(
    keys: &[HookKey],
    expected: &Expected,
    leeway: u64,
) -> Result<JwtAuthProvider> {
    let mut verifiers = keys.iter().map(verifier_of);
    let first = verifiers.next().ok_or_else(|| failed(&"it has no key"))??;
    let mut provider = match first.key {
        JwtVerifierKey::Hs256(key) => JwtAuthProvider::with_hs256_secret(key),
        JwtVerifierKey::Rs256(key) => JwtAuthProvider::with_rs256_public_key(key),
        JwtVerifierKey::Es256(key) => JwtAuthProvider::with_es256_public_key(key),
    };
    for further in verifiers {
        provider = provider.add_verifier(further?);
    }
    if let Some(iss) = &expected.iss {
        provider = provider.with_issuer(iss);
    }
    if let Some(aud) = expected.aud.first() {
        provider = provider.with_audience(aud);
    }
    Ok(provider.with_clock_skew(leeway))
}

fn verifier_of(key: &HookKey) -> Result<JwtVerifier> {
    let unusable = || {
        Error::usage(format!("`embedded-mqtt5` can't verify {}", key.algorithm))
            .hint("it knows HS256, RS256 and ES256")
    };
    Ok(match (&key.key, key.algorithm) {
        (VerifyingKey::Secret(base64), Algorithm::HS256) => {
            JwtVerifier::hs256(STANDARD.decode(base64).map_err(|_| unusable())?)
        }
        (VerifyingKey::PublicPem(pem), Algorithm::RS256) => {
            let pkcs1 = form(pem, PublicForm::Pkcs1Pem).ok_or_else(unusable)?;
            JwtVerifier::rs256(pem::parse(pkcs1).map_err(|_| unusable())?.into_contents())
        }
        (VerifyingKey::PublicPem(pem), Algorithm::ES256) => {
            JwtVerifier::es256(form(pem, PublicForm::Point).ok_or_else(unusable)?)
        }
        _ => return Err(unusable()),
    })
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::not_measured(format!("the broker mqtt5 does not run: {error}"))
}
