//! What a certificate says: one URI name, an end, and its thumbprint.

use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use vivarium_types::Timestamp;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Name;

/// The leaf certificate of one end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The one URI name.
    pub name: Name,
    /// The last moment at which it counts.
    pub not_after: Timestamp,
    /// SHA-256 of it; a token is bound to this.
    pub thumbprint: [u8; 32],
}

/// A certificate that is no leaf of a world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate does not have exactly one name of a world")]
pub struct NotALeaf;

impl Leaf {
    /// Reads a certificate whose chain was verified already.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, NotALeaf> {
        let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|_| NotALeaf)?;
        let mut uris = parsed.valid_uri_names();
        let (Some(uri), None) = (uris.next(), uris.next()) else { return Err(NotALeaf) };
        let name = Name::of_uri(uri).map_err(|_| NotALeaf)?;
        let (_, x509) = X509Certificate::from_der(certificate).map_err(|_| NotALeaf)?;
        let end = x509.validity().not_after.timestamp();
        Ok(Self {
            name,
            not_after: Timestamp::from_seconds_and_nanos(end, 0),
            thumbprint: Sha256::digest(certificate).into(),
        })
    }
}
