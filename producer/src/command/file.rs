//! Where a command reads from: a file, or standard input.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::io::{AsyncRead, AsyncReadExt};
use warren_service::exit::{Exit, Failure};

/// Bytes as they arrive.
pub(super) type Input = Box<dyn AsyncRead + Send + Unpin>;

/// Why input cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// The file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading failed half-way.
    #[error("cannot read {what}")]
    Read {
        /// The file, or standard input.
        what: String,
        /// Why.
        source: io::Error,
    },
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Exit::BadInput.because(error)
    }
}

/// Opens a file; `-` is standard input.
pub(super) async fn open(path: &Path) -> Result<Input, InputError> {
    if path == Path::new("-") {
        return Ok(Box::new(tokio::io::stdin()));
    }
    let file = tokio::fs::File::open(path).await;
    let file = file.map_err(|source| InputError::Open { path: path.to_owned(), source })?;
    Ok(Box::new(file))
}

/// Reads all of a file, but not more than one byte over `limit`.
pub(super) async fn read_whole(path: &Path, limit: usize) -> Result<Vec<u8>, InputError> {
    let input = open(path).await?;
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut whole = Vec::new();
    let read = input.take(most).read_to_end(&mut whole).await;
    read.map_err(|source| InputError::Read { what: path.display().to_string(), source })?;
    Ok(whole)
}
