//! The only way to the world: gRPC-Web calls of the generated types, answered as view models or as a
//! [`Problem`].
//!
//! All calls share one path that knows bytes only, so that a method costs little more than its name.
//! The submodules, one for each service, name the methods.

pub(crate) mod bounties;
pub(crate) mod cycles;
pub(crate) mod follow;
pub(crate) mod history;
pub(crate) mod ledger;
pub(crate) mod library;
pub(crate) mod mail;
pub(crate) mod models;
mod problem;
pub(crate) mod recurrences;
pub(crate) mod residents;
pub(crate) mod review;
pub(crate) mod rooms;
pub(crate) mod safety;
pub(crate) mod session;
pub(crate) mod spend;
pub(crate) mod tasks;
pub(crate) mod wire;
pub(crate) mod world;

use futures::future::LocalBoxFuture;
use futures::stream::LocalBoxStream;
use prost::Message;

use crate::state::problem::Problem;

/// What a call answers.
pub(crate) type Answer<T> = Result<T, Problem>;

/// Whether a method answers once or goes on answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One answer, within its time.
    Unary,
    /// Answers until one side leaves.
    Stream,
}

/// A method of the contract: its path and the messages that go with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method {
    /// `/package.Service/Method`.
    pub(crate) path: &'static str,
    /// Whether it answers once.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the contract by a test"))]
    pub(crate) shape: Shape,
}

/// Names a method that answers once.
const fn unary(path: &'static str) -> Method {
    Method { path, shape: Shape::Unary }
}

/// Names a method that goes on answering.
const fn stream(path: &'static str) -> Method {
    Method { path, shape: Shape::Stream }
}

/// Calls a method once.
async fn call<A: Message + Default>(method: Method, request: &impl Message) -> Answer<A> {
    call_at("", method, request).await
}

/// Calls a method that several services have, at the service named.
async fn call_at<A: Message + Default>(
    at: &str,
    method: Method,
    request: &impl Message,
) -> Answer<A> {
    let bytes = transport::once(at, method.path, request.encode_to_vec()).await?;
    A::decode(bytes).map_err(|_| problem::unreachable())
}

/// Opens a stream. Dropping it ends it.
async fn open(
    at: &str,
    method: Method,
    request: &impl Message,
) -> Answer<LocalBoxStream<'static, Answer<prost::bytes::Bytes>>> {
    transport::stream(at, method.path, request.encode_to_vec()).await
}

/// A new request id: the same request under the same id has one effect.
pub(crate) fn request_id() -> String {
    let mut bytes = [0_u8; 16];
    let random = web_sys::window().and_then(|window| window.crypto().ok());
    if let Some(crypto) = random {
        // Without randomness the id stays zero and the world refuses the second use: safe, if useless.
        drop(crypto.get_random_values_with_u8_array(&mut bytes));
    }
    bytes.iter().fold("panel-".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

mod transport {
    //! gRPC-Web in bytes.

    use std::time::Duration;

    use futures::stream::LocalBoxStream;
    use futures::{FutureExt, StreamExt};
    use prost::bytes::{Buf, BufMut, Bytes};
    use tonic::client::Grpc;
    use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
    use tonic::codegen::http::uri::PathAndQuery;
    use tonic::{Request, Status};
    use tonic_web_wasm_client::Client;
    use tonic_web_wasm_client::options::FetchOptions;

    use super::{Answer, LocalBoxFuture, problem, session};

    /// How long an answer may take.
    const DEADLINE: Duration = Duration::from_secs(10);
    /// The header that repeats the session's word.
    const CSRF_HEADER: &str = "x-vivarium-csrf";

    /// One answer.
    pub(super) fn once(
        at: &str,
        path: &'static str,
        body: Vec<u8>,
    ) -> LocalBoxFuture<'static, Answer<Bytes>> {
        let mut client = client(at, FetchOptions::new().timeout(DEADLINE));
        async move {
            let answer = client.unary(request(body), PathAndQuery::from_static(path), Bare).await;
            answer.map(tonic::Response::into_inner).map_err(|status| told(&status))
        }
        .boxed_local()
    }

    /// Answers until one side leaves.
    pub(super) fn stream(
        at: &str,
        path: &'static str,
        body: Vec<u8>,
    ) -> LocalBoxFuture<'static, Answer<LocalBoxStream<'static, Answer<Bytes>>>> {
        let mut client = client(at, FetchOptions::new());
        async move {
            let path = PathAndQuery::from_static(path);
            let answer = client.server_streaming(request(body), path, Bare).await;
            let answers = answer.map_err(|status| told(&status))?.into_inner();
            Ok(answers.map(|item| item.map_err(|status| told(&status))).boxed_local())
        }
        .boxed_local()
    }

    fn client(at: &str, options: FetchOptions) -> Grpc<Client> {
        let base = if at.is_empty() { "/rpc".to_owned() } else { format!("/rpc/@{at}") };
        Grpc::new(Client::new_with_options(base, options))
    }

    fn request(body: Vec<u8>) -> Request<Bytes> {
        let mut request = Request::new(Bytes::from(body));
        if let Ok(word) = session::word().parse() {
            request.metadata_mut().insert(CSRF_HEADER, word);
        }
        request
    }

    fn told(status: &Status) -> crate::state::problem::Problem {
        let problem = problem::from_status(status);
        if problem.kind == crate::state::problem::Kind::SignedOut {
            session::lost();
        }
        problem
    }

    /// Passes bytes on: messages are encoded and decoded by the caller.
    struct Bare;

    impl Codec for Bare {
        type Encode = Bytes;
        type Decode = Bytes;
        type Encoder = Self;
        type Decoder = Self;

        fn encoder(&mut self) -> Self {
            Self
        }

        fn decoder(&mut self) -> Self {
            Self
        }
    }

    impl Encoder for Bare {
        type Item = Bytes;
        type Error = Status;

        fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
            dst.put(item);
            Ok(())
        }
    }

    impl Decoder for Bare {
        type Item = Bytes;
        type Error = Status;

        fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
            Ok(Some(src.copy_to_bytes(src.remaining())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Every method of the contract: its path and whether it streams.
    fn contract() -> BTreeMap<String, Shape> {
        let bytes = vivarium_proto::DESCRIPTOR_SET;
        let files = prost_types::FileDescriptorSet::decode(bytes).unwrap().file;
        let mut methods = BTreeMap::new();
        for file in &files {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let streams = method.server_streaming();
                    let shape = if streams { Shape::Stream } else { Shape::Unary };
                    methods.insert(path, shape);
                }
            }
        }
        methods
    }

    #[test]
    fn every_method_that_is_called_is_in_the_contract() {
        let contract = contract();
        let used = [
            bounties::METHODS,
            cycles::METHODS,
            follow::METHODS,
            history::METHODS,
            ledger::METHODS,
            library::METHODS,
            mail::METHODS,
            models::METHODS,
            recurrences::METHODS,
            residents::METHODS,
            review::METHODS,
            rooms::METHODS,
            safety::METHODS,
            spend::METHODS,
            tasks::METHODS,
            world::METHODS,
        ];
        for method in used.concat() {
            assert_eq!(contract.get(method.path), Some(&method.shape), "{}", method.path);
        }
    }
}
