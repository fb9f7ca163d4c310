//! TLS from two PEM files, which are read again when they change: new connections are shown the new certificate, those that are open go on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Why TLS cannot be set up. The path is in the message; the content of the files is not.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of that kind.
    #[error("cannot read {what} from pem file path={path}")]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: String,
        /// Why it failed.
        source: pem::Error,
    },
    /// The certificate and the key cannot serve together.
    #[error("certificate and private key cannot serve")]
    Config(#[source] rustls::Error),
}

/// When the files are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Somebody asks for it: what is wrong with them is said, however often.
    Asked,
    /// They may have changed: what is wrong with them is said once.
    Watching,
}

/// A chain of certificates and a private key, and the files that they are from.
pub struct Tls {
    files: Files,
    shown: Arc<Shown>,
    config: Arc<rustls::ServerConfig>,
    provider: Arc<CryptoProvider>,
    /// What the files held when they were looked at last, whether it can serve or not.
    last: Mutex<Held>,
}

struct Files {
    certificates: PathBuf,
    private_key: PathBuf,
}

/// The bytes of both files.
#[derive(PartialEq, Eq)]
struct Held {
    certificates: Vec<u8>,
    private_key: Vec<u8>,
}

/// What new connections are shown.
#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads both files; speaks HTTP/2 and HTTP/1.1 by ALPN, over TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// [`TlsError`] when a file cannot be read or they do not fit together.
    pub fn from_pem(certificates: &Path, private_key: &Path) -> Result<Self, TlsError> {
        let files = Files { certificates: certificates.to_owned(), private_key: private_key.to_owned() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let held = files.read()?;
        let shown = Arc::new(Shown(ArcSwap::from_pointee(files.certified(&held, &provider)?)));
        let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files, shown, config: Arc::new(config), provider, last: Mutex::new(held) })
    }

    /// What connections are accepted with, now and later.
    pub(super) fn config(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Reads the files again. Answers whether new connections are shown another certificate from now on; what cannot serve changes nothing. Blocks
    /// for as long as it takes to read two small files.
    ///
    /// # Errors
    /// As [`Self::from_pem`].
    pub fn read_again(&self, look: Look) -> Result<bool, TlsError> {
        let held = self.files.read()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *last != held;
        if !is_new && look == Look::Watching {
            return Ok(false);
        }
        let certified = self.files.certified(&held, &self.provider);
        *last = held;
        self.shown.0.store(Arc::new(certified?));
        Ok(is_new)
    }
}

impl Files {
    fn read(&self) -> Result<Held, TlsError> {
        let read =
            |what, path: &Path| std::fs::read(path).map_err(|error| file_error(what, path)(pem::Error::Io(error)));
        Ok(Held {
            certificates: read("certificates", &self.certificates)?,
            private_key: read("private key", &self.private_key)?,
        })
    }

    fn certified(&self, held: &Held, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&held.certificates)
            .collect::<Result<Vec<_>, _>>()
            .and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
            .map_err(file_error("certificates", &self.certificates))?;
        let key = PrivateKeyDer::from_pem_slice(&held.private_key);
        let key = key.map_err(file_error("private key", &self.private_key))?;
        CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Config)
    }
}

fn file_error(what: &'static str, path: &Path) -> impl FnOnce(pem::Error) -> TlsError + use<> {
    let path = path.display().to_string();
    move |source| TlsError::File { what, path, source }
}
