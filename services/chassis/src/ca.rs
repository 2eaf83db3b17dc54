//! The world's certificate authority. Only the supervisor and the command line use it.
//!
//! The root is made at the first start and lives under `mutable/keys`. It signs nothing but issuers:
//! one for each run, of a day, whose key never leaves memory. The issuer signs leaves of an hour with
//! one URI name each. A change of the root overlaps: both are trusted until the old one is dropped.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use vivarium_types::{Clock, Timestamp};
use zeroize::Zeroizing;

use crate::identity::{self, Bundle, Name, SERVER_NAME, Service};
use crate::paseto::SigningKey;
use crate::trust::Trust;
use crate::world::{self, World};

/// How long a leaf lives. Renew it at half of that.
pub const LEAF_LIFE: Duration = Duration::from_hours(1);
/// How long an issuer lives; it is renewed at half of that.
const ISSUER_LIFE: Duration = Duration::from_hours(24);
/// How long the root lives.
const ROOT_LIFE: Duration = Duration::from_hours(10 * 365 * 24);
/// A certificate begins this long before it is made: clocks of one machine may step back a little.
const BACKDATED: Duration = Duration::from_mins(1);

/// Why the authority cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its files cannot be reached.
    #[error("cannot reach the keys {}", path.display())]
    Unreachable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its files are not what it writes.
    #[error("the keys of the authority are malformed")]
    Malformed,
    /// A certificate cannot be made.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// An identity cannot be written.
    #[error("an identity cannot be written")]
    Identity(#[from] identity::Error),
}

/// A root certificate with its key.
#[derive(Clone, Serialize, Deserialize)]
struct Root {
    certificate: String,
    key: Zeroizing<String>,
}

/// All roots that are trusted; the last one signs.
#[derive(Clone, Serialize, Deserialize)]
struct Roots {
    roots: Vec<Root>,
}

/// What changes while the authority works.
struct State {
    roots: Roots,
    issuer: CertifiedIssuer<'static, KeyPair>,
    issuer_ends: Timestamp,
    trust: Trust,
}

/// The certificate authority of one world.
pub struct Ca {
    world: World,
    clock: Arc<dyn Clock>,
    /// Written by a change of root or issuer, and by a new identity.
    state: Mutex<State>,
}

