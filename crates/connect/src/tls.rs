//! What checks the certificates of servers: the authorities of the system, or those that are named.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// Where systems keep the authorities that they trust: Debian and Ubuntu, Fedora, Alpine and macOS.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// How servers are spoken with whose certificates are made by the authorities of this PEM, otherwise by those that the system trusts.
///
/// # Errors
/// `connection_ca_invalid`, `connection_tls_failed`.
pub(crate) fn client_config(ca: Option<&str>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let system;
    let pem = match ca {
        Some(pem) => pem.as_bytes(),
        None => {
            system = SYSTEM.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default();
            &system
        }
    };
    let (added, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    if added == 0 {
        let message = match ca {
            Some(_) => "ca: certificates of authorities are expected, as PEM",
            None => "the system trusts no authorities; say in `ca` by which the server's certificate is made",
        };
        return Err(Error::invalid("connection_ca_invalid", message));
    }
    let failed = |_| Error::invalid("connection_tls_failed", "this program cannot encrypt connections");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(failed)?.with_root_certificates(roots).with_no_client_auth())
}
