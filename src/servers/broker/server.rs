//! rmqtt, set up so that a storm meets its verifier and nothing else.

use std::{
    fs::File,
    io::Write,
    net::{SocketAddr, TcpListener},
    os::fd::AsRawFd,
    sync::Arc,
};

use rmqtt::{
    context::ServerContext,
    net::{Builder, Listener},
    server::MqttServer,
};
use toml::{Table, Value};

use super::{
    GIVE_UP, KeySetRead, Settings, Verifier, VerifyingKey,
    ending::{failed, served},
    hook::{self, Checker},
    key_source::KeySource,
    mutant::Trait,
};
use crate::{
    base::error::{Error, Result},
    scenario::TokenIn,
    token::oracle::{Bound, Expected},
};

/// Handshakes at one time, and queued: above what one host's load can reach, so that no client is
/// told "unavailable" before its token was looked at.
const HANDSHAKES: usize = 20_000;
/// Connections waiting to be accepted.
const BACKLOG: i32 = 4096;
/// Ports that it takes where no other is free: below those that connections leave from.
const FIRST_SPARE_PORT: u16 = 10_000;
const SPARE_PORTS: u16 = 9_000;
/// Longest packet: a CONNECT whose fields are all at their longest fits.
const MAX_PACKET: u32 = 512 * 1024;

/// Runs the broker in this process until a signal ends it, or until standard input closes where
/// `follows_stdin`; tells `ready` where it listens, and `told` what comes of fetching a key set.
///
/// # Errors
/// When it can't listen, or a key can't be used.
pub(super) fn serve(
    settings: &Settings,
    follows_stdin: bool,
    ready: impl FnOnce(SocketAddr),
    told: fn(&KeySetRead),
) -> Result<()> {
    served(follows_stdin, ready, async {
        let (server, address) = build(settings, told).await?;
        Ok((server.run(), address))
    })
}

async fn build(settings: &Settings, told: fn(&KeySetRead)) -> Result<(MqttServer, SocketAddr)> {
    // Without the check for load: it answers "unavailable" before it has read CONNECT.
    let mut builder = ServerContext::new().busy_check_enable(false).task_exec_workers(HANDSHAKES);
    // Open until the plugin has read it, which it does when it is registered.
    let mut _key_file = None;
    if let Verifier::Plugin { key, exp, nbf, expected, ends } = &settings.verifier {
        let (key, file) = plugin_key(key)?;
        _key_file = file;
        let checks = plugin_checks(*exp, *nbf, expected);
        let config = plugin_config(settings.token_in, key, (checks, *ends));
        builder = builder.plugins_config_map_add("rmqtt-auth-jwt", config);
    }
    let context = builder.build().await;
    match &settings.verifier {
        // The other broker is served elsewhere.
        Verifier::Anonymous | Verifier::Mqtt5 { .. } => {}
        Verifier::Plugin { .. } => {
            rmqtt_auth_jwt::register(&context, true, true).await.map_err(|error| failed(&error))?;
        }
        Verifier::Hook { keys, policy, expected, mutant, jwks, slowed_by } => {
            let (expected, token_in) = (expected.clone(), settings.token_in);
            let mut checker = Checker::new(keys, policy, expected, token_in, *mutant)?;
            checker.source = jwks.clone().map(|jwks| KeySource::new(jwks, told)).transpose()?;
            checker.slowed_by = *slowed_by;
            checker.read_ahead().await;
            hook::register(&context, Arc::new(checker)).await;
        }
    }
    let listener = listen(settings)?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let server = MqttServer::new(context).listener_by_id(listener, address.port()).build();
    Ok((server, address))
}

/// Where to listen: where nobody cares for the port, one below those that connections leave from, if after a storm all of
/// those rest.
fn place(listen: SocketAddr) -> SocketAddr {
    if listen.port() != 0 || TcpListener::bind(listen).is_ok() {
        return listen;
    }
    let start = std::process::id() as u16 % SPARE_PORTS;
    (0..SPARE_PORTS)
        .map(|step| FIRST_SPARE_PORT + (start + step) % SPARE_PORTS)
        .map(|port| SocketAddr::new(listen.ip(), port))
        .find(|address| TcpListener::bind(address).is_ok())
        .unwrap_or(listen)
}

