//! Servers behind TLS and WebSocket that do what a test wants.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokenstorm::servers::broker::certificates;
use tungstenite::{
    WebSocket, accept_hdr,
    handshake::server::{Request, Response},
};

pub(crate) type Tls = StreamOwned<ServerConnection, TcpStream>;

/// What a TLS server asks of its clients.
#[derive(Clone)]
#[allow(dead_code, reason = "shared with tests that need other parts of it")]
pub(crate) enum Asks {
    Nothing,
    /// A certificate that nobody has.
    Certificate,
    /// One that this authority has signed, where the client has any.
    SignedBy(CertificateDer<'static>),
}

/// A listener on a free port, each of whose connections is handed to `behave`.
pub(crate) fn listen(behave: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let behave = Arc::new(behave);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let behave = Arc::clone(&behave);
            thread::spawn(move || behave(stream));
        }
    });
    address
}

/// A TLS server, with the `[target.tls]` that trusts it.
pub(crate) fn tls_server(
    asks: Asks,
    behave: impl Fn(Tls) + Send + Sync + 'static,
) -> (SocketAddr, String, TempDir) {
    let (tls, made) = certificates::make(certificates::Mutual::No).unwrap();
    let folder = TempDir::new().unwrap();
    let authority = pem::encode(&pem::Pem::new("CERTIFICATE", made.authority.to_vec()));
    fs::write(folder.path().join("ca.pem"), authority).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(tls.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(tls.private_key.as_bytes()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let by = |authority: CertificateDer<'static>| {
        let mut roots = RootCertStore::empty();
        roots.add(authority).unwrap();
        WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
    };
    let verifier = match asks {
        Asks::Nothing => WebPkiClientVerifier::no_client_auth(),
        Asks::Certificate => by(made.authority).build().unwrap(),
        Asks::SignedBy(authority) => by(authority).allow_unauthenticated().build().unwrap(),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    // Of clients that offer protocols, those that offer this one.
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let config = Arc::new(config);
    let address = listen(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        behave(StreamOwned::new(connection, stream));
    });
    let ca = folder.path().join("ca.pem");
    (address, format!("[target.tls]\nca = \"{}\"\n---\n", ca.display()), folder)
}

/// Upgrades a connection as a broker does.
pub(crate) fn upgraded<S: Read + Write>(stream: S) -> WebSocket<S> {
    upgraded_if_asked(stream).unwrap_or_else(|| panic!("no upgrade"))
}

/// The same; nothing where the client leaves before.
#[expect(clippy::result_large_err, reason = "the type of the library's callback")]
pub(crate) fn upgraded_if_asked<S: Read + Write>(stream: S) -> Option<WebSocket<S>> {
    let choose = |request: &Request, mut response: Response| {
        let asked = request.headers()["sec-websocket-protocol"].clone();
        assert_eq!(asked, "mqtt");
        assert_eq!(request.uri().path(), "/mqtt");
        response.headers_mut().insert("sec-websocket-protocol", asked);
        Ok(response)
    };
    accept_hdr(stream, choose).ok()
}
