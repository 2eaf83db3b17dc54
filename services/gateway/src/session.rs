//! Sessions of browsers: begun by a one-time link, kept in files so that a restart of the gateway
//! signs nobody out, ended by time or by the person.
//!
//! Neither the link's token nor the cookie's is ever stored: files are named by their SHA-256.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use vivarium_chassis::{World, clock, world};
use vivarium_types::{Clock, Timestamp};

use crate::config::Config;

/// The cookie's name. The prefix makes browsers refuse it without Secure, with a Domain or another
/// path.
pub const COOKIE: &str = "__Host-vivarium";
/// How long a sign-in link may be used.
const LINK_LIFE: Duration = Duration::from_mins(10);
/// How often the last use of a session is written down.
const TOUCH_EVERY: Duration = Duration::from_mins(5);
/// Characters of a token: 32 random bytes in hexadecimal.
const TOKEN_LENGTH: usize = 64;

/// The sessions of a world.
#[derive(Debug)]
pub struct Sessions {
    links: PathBuf,
    folder: PathBuf,
    idle: Duration,
    life: Duration,
    clock: Arc<dyn Clock>,
}

/// One browser's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The operator's name.
    pub operator: String,
    /// What each request repeats in a header, so that another page's request is none of ours.
    pub csrf: String,
    /// When it began, in microseconds since the Unix epoch.
    pub begun_us: i64,
    /// When it was last written down as used.
    pub used_us: i64,
}

impl Sessions {
    /// The sessions of `world`.
    pub fn open(world: &World, config: &Config, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let folder = world.run().join("sessions");
        world::private_folder(&folder)?;
        let links = world.run().join("signin");
        world::private_folder(&links)?;
        let (idle, life) = (config.session_idle, config.session_life);
        Ok(Self { links, folder, idle, life, clock })
    }

    /// Spends a sign-in link's token. `None`: it was used, has expired, or never was.
    pub fn begin(&self, token: &str) -> io::Result<Option<(String, Session)>> {
        if !well_formed(token) {
            return Ok(None);
        }
        let link = self.links.join(name(token));
        let age = fs::metadata(&link).and_then(|found| found.modified()).ok().map(moment);
        // Whoever takes the file away has spent the link: of two at once only one succeeds.
        match fs::remove_file(&link) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let now = self.clock.now();
        if age.is_none_or(|made| now.since(made) > LINK_LIFE) {
            return Ok(None);
        }
        let cookie = hex::encode(clock::random::<32>());
        let session = Session {
            operator: "panel".to_owned(),
            csrf: hex::encode(clock::random::<32>()),
            begun_us: now.as_micros(),
            used_us: now.as_micros(),
        };
        self.write(&cookie, &session)?;
        Ok(Some((cookie, session)))
    }

    /// The live session behind a cookie.
    pub fn find(&self, cookie: &str) -> Option<Session> {
        if !well_formed(cookie) {
            return None;
        }
        let path = self.folder.join(name(cookie));
        let session: Session = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let now = self.clock.now();
        let since = |moment_us| now.since(Timestamp::from_micros(moment_us));
        if since(session.begun_us) > self.life || since(session.used_us) > self.idle {
            forget(&path);
            return None;
        }
        if since(session.used_us) >= TOUCH_EVERY {
            let used = Session { used_us: now.as_micros(), ..session.clone() };
            if let Err(error) = self.write(cookie, &used) {
                tracing::warn!(%error, "a session's use was not written down");
            }
        }
        Some(session)
    }

    /// Ends a session.
    pub fn end(&self, cookie: &str) {
        if well_formed(cookie) {
            forget(&self.folder.join(name(cookie)));
        }
    }

    /// When a session ends at the latest.
    pub fn end_time(&self, session: &Session) -> Timestamp {
        Timestamp::from_micros(session.begun_us) + self.life
    }

    fn write(&self, cookie: &str, session: &Session) -> io::Result<()> {
        world::replace(&self.folder.join(name(cookie)), &serde_json::to_vec(session)?)
    }
}

impl Session {
    /// Whether a request's header repeats the session's word. Takes the same time for every word.
    pub fn knows(&self, csrf: &str) -> bool {
        self.csrf.as_bytes().ct_eq(csrf.as_bytes()).into()
    }
}

fn moment(time: std::time::SystemTime) -> Timestamp {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH + since
}

fn name(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

fn well_formed(token: &str) -> bool {
    token.len() == TOKEN_LENGTH && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn forget(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "an ended session stays");
    }
}

#[cfg(test)]
mod tests {
    use vivarium_types::ManualClock;

    use super::*;

    struct Stand {
        _folder: tempfile::TempDir,
        world: World,
        clock: Arc<ManualClock>,
        sessions: Sessions,
    }

    fn stand() -> Stand {
        let folder = tempfile::tempdir().expect("a folder");
        let world = World::open(folder.path().join("w")).expect("it opens");
        let clock = Arc::new(ManualClock::at(clock::SystemClock.now()));
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let sessions = Sessions::open(&world, &Config::default(), shared).expect("it opens");
        Stand { _folder: folder, world, clock, sessions }
    }

    fn link(stand: &Stand) -> String {
        let token = hex::encode(clock::random::<32>());
        let path = stand.world.run().join("signin").join(name(&token));
        fs::write(path, b"").expect("it is written");
        token
    }

    #[test]
    fn a_link_signs_in_once() {
        let stand = stand();
        let token = link(&stand);
        let (cookie, session) =
            stand.sessions.begin(&token).expect("it reads").expect("it is live");
        assert_eq!(stand.sessions.find(&cookie), Some(session));
        assert_eq!(stand.sessions.begin(&token).expect("it reads"), None);
    }

    #[test]
    fn an_old_link_and_an_invented_one_sign_nobody_in() {
        let stand = stand();
        let token = link(&stand);
        stand.clock.advance(Duration::from_mins(11));
        assert_eq!(stand.sessions.begin(&token).expect("it reads"), None);
        for invented in ["", "../../etc/passwd", &"0".repeat(64)] {
            assert_eq!(stand.sessions.begin(invented).expect("it reads"), None, "{invented}");
        }
    }

    #[test]
    fn a_session_ends_by_rest_by_age_and_by_word() {
        let stand = stand();
        let signed_in = || {
            let token = link(&stand);
            stand.sessions.begin(&token).expect("it reads").expect("it is live").0
        };
        let cookie = signed_in();
        stand.sessions.end(&cookie);
        assert_eq!(stand.sessions.find(&cookie), None);
        let cookie = signed_in();
        for _ in 0..14 {
            stand.clock.advance(Duration::from_hours(11));
            assert!(stand.sessions.find(&cookie).is_some(), "each use keeps it");
        }
        stand.clock.advance(Duration::from_hours(11));
        assert!(stand.sessions.find(&cookie).is_some());
        stand.clock.advance(Duration::from_hours(11));
        assert_eq!(stand.sessions.find(&cookie), None, "a week is the longest");
    }

    #[test]
    fn only_the_session_s_own_word_counts() {
        let stand = stand();
        let token = link(&stand);
        let (_, session) = stand.sessions.begin(&token).expect("it reads").expect("it is live");
        assert!(session.knows(&session.csrf.clone()));
        assert!(!session.knows("") && !session.knows(&"0".repeat(64)));
    }
}
