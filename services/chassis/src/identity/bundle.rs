//! An identity as it lies on disk: one file, so that it is replaced whole.

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Error, Identity, Leaf, tls};
use crate::paseto::SigningKey;
use crate::token::Minted;
use crate::trust::Trust;
use crate::world;

const FILE: &str = "bundle.json";

/// Everything a process is given to be someone. The supervisor writes it, the process reads it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Bundle {
    /// The leaf, then the issuer, as PEM.
    pub certificates: String,
    /// The leaf's private key, as PEM.
    pub key: Zeroizing<String>,
    /// The roots that are trusted now, as PEM: two during a change of the root.
    pub roots: String,
    /// The seed that signs tokens, as hexadecimal; absent for who needs none.
    pub token_key: Option<Zeroizing<String>>,
    /// The seed that signs a ledger's checkpoints, as hexadecimal.
    pub checkpoint_key: Option<Zeroizing<String>>,
    /// The public keys of all identities.
    pub trust: Trust,
}

impl Bundle {
    /// Reads the bundle in `folder`.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let bytes = std::fs::read(&path)
            .map(Zeroizing::new)
            .map_err(|source| Error::Unreachable { path, source })?;
        serde_json::from_slice(&bytes).map_err(|_| Error::Malformed("it is not a bundle"))
    }

    /// Writes the bundle into `folder`, whole or not at all, and beside it what grpcurl needs.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let failed = |source| Error::Unreachable { path: folder.to_owned(), source };
        world::private_folder(folder).map_err(failed)?;
        let bytes = serde_json::to_vec(self).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| Error::Malformed("it does not serialise"))?;
        world::replace(&folder.join(FILE), &bytes).map_err(failed)
    }

    /// Writes certificate, key and roots as three PEM files for tools such as grpcurl.
    pub fn write_pem(&self, folder: &Path) -> Result<(), Error> {
        let failed = |source| Error::Unreachable { path: folder.to_owned(), source };
        world::private_folder(folder).map_err(failed)?;
        for (name, text) in
            [("cert.pem", &self.certificates), ("key.pem", &*self.key), ("ca.pem", &self.roots)]
        {
            world::replace(&folder.join(name), text.as_bytes()).map_err(failed)?;
        }
        Ok(())
    }

    /// Reads it into an identity that can serve and connect.
    pub fn open(&self) -> Result<Identity, Error> {
        let certificates = certificates(&self.certificates)?;
        let roots = certificates_of_roots(&self.roots)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|_| Error::Malformed("the key is not PEM"))?;
        let leaf = certificates.first().ok_or(Error::Malformed("there is no certificate"))?;
        let leaf =
            Leaf::read(leaf).map_err(|_| Error::Malformed("the certificate names nobody"))?;
        Ok(Identity {
            leaf,
            trust: self.trust.clone(),
            token_key: signing_key(self.token_key.as_ref())?,
            checkpoint_key: signing_key(self.checkpoint_key.as_ref())?,
            tls: Some(tls::Configs::new(certificates, &key, &Arc::new(roots))?),
            minted: Minted::default(),
        })
    }
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bundle")
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| Error::Malformed("a certificate is not PEM"))
}

fn certificates_of_roots(pem: &str) -> Result<rustls::RootCertStore, Error> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn signing_key(hex: Option<&Zeroizing<String>>) -> Result<Option<SigningKey>, Error> {
    let Some(hex) = hex else { return Ok(None) };
    SigningKey::of_hex(hex).map(Some).ok_or(Error::Malformed("a signing key is malformed"))
}
