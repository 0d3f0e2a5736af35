//! The crate `mqtt5` as a broker: it takes tokens by enhanced authentication alone (MQTT 5.0, 4.12), and verifies them by
//! itself.

use std::{net::SocketAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use mqtt5::broker::{
    AuthProvider, MqttBroker, ResourceLimits,
    auth_mechanisms::jwt::{JwtAuthProvider, JwtVerifier, JwtVerifierKey},
    config::{AuthConfig, AuthMethod, BrokerConfig, StorageConfig},
};

use super::{
    HookKey, VerifyingKey,
    ending::{failed, served},
};
use crate::{
    base::error::{Error, Result},
    scenario::Algorithm,
    token::{
        key::public::{PublicForm, form},
        oracle::Expected,
    },
};

/// Connections that it takes at one time, and in a second: more than one host can have.
const MOST: u32 = 1_000_000;

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
    served(follows_stdin, ready, async {
        let broker = MqttBroker::with_config(config(listen)).await;
        let provider: Arc<dyn AuthProvider> = Arc::new(provider);
        let mut broker = broker.map_err(|error| failed(&error))?.with_auth_provider(provider);
        // By default it closes on who comes from an address that has 10 000 connections already, without a word.
        broker.resource_monitor().update_limits(ResourceLimits {
            max_connections: MOST as usize,
            max_connections_per_ip: MOST as usize,
            max_connection_rate: MOST,
            max_message_rate_per_client: 0,
            max_bandwidth_per_client: 0,
            ..ResourceLimits::default()
        });
        let address = broker.local_addr().ok_or_else(|| failed(&"it does not say where"))?;
        Ok((async move { broker.run().await }, address))
    })
}

/// Settings of which nothing but the verifier is met, and that keep nothing on disk.
fn config(listen: SocketAddr) -> BrokerConfig {
    // Whoever is let in is the verifier's to say, which takes the place of what is made of this.
    let mut auth = AuthConfig {
        allow_anonymous: true,
        auth_method: AuthMethod::None,
        ..AuthConfig::default()
    };
    // Else an address is locked out that was refused a few times.
    auth.rate_limit.enabled = false;
    BrokerConfig {
        bind_addresses: vec![listen],
        max_clients: MOST as usize,
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
    let first = verifier_of(keys.first().ok_or_else(|| failed(&"it has no key"))?)?;
    let mut provider = match first.key {
        JwtVerifierKey::Hs256(key) => JwtAuthProvider::with_hs256_secret(key),
        JwtVerifierKey::Rs256(key) => JwtAuthProvider::with_rs256_public_key(key),
        JwtVerifierKey::Es256(key) => JwtAuthProvider::with_es256_public_key(key),
    };
    if keys.len() > 1 {
        // Of several it takes the one that `kid` names; the one that it was made with has none, and is named by nothing.
        for key in keys {
            provider = provider.add_verifier(verifier_of(key)?);
        }
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
    let mut verifier = match (&key.key, key.algorithm) {
        (VerifyingKey::Secret(base64), Algorithm::HS256) => {
            JwtVerifier::hs256(STANDARD.decode(base64).map_err(|_| unusable())?)
        }
        (VerifyingKey::PublicPem(pem), Algorithm::RS256) => {
            let pkcs1 = form(pem, PublicForm::Pkcs1Pem).ok_or_else(unusable)?;
            JwtVerifier::rs256(pem::parse(pkcs1).map_err(|_| unusable())?.into_contents())
        }
        (VerifyingKey::PublicPem(pem), Algorithm::ES256) => {
            // The mark of a point that is written whole (SEC 1, 2.3.3), then its coordinates.
            let point = form(pem, PublicForm::Point).ok_or_else(unusable)?;
            JwtVerifier::es256([&[4][..], &point].concat())
        }
        _ => return Err(unusable()),
    };
    verifier.kid.clone_from(&key.kid);
    Ok(verifier)
}
