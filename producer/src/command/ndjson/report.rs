//! The report: what became of each line, as NDJSON in a file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use warren_service::exit::{Exit, Failure};

use crate::outcome::ResultLine;

/// A file, or nothing where none was asked for.
#[derive(Debug)]
pub(super) struct Report(Option<(BufWriter<File>, PathBuf)>);

/// Why there is no report, or not all of it.
#[derive(Debug, thiserror::Error)]
enum ReportError {
    /// The file cannot be made; nothing was published yet.
    #[error("cannot create the report {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line cannot be written; some lines were published.
    #[error("cannot go on writing the report {}; it does not say all", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Report {
    /// Makes the file; one that exists is replaced.
    pub(super) fn create(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.map(Path::to_owned) else {
            return Ok(Self(None));
        };
        match File::create(&path) {
            Ok(file) => Ok(Self(Some((BufWriter::new(file), path)))),
            Err(source) => Err(Exit::Usage.because(ReportError::Create { path, source })),
        }
    }

    /// Adds a line.
    pub(super) fn write(&mut self, result: &ResultLine) -> Result<(), Failure> {
        self.attempt(|file| file.write_all(result.to_ndjson().as_bytes()))
    }

    /// Writes what is still in memory.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.attempt(BufWriter::flush)
    }

    fn attempt(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let Some((file, path)) = &mut self.0 else {
            return Ok(());
        };
        write(file).map_err(|source| {
            let path = path.clone();
            Exit::Internal.because(ReportError::Write { path, source })
        })
    }
}
