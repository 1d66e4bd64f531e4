//! What the receiver answers at which path.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use warren_core::duration;

use crate::fate;

/// What a path answers when nobody has said anything else.
pub const OK: u16 = 200;

/// Paths with a behaviour of their own; more are refused.
pub const PATHS_MAX: usize = 1_000;

/// `/status/<code>` answers with that code.
const BY_PATH: &str = "/status/";

/// How a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// The status that is answered.
    pub status: u16,
    /// How long a request takes.
    pub delay: Duration,
    /// Whether some orders fail, by their number ([`fate`]).
    pub unlucky_orders: bool,
}

/// The behaviours of all paths.
#[derive(Debug, Clone)]
pub struct Behaviours {
    usual: Behaviour,
    paths: BTreeMap<String, Behaviour>,
}

/// A behaviour as it is read and shown over HTTP. What a change leaves out stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Told {
    /// The path; none means every path that has no behaviour of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The status that is answered, 200 to 599.
    pub status: Option<u16>,
    /// How long a request takes, such as `50ms`.
    pub delay: Option<String>,
    /// Whether some orders fail.
    pub unlucky_orders: Option<bool>,
}

impl Behaviours {
    /// The same for every path.
    pub fn new(usual: Behaviour) -> Self {
        Self { usual, paths: BTreeMap::new() }
    }

    /// Gives a path a behaviour of its own.
    pub fn set(&mut self, path: String, behaviour: Behaviour) {
        self.paths.insert(path, behaviour);
    }

    /// How a path answers.
    pub fn of(&self, path: &str) -> Behaviour {
        let told = self.paths.get(path).copied().unwrap_or(self.usual);
        let by_path = path.strip_prefix(BY_PATH).and_then(|code| code.parse().ok());
        match by_path.filter(|status| is_status(*status)) {
            Some(status) => Behaviour { status, ..told },
            None => told,
        }
    }

    /// Changes a behaviour as told.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn change(&mut self, told: &Told) -> Result<(), String> {
        let path = told.path.as_deref();
        if path.is_some_and(|path| !path.starts_with('/')) {
            return Err("a path begins with a slash".to_owned());
        }
        if path.is_some_and(|path| !self.paths.contains_key(path)) && self.paths.len() >= PATHS_MAX
        {
            return Err(format!("{PATHS_MAX} paths have a behaviour already; use one of them"));
        }
        let mut behaviour = path.map_or(self.usual, |path| self.of(path));
        if let Some(status) = told.status {
            if !is_status(status) {
                return Err(format!("{status} is no status; write one from 200 to 599"));
            }
            behaviour.status = status;
        }
        if let Some(delay) = &told.delay {
            let read = duration::parse(delay);
            behaviour.delay = read.map_err(|error| format!("delay {delay:?}: {error}"))?;
        }
        behaviour.unlucky_orders = told.unlucky_orders.unwrap_or(behaviour.unlucky_orders);
        match path {
            Some(path) => self.set(path.to_owned(), behaviour),
            None => self.usual = behaviour,
        }
        Ok(())
    }

    /// Lets a path behave like every other one.
    pub fn forget(&mut self, path: &str) {
        self.paths.remove(path);
    }

    /// All of them, the usual one first.
    pub fn list(&self) -> Vec<Told> {
        let usual = Told::of(None, self.usual);
        let paths = self.paths.iter().map(|(path, behaviour)| Told::of(Some(path), *behaviour));
        [usual].into_iter().chain(paths).collect()
    }
}

impl Behaviour {
    /// The status for the run `attempt` (from 1) for message `id` at `path`.
    pub fn status(&self, path: &str, id: &str, attempt: u32) -> u16 {
        if self.unlucky_orders { fate::status(path, id, attempt, self.status) } else { self.status }
    }
}

impl Told {
    fn of(path: Option<&str>, behaviour: Behaviour) -> Self {
        Self {
            path: path.map(str::to_owned),
            status: Some(behaviour.status),
            delay: Some(duration::format(behaviour.delay)),
            unlucky_orders: Some(behaviour.unlucky_orders),
        }
    }
}

/// Final answers of HTTP; what comes before one is not the receiver's to send.
fn is_status(status: u16) -> bool {
    (200..600).contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behaviours() -> Behaviours {
        Behaviours::new(Behaviour { status: OK, delay: Duration::ZERO, unlucky_orders: false })
    }

    fn told(text: &str) -> Told {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_change_leaves_the_rest_as_it_is() {
        let mut behaviours = behaviours();
        behaviours.change(&told(r#"{"path": "/email", "status": 503}"#)).unwrap();
        behaviours.change(&told(r#"{"path": "/email", "delay": "2s"}"#)).unwrap();
        let email = behaviours.of("/email");
        assert_eq!((email.status, email.delay), (503, Duration::from_secs(2)));
        assert_eq!(behaviours.of("/other").status, OK);
        behaviours.change(&told(r#"{"status": 202}"#)).unwrap();
        assert_eq!((behaviours.of("/email").status, behaviours.of("/other").status), (503, 202));
    }

    #[test]
    fn a_path_may_name_its_status() {
        assert_eq!(behaviours().of("/status/418").status, 418);
        assert_eq!(behaviours().of("/status/99").status, OK);
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let mut behaviours = behaviours();
        let before = behaviours.list();
        for wrong in [r#"{"path": "email"}"#, r#"{"status": 99}"#, r#"{"delay": "soon"}"#] {
            assert!(behaviours.change(&told(wrong)).is_err(), "{wrong}");
        }
        assert_eq!(behaviours.list(), before);
    }

    #[test]
    fn the_number_of_paths_is_bounded() {
        let mut behaviours = behaviours();
        for number in 0..PATHS_MAX {
            behaviours.change(&told(&format!(r#"{{"path": "/{number}"}}"#))).unwrap();
        }
        assert!(behaviours.change(&told(r#"{"path": "/more"}"#)).is_err());
        assert!(behaviours.change(&told(r#"{"path": "/0", "status": 500}"#)).is_ok());
    }
}
