//! Whom the client of a web server trusts.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, pki_types::CertificateDer};

use super::{OwnCertificate, client_config, files, host_authorities, provider, verifier::Verifier};
use crate::base::error::Result;

/// Whose certificates a web server may show.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The authorities, or certificates of servers themselves. Default: the authorities that this host trusts.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// Whether certificates are checked.
    pub verify: bool,
    /// What is shown to servers that ask who comes.
    pub own: Option<Arc<OwnCertificate>>,
}

impl Default for Trust {
    fn default() -> Self {
        Self { authorities: None, verify: true, own: None }
    }
}

impl Trust {
    /// Reads the file that `key` of a scenario names; relative paths start from `base`.
    ///
    /// # Errors
    /// When the file can't be read or holds something else.
    pub fn load(key: &str, ca: Option<&Path>, verify: Option<bool>, base: &Path) -> Result<Self> {
        let authorities =
            ca.map(|ca| files::File::read(key, &base.join(ca))?.certificates()).transpose()?;
        Ok(Self { authorities, verify: verify != Some(false), own: None })
    }

    /// Trusts what was made for the run, in PEM.
    ///
    /// # Errors
    /// When there is no certificate in it.
    pub fn in_made(pem: &str) -> Result<Self> {
        let authorities =
            files::File::of_bytes("a certificate of the run", pem.as_bytes()).certificates()?;
        Ok(Self { authorities: Some(authorities), verify: true, own: None })
    }

    /// Its authorities as PEM, where it names any.
    pub fn pem(&self) -> Option<String> {
        let block =
            |authority: &CertificateDer<'_>| pem::Pem::new("CERTIFICATE", authority.to_vec());
        let blocks: Vec<pem::Pem> = self.authorities.as_ref()?.iter().map(block).collect();
        Some(pem::encode_many(&blocks))
    }
}

/// What a client of a web server is set up with.
///
/// # Errors
/// When an authority can't be used.
pub fn client_of(trust: &Trust) -> Result<ClientConfig> {
    let provider = Arc::new(provider());
    let verifier = match &trust.authorities {
        _ if !trust.verify => Verifier::anyone(&provider),
        Some(authorities) => Verifier::pinned(authorities, &[], &provider)?,
        None => Verifier::of(host_authorities(), Vec::new(), &[], &provider)?,
    };
    client_config(&provider, None, verifier, trust.own.as_deref())
}
