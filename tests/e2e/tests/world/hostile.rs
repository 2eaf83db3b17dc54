//! Every method of every service, with every field set to what nobody should send: the answer is a
//! coded refusal or a sound answer, and a refusal leaves no trace in any ledger.

use std::time::Duration;

use prost::bytes::{Buf as _, BufMut as _, Bytes};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MethodDescriptor, Value,
};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use vivarium_chassis::{Calls, Peers, Problem, Service, matrix};
use vivarium_harness::history::caused_by;
use vivarium_harness::process::World;
use vivarium_types::Reason;

/// How long a stream may stay silent before it counts as open.
const SILENCE: Duration = Duration::from_millis(50);

/// Messages as they are, without knowing their type.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
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

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item.as_slice());
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// Calls a method with one message; the first answer, or that a stream stays open.
async fn call(calls: Calls, path: &str, message: Vec<u8>) -> Result<(), Status> {
    let path = path.parse().expect("a method has a path");
    let mut client = tonic::client::Grpc::new(calls);
    client.ready().await?;
    let request = Request::new(futures::stream::iter([message]));
    let mut answers = client.streaming(request, path, Raw).await?.into_inner();
    tokio::time::timeout(SILENCE, answers.message()).await.map_or(Ok(()), |answer| answer.map(drop))
}

/// Values that a field should not have.
fn hostile(field: &FieldDescriptor) -> Vec<Value> {
    let texts = |texts: &[&str]| texts.iter().map(|text| Value::String((*text).into())).collect();
    let one = match field.kind() {
        Kind::String => texts(&[
            &"x".repeat(70_000),
            "a\u{0}b",
            "\u{202e}gnp.exe",
            "../../etc/passwd",
            "<script>alert(1)</script>",
            "'; DROP TABLE events; --",
        ]),
        Kind::Bytes => {
            vec![Value::Bytes(Bytes::from_static(&[1])), Value::Bytes(vec![7; 70_000].into())]
        }
        Kind::Enum(_) => vec![Value::EnumNumber(99), Value::EnumNumber(-1)],
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            vec![Value::I32(i32::MIN), Value::I32(i32::MAX)]
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            vec![Value::I64(i64::MIN), Value::I64(i64::MAX)]
        }
        Kind::Uint32 | Kind::Fixed32 => vec![Value::U32(u32::MAX)],
        Kind::Uint64 | Kind::Fixed64 => vec![Value::U64(u64::MAX)],
        Kind::Bool => vec![Value::Bool(true)],
        Kind::Float | Kind::Double => Vec::new(),
        // One field of the inner message at a time.
        Kind::Message(inner) => inner
            .fields()
            .filter(|field| !matches!(field.kind(), Kind::Message(_)))
            .flat_map(|field| hostile(&field).into_iter().map(move |value| (field.clone(), value)))
            .map(|(field, value)| {
                let mut message = DynamicMessage::new(inner.clone());
                message.set_field(&field, value);
                Value::Message(message)
            })
            .collect(),
    };
    if field.is_list() {
        let many = |value: &Value| Value::List(vec![value.clone(); 300]);
        let many: Vec<_> = one.last().map(many).into_iter().collect();
        one.into_iter().map(|value| Value::List(vec![value])).chain(many).collect()
    } else if field.is_map() {
        Vec::new()
    } else {
        one
    }
}

/// Who calls, as the record names it.
const OPERATOR: &str = "operator:cli";

/// What was tried, and how it went.
#[derive(Default)]
struct Tally {
    refused: usize,
    answered: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn note(&mut self, world: &World, what: &str, before: u64, answer: Result<(), Status>) {
        let Err(status) = answer else {
            self.answered += 1;
            return;
        };
        self.refused += 1;
        let problem = Problem::from(&status);
        let named = !problem.fields.is_empty() || !problem.is(Reason::RequestInvalid);
        let ours = matches!(status.code(), Code::Internal | Code::Unknown);
        if problem.reason.is_none() || !named || ours {
            self.wrong.push(format!("{what}: {:?} {}", status.code(), status.message()));
        }
        if caused_by(world.root(), OPERATOR) != before {
            self.wrong.push(format!("{what}: refused, and left a trace"));
        }
    }
}

