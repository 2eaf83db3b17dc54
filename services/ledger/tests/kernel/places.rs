//! A ledger is opened where the settings say it lies, or a person is told what to do.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use vivarium_harness::postgres::Postgres as Server;
use vivarium_ledger::store::{self, Store as _};
use vivarium_types::ids::{Id as _, WorldId};
use vivarium_types::place::{Error, Place, Server as Named};
use vivarium_types::{IdSource, Reason, Secret, Timestamp};

const WORLD: u128 = 1;

pub(crate) fn place(folder: &Path, url: Option<&str>) -> Place {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let server = url.map(|url| Named {
        url: Secret::new(url.to_owned()),
        schema: format!("p{}_{number}_queue", std::process::id()),
        world: WorldId::from_number(WORLD),
    });
    Place { file: folder.join("queue.db"), views: folder.join("queue.views.db"), server }
}

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// Opens it, writes its owner row and begins its read models.
pub(crate) fn own(place: &Place) {
    let mut store = store::open(place).expect("it opens");
    let fresh = IdSource::seeded(7).mint(Timestamp::EPOCH);
    store.open(fresh).expect("it has an owner");
    store.views().expect("they can be written");
}

fn refused(place: &Place) -> Error {
    let error = store::open(place).err().expect("it does not open");
    Error::within(&error).expect("a person is told").clone()
}

#[test]
fn a_ledger_is_read_where_it_lies_and_nothing_is_made_by_looking() {
    let folder = folder();
    for place in [place(folder.path(), None), place(folder.path(), Some(Server::shared()))] {
        assert_eq!(store::look(&place).expect("it can be looked at"), None);
        assert!(store::reader(&place).expect("it can be looked at").is_none());
        own(&place);
        assert!(store::look(&place).expect("it can be looked at").is_some());
        // For the next of them the folder is fresh.
        if place.server.is_none() {
            std::fs::remove_file(&place.file).expect("it is there");
        }
    }
}

#[test]
fn a_server_that_is_away_is_named_without_its_password() {
    let folder = folder();
    let url = "postgresql://ann:hunter2@127.0.0.1:1/world";
    let place = place(folder.path(), Some(url));
    let error = refused(&place);
    assert_eq!(error.reason(), Reason::StoreUnreachable);
    let told = format!("{error} {error:?} {}", store::shown(&place));
    assert!(told.contains("127.0.0.1:1, database world"), "{told}");
    assert!(!told.contains("hunter2") && !told.contains("ann"), "{told}");
}

#[test]
fn a_database_that_is_not_there_is_told_in_the_servers_words() {
    let folder = folder();
    let url = Server::shared().replace("dbname=vivarium", "dbname=nowhere");
    let error = refused(&place(folder.path(), Some(&url)));
    assert_eq!(error.reason(), Reason::StoreRefused);
    assert!(error.to_string().contains("\"nowhere\" does not exist"), "{error}");
}

#[test]
fn an_account_without_rights_is_told_so() {
    let folder = folder();
    let account = format!("guest{}", std::process::id());
    Server::shared_query(&format!("CREATE ROLE {account} LOGIN"));
    let url = Server::shared().replace("user=vivarium", &format!("user={account}"));
    let error = refused(&place(folder.path(), Some(&url)));
    assert_eq!(error.reason(), Reason::StoreRefused);
    assert!(error.to_string().contains("permission denied"), "{error}");
}

#[test]
fn what_is_no_connection_string_is_a_matter_of_the_settings() {
    let folder = folder();
    for url in ["host=", "postgresql://:x", "user=a dbname=b", "host=a", "colour=blue"] {
        let error = refused(&place(folder.path(), Some(url)));
        assert_eq!(error.reason(), Reason::ConfigInvalid, "{url}: {error}");
    }
}

#[test]
fn another_worlds_ledger_is_not_touched() {
    let folder = folder();
    let mut ours = place(folder.path(), Some(Server::shared()));
    own(&ours);
    let owner =
        format!("SELECT writer_epoch FROM {}.owner", ours.server.as_ref().expect("it is").schema);
    let before = Server::shared_query(&owner);
    ours.server.as_mut().expect("it is on a server").world = WorldId::from_number(WORLD + 1);
    assert_eq!(refused(&ours).reason(), Reason::StoreOtherWorld);
    assert!(store::look(&ours).is_err(), "reading is refused as well");
    assert_eq!(Server::shared_query(&owner), before, "its owner goes on");
}

#[test]
fn settings_that_were_changed_by_hand_do_not_begin_a_world_anew() {
    let folder = folder();
    let (file, server) = (place(folder.path(), None), place(folder.path(), Some(Server::shared())));
    own(&file);
    let error = refused(&server);
    assert_eq!(error.reason(), Reason::StoreNotMoved);
    assert!(error.to_string().contains("queue.db"), "{error}");
    std::fs::remove_file(&file.file).expect("it is there");
    own(&server);
    assert_eq!(refused(&file).reason(), Reason::StoreNotMoved);
}

#[tokio::test]
async fn a_task_of_another_runtime_reads_as_often_as_it_likes() {
    let folder = folder();
    let place = place(folder.path(), Some(Server::shared()));
    own(&place);
    let reader = store::reader(&place).expect("it reads").expect("it is there");
    // A task that never rests has a share of 128 polls.
    for _ in 0..500 {
        reader.head().expect("it reads");
    }
}
