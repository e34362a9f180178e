use std::sync::Arc;

use larder::store::StoreError;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use super::socket::Socket;

pub(super) type Encrypted = StreamOwned<ClientConnection, Socket>;

/// Speaks TLS on a socket, as redis-rs does on its own; the handshake is made with the first bytes that are sent or read.
pub(super) fn encrypt(host: &str, root_certificate: Option<&[u8]>, socket: Socket) -> Result<Encrypted, StoreError> {
    let mut trusted = RootCertStore::empty();
    for certificate in certificates(root_certificate)? {
        trusted.add(certificate).map_err(StoreError::refused)?;
    }
    let config = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(StoreError::refused)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(StoreError::refused)?;
    Ok(StreamOwned::new(connection, socket))
}

/// Those that are given, or those that the operating system trusts.
fn certificates(given: Option<&[u8]>) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let Some(pem) = given else {
        let mut found = rustls_native_certs::load_native_certs();
        return found.errors.pop().map_or(Ok(found.certs), |error| Err(StoreError::refused(error)));
    };
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(StoreError::refused)
}
