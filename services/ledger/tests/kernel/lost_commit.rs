//! The connection is cut at a COMMIT, in front of it or behind it: the store finds out what became
//! of it, and the batch is in the log exactly once.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::stores::desk::{NOON, cursor, fresh};
use vivarium_harness::postgres::Postgres as Server;
use vivarium_ledger::store::postgres::{Config, Postgres};
use vivarium_ledger::store::{Batch, Error, Head, Store as _, TextRow};
use vivarium_ledger::{Row, chain};

/// A COMMIT as it goes over the wire: a simple query.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// What happens to the next COMMIT that comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// It goes through, and so does its answer.
    Not,
    /// The server never gets it.
    Before,
    /// The server gets it, and its answer is lost.
    Behind,
}

/// A wire between a store and its server that can be cut.
struct Wire {
    next: Arc<AtomicU8>,
    folder: tempfile::TempDir,
}

impl Wire {
    /// A wire to the server that all tests share.
    fn to_the_server() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("it binds");
        let next = Arc::new(AtomicU8::new(Cut::Not as u8));
        let cut = Arc::clone(&next);
        let server: Config = Server::shared().parse().expect("it reads");
        let socket = match &server.get_hosts()[0] {
            tokio_postgres::config::Host::Unix(folder) => folder.join(".s.PGSQL.5432"),
            tokio_postgres::config::Host::Tcp(host) => unreachable!("{host} is no folder"),
        };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (socket, cut) = (socket.clone(), Arc::clone(&cut));
                std::thread::spawn(move || drop(carry(client, socket, &cut)));
            }
        });
        Self { next, folder }
    }

    fn cut_next(&self, cut: Cut) {
        self.next.store(cut as u8, Ordering::SeqCst);
    }

    /// A store at the other end, with a ledger of its own.
    fn store(&self, schema: &str) -> Postgres {
        let mut config: Config = Server::shared().parse().expect("it reads");
        let server = config.clone();
        config = Config::new();
        config.host_path(self.folder.path()).user(server.get_user().expect("it names one"));
        config.dbname(server.get_dbname().expect("it names one"));
        let schema = format!("{schema}_{}", std::process::id());
        Postgres::at(&config, &schema, &self.folder.path().join("views.db")).expect("it opens")
    }
}

/// Carries both ways until either end closes, or until the wire is cut.
fn carry(mut client: UnixStream, socket: PathBuf, cut: &AtomicU8) -> io::Result<()> {
    let mut server = UnixStream::connect(socket)?;
    let (mut back_from, mut back_to) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || {
        drop(io::copy(&mut back_from, &mut back_to));
        drop(back_to.shutdown(std::net::Shutdown::Both));
    });
    let mut bytes = vec![0; 1 << 16];
    loop {
        let count = client.read(&mut bytes)?;
        if count == 0 {
            return server.shutdown(std::net::Shutdown::Both);
        }
        let wanted = if bytes[..count].ends_with(COMMIT) {
            cut.swap(Cut::Not as u8, Ordering::SeqCst)
        } else {
            Cut::Not as u8
        };
        if wanted == Cut::Behind as u8 {
            // The client hears no more of this connection; the server still acts on it.
            client.shutdown(std::net::Shutdown::Both)?;
        }
        if wanted != Cut::Before as u8 {
            server.write_all(&bytes[..count])?;
        }
        if wanted != Cut::Not as u8 {
            client.shutdown(std::net::Shutdown::Both)?;
            return server.shutdown(std::net::Shutdown::Write);
        }
    }
}

fn one_row(head: &Head) -> Vec<Row> {
    let mut row = Row {
        sequence: head.sequence + 1,
        time: NOON,
        actor: "rule:test".into(),
        kind: "added".into(),
        schema: 1,
        payload: b"{}".to_vec(),
        hash: head.hash,
    };
    row.hash = chain::link(head.hash, head.ledger, &row);
    vec![row]
}

