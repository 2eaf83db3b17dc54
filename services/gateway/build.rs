//! The panel's files are taken in when the gateway is compiled: compile again when they change.

use std::path::Path;

fn main() {
    // A folder that is not there yet is not watched but its parent, where it will appear: a path that
    // is missing would compile the gateway with every build.
    let dist = Path::new("../../panel/dist");
    let watched = if dist.exists() { dist } else { Path::new("../../panel") };
    println!("cargo:rerun-if-changed={}", watched.display());
}
