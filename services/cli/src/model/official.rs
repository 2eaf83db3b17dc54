//! A model's file from its maker's own address, over https (or http to this machine), taken up where
//! it was broken off.

use std::error::Error as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::manifest::Model;
use super::progress::{FETCHING, Progress};
use super::python::Said;

const CONNECT: Duration = Duration::from_secs(10);
/// The longest silence of a source.
const SILENCE: Duration = Duration::from_mins(1);
/// How often a broken connection is made again, as long as each brings something.
const TRIES: u32 = 5;
const REDIRECTS: usize = 5;

/// Completes the half-fetched file.
pub(super) async fn fetch(model: &Model, part: &Path, progress: &Progress) -> Result<(), Said> {
    let address = model.official.as_deref().ok_or("it does not have it")?;
    let url = Url::parse(address).map_err(|_| format!("{address} is no address"))?;
    if !is_safe(&url) {
        return Err("its address is not https".to_owned());
    }
    let client = client().map_err(|error| words(&error))?;
    progress.begin(FETCHING, model.bytes);
    let mut tries = 0;
    loop {
        let before = length(part);
        tries += 1;
        match once(&client, &url, model, part, progress).await {
            Ok(()) => return Ok(()),
            Err(said) if tries == TRIES || length(part) <= before => return Err(said),
            Err(said) => progress.say(&format!("source     {said}; going on")),
        }
    }
}

fn client() -> reqwest::Result<Client> {
    let redirects = Policy::custom(|attempt| {
        if attempt.previous().len() > REDIRECTS {
            attempt.error("too many redirects")
        } else if is_safe(attempt.url()) {
            attempt.follow()
        } else {
            attempt.error("it leads to an address that is not https")
        }
    });
    let agent = concat!("vivarium/", env!("CARGO_PKG_VERSION"));
    Client::builder()
        .user_agent(agent)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .redirect(redirects)
        .build()
}

/// One connection: from where the file stands to its end.
async fn once(
    client: &Client,
    url: &Url,
    model: &Model,
    part: &Path,
    progress: &Progress,
) -> Result<(), Said> {
    let there = length(part);
    if there >= model.bytes {
        return Ok(());
    }
    let mut request = client.get(url.clone());
    if there > 0 {
        request = request.header(RANGE, format!("bytes={there}-"));
    }
    let mut response = request.send().await.map_err(|error| words(&error))?;
    let start = start(&response, there)?;
    let said = |error: io::Error| error.to_string();
    let mut file = open(part, start).map_err(said)?;
    let mut done = start;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                done += chunk.len() as u64;
                if done > model.bytes {
                    drop(fs::remove_file(part));
                    return Err("it sends more than the file has".to_owned());
                }
                file.write_all(&chunk).map_err(said)?;
                progress.at(done);
            }
            Ok(None) => break,
            Err(error) => {
                file.sync_all().map_err(said)?;
                return Err(words(&error));
            }
        }
    }
    file.sync_all().map_err(said)?;
    if done == model.bytes { Ok(()) } else { Err(format!("it ended after {done} bytes")) }
}

/// Where the answer begins: where we asked, or at the start when the source cannot resume.
fn start(response: &Response, there: u64) -> Result<u64, Said> {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    match response.status() {
        StatusCode::OK => Ok(0),
        StatusCode::PARTIAL_CONTENT
            if range.is_some_and(|range| range.starts_with(&format!("bytes {there}-"))) =>
        {
            Ok(there)
        }
        StatusCode::PARTIAL_CONTENT => Err("it answers with another range".to_owned()),
        status => Err(format!("it answers {status}")),
    }
}

fn open(part: &Path, start: u64) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(part)?;
    file.set_len(start)?;
    Ok(file)
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// Plain http leads only to this machine.
fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost")),
        _ => false,
    }
}

/// The innermost cause, which says most; without the address.
fn words(error: &reqwest::Error) -> Said {
    let mut text = "the request failed".to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}
