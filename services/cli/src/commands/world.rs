//! `vivarium world move`: carries the ledgers of a stopped world to another place.
//!
//! The settings are written last, when all four ledgers were copied, read back and verified. Until
//! then the world lies where it lay, whatever happens; so the command can be repeated.

use std::cell::RefCell;

use indicatif::ProgressBar;
use serde_json::json;
use vivarium_chassis::config::{Ledger, Origins, SecretText, Store};
use vivarium_chassis::{Refusal, Service, World, clock, world};
use vivarium_ledger::store;
use vivarium_ledger::store::carry::{self, Carried};
use vivarium_types::{Clock as _, Place};

use super::audit::unreadable;
use crate::args::{Move, Place as Wanted};
use crate::console::{Console, places};
use crate::failure::Failure;
use crate::render;
use crate::supervisor::lock;

/// The settings' own variables, which would override what is written into the file.
const OVERRIDING: [&str; 2] = ["VIVARIUM_LEDGER__STORE", "VIVARIUM_LEDGER__SCHEMA"];

/// One ledger on its way.
struct Way {
    service: Service,
    from: Place,
    to: Place,
}

/// Moves the ledgers, or says what would be moved.
pub(super) fn run(console: &Console, asked: &Move) -> Result<(), Failure> {
    let world = existing(console)?;
    let _lock = lock::take(&world).map_err(|_| {
        Failure::refused(
            format!("the world {} runs", world.root().display()),
            "stop it with `vivarium down`, then move it",
        )
    })?;
    not_overridden(asked)?;
    let old = Origins::of_process(&world.config()).load::<Ledger>("ledger");
    let old = old.map_err(Refusal::from)?;
    let new = wanted(&old, asked)?;
    let ways = ways(&world, &old, &new)?;
    let moves = old.store != new.store;
    for way in ways.iter().filter(|_| moves) {
        carry::may_carry(&way.from, &way.to).map_err(|error| unreadable(way.service, &error))?;
    }
    if asked.dry_run {
        return plan(console, &ways);
    }
    let tag = clock::SystemClock.now().as_millis().to_string();
    let mut carried = Vec::new();
    if moves {
        carried = carry_all(console, &ways, &tag)?;
        write(&world, &old, &new)?;
    }
    let kept = put_aside(&ways, !moves, &tag)?;
    tell(console, &ways, &carried, &kept)
}

/// The world as it lies there; it is not made by moving it.
fn existing(console: &Console) -> Result<World, Failure> {
    if !console.world.ledgers().is_dir() {
        return Err(Failure::refused(
            format!("no world was ever started in {}", console.world.root().display()),
            "start one with `vivarium up`, or name another one with --world",
        ));
    }
    World::open(console.world.root()).map_err(Failure::from)
}

fn not_overridden(asked: &Move) -> Result<(), Failure> {
    let url = asked.url.as_ref().map(|_| "VIVARIUM_LEDGER__URL");
    let mut names = OVERRIDING.into_iter().chain(url);
    let set = names.find(|name| std::env::var_os(name).is_some());
    set.map_or(Ok(()), |name| {
        Err(Failure::refused(
            format!("the variable {name} overrides the settings that a move writes"),
            format!("run `unset {name}`, then move"),
        ))
    })
}

/// The settings as they are to be.
fn wanted(old: &Ledger, asked: &Move) -> Result<Ledger, Failure> {
    let mut new = old.clone();
    new.store = match asked.to {
        Wanted::Sqlite => Store::Sqlite,
        Wanted::Postgres => Store::Postgres,
    };
    if let Some(schema) = &asked.schema {
        new.schema.clone_from(schema);
    }
    if let Some(url) = &asked.url {
        let url = if url == "-" { read_url()? } else { url.clone() };
        new.url = SecretText::new(url);
    }
    if new.store == Store::Postgres && !new.url.is_set() {
        return Err(Failure::usage(
            "there is no server to move to",
            "name it: vivarium world move --to postgres \"host=… user=… dbname=…\"",
        ));
    }
    let elsewhere = new.url.expose() != old.url.expose() || new.schema != old.schema;
    if old.store == Store::Postgres && new.store == Store::Postgres && elsewhere {
        return Err(Failure::refused(
            "a world moves between a database and files, not from one database to another",
            "move it to sqlite first; or copy the database with PostgreSQL's own tools and change \
             world/config/ledger.toml",
        ));
    }
    Ok(new)
}

