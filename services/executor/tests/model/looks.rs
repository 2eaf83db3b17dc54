//! Looks at servers: which models they have, how large their windows are, and that nobody's server is
//! used unasked.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use vivarium_chassis::World;
use vivarium_chassis::task::Tasks;
use vivarium_executor::domain::provider::Consent;
use vivarium_executor::model::openai::KeySource;
use vivarium_executor::model::price::Tier;
use vivarium_executor::model::{Config, Kind, OpenAi, PriceTable, notice, probe};
use vivarium_executor::providers::Providers;
use vivarium_harness::model_server::{ModelServer, Reply, Script};
use vivarium_types::Reason;

use crate::{client, keys, profile};

fn script() -> Script {
    let mut script = Script::always(Reply::text("hello"));
    script.models = ["one", "two:latest"].map(str::to_owned).to_vec();
    script.window_tokens = 6_000;
    script
}

#[tokio::test]
async fn a_look_finds_the_model_and_the_smaller_of_two_windows() {
    let server = ModelServer::start(script()).await;
    for (wanted, set, model, window) in
        [("", 0, "one", 6_000), ("two", 4_000, "two:latest", 4_000), ("one", 9_000, "one", 6_000)]
    {
        let mut profile = profile(&server.base_url(), Kind::LlamaCpp);
        wanted.clone_into(&mut profile.model);
        profile.window_tokens = set;
        let seen = probe::probe(&client(profile)).await.expect("it answers");
        assert_eq!((seen.model.as_str(), seen.window_tokens), (model, window), "{wanted} {set}");
    }
    assert!(server.asked().is_empty(), "a look asks no model anything");
}

#[tokio::test]
async fn a_look_says_why_a_server_cannot_be_used() {
    let server = ModelServer::start(script()).await;
    let mut wrong = profile(&server.base_url(), Kind::OpenAiCompatible);
    "three".clone_into(&mut wrong.model);
    let error = probe::probe(&client(wrong)).await.expect_err("it has no such model");
    assert_eq!(error.reason(), Reason::ModelUnknown);

    let none: KeySource = Arc::new(|_| None);
    let keyless = profile(&server.base_url(), Kind::OpenAiCompatible);
    let keyless = OpenAi::new(keyless, none).expect("it is well formed");
    let error = probe::probe(&keyless).await.expect_err("there is no key");
    assert_eq!(error.reason(), Reason::ModelKeyMissing);
}

#[tokio::test]
async fn a_noticed_local_server_is_used_only_once_a_person_agreed() {
    crate::install_tls();
    let server = ModelServer::start(script()).await;
    let text =
        format!("order = [\"ollama\"]\n[provider.ollama]\nbase_url = \"{}\"", server.base_url());
    let config: Config = toml::from_str(&text).expect("it reads");
    let noticed = notice::ollama(&config.profiles()[0]).await.expect("it is there");
    assert_eq!(noticed.models, ["one", "two:latest"]);

    let top = tempfile::tempdir().expect("a folder");
    let world = World::open(top.path()).expect("it opens");
    let tasks = Tasks::new(CancellationToken::new());
    let providers = Providers::of(&config, PriceTable::default(), &keys(), &world, &tasks);
    let seen = providers.look().await;
    assert_eq!(seen[0].why_not, Reason::ModelNeedsConsent.name());
    assert!(providers.choose("", Tier::Small).is_err());

    providers.consented("ollama", Consent { given: true, may_judge: false });
    assert!(providers.look().await[0].healthy);
    let chosen = providers.choose("", Tier::Small).expect("a person agreed");
    assert_eq!((chosen.model.as_str(), chosen.may_judge), ("one", false));
    assert!(server.asked().is_empty(), "nothing was sent but looks");
}
