//! How TLS is spoken to brokers: whom to trust, as whom to come, which versions, and whether sessions
//! are resumed.
//!
//! `rustls` on aws-lc-rs, which signs the tokens too. Key exchange is X25519 before the NIST curves, as
//! most clients of brokers do it; the hybrid with ML-KEM is left out, which would cost each handshake
//! a key pair that few devices make.

mod anyone;
pub mod failure;
pub mod made;

use std::{fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::{Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName,
        pem::{self, PemObject},
    },
    version::{TLS12, TLS13},
};

use crate::{
    error::{Error, Result},
    scenario::{self, TlsVersion},
};

/// `[target.tls]`, with its files read.
#[derive(Debug)]
pub struct Tls {
    settings: scenario::Tls,
    authorities: Vec<CertificateDer<'static>>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
    own: Option<OwnCertificate>,
    /// What clients of brokers that the run does not start are set up with, where there are any.
    foreign: Option<ClientConfig>,
}

/// A certificate to come with, and its private key.
pub struct OwnCertificate {
    /// The certificate, then the authorities between it and the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnCertificate").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// What an embedded broker made for the run: its authority, and a certificate for its clients where it
/// asks for one.
#[derive(Debug)]
pub struct Made {
    /// The authority that signed the broker's certificate.
    pub authority: CertificateDer<'static>,
    /// What the clients come with.
    pub own: Option<OwnCertificate>,
}

impl Tls {
    /// Reads the files of `[target.tls]`; relative paths start from `base`.
    ///
    /// # Errors
    /// When a file can't be read or holds something else, or keys contradict each other.
    pub fn load(settings: &scenario::Tls, base: &Path) -> Result<Self> {
        let path = |key: &'static str, path: &Path| (key, base.join(path));
        let read = |(key, path): (&'static str, std::path::PathBuf)| -> Result<Vec<u8>> {
            fs::read(&path).map_err(|error| {
                Error::usage(format!(
                    "`target.tls.{key}` can't be read: {}: {error}",
                    path.display()
                ))
                .hint("relative paths start from the scenario's folder")
            })
        };
        let authorities = match &settings.ca {
            Some(ca) => all_of(&read(path("ca", ca))?, "ca", "a certificate")?,
            None => Vec::new(),
        };
        let revoked = match &settings.crl {
            Some(crl) => all_of(&read(path("crl", crl))?, "crl", "a revocation list")?,
            None => Vec::new(),
        };
        let own = match (&settings.cert, &settings.key) {
            (Some(cert), Some(key)) => Some(OwnCertificate {
                chain: all_of(&read(path("cert", cert))?, "cert", "a certificate")?,
                key: PrivateKeyDer::from_pem_slice(&read(path("key", key))?).map_err(|_| {
                    Error::usage("`target.tls.key` holds no plain private key")
                        .hint("write a PEM file with PKCS#8, PKCS#1 or SEC1, not encrypted")
                })?,
            }),
            (None, None) => None,
            _ => {
                return Err(Error::usage(
                    "of `target.tls.cert` and `target.tls.key` one is missing",
                )
                .hint("mutual TLS needs both: the certificate and its private key"));
            }
        };
        if settings.crl.is_some() && settings.verify == Some(false) {
            return Err(Error::usage(
                "`target.tls.crl` is given, but `target.tls.verify` is off: nothing would look at it",
            ));
        }
        Ok(Self { settings: settings.clone(), authorities, revoked, own, foreign: None })
    }

    /// What is done, in words.
    pub fn words(&self) -> String {
        let settings = &self.settings;
        let checked = match (self.verifies(), &settings.ca) {
            (false, _) => "certificates NOT checked".to_owned(),
            (true, Some(ca)) => format!("certificates checked by {}", ca.display()),
            (true, None) => "certificates checked".to_owned(),
        };
        let own = self.own.is_some() || settings.generate;
        let own = if own { "clients have a certificate too" } else { "no client certificate" };
        let sessions = if settings.resumption { "sessions resumed" } else { "no session resumed" };
        format!("{checked}; {own}; {sessions}")
    }

    /// The name that the certificate of the broker at `host` must have.
    ///
    /// # Errors
    /// When it is neither a DNS name nor an address.
    pub fn server_name(&self, host: &str) -> Result<ServerName<'static>> {
        let (key, name) = match &self.settings.server_name {
            Some(name) => ("`target.tls.server_name` is", name.as_str()),
            None => ("the broker's host is", host),
        };
        ServerName::try_from(name.to_owned()).map_err(|_| {
            Error::usage(format!("{key} `{name}`, which no certificate can be made out to"))
                .hint("give a DNS name or an address as `target.tls.server_name`")
        })
    }

    /// Whether certificates are checked.
    pub fn verifies(&self) -> bool {
        self.settings.verify != Some(false)
    }