fn read_url() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn ways(world: &World, old: &Ledger, new: &Ledger) -> Result<Vec<Way>, Failure> {
    // A move to where it lies already may still have the other place to put aside.
    let old = if old.store == new.store { &other(old) } else { old };
    let ways = places(world, old)?.into_iter().zip(places(world, new)?);
    Ok(ways.map(|((service, from), (_, to))| Way { service, from, to }).collect())
}

/// The place that the settings do not name at present.
fn other(settings: &Ledger) -> Ledger {
    let on_server = settings.store == Store::Sqlite && settings.url.is_set();
    let store = if on_server { Store::Postgres } else { Store::Sqlite };
    Ledger { store, ..settings.clone() }
}

fn carry_all(
    console: &Console,
    ways: &[Way],
    tag: &str,
) -> Result<Vec<(Service, Carried)>, Failure> {
    let mut moved = Vec::new();
    for way in ways {
        let shown = Shown::begin(way.service, console.json);
        let carried = carry::carry(&way.from, &way.to, &mut |what, count| shown.at(what, count));
        let carried = carried.map_err(|error| unreadable(way.service, &error))?;
        shown.end(carried.as_ref())?;
        moved.extend(carried.map(|carried| (way, carried)));
    }
    // Only now, with all of them verified, does any of them take its place.
    for (way, carried) in &moved {
        carry::settle(&way.from, &way.to, carried, tag)
            .map_err(|error| unreadable(way.service, &error))?;
    }
    for way in ways {
        carry::tidy(&way.to).map_err(|error| unreadable(way.service, &error))?;
    }
    Ok(moved.into_iter().map(|(way, carried)| (way.service, carried)).collect())
}

/// Writes the settings, and makes sure that they say what was meant.
fn write(world: &World, old: &Ledger, new: &Ledger) -> Result<(), Failure> {
    let path = world.config().join("ledger.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| {
        "# Where the ledgers of this world lie; `vivarium world move` writes this file.\n"
            .to_owned()
    });
    let store = match new.store {
        Store::Sqlite => "sqlite",
        Store::Postgres => "postgres",
    };
    let mut text = set(&text, "store", store);
    text = set(&text, "schema", &new.schema);
    if new.url.expose() != old.url.expose() {
        text = set(&text, "url", new.url.expose());
    }
    // It may hold a password: it is for the owner alone from now on.
    world::replace(&path, text.as_bytes())?;
    let now = Origins::of_process(&world.config()).load::<Ledger>("ledger");
    let now = now.map_err(Refusal::from)?;
    if now.store == new.store && now.schema == new.schema && now.url.expose() == new.url.expose() {
        return Ok(());
    }
    Err(Failure::refused(
        format!("{} does not say what was written into it", path.display()),
        "look for a VIVARIUM_LEDGER__ variable, then move again",
    ))
}

