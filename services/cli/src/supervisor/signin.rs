//! One-time sign-in links for the panel.
//!
//! The token itself is in the link alone. A file named by its SHA-256 says that it may be used; the
//! gateway takes the file away with the first use, and ignores it when it is older than ten minutes.

use sha2::{Digest as _, Sha256};
use vivarium_chassis::config::Shared;
use vivarium_chassis::{World, clock, world};

use crate::failure::Failure;

/// A new link.
pub(super) fn link(world: &World, shared: &Shared) -> Result<String, Failure> {
    let token = hex::encode(clock::random::<32>());
    let folder = world.run().join("signin");
    world::private_folder(&folder)?;
    let name = hex::encode(Sha256::digest(token.as_bytes()));
    world::replace(&folder.join(name), b"")?;
    Ok(format!("http://{}/#t={token}", shared.addresses.panel))
}
