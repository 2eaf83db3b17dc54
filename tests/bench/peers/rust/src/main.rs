//! One cell of one peer: `peers PEER CELL [--n N] [--clients C] [--seconds S]`, one line of JSON.
//!
//! BENCH_POSTGRES says where PostgreSQL is, BENCH_FOLDER where files may lie.

mod apalis_postgres_peer;
mod apalis_sqlite_peer;
mod awa_peer;
mod cells;

use anyhow::{Result, bail};
use cells::{Peer, Settings, run};

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [peer, cell, rest @ ..] = words.as_slice() else {
        bail!(
            "usage: peers awa|apalis-postgres|apalis-sqlite CELL [--n N] [--clients C] [--seconds S]"
        );
    };
    let mut settings = Settings { n: 20_000, clients: 64, seconds: 4 };
    for pair in rest.chunks(2) {
        match pair {
            [name, value] if name == "--n" => settings.n = value.parse()?,
            [name, value] if name == "--clients" => settings.clients = value.parse()?,
            [name, value] if name == "--seconds" => settings.seconds = value.parse()?,
            other => bail!("unknown: {other:?}"),
        }
    }
    let measured = match peer.as_str() {
        awa_peer::Awa::NAME => run::<awa_peer::Awa>(cell, settings).await?,
        apalis_postgres_peer::Apalis::NAME => {
            run::<apalis_postgres_peer::Apalis>(cell, settings).await?
        }
        apalis_sqlite_peer::Apalis::NAME => {
            run::<apalis_sqlite_peer::Apalis>(cell, settings).await?
        }
        other => bail!("there is no peer {other}"),
    };
    println!("{measured}");
    // Workers may still hold connections; nothing is left to say.
    std::process::exit(0)
}

/// The address of a database of this name, made anew if it is to be fresh.
pub async fn database(name: &str, fresh: bool) -> Result<String> {
    let address = std::env::var("BENCH_POSTGRES")?;
    if fresh {
        let pool = sqlx::PgPool::connect(&address).await?;
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&pool).await?;
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await?;
    }
    let Some((server, _)) = address.rsplit_once('/') else { bail!("{address} names no database") };
    Ok(format!("{server}/{name}"))
}
