//! What is wrong with manifests, and where.

use std::fmt;

/// A document of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    file: String,
    document: usize,
    line: u64,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The file and the document; nothing when it is about all of them.
    at: String,
    /// The field, such as `spec.queues[0].name`.
    path: String,
    /// What is wrong, and what to do.
    message: String,
}

/// Everything that is wrong: at least one thing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Place {
    /// The n-th document of a file, counted from 1, which begins at a line.
    pub(super) fn new(file: &str, document: usize, line: u64) -> Self {
        let file = file.to_owned();
        Self { file, document, line }
    }
}

impl Mistake {
    /// Something wrong with a field of a document; an empty path is the document itself.
    pub(crate) fn new(place: &Place, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: place.to_string(), path: path.into(), message: message.into() }
    }

    /// Whether it is about a field of this part of the object.
    pub(super) fn is_within(&self, part: &str) -> bool {
        self.path.starts_with(part)
    }

    /// Something wrong with a whole file.
    pub(super) fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self { at: file.to_owned(), path: String::new(), message: message.into() }
    }

    /// Something wrong with all files together.
    pub(super) fn of_all(message: &str) -> Self {
        Self { at: String::new(), path: String::new(), message: message.to_owned() }
    }
}

impl Mistakes {
    /// Nothing, if nothing is wrong.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn none_of(mistakes: Vec<Mistake>) -> Result<(), Self> {
        if mistakes.is_empty() { Ok(()) } else { Err(Self(mistakes)) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, document, line } = self;
        write!(f, "{file}, document {document} (line {line})")
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.at, &self.path, &self.message];
        let told: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        f.write_str(&told.join(": "))
    }
}

/// One as it is, several below each other.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return only.fmt(f);
        }
        write!(f, "{} mistakes in the manifests", self.0.len())?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}
