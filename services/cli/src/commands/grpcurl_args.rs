//! `vivarium grpcurl-args`: the flags with which grpcurl speaks to a service as the operator.

use serde_json::json;
use vivarium_chassis::identity::Name;

use crate::console::{Console, OPERATOR, service};
use crate::failure::Failure;
use crate::render;

pub(super) fn run(console: &Console, named: &str) -> Result<(), Failure> {
    let service = service(named)?;
    let folder = console.world.identity(&Name::operator(OPERATOR));
    let folder = folder.canonicalize().map_err(|_| {
        Failure::unavailable(
            format!("no world was ever started in {}", console.world.root().display()),
            "start it with `vivarium up`",
        )
    })?;
    let address = console.shared()?.addresses.of(service).to_string();
    let file = |name: &str| folder.join(name).display().to_string();
    let flags = ["-cacert", &file("ca.pem"), "-cert", &file("cert.pem"), "-key", &file("key.pem")]
        .map(str::to_owned);
    if console.json {
        return render::json(&json!({"flags": flags, "address": address}));
    }
    render::line(&format!("{} {address}", flags.join(" ")))
}
