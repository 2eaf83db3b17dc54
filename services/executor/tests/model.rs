//! Language models as cycles meet them: the client against a server that fails in every way a real one
//! does, looks at servers, and the embedded engine as a process.

#[path = "model/calls.rs"]
mod calls;
#[path = "model/engine.rs"]
mod engine;
#[path = "model/looks.rs"]
mod looks;

use std::sync::Arc;

use vivarium_executor::domain::provider::Class;
use vivarium_executor::model::openai::KeySource;
use vivarium_executor::model::{Kind, OpenAi, Profile, profile};
use vivarium_types::Secret;

/// The key of every provider here.
const KEY: &str = "sk-0123456789abcdef";

/// HTTP needs a provider of TLS even where it speaks none.
fn install_tls() {
    // A second test finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn keys() -> KeySource {
    Arc::new(|_| Some(Arc::new(Secret::new(KEY.to_owned()))))
}

fn profile(base_url: &str, kind: Kind) -> Profile {
    install_tls();
    let url = profile::address(base_url).expect("it is local");
    Profile::new("there", kind, Class::Remote, url)
}

fn client(profile: Profile) -> OpenAi {
    OpenAi::new(profile, keys()).expect("it is well formed")
}