    /// Prepares for brokers that the run does not start: once, for all of them.
    ///
    /// # Errors
    /// When the host trusts nobody, or own certificate and key do not belong together.
    pub fn prepare(&mut self) -> Result<()> {
        self.foreign = Some(self.config(None)?);
        Ok(())
    }

    /// What clients of such a broker are set up with.
    pub fn foreign(&self) -> Option<ClientConfig> {
        self.foreign.clone()
    }

    /// What clients of an embedded broker are set up with.
    ///
    /// # Errors
    /// When the settings can't be used together.
    pub fn embedded(&self, made: &Made) -> Result<ClientConfig> {
        self.config(Some(made))
    }

    fn config(&self, made: Option<&Made>) -> Result<ClientConfig> {
        let provider = Arc::new(provider());
        let versions: &[&SupportedProtocolVersion] = match self.settings.version {
            Some(TlsVersion::V12) => &[&TLS12],
            Some(TlsVersion::V13) => &[&TLS13],
            None => &[&TLS13, &TLS12],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| unusable(&error))?;
        let builder = if self.verifies() {
            let roots = Arc::new(self.roots(made)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
                .with_crls(self.revoked.iter().cloned())
                // A list says who is revoked; of authorities that have none, nobody is.
                .allow_unknown_revocation_status()
                .build()
                .map_err(|error| {
                    Error::usage(format!("`target.tls.crl` can't be used: {error}"))
                })?;
            builder.with_webpki_verifier(verifier)
        } else {
            let anyone = Arc::new(anyone::Anyone::new(&provider));
            builder.dangerous().with_custom_certificate_verifier(anyone)
        };
        let own = made.and_then(|made| made.own.as_ref()).or(self.own.as_ref());
        let mut config = match own {
            Some(own) => builder
                .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
                .map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => Error::usage(
                        "`target.tls.key` is not the private key of the certificate in `target.tls.cert`",
                    )
                    .hint("`openssl x509 -in CERT -noout -pubkey` and `openssl pkey -in KEY -pubout` must print the same"),
                    other => unusable(&other),
                })?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols =
            self.settings.alpn.iter().map(|protocol| protocol.clone().into_bytes()).collect();
        if !self.settings.resumption {
            config.resumption = Resumption::disabled();
        }
        Ok(config)
    }

    /// The same for one worker and one broker: with a session store of their own, so that no lock is fought
    /// for, and no broker is offered the session of another. Addresses of one name share a store, as the nodes
    /// of a cluster may share their tickets.
    pub fn apart(&self, config: &ClientConfig) -> Arc<ClientConfig> {
        let mut config = config.clone();
        if self.settings.resumption {
            config.resumption = Resumption::in_memory_sessions(1);
        }
        Arc::new(config)
    }

    fn roots(&self, made: Option<&Made>) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        if let Some(made) = made {
            roots.add(made.authority.clone()).map_err(|error| unusable(&error))?;
            return Ok(roots);
        }
        for authority in &self.authorities {
            roots.add(authority.clone()).map_err(|error| {
                Error::usage(format!(
                    "`target.tls.ca` holds a certificate that can't be used: {error}"
                ))
            })?;
        }
        if self.settings.ca.is_none() {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        if roots.is_empty() {
            return Err(Error::usage("this host trusts no authority, so no broker's certificate can be checked")
                .hint("give `target.tls.ca`, a PEM file, or install the system's (`apt-get install ca-certificates`)"));
        }
        Ok(roots)
    }
}

/// What a client of a web server is set up with: the server's certificate is checked by these authorities, in PEM, or by
/// those that this host trusts.
///
/// # Errors
/// When there is none of them.
pub fn client_of(authorities: Option<&[u8]>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(text) = authorities {
        for authority in all_of::<CertificateDer<'_>>(text, "ca", "a certificate")? {
            roots.add(authority).map_err(|error| unusable(&error))?;
        }
    } else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The cryptography: aws-lc-rs, with the groups that most clients have.
fn provider() -> CryptoProvider {
    use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519};
    CryptoProvider {
        kx_groups: vec![X25519, SECP256R1, SECP384R1],
        ..aws_lc_rs::default_provider()
    }
}

fn all_of<T: PemObject>(text: &[u8], key: &str, what: &str) -> Result<Vec<T>> {
    let found: std::result::Result<Vec<T>, pem::Error> = T::pem_slice_iter(text).collect();
    match found {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(Error::usage(format!("`target.tls.{key}` holds nothing that is {what}")).hint(
            "a PEM file has `-----BEGIN ...-----` lines; `openssl` converts DER with `-inform DER`",
        )),
    }
}

fn unusable(error: &rustls::Error) -> Error {
    Error::usage(format!("`target.tls` can't be used: {error}"))
}
