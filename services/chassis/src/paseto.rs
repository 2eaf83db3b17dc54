//! Ed25519 keys, raw signatures, and PASETO v4.public tokens over JSON claims.
//!
//! What a token is for is bound into its signature (the implicit assertion), so that a token made
//! for one purpose never counts for another.
//!
//! They are signed and opened here with the fast Ed25519 that TLS uses, because each lease needs it
//! several times; that they follow the standard, in both directions, a library checks in the tests.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use crate::clock;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 4_096;

/// What a token of this version and purpose begins with.
const HEADER: &str = "v4.public.";

/// Bytes of a signature; it stands behind the claims.
const SIGNATURE_BYTES: usize = 64;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// One service's word to another that a call is its own.
    Call,
    /// The queue's word that a runner holds a lease.
    Lease,
}

impl Purpose {
    const fn assertion(self) -> &'static [u8] {
        match self {
            Self::Call => b"vivarium/call/v1",
            Self::Lease => b"vivarium/lease/v1",
        }
    }
}

/// A key that signs.
pub(crate) struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// A new seed, as hexadecimal.
    pub(crate) fn generate() -> Zeroizing<String> {
        Zeroizing::new(hex::encode(Zeroizing::new(clock::random::<32>())))
    }

    /// The key of a seed.
    pub(crate) fn of_hex(seed: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        hex::decode_to_slice(seed.trim(), &mut *bytes).ok()?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&*bytes).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public: PublicKey(public) })
    }

    /// Its public half.
    pub(crate) const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A raw signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// A token with these claims.
    pub(crate) fn token(&self, purpose: Purpose, claims: &impl Serialize) -> String {
        let mut body = serde_json::to_vec(claims).expect("claims are plain data with text keys");
        let signed = pre_authentication(&[HEADER.as_bytes(), &body, &[], purpose.assertion()]);
        body.extend_from_slice(self.pair.sign(&signed).as_ref());
        format!("{HEADER}{}", BASE64_URL_SAFE_NO_PAD.encode(body))
    }
}

/// What is signed of several pieces, so that none can run into the next: PASETO's "pre-authentication
/// encoding" (PASETO specification, Common Implementation Details). Pieces are shorter than 2^63.
fn pre_authentication(pieces: &[&[u8]]) -> Vec<u8> {
    let mut encoded = (pieces.len() as u64).to_le_bytes().to_vec();
    for piece in pieces {
        encoded.extend_from_slice(&(piece.len() as u64).to_le_bytes());
        encoded.extend_from_slice(piece);
    }
    encoded
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public).finish()
    }
}

/// A key that checks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublicKey([u8; 32]);

impl PublicKey {
    pub(crate) const fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The first half as hexadecimal: enough to tell keys apart.
    pub(crate) fn short(&self) -> String {
        hex::encode(&self.0[..16])
    }

    /// Whether a raw signature is this key's.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut key = [0; 32];
        hex::decode_to_slice(&text, &mut key).map_err(de::Error::custom)?;
        Ok(Self(key))
    }
}

/// The claims of a token that one of `keys` signed for `purpose`.
pub(crate) fn open<T: DeserializeOwned>(
    keys: &[PublicKey],
    purpose: Purpose,
    token: &str,
) -> Option<T> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    // A footer would stand behind another point, which base 64 does not have: ours have none.
    let signed = BASE64_URL_SAFE_NO_PAD.decode(token.strip_prefix(HEADER)?).ok()?;
    let (body, signature) = signed.split_last_chunk::<SIGNATURE_BYTES>()?;
    let message = pre_authentication(&[HEADER.as_bytes(), body, &[], purpose.assertion()]);
    keys.iter().find(|key| key.verify(&message, signature))?;
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use pasetors::keys::{AsymmetricPublicKey, AsymmetricSecretKey};
    use pasetors::token::UntrustedToken;
    use pasetors::version4::{PublicToken, V4};

    use super::*;

    #[test]
    fn a_token_opens_with_its_key_and_purpose_alone() {
        let [one, two] =
            [(); 2].map(|()| SigningKey::of_hex(&SigningKey::generate()).expect("a key"));
        let token = one.token(Purpose::Call, &"claims");
        let open = |keys: &[PublicKey], purpose, token: &str| open::<String>(keys, purpose, token);
        let keys = [*two.public(), *one.public()];
        assert_eq!(open(&keys, Purpose::Call, &token).as_deref(), Some("claims"));
        assert_eq!(open(&keys, Purpose::Lease, &token), None);
        assert_eq!(open(&keys[..1], Purpose::Call, &token), None);
        assert_eq!(open(&[], Purpose::Call, &token), None);
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("still ASCII");
            // The last character of base 64 may carry bits that stand for nothing.
            if changed != token && place + 1 < token.len() {
                assert_eq!(open(&keys, Purpose::Call, &changed), None, "changed at {place}");
            }
        }
    }

    #[test]
    fn tokens_follow_the_standard_in_both_directions() {
        let key = SigningKey::of_hex(&SigningKey::generate()).expect("a key");
        let seed = clock::random::<32>();
        let other = SigningKey::of_hex(&hex::encode(seed)).expect("a key");
        let theirs = [seed, other.public().bytes()].concat();
        let theirs = AsymmetricSecretKey::<V4>::from(&theirs).expect("a key of the library");
        let assertion = Some(Purpose::Call.assertion());
        let made = PublicToken::sign(&theirs, b"\"claims\"", None, assertion).expect("it signs");
        let opened = open::<String>(&[*other.public()], Purpose::Call, &made);
        assert_eq!(opened.as_deref(), Some("claims"));
        let footed = PublicToken::sign(&theirs, b"\"claims\"", Some(b"foot"), assertion);
        let footed = footed.expect("it signs");
        assert_eq!(open::<String>(&[*other.public()], Purpose::Call, &footed), None);
        let ours = key.token(Purpose::Call, &"claims");
        let ours = UntrustedToken::try_from(&ours).expect("it is a token");
        let public = AsymmetricPublicKey::<V4>::from(&key.public().bytes()).expect("a key");
        let read = PublicToken::verify(&public, &ours, None, assertion).expect("it verifies");
        assert_eq!(read.payload(), "\"claims\"");
    }

    #[test]
    fn a_raw_signature_counts_for_its_message_alone() {
        let key = SigningKey::of_hex(&SigningKey::generate()).expect("a key");
        let signature = key.sign(b"head");
        assert!(key.public().verify(b"head", &signature));
        assert!(!key.public().verify(b"tail", &signature));
    }
}
