//! TLS towards watched servers.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::error::WireError;

/// Whom to trust, and how to show who we are. Built once and shared.
#[derive(Clone)]
pub struct TlsSettings(TlsConnector);

/// Where the parts of [`TlsSettings`] are found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of authorities in PEM; without it, those that browsers trust.
    pub ca: Option<PathBuf>,
    /// Our certificate chain and its key, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Takes whatever certificate a server shows.
    pub skip_verify: bool,
}

/// Why [`TlsSettings`] could not be built.
#[derive(Debug, thiserror::Error)]
pub enum TlsSettingsError {
    /// A file cannot be read, or is not PEM.
    #[error("cannot read {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file holds no certificate.
    #[error("no certificate in {}", .0.display())]
    Empty(PathBuf),
    /// A file's certificate or key is no good.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TlsSettings {
    /// Reads the files.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsSettingsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable = |path: &Path, source: Box<dyn std::error::Error + Send + Sync>| {
            TlsSettingsError::Unusable { path: path.to_owned(), source }
        };
        let trust = if files.skip_verify { Trust::Anyone } else { trust(files, &provider)? };
        let verifier = Arc::new(Verifier { trust, provider: provider.clone() });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(Path::new("ring"), error.into()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let secret = PrivateKeyDer::from_pem_file(key)
                    .map_err(|source| TlsSettingsError::File { path: key.clone(), source })?;
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| unusable(key, error.into()))?
            }
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Goes over to TLS on a connection whose server expects it.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, WireError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| WireError::Tls(io::Error::other(error)))?;
        self.0.connect(name, stream).await.map_err(WireError::connected)
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsSettings")
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSettingsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let chain: Vec<_> =
        read.map_err(|source| TlsSettingsError::File { path: path.to_owned(), source })?;
    if chain.is_empty() { Err(TlsSettingsError::Empty(path.to_owned())) } else { Ok(chain) }
}

fn trust(files: &TlsFiles, provider: &Arc<CryptoProvider>) -> Result<Trust, TlsSettingsError> {
    let mut roots = RootCertStore::empty();
    match &files.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| TlsSettingsError::Unusable {
                    path: path.clone(),
                    source: error.into(),
                })?;
            }
        }
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
        .build()
        .map_err(|error| TlsSettingsError::Unusable {
            path: files.ca.clone().unwrap_or_default(),
            source: error.into(),
        })?;
    Ok(match &files.ca {
        Some(_) => Trust::OwnAuthority(verifier),
        None => Trust::PublicAuthorities(verifier),
    })
}

#[derive(Debug)]
enum Trust {
    Anyone,
    PublicAuthorities(Arc<WebPkiServerVerifier>),
    /// As above, but a certificate without any host name is good for every host: such are the ones
    /// that MySQL generates for itself at its first start (seen on 9.7).
    OwnAuthority(Arc<WebPkiServerVerifier>),
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trust {
            Trust::Anyone => Ok(ServerCertVerified::assertion()),
            Trust::PublicAuthorities(verifier) => {
                verifier.verify_server_cert(certificate, intermediates, name, ocsp, now)
            }
            Trust::OwnAuthority(verifier) => {
                match verifier.verify_server_cert(certificate, intermediates, name, ocsp, now) {
                    // Names are compared last, when the chain has been found good.
                    Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                        presented,
                        ..
                    })) if presented.is_empty() => Ok(ServerCertVerified::assertion()),
                    verdict => verdict,
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let (empty, bad) = (file("empty.pem", "no certificate"), file("bad.pem", pem));
        let missing = folder.path().join("missing.pem");
        let ca = |path: &PathBuf| TlsFiles { ca: Some(path.clone()), ..TlsFiles::default() };
        let identity = |certificate: &PathBuf, key: &PathBuf| TlsFiles {
            identity: Some((certificate.clone(), key.clone())),
            ..TlsFiles::default()
        };
        let cases = [
            (ca(&missing), "cannot read", "missing.pem"),
            (ca(&empty), "no certificate in", "empty.pem"),
            (ca(&bad), "cannot use", "bad.pem"),
            (identity(&missing, &bad), "cannot read", "missing.pem"),
            (identity(&bad, &empty), "cannot read", "empty.pem"),
        ];
        for (files, problem, name) in cases {
            let error = TlsSettings::load(&files).unwrap_err().to_string();
            assert!(error.starts_with(problem) && error.ends_with(name), "{error}");
        }
    }
}
