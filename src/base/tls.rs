//! How TLS is spoken to brokers: whom to trust, as whom to come, which versions, and whether sessions
//! are resumed.
//!
//! `rustls` on aws-lc-rs, which signs the tokens too. Key exchange is X25519 before the NIST curves, as
//! most clients of brokers do it; the hybrid with ML-KEM is left out, which would cost each handshake
//! a key pair that few devices make.

mod certificate;
pub mod clients;
pub mod failure;
mod files;
pub mod made;
pub mod settings;
mod trust;
mod verifier;

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

use crate::base::error::{Error, Result};

use self::{clients::ClientCertificates, files::File, settings::TlsVersion, verifier::Verifier};

pub use trust::{Trust, client_of};

/// `[target.tls]`, with its files read.
#[derive(Debug)]
pub struct Tls {
    settings: settings::Tls,
    authorities: Vec<CertificateDer<'static>>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
    own: Option<OwnCertificate>,
    /// The certificates of all clients, where each has one.
    clients: Option<Arc<ClientCertificates>>,
    /// What clients of brokers that the run does not start are set up with, where there are any.
    foreign: Option<ClientConfig>,
}

/// A certificate to come with, and its private key, which the library shows to nobody.
#[derive(Debug)]
pub struct OwnCertificate {
    /// The certificate, then the authorities between it and the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
    /// The keys of the scenario that name certificate and private key, for errors.
    names: [String; 2],
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
    pub fn load(settings: &settings::Tls, base: &Path) -> Result<Self> {
        let read = |key: &str, path: &Path| {
            let name = format!("target.tls.{key}");
            match settings.held.of(key) {
                Some(text) => Ok(File::held(&name, path, text)),
                None => File::read(&name, &base.join(path)),
            }
        };
        let authorities = match &settings.ca {
            Some(ca) => read("ca", ca)?.certificates()?,
            None => Vec::new(),
        };
        let revoked = match &settings.crl {
            Some(crl) => read("crl", crl)?.revocation_lists()?,
            None => Vec::new(),
        };
        let clients = per_client(settings, read)?.map(Arc::new);
        let own = if clients.is_some() { None } else { own_certificate(settings, read)? };
        if settings.crl.is_some() && settings.verify == Some(false) {
            return Err(Error::usage(
                "`target.tls.crl` is given, but `target.tls.verify` is off: nothing would look at it",
            ));
        }
        Ok(Self { settings: settings.clone(), authorities, revoked, own, clients, foreign: None })
    }

    /// What is done, in words.
    pub fn words(&self) -> String {
        let settings = &self.settings;
        let checked = match (self.verifies(), &settings.ca) {
            (false, _) => "certificates NOT checked".to_owned(),
            (true, Some(ca)) => format!("certificates checked by {}", ca.display()),
            (true, None) => "certificates checked".to_owned(),
        };
        let own = match (&self.clients, &self.own) {
            (Some(_), _) => "each client has a certificate of its own",
            (None, None) if !settings.generate => "no client certificate",
            _ => "clients have a certificate too",
        };
        let sessions = if settings.resumption { "sessions resumed" } else { "no session resumed" };
        format!("{checked}; {own}; {sessions}")
    }

    /// The name that the certificate of the broker at `host` must have.
    ///
    /// # Errors
    /// When it is neither a DNS name nor an address.
    pub fn server_name(&self, host: &str) -> Result<ServerName<'static>> {
        let own = self.settings.server_name.as_deref();
        ServerName::try_from(own.unwrap_or(host).to_owned()).map_err(|_| {
            // What was written and is no name may be anything.
            let name = match own {
                Some(_) => "`target.tls.server_name` is a text (not shown)".to_owned(),
                None => format!("the broker's host is `{host}`"),
            };
            Error::usage(format!("{name}, which no certificate can be made out to"))
                .hint("give a DNS name or an address as `target.tls.server_name`")
        })
    }

    /// The certificates of all clients, where each has one of its own.
    pub fn clients(&self) -> Option<&Arc<ClientCertificates>> {
        self.clients.as_ref()
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
        let verifier = if self.verifies() {
            self.verifier(made, &provider)?
        } else {
            Verifier::anyone(&provider)
        };
        let own = made.and_then(|made| made.own.as_ref()).or(self.own.as_ref());
        let mut config = client_config(&provider, self.settings.version, verifier, own)?;
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

    fn verifier(&self, made: Option<&Made>, provider: &Arc<CryptoProvider>) -> Result<Verifier> {
        if let Some(made) = made {
            return Verifier::pinned(
                std::slice::from_ref(&made.authority),
                &self.revoked,
                provider,
            );
        }
        if self.settings.ca.is_some() {
            return Verifier::pinned(&self.authorities, &self.revoked, provider);
        }
        let roots = host_authorities();
        if roots.is_empty() {
            return Err(Error::usage("this host trusts no authority, so no broker's certificate can be checked")
                .hint("give `target.tls.ca`, a PEM file, or install the system's (`apt-get install ca-certificates`)"));
        }
        Verifier::of(roots, Vec::new(), &self.revoked, provider)
    }
}

