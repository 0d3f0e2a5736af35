//! A certificate for each client, which tokens can be bound to (RFC 8705). They are made before the storm, like tokens.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ClientConfig, SignatureScheme,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{OwnCertificate, certificate, made, provider};
use crate::base::error::{Error, Result};

/// Certificates that are made at most; clients beyond share them. Each takes about 2 KB.
pub const MOST: u64 = 200_000;
/// Bytes of a thumbprint (RFC 8705, 3.1): SHA-256 in base64url.
const THUMBPRINT: usize = 43;

/// The certificates of all clients.
pub struct ClientCertificates {
    /// Who signs them.
    authority: OwnCertificate,
    /// Whether that was made for the run.
    is_for_run: bool,
    made: OnceLock<Vec<Arc<SingleCertAndKey>>>,
    thumbprints: Thumbprints,
}

/// The thumbprints of the certificates of all clients.
#[derive(Clone, Default)]
pub struct Thumbprints(Arc<OnceLock<Vec<[u8; THUMBPRINT]>>>);

/// The signer of certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// What stands between a client's certificate and the root.
    chain: Vec<CertificateDer<'static>>,
    /// Its name as its own certificate has it, as DER.
    name: Option<Vec<u8>>,
}

/// A certificate that was made.
type Fresh = (Arc<SingleCertAndKey>, [u8; THUMBPRINT]);

impl ClientCertificates {
    /// Certificates that this authority will sign, or without one an authority that is made for the run.
    ///
    /// # Errors
    /// When it can't sign certificates, or the system has no randomness.
    pub(super) fn new(given: Option<OwnCertificate>) -> Result<Self> {
        let is_for_run = given.is_none();
        let authority = match given {
            Some(own) => own,
            None => authority_for_run().map_err(|error| cannot(&error.to_string()))?,
        };
        Authority::of(&authority)?.check_name(&authority)?;
        let (made, thumbprints) = (OnceLock::new(), Thumbprints::default());
        Ok(Self { authority, is_for_run, made, thumbprints })
    }

    /// The certificate of the authority as PEM, where it was made for the run: an embedded broker has to know it.
    pub fn authority_for_run(&self) -> Option<String> {
        let own = self.authority.chain.first().filter(|_| self.is_for_run)?;
        Some(pem::encode(&pem::Pem::new("CERTIFICATE", own.to_vec())))
    }

    /// The thumbprints, which are those of nobody until the certificates are made.
    pub fn thumbprints(&self) -> &Thumbprints {
        &self.thumbprints
    }

    /// Makes the certificates of so many clients, each made out to its `name`, on `threads` threads, until `stop` is set. Made
    /// once, they stay.
    ///
    /// # Errors
    /// When the authority can't sign, the system has no randomness, or it was stopped.
    pub fn make(
        &self,
        clients: u64,
        threads: usize,
        stop: &AtomicBool,
        name: impl Fn(u64) -> String + Sync,
    ) -> Result<()> {
        if self.made.get().is_some() {
            return Ok(());
        }
        let authority = Authority::of(&self.authority)?;
        // One more than there are clients, so that there is always somebody else's.
        let count = usize::try_from(clients.clamp(1, MOST)).unwrap_or(usize::MAX).saturating_add(1);
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<(usize, Fresh)>> {
            let provider = provider();
            let mut made = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return Ok(made);
                }
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::interrupted(
                        "interrupted before the storm: nothing was measured",
                    ));
                }
                made.push((n, fresh(&authority, &name(n as u64), &provider)?));
            }
        };
        let mut all = thread::scope(|scope| -> Result<Vec<(usize, Fresh)>> {
            let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
            let mut all = Vec::with_capacity(count);
            for thread in threads {
                all.extend(thread.join().map_err(|_| cannot("a thread died"))??);
            }
            Ok(all)
        })?;
        all.sort_unstable_by_key(|(n, _)| *n);
        let (certificates, thumbprints) = all.into_iter().map(|(_, fresh)| fresh).unzip();
        let _ = self.made.set(certificates);
        let _ = self.thumbprints.0.set(thumbprints);
        Ok(())
    }

    /// The settings of a client that comes with the certificate of client `n`; without any where they were not made.
    pub fn settings(&self, config: &ClientConfig, n: u64) -> Arc<ClientConfig> {
        let mut config = config.clone();
        if let Some(made) = self.made.get() {
            config.client_auth_cert_resolver = Arc::clone(&made[place(n, made.len())]) as _;
        }
        Arc::new(config)
    }
}

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificates")
            .field("is_for_run", &self.is_for_run)
            .finish_non_exhaustive()
    }
}

