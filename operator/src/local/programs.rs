//! The programs that are run, found before anything starts.

use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use crate::{args::LocalArgs, pipeline::Pipeline};

/// The programs that are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    /// `warren-worker`.
    pub(super) worker: PathBuf,
    /// `warren-producer`.
    pub(super) producer: PathBuf,
}

/// A program that is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoProgram {
    /// Not where it was said to be.
    #[error("{} ({flag}) is no file", path.display())]
    NotThere { path: PathBuf, flag: &'static str },
    /// Nowhere at all.
    #[error(
        "{name} is neither beside this program nor in PATH: install it, or say with {flag} where \
         it is"
    )]
    Nowhere { name: &'static str, flag: &'static str },
}

/// What is looked for, and where first.
struct Wanted<'a> {
    name: &'static str,
    flag: &'static str,
    typed: Option<&'a Path>,
}

impl Programs {
    /// What was typed, else the neighbours of this program, else what `PATH` has.
    ///
    /// # Errors
    /// When a program that these pipelines need is not there.
    pub(super) fn find<'a>(
        args: &LocalArgs,
        pipelines: impl IntoIterator<Item = &'a Pipeline>,
    ) -> Result<Self, NoProgram> {
        let places = places(env::current_exe(), args.homes.path.as_deref());
        let worker = Wanted {
            name: "warren-worker",
            flag: "--worker-binary",
            typed: args.worker_binary.as_deref(),
        };
        let producer = Wanted {
            name: "warren-producer",
            flag: "--producer-binary",
            typed: args.producer_binary.as_deref(),
        };
        let serves = pipelines.into_iter().any(|pipeline| pipeline.producer.server.is_some());
        Ok(Self {
            worker: worker.find(&places)?,
            producer: match producer.find(&places) {
                Err(error) if serves => return Err(error),
                found => found.unwrap_or_default(),
            },
        })
    }
}

impl Wanted<'_> {
    fn find(&self, places: &[PathBuf]) -> Result<PathBuf, NoProgram> {
        let flag = self.flag;
        if let Some(path) = self.typed {
            let not_there = || NoProgram::NotThere { path: path.to_owned(), flag };
            let absolute = std::path::absolute(path).map_err(|_| not_there())?;
            return Some(absolute).filter(|path| path.is_file()).ok_or_else(not_there);
        }
        let candidates = places.iter().map(|place| place.join(self.name));
        let mut found = candidates.filter(|path| path.is_file());
        let name = self.name;
        found.next().ok_or(NoProgram::Nowhere { name, flag })
    }
}

/// The directory of this program, then those of `PATH`.
fn places(own: io::Result<PathBuf>, path: Option<&OsStr>) -> Vec<PathBuf> {
    let own = own.ok().and_then(|own| own.parent().map(Path::to_owned));
    let others = path.into_iter().flat_map(env::split_paths);
    own.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn wanted(typed: Option<&Path>) -> Wanted<'_> {
        Wanted { name: "warren-worker", flag: "--worker-binary", typed }
    }

    #[test]
    fn a_neighbour_comes_before_path_and_what_was_typed_before_both() {
        let [own, other] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let program = own.path().join("warren-operator");
        let places = places(Ok(program), Some(other.path().as_os_str()));
        assert!(wanted(None).find(&places).is_err());
        let second = other.path().join("warren-worker");
        fs::write(&second, "").unwrap();
        assert_eq!(wanted(None).find(&places).unwrap(), second);
        let first = own.path().join("warren-worker");
        fs::write(&first, "").unwrap();
        assert_eq!(wanted(None).find(&places).unwrap(), first);
        assert_eq!(wanted(Some(&second)).find(&places).unwrap(), second);
    }

    #[test]
    fn what_was_typed_and_is_not_there_is_not_looked_for_elsewhere() {
        let error = wanted(Some(Path::new("/nowhere/w"))).find(&[]).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/w (--worker-binary) is no file");
    }
}