/// A key of a flat file with another value; its comments stay.
fn set(text: &str, key: &str, value: &str) -> String {
    let line = format!("{key} = {}", toml::Value::String(value.to_owned()));
    let names = |line: &&str| line.split('=').next().is_some_and(|name| name.trim() == key);
    if !text.lines().any(|line| names(&line)) {
        return format!("{}\n{line}\n", text.trim_end());
    }
    let lines = text.lines().map(|old| if names(&old) { line.as_str() } else { old });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// Puts the old ledgers aside; where they lie from now on.
fn put_aside(ways: &[Way], leftovers: bool, tag: &str) -> Result<Vec<String>, Failure> {
    let mut kept = Vec::new();
    for way in ways {
        // Behind a move that was broken off, the old place is an earlier state of the new one.
        let same = store::shown(&way.from) == store::shown(&way.to);
        if leftovers && (same || carry::may_carry(&way.to, &way.from).is_err()) {
            continue;
        }
        let aside = carry::put_aside(&way.from, tag);
        kept.extend(aside.map_err(|error| unreadable(way.service, &error))?);
    }
    Ok(kept)
}

/// What a move would do; nothing is written anywhere.
fn plan(console: &Console, ways: &[Way]) -> Result<(), Failure> {
    let mut told = Vec::new();
    for way in ways {
        let reader = store::reader(&way.from).map_err(|error| unreadable(way.service, &error))?;
        let head = reader.map(|reader| reader.head()).transpose();
        let rows = head.map_err(|error| unreadable(way.service, &error))?;
        let rows = rows.map_or(0, |head| head.sequence);
        let (from, to) = (store::shown(&way.from), store::shown(&way.to));
        if !console.json {
            let name = way.service.name();
            render::line(&format!("{name:<9} {rows} rows\n  from  {from}\n  to    {to}"))?;
        }
        told.push(json!({"ledger": way.service.name(), "rows": rows, "from": from, "to": to}));
    }
    if console.json {
        return render::json(&json!({"dryRun": true, "ledgers": told}));
    }
    render::line("\nnothing was moved; without --dry-run it is")
}

fn tell(
    console: &Console,
    ways: &[Way],
    moved: &[(Service, Carried)],
    kept: &[String],
) -> Result<(), Failure> {
    if console.json {
        let ledgers = moved.iter().map(|(service, carried)| {
            let counts: serde_json::Map<_, _> = carried
                .counts
                .iter()
                .map(|(table, count)| ((*table).to_owned(), json!(count)))
                .collect();
            let head = &carried.head;
            json!({"ledger": service.name(), "ledgerId": head.ledger.to_string(),
                "rows": head.sequence, "hash": head.hash.to_string(), "records": counts,
                "snapshots": carried.snapshots, "segmentFiles": carried.segment_files})
        });
        let ledgers: Vec<_> = ledgers.collect();
        return render::json(
            &json!({"moved": !moved.is_empty(), "ledgers": ledgers, "kept": kept}),
        );
    }
    let to = ways.first().map(|way| store::shown(&way.to)).unwrap_or_default();
    if moved.is_empty() {
        render::line(&format!("the ledgers lie there already: {to}"))?;
    } else {
        render::line(
            "the ledgers have moved and were verified; start the world with `vivarium up`",
        )?;
    }
    if kept.is_empty() {
        return Ok(());
    }
    render::line("\nThe old ledgers are kept. Nothing uses them any more:")?;
    for place in kept {
        render::line(&format!("  {place}"))?;
    }
    render::line(
        "Delete them when you are sure (`rm -r` the folder, or `DROP SCHEMA name CASCADE`).\n\
         What is erased from the world from now on stays in them until then.",
    )
}

/// How far one ledger is, on standard error.
struct Shown {
    service: Service,
    bar: ProgressBar,
    last: RefCell<&'static str>,
}

impl Shown {
    fn begin(service: Service, silent: bool) -> Self {
        let bar = if silent { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        Self { service, bar, last: RefCell::new("") }
    }

    fn at(&self, what: &'static str, count: u64) {
        *self.last.borrow_mut() = what;
        let name = self.service.name();
        let doing = if what == "chain" { "verifying" } else { "copying" };
        self.bar.set_message(format!("{name:<9} {doing} {what}: {count}"));
        self.bar.tick();
    }

    fn end(self, carried: Option<&Carried>) -> Result<(), Failure> {
        let hidden = self.bar.is_hidden();
        self.bar.finish_and_clear();
        let Some(carried) = carried else { return Ok(()) };
        if hidden && self.last.borrow().is_empty() {
            return Ok(());
        }
        let (name, rows) = (self.service.name(), carried.head.sequence);
        let count = |wanted: &str| {
            let counts = carried.counts.iter().find(|(table, _)| *table == wanted);
            counts.map_or(0, |(_, count)| *count)
        };
        render::notice(&format!(
            "{name:<9} copied and verified: {rows} rows, {} texts, {} answers",
            count("texts"),
            count("answers")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_written_in_its_place_and_comments_stay() {
        let text = "# where\nstore = \"sqlite\"\n# how\nurl = \"\"\n";
        let url = "host=a password='\"\\'";
        let text = set(&set(text, "store", "postgres"), "url", url);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["# where", "store = \"postgres\"", "# how"]);
        let read: toml::Table = text.parse().expect("it is TOML");
        assert_eq!(read["url"].as_str(), Some(url));
    }

    #[test]
    fn a_setting_that_is_not_there_comes_last() {
        assert_eq!(set("# only words\n", "schema", "w2"), "# only words\nschema = \"w2\"\n");
    }
}
