//! Generates the contract's Rust code from `vivarium/**/*.proto`, without protoc.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    // `protox` does not print this, and without it an edited file would go unnoticed.
    println!("cargo:rerun-if-changed=vivarium");
    let mut files = Vec::new();
    gather(Path::new("vivarium"), &mut files)?;
    files.sort();
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let encoded = descriptors.encode_to_vec();
    fs::write(out.join("descriptors.bin"), &encoded)?;

    let json = env::var_os("CARGO_FEATURE_JSON").is_some();
    let well_known = if json { "::pbjson_types" } else { "::prost_types" };
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .build_client(env::var_os("CARGO_FEATURE_CLIENT").is_some())
        .build_server(env::var_os("CARGO_FEATURE_SERVER").is_some())
        // The transport is each program's own: a service, a duplex in a test, a browser's fetch.
        .build_transport(false)
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", well_known)
        .compile_fds_with_config(descriptors, config)?;
    if json {
        pbjson_build::Builder::new()
            .register_descriptors(&encoded)?
            .ignore_unknown_fields()
            .build(&[".vivarium"])?;
    }
    Ok(())
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