/// Appends over a wire that is cut; the batch is there once, and the owner goes on.
fn is_there_once(cut: Cut, schema: &str) {
    let wire = Wire::to_the_server();
    let mut store = wire.store(schema);
    let mut head = store.open(fresh(7)).expect("it opens");
    for round in 0..5_u64 {
        let rows = one_row(&head);
        let texts = [TextRow { id: format!("txt_{round}"), bytes: b"text".into(), sealed: false }];
        wire.cut_next(cut);
        let batch = Batch {
            expected_sequence: head.sequence,
            writer_epoch: head.writer_epoch,
            rows: &rows,
            texts: &texts,
            ..Batch::default()
        };
        store.append(&batch).expect("it is appended");
        assert_eq!(wire.next.load(Ordering::SeqCst), Cut::Not as u8, "the wire was not cut");
        (head.sequence, head.hash, head.time) = (rows[0].sequence, rows[0].hash, rows[0].time);
        assert_eq!(store.reader().head().expect("readable"), head);
    }
    assert_eq!(store.reader().rows(0, 100).expect("readable").len(), 5);
}

#[test]
fn a_batch_whose_commit_was_lost_on_its_way_is_there_once() {
    is_there_once(Cut::Before, "before");
}

#[test]
fn a_batch_whose_commits_answer_was_lost_is_there_once() {
    is_there_once(Cut::Behind, "behind");
}

#[test]
fn a_batch_that_moves_no_sequence_is_told_from_one_that_never_was() {
    for (cut, schema) in [(Cut::Before, "still_before"), (Cut::Behind, "still_behind")] {
        let wire = Wire::to_the_server();
        let mut store = wire.store(schema);
        let head = store.open(fresh(7)).expect("it opens");
        for round in 1..=5 {
            let claims = [(format!("key:{round}"), 0)];
            let cursors = [("queue".to_owned(), cursor(round))];
            wire.cut_next(cut);
            let batch = Batch {
                writer_epoch: head.writer_epoch,
                // A claim is refused when it is made twice.
                claims: &claims,
                cursors: &cursors,
                ..Batch::default()
            };
            store.append(&batch).expect("it is appended");
            assert_eq!(store.cursors().expect("readable")["queue"], cursor(round));
        }
    }
}

#[test]
fn an_owner_that_was_taken_over_meanwhile_claims_nothing_for_itself() {
    let wire = Wire::to_the_server();
    let mut store = wire.store("meanwhile");
    let head = store.open(fresh(7)).expect("it opens");
    let mut other = wire.store("meanwhile");
    let rows = one_row(&head);
    wire.cut_next(Cut::Before);
    let (appended, later) = std::thread::scope(|threads| {
        let append = threads.spawn(|| {
            let writer_epoch = head.writer_epoch;
            store.append(&Batch { writer_epoch, rows: &rows, ..Batch::default() })
        });
        while wire.next.load(Ordering::SeqCst) != Cut::Not as u8 {
            std::thread::yield_now();
        }
        let later = other.open(fresh(8)).expect("it opens");
        (append.join().expect("no panic"), later)
    });
    // Either may have come first; both must see it alike.
    match appended {
        Ok(()) => assert_eq!(other.reader().head().expect("readable").sequence, 1),
        Err(Error::Conflict) => assert_eq!((later.sequence, rows.len()), (0, 1)),
        Err(error) => unreachable!("{error}"),
    }
}

#[test]
fn readers_and_owners_come_back_when_the_server_ends_their_sessions() {
    let wire = Wire::to_the_server();
    let mut store = wire.store("ended");
    let mut head = store.open(fresh(7)).expect("it opens");
    let reader = store.reader();
    for round in 1..=5 {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name LIKE 'vivarium ended%' AND pid <> pg_backend_pid()";
        Server::shared_query(end);
        let rows = one_row(&head);
        let batch = Batch {
            expected_sequence: head.sequence,
            writer_epoch: head.writer_epoch,
            rows: &rows,
            ..Batch::default()
        };
        store.append(&batch).expect("it is appended");
        (head.sequence, head.hash) = (rows[0].sequence, rows[0].hash);
        assert_eq!(reader.rows(0, 100).expect("readable").len(), round);
    }
}