impl Ca {
    /// Opens the authority of `world`; makes it at the first start.
    pub fn open(world: &World, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let path = roots_file(world);
        let roots = match std::fs::read(&path).map(Zeroizing::new) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| Error::Malformed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let roots = Roots { roots: vec![new_root(clock.now())?] };
                save(&path, &roots)?;
                roots
            }
            Err(source) => return Err(Error::Unreachable { path, source }),
        };
        let trust = kept_trust(world)?;
        let (issuer, issuer_ends) = new_issuer(&roots, clock.now())?;
        let state = Mutex::new(State { roots, issuer, issuer_ends, trust });
        let ca = Self { world: world.clone(), clock, state };
        for name in Service::ALL.map(Name::Service).into_iter().chain([Name::Supervisor]) {
            ca.keys(&name)?;
        }
        ca.publish_trust()?;
        Ok(ca)
    }

    /// Writes a fresh identity where `name`'s process reads it, with the usual life.
    pub fn issue(&self, name: &Name) -> Result<(), Error> {
        self.issue_for(name, LEAF_LIFE)
    }

    /// Writes a fresh identity of another life.
    pub fn issue_for(&self, name: &Name, life: Duration) -> Result<(), Error> {
        let now = self.clock.now();
        let bundle = self.bundle(name, now - BACKDATED, now + life)?;
        let folder = self.world.identity(name);
        bundle.write(&folder)?;
        if matches!(name, Name::Operator(_)) {
            bundle.write_pem(&folder)?;
        }
        Ok(())
    }

    /// An identity that counts from `begins` to `ends`, and is written nowhere.
    pub fn bundle(&self, name: &Name, begins: Timestamp, ends: Timestamp) -> Result<Bundle, Error> {
        let (token_key, checkpoint_key) = match name {
            Name::Operator(_) => (None, None),
            Name::Service(_) | Name::Supervisor => {
                let (token, checkpoint) = self.keys(name)?;
                (Some(token), Some(checkpoint))
            }
        };
        let mut state = self.lock();
        let now = self.clock.now();
        if state.issuer_ends.since(now) < ISSUER_LIFE / 2 {
            (state.issuer, state.issuer_ends) = new_issuer(&state.roots, now)?;
        }
        let key = KeyPair::generate()?;
        let leaf = leaf(name, begins, ends)?.signed_by(&key, &state.issuer)?;
        Ok(Bundle {
            certificates: leaf.pem() + &state.issuer.pem(),
            key: Zeroizing::new(key.serialize_pem()),
            roots: state.roots.roots.iter().map(|root| root.certificate.as_str()).collect(),
            token_key,
            checkpoint_key,
            trust: state.trust.clone(),
        })
    }

    /// First half of a change of the root: a new root is trusted beside the old one. Issue all
    /// identities again and have them reloaded before the second half.
    pub fn prepare_root(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let mut roots = state.roots.clone();
        // The last root signs: the new one goes in front until it is known everywhere.
        roots.roots.insert(0, new_root(self.clock.now())?);
        save(&roots_file(&self.world), &roots)?;
        state.roots = roots;
        Ok(())
    }

    /// Second half: the new root signs. Issue all identities again and have them reloaded.
    pub fn activate_root(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let mut roots = state.roots.clone();
        roots.roots.rotate_left(1);
        save(&roots_file(&self.world), &roots)?;
        (state.issuer, state.issuer_ends) = new_issuer(&roots, self.clock.now())?;
        state.roots = roots;
        Ok(())
    }

    /// End of a change: only the root that signs is trusted from the next issue on.
    pub fn retire_roots(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let mut roots = state.roots.clone();
        let last = roots.roots.len().saturating_sub(1);
        roots.roots.drain(..last);
        save(&roots_file(&self.world), &roots)?;
        state.roots = roots;
        Ok(())
    }

    /// The seeds of an identity, made when they are first asked for.
    fn keys(&self, name: &Name) -> Result<(Zeroizing<String>, Zeroizing<String>), Error> {
        let token = self.seed("token", name)?;
        let checkpoint = self.seed("checkpoint", name)?;
        let public = |seed: &str| SigningKey::of_hex(seed).map(|key| *key.public());
        let mut state = self.lock();
        state.trust.add_token_key(name, public(&token).ok_or(Error::Malformed)?);
        state.trust.add_checkpoint_key(name, public(&checkpoint).ok_or(Error::Malformed)?);
        Ok((token, checkpoint))
    }

    fn seed(&self, purpose: &str, name: &Name) -> Result<Zeroizing<String>, Error> {
        let file = format!("{purpose}-{}.key", name.to_string().replace('/', "-"));
        let path = self.world.keys().join(file);
        match std::fs::read_to_string(&path) {
            Ok(seed) => Ok(Zeroizing::new(seed)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let seed = SigningKey::generate();
                world::replace(&path, seed.as_bytes())
                    .map_err(|source| Error::Unreachable { path, source })?;
                Ok(seed)
            }
            Err(source) => Err(Error::Unreachable { path, source }),
        }
    }

    fn publish_trust(&self) -> Result<(), Error> {
        let bytes = serde_json::to_vec_pretty(&self.lock().trust).map_err(|_| Error::Malformed)?;
        for path in [self.world.trust_kept(), self.world.trust()] {
            world::replace(&path, &bytes).map_err(|source| Error::Unreachable { path, source })?;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").field("world", &self.world).finish_non_exhaustive()
    }
}

fn roots_file(world: &World) -> PathBuf {
    world.keys().join("roots.json")
}

/// What was trusted before. Never forgotten: old logs name keys in it.
fn kept_trust(world: &World) -> Result<Trust, Error> {
    let path = world.trust_kept();
    match Trust::read(&path) {
        Ok(trust) => Ok(trust),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Trust::default()),
        Err(source) => Err(Error::Unreachable { path, source }),
    }
}

