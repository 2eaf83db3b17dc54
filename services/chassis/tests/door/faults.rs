//! Everything that must not get in (`security.md`, section 7.3), on a real loopback listener.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use pasetors::keys::AsymmetricSecretKey;
use pasetors::version4::{PublicToken, V4};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::ServiceExt as _;
use vivarium_chassis::clock::SystemClock;
use vivarium_chassis::identity::{Bundle, Name, Service};
use vivarium_chassis::{Problem, Refusal, Services, matrix};
use vivarium_proto::ledger::v1 as pb;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_types::{Clock as _, Reason, Timestamp};

use crate::stand::{HOUR, Running, Stand, ask, ledger, wait_until};

fn review() -> Name {
    Name::Service(Service::Review)
}

/// A TLS configuration made of the bundle by hand, with or without its certificate.
fn tls(bundle: &Bundle, with_certificate: bool) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(bundle.roots.as_bytes()) {
        roots.add(root.expect("it is PEM")).expect("it is a root");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 exists")
        .with_root_certificates(roots);
    let mut config = if with_certificate {
        let chain = CertificateDer::pem_slice_iter(bundle.certificates.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("it is PEM");
        let key = PrivateKeyDer::from_pem_slice(bundle.key.as_bytes()).expect("it is a key");
        config.with_client_auth_cert(chain, key).expect("they fit")
    } else {
        config.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// A channel that does only what it is told: no token, no checks of the server's name.
fn channel(running: &Running, config: Arc<rustls::ClientConfig>) -> Channel {
    let address = running.address;
    Endpoint::from_static("http://raw").connect_with_connector_lazy(tower::service_fn(
        move |_: http::Uri| {
            let connector = TlsConnector::from(Arc::clone(&config));
            async move {
                let connection = TcpStream::connect(address).await?;
                let name = ServerName::try_from("localhost").expect("it is a name");
                connector.connect(name, connection).await.map(TokioIo::new)
            }
        },
    ))
}

/// What a call without a message gets. Nothing is served: who is let in finds no method.
async fn knock(channel: &Channel, path: &str, token: Option<&str>) -> Problem {
    let mut request = http::Request::post(format!("http://raw{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(token) = token {
        request = request.header("vivarium-token", token);
    }
    let request = request.body(Body::empty()).expect("it is a request");
    match channel.clone().oneshot(request).await {
        Ok(answer) => {
            let status = Status::from_header_map(answer.headers());
            Problem::from(&status.expect("a refusal is a status"))
        }
        Err(_) => Problem::from(&Status::from(Refusal::new(Reason::ServiceUnavailable))),
    }
}

/// A token as the design describes it, made without the chassis.
struct Forged {
    seed: String,
    issuer: &'static str,
    audience: &'static str,
    class: &'static str,
    thumbprint: String,
    made: Timestamp,
    ends: Timestamp,
}

impl Forged {
    fn of(bundle: &Bundle) -> Self {
        let leaf = CertificateDer::from_pem_slice(bundle.certificates.as_bytes()).expect("a leaf");
        let now = SystemClock.now();
        Self {
            seed: bundle.token_key.as_ref().expect("a service has one").to_string(),
            issuer: "service/review",
            audience: "queue",
            class: "watch",
            thumbprint: hex::encode(Sha256::digest(&leaf)),
            made: now,
            ends: now + Duration::from_mins(1),
        }
    }

    fn sign(&self) -> String {
        let seed = hex::decode(&self.seed).expect("it is hexadecimal");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("it is a seed");
        let secret = [&seed[..], pair.public_key().as_ref()].concat();
        let key = AsymmetricSecretKey::<V4>::from(&secret).expect("it is a key");
        let claims = format!(
            r#"{{"iss":"{}","sub":"service:review","aud":"{}","class":"{}","iat":"{}","exp":"{}","jti":"1","cnf":"{}"}}"#,
            self.issuer, self.audience, self.class, self.made, self.ends, self.thumbprint
        );
        PublicToken::sign(&key, claims.as_bytes(), None, Some(b"vivarium/call/v1"))
            .expect("it signs")
    }
}

async fn head(channel: Channel, token: Option<&str>) -> Result<pb::GetHeadResponse, Status> {
    let mut request = tonic::Request::new(ask(""));
    if let Some(token) = token {
        request.metadata_mut().insert("vivarium-token", token.parse().expect("it is ASCII"));
    }
    LedgerServiceClient::new(channel).get_head(request).await.map(tonic::Response::into_inner)
}

fn is_refused(answer: Result<impl std::fmt::Debug, Status>, reason: Reason) {
    let status = answer.expect_err("it must not get in");
    let problem = Problem::from(&status);
    assert!(problem.is(reason), "{reason} is not {problem:?}");
    assert!(problem.fields.is_empty() && !problem.request_id.is_empty());
}

#[tokio::test]
async fn a_service_with_certificate_and_token_gets_in() {
    let mut stand = Stand::new();
    let _running = stand.serve();
    let answer = stand.ledger(&review()).get_head(ask("")).await.expect("it gets in");
    assert_eq!(answer.into_inner().ledger_id, "service/review service:review");
    let answer = stand.ledger(&Name::operator("cli")).get_head(ask("")).await;
    assert_eq!(
        answer.expect("so does a person").into_inner().ledger_id,
        "operator/cli operator:cli"
    );
}

#[tokio::test]
async fn a_token_made_by_hand_to_the_letter_gets_in_and_any_change_keeps_it_out() {
    let mut stand = Stand::new();
    let running = stand.serve();
    let bundle = stand.bundle(&review());
    let raw = channel(&running, tls(&bundle, true));
    let fine = Forged::of(&bundle);
    head(raw.clone(), Some(&fine.sign())).await.expect("it gets in");
    let mut tampered = fine.sign();
    let other_letter = if tampered.as_bytes()[20] == b'A' { "B" } else { "A" };
    tampered.replace_range(20..21, other_letter);
    let other = stand.bundle(&review());
    let (now, minute) = (SystemClock.now(), Duration::from_mins(1));
    for (what, token, reason) in [
        ("tampered", tampered, Reason::AuthTokenInvalid),
        ("stolen: of another certificate", Forged::of(&other).sign(), Reason::AuthTokenInvalid),
        (
            "for another service",
            Forged { audience: "review", ..Forged::of(&bundle) }.sign(),
            Reason::AuthTokenInvalid,
        ),
        (
            "for another class",
            Forged { class: "operate", ..Forged::of(&bundle) }.sign(),
            Reason::AuthTokenInvalid,
        ),
        (
            "of another caller",
            Forged { issuer: "service/gateway", ..Forged::of(&bundle) }.sign(),
            Reason::AuthTokenInvalid,
        ),
        (
            "of another key",
            Forged { seed: "07".repeat(32), ..Forged::of(&bundle) }.sign(),
            Reason::AuthTokenInvalid,
        ),
        (
            "too long",
            Forged { ends: now + minute * 2, ..Forged::of(&bundle) }.sign(),
            Reason::AuthTokenInvalid,
        ),
        (
            "from the future",
            Forged { made: now + minute, ends: now + minute, ..Forged::of(&bundle) }.sign(),
            Reason::AuthTokenInvalid,
        ),
        (
            "over",
            Forged { made: now - minute, ends: now - minute / 2, ..Forged::of(&bundle) }.sign(),
            Reason::AuthTokenExpired,
        ),
        ("nonsense", "v4.public.AAAA".to_owned(), Reason::AuthTokenInvalid),
    ] {
        let status = head(raw.clone(), Some(&token)).await.expect_err(what);
        assert_eq!(Problem::from(&status).reason, Some(reason), "{what}");
        assert_eq!(status.code(), Code::Unauthenticated, "{what}");
    }
    is_refused(head(raw, None).await, Reason::AuthTokenMissing);
}

#[tokio::test]
async fn who_is_not_in_the_matrix_stays_out() {
    let mut stand = Stand::new();
    let _running = stand.serve();
    let gateway = Name::Service(Service::Gateway);
    // The gateway may watch, but only for a person; the society may not read rows at all.
    let society = Name::Service(Service::Society);
    let rows = pb::ReadRowsRequest::default();
    is_refused(stand.ledger(&society).read_rows(rows.clone()).await, Reason::AuthNotPermitted);
    stand.ledger(&gateway).read_rows(rows).await.expect("the gateway reads");
}

#[tokio::test]
async fn certificates_that_do_not_count_are_refused_in_the_handshake() {
    let mut stand = Stand::new();
    let running = stand.serve();
    let (now, elsewhere) = (SystemClock.now(), Stand::new());
    let queue = |holder| stand.peers(&holder).to(Service::Queue).calls();
    let expired = stand.holder_between(&review(), now - HOUR * 2, now - HOUR);
    is_refused(ledger(queue(expired)).get_head(ask("")).await, Reason::ServiceUnavailable);
    let early = stand.holder_between(&review(), now + HOUR, now + HOUR * 2);
    is_refused(ledger(queue(early)).get_head(ask("")).await, Reason::ServiceUnavailable);
    let foreign = elsewhere.holder(&review());
    is_refused(ledger(queue(foreign)).get_head(ask("")).await, Reason::ServiceUnavailable);
    // Another authority whose certificate is shown to a client that trusts ours.
    let mixed = Bundle { roots: stand.bundle(&review()).roots, ..elsewhere.bundle(&review()) };
    head(channel(&running, tls(&mixed, true)), None).await.expect_err("another authority's name");
    head(channel(&running, tls(&mixed, false)), None).await.expect_err("no certificate");
    wait_until("the refusals are counted", async || {
        let text = running.metrics.text();
        let count = text.lines().find_map(|line| {
            line.strip_prefix("vivarium_rpc_handshakes_failed_total ")?.parse::<u64>().ok()
        });
        count.is_some_and(|count| count >= 4)
    })
    .await;
}

#[tokio::test]
async fn no_method_of_any_service_answers_who_cannot_show_who_it_is() {
    let (stand, elsewhere, now) = (Stand::new(), Stand::new(), SystemClock.now());
    let own = stand.bundle(&review());
    let expired = stand.ca.bundle(&review(), now - HOUR * 2, now - HOUR).expect("it issues");
    let foreign = Bundle { roots: own.roots.clone(), ..elsewhere.bundle(&review()) };
    let thief = stand.bundle(&review());
    let mut count = 0;
    for service in Service::ALL {
        let listener = TcpListener::bind("127.0.0.1:0").expect("it binds");
        let running = stand.serve_as(service, Services::new(), listener);
        let shut_out = [
            ("no certificate", channel(&running, tls(&own, false))),
            ("an expired certificate", channel(&running, tls(&expired, true))),
            ("a certificate of another world", channel(&running, tls(&foreign, true))),
        ];
        let (honest, stolen) =
            (channel(&running, tls(&own, true)), channel(&running, tls(&thief, true)));
        for (path, homes) in matrix::methods() {
            if !homes.contains(&service) {
                continue;
            }
            count += 1;
            let class = matrix::rule(service, &path).expect("it has a rule").class.name();
            let token = Forged { audience: service.name(), class, ..Forged::of(&own) }.sign();
            // What is refused below is refused for nothing but the lack of the one thing.
            let heard = knock(&honest, &path, Some(&token)).await;
            let known = [Some(Reason::RpcUnknownMethod), Some(Reason::AuthNotPermitted)];
            assert!(known.contains(&heard.reason), "{service} {path}: {heard:?}");
            for (what, channel) in &shut_out {
                let heard = knock(channel, &path, Some(&token)).await;
                assert!(
                    heard.is(Reason::ServiceUnavailable),
                    "{service} {path}: {what}: {heard:?}"
                );
            }
            let heard = knock(&honest, &path, None).await;
            assert!(heard.is(Reason::AuthTokenMissing), "{service} {path}: no token: {heard:?}");
            let heard = knock(&stolen, &path, Some(&token)).await;
            assert!(heard.is(Reason::AuthTokenInvalid), "{service} {path}: stolen: {heard:?}");
        }
    }
    assert!(count > 60, "{count} methods were tried");
}

#[tokio::test]
async fn a_server_that_is_someone_else_is_not_spoken_to() {
    let mut stand = Stand::new();
    let running = stand.serve();
    // The queue answers where the review is looked for.
    stand.shared.addresses.review = running.address;
    let society = stand.holder(&Name::Service(Service::Society));
    let calls = stand.peers(&society).to(Service::Review).calls();
    is_refused(ledger(calls).get_head(ask("")).await, Reason::ServiceUnavailable);
}

#[tokio::test]
async fn plain_text_is_not_answered() {
    let mut stand = Stand::new();
    let running = stand.serve();
    let mut connection = TcpStream::connect(running.address).await.expect("it connects");
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("it sends");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), connection.read_to_end(&mut answer));
    read.await.expect("the connection is closed").unwrap_or_default();
    // At most a TLS alert: 21 is its type.
    assert!(answer.first().is_none_or(|kind| *kind == 21));
}

#[tokio::test]
async fn a_silent_client_does_not_block_the_others() {
    let mut stand = Stand::new();
    let running = stand.serve();
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(running.address).await.expect("it connects"));
    }
    stand.ledger(&review()).get_head(ask("")).await.expect("it gets in");
}
