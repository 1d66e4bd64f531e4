//! The bearer token that clients must show, where the pipeline asks for one.
//!
//! The token lives in a file that may change: what is accepted follows the file within
//! [`RE_READ`]. Comparing takes the same time wherever two tokens differ. Which routes are covered
//! is the router's business.

use std::{
    fmt, fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;
use tracing::{info, warn};

/// How old the knowledge of the file's content may be.
pub const RE_READ: Duration = Duration::from_secs(1);

/// Who may come in: those who know the content of a file.
#[derive(Clone)]
pub struct Bearer {
    path: PathBuf,
    known: Arc<Mutex<Known>>,
}

/// What the file held when it was last read.
struct Known {
    token: Vec<u8>,
    read_at: Instant,
    /// Whether the last reading failed, so that this is said once and not every second.
    failing: bool,
}

/// What reading the file again has brought.
enum News {
    None,
    Changed,
    Failing(TokenError),
}

/// Why a file holds no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the bearer token from {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing in it, and nothing must not let everybody in.
    #[error("the bearer token file {} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Why a client may not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It shows nothing, or something else than a bearer token.
    #[error("this route needs the header `Authorization: Bearer <token>`")]
    Missing,
    /// It shows another token.
    #[error("the bearer token is not the right one")]
    Wrong,
}

impl Bearer {
    /// Accepts the token in a file; white space around it does not count.
    ///
    /// # Errors
    /// When there is no token in it now.
    pub fn from_file(path: PathBuf) -> Result<Self, TokenError> {
        let known = Known { token: read(&path)?, read_at: Instant::now(), failing: false };
        Ok(Self { path, known: Arc::new(Mutex::new(known)) })
    }

    /// Judges a request by its headers.
    ///
    /// # Errors
    /// Why it may not come in.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let shown = shown(headers).ok_or(Denied::Missing)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.read_at.elapsed() >= RE_READ {
            self.refresh(&mut known);
        }
        // Slices of different lengths are unequal at once: only the length of a token may leak.
        let same = bool::from(known.token.ct_eq(shown));
        same.then_some(()).ok_or(Denied::Wrong)
    }

    /// Reads the file again; what it says is logged once and not every second.
    fn refresh(&self, known: &mut Known) {
        known.read_at = Instant::now();
        match known.learn(read(&self.path)) {
            News::None => {}
            News::Changed => info!("the bearer token has changed"),
            News::Failing(error) => keep(&error),
        }
    }
}

impl Known {
    /// A file that is gone or empty changes nothing: it is most likely being replaced.
    fn learn(&mut self, read: Result<Vec<u8>, TokenError>) -> News {
        match read {
            Ok(token) => {
                self.failing = false;
                let before = std::mem::replace(&mut self.token, token);
                if before == self.token { News::None } else { News::Changed }
            }
            Err(_) if self.failing => News::None,
            Err(error) => {
                self.failing = true;
                News::Failing(error)
            }
        }
    }
}

fn keep(error: &TokenError) {
    warn!(%error, "keeping the bearer token that was last read");
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("path", &self.path).finish_non_exhaustive()
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, TokenError> {
    let content =
        fs::read(path).map_err(|source| TokenError::Read { path: path.clone(), source })?;
    match content.trim_ascii() {
        [] => Err(TokenError::Empty { path: path.clone() }),
        token => Ok(token.to_vec()),
    }
}

/// The token of a request; the name of the scheme is read in any case
/// ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-11.1)).
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// A token file of its own for each test.
    fn token_file(name: &str, content: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("token-{name}-{}", std::process::id()));
        fs::write(&path, content).unwrap();
        path
    }

    fn showing(value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap();
        [(header::AUTHORIZATION, value)].into_iter().collect()
    }

    #[test]
    fn only_the_right_token_comes_in() {
        let bearer = Bearer::from_file(token_file("right", "s3cret\n")).unwrap();
        for good in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret"] {
            assert_eq!(bearer.admit(&showing(good)), Ok(()), "{good}");
        }
        for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer S3cret", "Bearer "] {
            assert_eq!(bearer.admit(&showing(wrong)), Err(Denied::Wrong), "{wrong}");
        }
        for other in ["Basic s3cret", "s3cret", "Bearers3cret", ""] {
            assert_eq!(bearer.admit(&showing(other)), Err(Denied::Missing), "{other}");
        }
        assert_eq!(bearer.admit(&HeaderMap::new()), Err(Denied::Missing));
        assert!(!format!("{bearer:?}").contains("s3cret"));
    }

    #[test]
    fn an_empty_or_missing_file_lets_nobody_in() {
        let empty = token_file("empty", " \n");
        assert!(matches!(Bearer::from_file(empty), Err(TokenError::Empty { .. })));
        let missing = PathBuf::from("/nowhere/token");
        assert!(matches!(Bearer::from_file(missing), Err(TokenError::Read { .. })));
    }

    #[test]
    fn a_changed_file_is_followed_and_a_vanished_one_is_not() {
        let path = token_file("changed", "old");
        let bearer = Bearer::from_file(path.clone()).unwrap();
        let age = || {
            let long_ago = Instant::now().checked_sub(RE_READ).unwrap();
            bearer.known.lock().unwrap().read_at = long_ago;
        };
        fs::write(&path, "new").unwrap();
        assert_eq!(bearer.admit(&showing("Bearer old")), Ok(()), "not yet read");
        age();
        assert_eq!(bearer.admit(&showing("Bearer new")), Ok(()));
        assert_eq!(bearer.admit(&showing("Bearer old")), Err(Denied::Wrong));
        fs::remove_file(&path).unwrap();
        age();
        assert_eq!(bearer.admit(&showing("Bearer new")), Ok(()));
    }
}