fn save(path: &std::path::Path, roots: &Roots) -> Result<(), Error> {
    let bytes = serde_json::to_vec(roots).map(Zeroizing::new).map_err(|_| Error::Malformed)?;
    world::replace(path, &bytes)
        .map_err(|source| Error::Unreachable { path: path.to_owned(), source })
}

fn new_root(now: Timestamp) -> Result<Root, Error> {
    let key = KeyPair::generate()?;
    let params = authority("Vivarium root", 1, now, ROOT_LIFE);
    let certificate = params.self_signed(&key)?.pem();
    Ok(Root { certificate, key: Zeroizing::new(key.serialize_pem()) })
}

fn new_issuer(
    roots: &Roots,
    now: Timestamp,
) -> Result<(CertifiedIssuer<'static, KeyPair>, Timestamp), Error> {
    let root = roots.roots.last().ok_or(Error::Malformed)?;
    let root = Issuer::from_ca_cert_pem(&root.certificate, KeyPair::from_pem(&root.key)?)?;
    let params = authority("Vivarium issuer", 0, now, ISSUER_LIFE);
    let issuer = CertifiedIssuer::signed_by(params, KeyPair::generate()?, &root)?;
    Ok((issuer, now + ISSUER_LIFE))
}

/// `below` is how many authorities may stand below it.
fn authority(name: &str, below: u8, now: Timestamp, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    // Two roots of one name would be mistaken for each other: a number tells them apart.
    let number = u64::from_le_bytes(crate::clock::random());
    params.distinguished_name.push(DnType::OrganizationalUnitName, format!("{number:016x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = moment(now - BACKDATED);
    params.not_after = moment(now + life);
    params
}

fn leaf(name: &Name, begins: Timestamp, ends: Timestamp) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name.to_string());
    params.subject_alt_names = vec![
        SanType::URI(name.uri().try_into()?),
        SanType::DnsName(SERVER_NAME.try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    ];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (moment(begins), moment(ends));
    Ok(params)
}

fn moment(time: Timestamp) -> OffsetDateTime {
    let (seconds, _) = time.as_seconds_and_nanos();
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::clock::SystemClock;

    fn open(world: &World) -> Ca {
        Ca::open(world, Arc::new(SystemClock)).expect("it opens")
    }

    #[test]
    fn an_authority_is_made_once_and_its_keys_are_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let world = World::open(folder.path()).expect("it opens");
        let first = open(&world);
        let operator = Name::operator("cli");
        first.issue(&operator).expect("it issues");
        let queue = Name::Service(Service::Queue);
        let before = first.bundle(&queue, Timestamp::EPOCH, Timestamp::EPOCH).expect("it issues");
        let after = open(&world).bundle(&queue, Timestamp::EPOCH, Timestamp::EPOCH).expect("so");
        assert_eq!(before.roots, after.roots);
        assert_eq!(before.token_key, after.token_key);
        for path in [
            roots_file(&world),
            world.keys().join("token-service-queue.key"),
            world.identity(&operator).join("key.pem"),
            world.identity(&operator).join("bundle.json"),
        ] {
            let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }

    #[test]
    fn a_checkpoint_is_checked_against_the_world_s_trust_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let world = World::open(folder.path()).expect("it opens");
        let ca = open(&world);
        let (queue, review) = (Name::Service(Service::Queue), Name::Service(Service::Review));
        ca.issue(&queue).expect("it issues");
        let holder = identity::Holder::load(&world.identity(&queue), &queue).expect("it loads");
        let signer = crate::run::Signer::new(Arc::new(holder));
        let (id, signature) = (signer.checkpoint_key_id(), signer.checkpoint(b"head"));
        let trust = Trust::read(&world.trust()).expect("it reads");
        assert!(trust.verify_checkpoint(&queue, &id, b"head", &signature));
        assert!(!trust.verify_checkpoint(&queue, &id, b"tail", &signature));
        assert!(!trust.verify_checkpoint(&review, &id, b"head", &signature));
    }

    #[test]
    fn a_damaged_trust_file_is_not_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let world = World::open(folder.path()).expect("it opens");
        drop(open(&world));
        std::fs::write(world.keys().join("trust.json"), "{").expect("it writes");
        assert!(Ca::open(&world, Arc::new(SystemClock)).is_err());
    }
}