/// The certificates of all clients, where each is to have one of its own.
fn per_client(
    settings: &settings::Tls,
    read: impl Fn(&str, &Path) -> Result<File>,
) -> Result<Option<ClientCertificates>> {
    let (cert, key) = (&settings.client_ca, &settings.client_ca_key);
    if !settings.is_per_client() {
        return match cert.as_ref().map(|_| "client_ca").or(key.as_ref().map(|_| "client_ca_key")) {
            None => Ok(None),
            Some(key) => Err(Error::usage(format!(
                "`target.tls.{key}` is given, but `target.tls.cert` is not `per_client`: nothing would be signed"
            ))
            .hint("write `cert = \"per_client\"`, or leave it out")),
        };
    }
    if let Some(given) =
        settings.key.as_ref().map(|_| "key").or(settings.generate.then_some("generate"))
    {
        return Err(Error::usage(format!(
            "`target.tls.{given}` is given beside `cert = \"per_client\"`, which makes a key for each client"
        ))
        .hint("leave one of them out"));
    }
    if settings.resumption {
        return Err(Error::usage(
            "`target.tls.resumption` is on, but a resumed session has the certificate of the client that began it (RFC 8446, 2.2), and each has its own",
        )
        .hint("leave it out, or `cert = \"per_client\"`"));
    }
    let authority = match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => {
            Some(OwnCertificate::of(&read("client_ca", cert)?, &read("client_ca_key", key)?)?)
        }
        (given, _) => {
            let missing = if given.is_some() { "client_ca_key" } else { "client_ca" };
            return Err(Error::usage(format!("`target.tls.{missing}` is missing")).hint(
                "certificates are signed with both: the authority's certificate and its private key",
            ));
        }
    };
    ClientCertificates::new(authority).map(Some)
}

/// What clients come with, where `[target.tls]` says it: two files, or one that has both.
fn own_certificate(
    settings: &settings::Tls,
    read: impl Fn(&str, &Path) -> Result<File>,
) -> Result<Option<OwnCertificate>> {
    let missing = || {
        Error::usage("of `target.tls.cert` and `target.tls.key` one is missing")
            .hint("mutual TLS needs both: the certificate and its private key")
    };
    let (cert, key) = match (&settings.cert, &settings.key) {
        (Some(cert), Some(key)) => (read("cert", cert)?, read("key", key)?),
        (Some(cert), None) => {
            let both = read("cert", cert).map_err(|_| missing())?;
            if !both.has_private_key() {
                return Err(missing());
            }
            (both, read("cert", cert)?)
        }
        (None, Some(_)) => return Err(missing()),
        (None, None) => return Ok(None),
    };
    OwnCertificate::of(&cert, &key).map(Some)
}

impl OwnCertificate {
    /// Reads certificate and private key, each with the key of the scenario that names its file.
    ///
    /// # Errors
    /// When there is none, or it can't be used.
    pub fn read(cert: (&str, &[u8]), key: (&str, &[u8])) -> Result<Self> {
        Self::of(&File::of_bytes(cert.0, cert.1), &File::of_bytes(key.0, key.1))
    }

    /// One that was made for the run.
    pub fn made(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self { chain, key, names: ["target.tls.cert".into(), "target.tls.key".into()] }
    }

    fn of(cert: &File, key: &File) -> Result<Self> {
        let names = [cert.name().to_owned(), key.name().to_owned()];
        Ok(Self { chain: cert.certificates()?, key: key.private_key()?, names })
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// When the key is of a kind that can't be used, or another one's.
    pub fn check(&self) -> Result<()> {
        self.certified(&provider()).map(drop)
    }

    /// The same, ready to sign. Certificate and key are compared here, since the library reads no certificate of version 1.
    ///
    /// # Errors
    /// When the key is of a kind that can't be used, or another one's.
    pub fn certified(&self, provider: &CryptoProvider) -> Result<CertifiedKey> {
        let key = provider.key_provider.load_private_key(self.key.clone_key()).map_err(|_| {
            Error::usage(format!(
                "`{}` is a private key that TLS can't be spoken with here",
                self.names[1]
            ))
            .hint("it may be RSA of 2048 bits or more, EC on P-256, P-384 or P-521, or Ed25519")
        })?;
        let mut chain = self.chain.clone();
        if let Some(public) = key.public_key() {
            let at = chain.iter().position(|certificate| {
                certificate::public_key(certificate).is_some_and(|own| own == public)
            }).ok_or_else(|| {
                let [cert, key] = &self.names;
                Error::usage(format!("`{key}` is not the private key of the certificate in `{cert}`"))
                .hint("`openssl x509 -in CERT -noout -pubkey` and `openssl pkey -in KEY -pubout` must print the same")
            })?;
            // The client's certificate comes first (RFC 8446, 4.4.2), wherever it stands in the file.
            chain[..=at].rotate_right(1);
        }
        Ok(CertifiedKey::new(chain, key))
    }
}

/// What a client is set up with that speaks one version or both, and comes with a certificate where it has one.
fn client_config(
    provider: &Arc<CryptoProvider>,
    version: Option<TlsVersion>,
    verifier: Verifier,
    own: Option<&OwnCertificate>,
) -> Result<ClientConfig> {
    let versions: &[&SupportedProtocolVersion] = match version {
        Some(TlsVersion::V12) => &[&TLS12],
        Some(TlsVersion::V13) => &[&TLS13],
        None => &[&TLS13, &TLS12],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(|error| Error::usage(format!("`target.tls` can't be used: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(match own {
        Some(own) => {
            let certified = own.certified(provider)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    })
}

/// The authorities that this host trusts.
fn host_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The cryptography: aws-lc-rs, with the groups that most clients have.
fn provider() -> CryptoProvider {
    use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519};
    CryptoProvider {
        kx_groups: vec![X25519, SECP256R1, SECP384R1],
        ..aws_lc_rs::default_provider()
    }
}