impl Thumbprints {
    /// The thumbprint of client `n`'s certificate, or of that of the client `after` it.
    pub fn of(&self, n: u64, after: u64) -> [u8; THUMBPRINT] {
        match self.0.get() {
            Some(all) if after > 0 && all.len() == 2 => all[1],
            Some(all) => all[place(n.wrapping_add(after), all.len())],
            // Nobody's, and another one for each client, so that what is wrong with a token can be seen before the storm.
            None => thumbprint(&n.wrapping_add(after).to_be_bytes()),
        }
    }
}

impl fmt::Debug for Thumbprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Thumbprints").field(&self.0.get().map(Vec::len)).finish()
    }
}

impl PartialEq for Thumbprints {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Thumbprints {}

impl Authority {
    fn of(own: &OwnCertificate) -> Result<Self> {
        let [cert, key] = &own.names;
        let chain = own.certified(&provider())?.cert;
        let Some(first) = chain.first() else {
            return Err(Error::usage(format!("`{cert}` holds no certificate")));
        };
        let signer = KeyPair::try_from(&own.key).map_err(|_| {
            Error::usage(format!("`{key}` is a private key that can't sign certificates here"))
                .hint("it may be RSA of 2048 bits or more, EC on P-256 or P-384, or Ed25519")
        })?;
        if !certificate::may_sign(first) {
            return Err(Error::usage(format!(
                "the certificate in `{cert}` is that of no authority: brokers would refuse what it signs"
            ))
            .hint("give one with `basicConstraints = CA:TRUE` (RFC 5280, 4.2.1.9)"));
        }
        if certificate::check_dates(first, UnixTime::now()).is_err() {
            return Err(Error::usage(format!(
                "the certificate of the authority in `{cert}` has ended, or has not begun: brokers would refuse what it signs"
            ))
            .hint("give one that is good today"));
        }
        let name = certificate::subject(first);
        let issuer = Issuer::from_ca_cert_der(first, signer).map_err(|_| odd_name(cert))?;
        // Whoever checks has the root already.
        let between = chain.iter().filter(|it| !certificate::is_self_issued(it));
        Ok(Self { issuer, chain: between.cloned().collect(), name })
    }

    /// Refuses an authority whose name can't be written into what it signs as it stands in its own certificate: the library
    /// knows each attribute once, and a chain is followed by the whole name (RFC 5280, 6.1.3).
    fn check_name(&self, own: &OwnCertificate) -> Result<()> {
        let (made, _) = fresh(self, "name", &provider())?;
        let shown = made.resolve(&[], &[SignatureScheme::ECDSA_NISTP256_SHA256]);
        let issuer = shown.and_then(|shown| certificate::issuer(shown.cert.first()?));
        if issuer.is_some() && issuer == self.name {
            return Ok(());
        }
        Err(odd_name(&own.names[0]))
    }
}

fn odd_name(cert: &str) -> Error {
    Error::usage(format!(
        "the authority in `{cert}` has a name that certificates can't be signed with here: an attribute stands in it twice, or is of an odd form"
    ))
    .hint("use an authority of its own for clients, with a plain name such as `/CN=clients`")
}

/// A new authority, with its key.
fn authority_for_run() -> std::result::Result<OwnCertificate, rcgen::Error> {
    let authority = made::authority()?;
    let key = PrivateKeyDer::Pkcs8(authority.key().serialize_der().into());
    Ok(OwnCertificate::made(vec![authority.der().clone()], key))
}

/// The certificate of a client with this name.
fn fresh(authority: &Authority, name: &str, provider: &CryptoProvider) -> Result<Fresh> {
    let failed = |error: rcgen::Error| cannot(&error.to_string());
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let own = params.signed_by(&key, &authority.issuer).map_err(failed)?.der().clone();
    let print = thumbprint(&own);
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|error| cannot(&error.to_string()))?;
    let chain = [own].into_iter().chain(authority.chain.iter().cloned()).collect();
    Ok((Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))), print))
}

/// SHA-256 of a certificate as DER (RFC 8705, 3.1).
fn thumbprint(der: &[u8]) -> [u8; THUMBPRINT] {
    let mut text = [0; THUMBPRINT];
    let hash = digest(&SHA256, der);
    // 32 bytes are 43 characters, so that there is room.
    let _ = URL_SAFE_NO_PAD.encode_slice(hash.as_ref(), &mut text);
    text
}

/// Which of `made` certificates client `n` has: the last one is nobody's while there are enough.
fn place(n: u64, made: usize) -> usize {
    (n % (made.max(2) as u64 - 1)) as usize
}

fn cannot(why: &str) -> Error {
    Error::not_measured(format!("can't make certificates for the clients: {why}"))
}

#[cfg(test)]
mod tests;
