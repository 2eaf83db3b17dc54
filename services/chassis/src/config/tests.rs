//! Settings through the same door as a process uses.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;
use crate::identity::Service;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Inner {
    count: u32,
    name: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Example {
    #[serde(with = "span")]
    lease_ttl: Duration,
    inner: Inner,
    words: Vec<String>,
    limit: u64,
}

impl Default for Example {
    fn default() -> Self {
        let (inner, words) = (Inner::default(), Vec::new());
        Self { lease_ttl: Duration::from_secs(30), inner, words, limit: 5 }
    }
}

impl Settings for Example {
    fn check(&self, wrong: &mut Violations) {
        wrong.bounded("limit", self.limit, 1..=10);
    }
}

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Example, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("queue.toml"), file).expect("it writes");
    let pairs = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Origins::given(folder.path(), pairs).load("queue")
}

#[test]
fn layers_override_each_other_key_by_key() {
    let loaded = load(
        "lease_ttl = '1m'\n[inner]\ncount = 2\n",
        &[
            ("VIVARIUM_QUEUE__INNER__NAME", "7"),
            ("VIVARIUM_QUEUE__LIMIT", "9"),
            ("VIVARIUM_QUEUE__WORDS", "['a', 'b']"),
            ("VIVARIUM_REVIEW__LIMIT", "1"),
        ],
    )
    .expect("it loads");
    let inner = Inner { count: 2, name: Some("7".into()) };
    let words = vec!["a".into(), "b".into()];
    let wanted = Example { lease_ttl: Duration::from_mins(1), inner, words, limit: 9 };
    assert_eq!(loaded, wanted);
    assert_eq!(load("", &[]).expect("defaults load"), Example::default());
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_valid_one() {
    for (file, environment, unknown, near) in [
        ("lease_tll = '1m'", &[][..], "lease_tll", "lease_ttl"),
        ("[inner]\ncuont = 1", &[], "inner.cuont", "inner.count"),
        ("", &[("VIVARIUM_QUEUE__INNER__NAMES", "x")], "inner.names", "inner.name"),
    ] {
        let error = load(file, environment).expect_err("the key is unknown");
        let Error::UnknownKey { key, nearest, .. } = &error else { panic!("{error}") };
        assert_eq!((key.as_str(), nearest.as_str()), (unknown, near));
        assert_eq!(Refusal::from(error).reason(), Reason::ConfigKeyUnknown);
    }
}

#[test]
fn a_wrong_value_names_its_key_and_where_it_stands() {
    for (file, environment, wanted) in [
        ("lease_ttl = 'soon'", &[][..], "queue.toml: lease_ttl: must be a span"),
        ("lease_ttl = 3", &[], "queue.toml: lease_ttl: invalid type"),
        ("[inner]\ncount = -1", &[], "queue.toml: inner.count: invalid value"),
        ("", &[("VIVARIUM_QUEUE__LIMIT", "many")], "VIVARIUM_QUEUE__LIMIT: limit: invalid type"),
        ("limit = 11", &[], "queue: limit must be 1 to 10"),
        ("limit = ", &[], "queue.toml, line 1: this is not TOML: "),
        ("limit = 1\n\nlimit = 2", &[], "queue.toml, line 3: this is not TOML: duplicate key"),
    ] {
        let error = load(file, environment).expect_err("the value is wrong").to_string();
        assert!(error.contains(wanted), "{error} does not contain {wanted}");
    }
}

#[test]
fn effective_settings_print_without_secrets() {
    #[derive(Serialize)]
    struct Keyed {
        key: SecretText,
        #[serde(with = "span")]
        age: Duration,
    }
    let keyed = Keyed { key: SecretText::new("gsk_1".into()), age: Duration::from_mins(15) };
    assert_eq!(print(&keyed), "key = \"[secret]\"\nage = \"15m\"\n");
}

#[test]
fn the_shared_defaults_are_valid_and_bind_loopback_only() {
    let mut shared = Shared::default();
    let mut wrong = Violations::new();
    shared.check(&mut wrong);
    assert!(wrong.is_empty());
    shared.addresses.queue = "0.0.0.0:8431".parse().expect("an address");
    shared.check(&mut wrong);
    assert_eq!(wrong.found().len(), 1);
    assert_eq!(wrong.found()[0].field, "addresses.queue");
}

#[test]
fn the_shared_file_names_every_key_with_its_default() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../world/config");
    let text = std::fs::read_to_string(folder.join("shared.toml")).expect("it is there");
    let shared: Shared = Origins::given(&folder, []).load("shared").expect("it loads");
    assert_eq!(print(&shared), print(&Shared::default()));
    // Keys without a default are named in a comment.
    let uncommented = text.replace("\n# queue = ", "\nqueue = ");
    let table: toml::Table = uncommented.parse().expect("it is TOML");
    let metrics = table["metrics"].as_table().expect("it is a table");
    assert!(metrics.contains_key("queue"));
    for service in Service::ALL {
        assert!(text.contains(&format!("# {service} = \"127.0.0.1:94")), "{service}");
    }
}
