//! One supervisor a world.

use std::fs::File;

use nix::fcntl::{Flock, FlockArg};
use vivarium_chassis::{World, world};

use crate::failure::Failure;

/// Held while the supervisor lives; the system lets go of it however the process ends.
pub(crate) fn take(world: &World) -> Result<Flock<File>, Failure> {
    let file = world::private_append(&world.run().join("supervisor.lock"))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        Failure::refused(
            format!("the world {} runs already", world.root().display()),
            "look at it with `vivarium status`",
        )
    })
}
