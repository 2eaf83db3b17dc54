//! `vivarium key`: the model provider's key. It is read from standard input, so that it stands in no
//! argument list and no history.

use std::io::{IsTerminal as _, Read as _};

use vivarium_chassis::Service;
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::provider_service_client::ProviderServiceClient;

use crate::args::Key;
use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(console: &Console, what: &Key) -> Result<(), Failure> {
    let mut providers = ProviderServiceClient::new(console.calls(Service::Executor)?);
    match what {
        Key::Set => {
            let key = read()?;
            let request =
                pb::SetKeyRequest { request_id: request_id(), key, ..pb::SetKeyRequest::default() };
            let answer = providers.set_key(request).await?.into_inner();
            if console.json {
                return render::json(&answer);
            }
            render::line("the key is set and in use")
        }
        Key::Clear => {
            let request =
                pb::ClearKeyRequest { request_id: request_id(), ..pb::ClearKeyRequest::default() };
            let answer = providers.clear_key(request).await?.into_inner();
            if console.json {
                return render::json(&answer);
            }
            render::line("the key is forgotten")
        }
        Key::Status => {
            let request = pb::GetKeyStatusRequest::default();
            let answer = providers.get_key_status(request).await?.into_inner();
            render::json(&answer)
        }
    }
}

fn read() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        render::line("paste the key and press Enter, then Ctrl-D:")?;
    }
    let mut key = String::new();
    std::io::stdin().read_to_string(&mut key)?;
    let key = key.trim().to_owned();
    if key.is_empty() {
        return Err(Failure::usage("no key was given", "pipe it in: vivarium key set < file"));
    }
    Ok(key)
}