/// Methods that would end the world or the test's own way into it.
const LEFT_OUT: [&str; 1] = ["/vivarium.gateway.v1.PanelService/SignOut"];

/// Waits for a place that never comes, so its messages are sent side by side.
const WAITS: &str = "min_position";

/// One message to a method.
struct Message {
    /// For the report.
    name: String,
    path: String,
    to: Service,
    bytes: Vec<u8>,
    waits: bool,
}

/// A method's messages: each field with each hostile value.
fn messages(method: &MethodDescriptor, path: &str, to: Service) -> Vec<Message> {
    let input = method.input();
    let id = input.get_field_by_name("request_id");
    let mut messages = Vec::new();
    for field in input.fields() {
        for (number, value) in hostile(&field).into_iter().enumerate() {
            let mut message = DynamicMessage::new(input.clone());
            let name = format!("{}-{}-{number}", method.name(), field.name());
            if let Some(id) = &id {
                message.set_field(id, Value::String(name.clone()));
            }
            message.set_field(&field, value);
            let bytes = prost::Message::encode_to_vec(&message);
            let waits = field.name() == WAITS;
            messages.push(Message { name, path: path.to_owned(), to, bytes, waits });
        }
    }
    messages
}

/// Sends every hostile value to every method.
async fn everything(world: &World, peers: &Peers, pool: &DescriptorPool) -> Tally {
    let (mut tally, mut waiting) = (Tally::default(), Vec::new());
    for (path, homes) in matrix::methods() {
        let Some(&service) = homes.first() else { continue };
        if LEFT_OUT.contains(&path.as_str()) {
            continue;
        }
        let (name, method) = path.trim_start_matches('/').split_once('/').expect("a path");
        let found = pool.get_service_by_name(name).expect("the service is in the contract");
        let found = found.methods().find(|each| each.name() == method).expect("so is the method");
        for message in messages(&found, &path, service) {
            if message.waits {
                waiting.push(message);
                continue;
            }
            let before = caused_by(world.root(), OPERATOR);
            let answer = call(peers.to(service).calls(), &path, message.bytes).await;
            tally.note(world, &message.name, before, answer);
        }
    }
    assert!(!waiting.is_empty(), "no method waits for a place");
    let before = caused_by(world.root(), OPERATOR);
    let calls = waiting.into_iter().map(async |Message { name, path, to, bytes, .. }| {
        (name, call(peers.to(to).calls(), &path, bytes).await)
    });
    for (name, answer) in futures::future::join_all(calls).await {
        tally.note(world, &name, before, answer);
    }
    tally
}

#[test]
fn nothing_that_anybody_can_send_breaks_a_service_or_leaves_a_trace_when_refused() {
    let world = World::start();
    // No pace: nothing happens by itself, so every new row comes from a call.
    world.ask(&["pace", "paused"]);
    let pool = DescriptorPool::decode(vivarium_proto::DESCRIPTOR_SET).expect("the contract reads");
    let tally = world.call(async |peers| everything(&world, &peers, &pool).await);
    let Tally { refused, answered, wrong } = tally;
    assert_eq!(wrong, [""; 0], "{refused} were refused, {answered} were answered");
    assert!(refused > 500, "{refused} were refused, {answered} were answered");
    assert_eq!(world.ask(&["audit", "verify"])["sound"], true);
    for service in Service::ALL {
        let restarts = world.ask(&["status"]);
        let services = restarts["services"].as_array().expect("a list").clone();
        let told = services.iter().find(|told| told["service"] == service.name());
        assert_eq!(told.expect("it is listed")["restarts"], 0, "{service:?} did not last");
    }
}