fn listen(settings: &Settings) -> Result<Listener> {
    let mut builder = Builder::new()
        .name("tokenstorm")
        .laddr(place(settings.listen))
        .backlog(BACKLOG)
        .nodelay(true)
        .reuseaddr(Some(true))
        .max_handshaking_limit(HANDSHAKES)
        .max_packet_size(MAX_PACKET)
        // A CONNECT without a user name would otherwise skip the verifier.
        .allow_anonymous(matches!(settings.verifier, Verifier::Anonymous));
    if let Verifier::Hook { mutant: Some(mutant), .. } = &settings.verifier
        && matches!(mutant.is, Trait::Silent | Trait::Overloaded)
    {
        // What never answers is given up on soon.
        builder = builder.handshake_timeout(GIVE_UP);
    }
    // Open until they are read, which building the listener does.
    let mut files = Vec::new();
    if let Some(tls) = &settings.tls {
        let mut path = |pem: &str| -> Result<String> {
            let (path, file) = nameless(pem)?;
            files.push(file);
            Ok(path)
        };
        builder =
            builder.tls_cert(Some(path(&tls.certificate)?)).tls_key(Some(path(&tls.private_key)?));
        if let Some(authority) = &tls.client_authority {
            builder =
                builder.tls_cross_certificate(true).tls_client_ca_certs(Some(path(authority)?));
        }
    }
    let listener = builder.bind().and_then(|listener| match (&settings.tls, settings.ws) {
        (None, false) => listener.tcp(),
        (None, true) => listener.ws(),
        (Some(_), false) => listener.tls(),
        (Some(_), true) => listener.wss(),
    });
    drop(files);
    listener.map_err(|error| {
        Error::not_measured(format!(
            "the embedded broker can't listen on `{}`: {error}",
            settings.listen
        ))
        .hint("`--listen 127.0.0.1:0` takes a free port")
    })
}

/// A file without a name, and the path by which its descriptor reaches it: a run kills its brokers, and
/// nobody would be left to remove one that has a name.
fn nameless(text: &str) -> Result<(String, File)> {
    let mut file = tempfile::tempfile().map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    Ok((format!("/proc/self/fd/{}", file.as_raw_fd()), file))
}

/// The plugin's settings of the key: a secret as it is, a public key in a file.
fn plugin_key(key: &VerifyingKey) -> Result<(Table, Option<File>)> {
    let (kind, name, value, file) = match key {
        VerifyingKey::Secret(base64) => ("hmac-based", "hmac_secret", base64.clone(), None),
        VerifyingKey::PublicPem(pem) => {
            let (path, file) = nameless(pem)?;
            ("public-key", "public_key", path, Some(file))
        }
    };
    let mut config = Table::new();
    config.insert("encrypt".into(), Value::from(kind));
    config.insert("hmac_base64".into(), Value::from(file.is_none()));
    config.insert(name.into(), Value::from(value));
    Ok((config, file))
}

fn plugin_checks(exp: bool, nbf: bool, expected: &Expected) -> Table {
    let Expected { iss, aud, bound, auth_method: _ } = expected;
    let mut checks = Table::new();
    for (name, is_checked) in [("exp", exp), ("nbf", nbf)] {
        if is_checked {
            checks.insert(name.into(), Value::from(true));
        }
    }
    if let Some(iss) = iss {
        checks.insert("iss".into(), Value::from(vec![iss.as_str()]));
    }
    if !aud.is_empty() {
        checks.insert("aud".into(), Value::from(aud.clone()));
    }
    for (claim, bound) in bound {
        let placeholder = match bound {
            Bound::ClientId => "${clientid}",
            Bound::Username => "${username}",
        };
        checks.insert(claim.clone(), Value::from(placeholder));
    }
    checks
}

/// The settings of the plugin, those of the key included.
fn plugin_config(token_in: TokenIn, mut config: Table, (checks, ends): (Table, bool)) -> String {
    let from = match token_in {
        TokenIn::Password => "password",
        // Embedded brokers of this make take no authentication data: the plan says so.
        TokenIn::Username | TokenIn::AuthData | TokenIn::WsHeader | TokenIn::Template => "username",
    };
    config.insert("from".into(), Value::from(from));
    config.insert("disconnect_if_expiry".into(), Value::from(ends));
    config.insert("validate_claims".into(), Value::Table(checks));
    config.to_string()
}
