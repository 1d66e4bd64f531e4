//! Helm, as somebody types it, on the chart of this repository.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::object::Objects;

/// The variable that names the program.
const VARIABLE: &str = "WARREN_TEST_HELM";

/// For which Kubernetes is rendered, whatever version helm itself was made for.
const KUBERNETES: [&str; 2] = ["--kube-version", "1.34"];

/// Where a chart is.
pub(crate) struct Chart(PathBuf);

/// The root of this repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The chart of this repository.
pub(crate) fn warren() -> Chart {
    Chart(repository().join("charts/warren"))
}

/// A file of the chart of this repository.
pub(crate) fn file(path: &str) -> String {
    let path = warren().0.join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The values files of the chart, by name, as people in different situations write them.
pub(crate) fn situations() -> Vec<(String, String)> {
    let entries = fs::read_dir(warren().0.join("ci")).unwrap();
    let mut situations: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()))
        .collect();
    situations.sort();
    assert!(situations.len() >= 3, "the chart has lost its ci/ values");
    situations
}

/// All objects of the chart with these values, in YAML, those of `helm test` too.
pub(crate) fn render(values: &str) -> Objects {
    Objects::read(&warren().template(&[], values).unwrap_or_else(|error| panic!("{error}")))
}

/// What helm says when it refuses these values.
pub(crate) fn refusal(values: &str) -> String {
    match warren().template(&[], values) {
        Err(error) => error,
        Ok(_) => panic!("rendered, although it should be refused:\n{values}"),
    }
}

/// `values` with the one at `path` set, each part of the path a key.
pub(crate) fn set(values: &mut Value, path: &str, value: Value) {
    let place = path.split('.').fold(values, |at, key| &mut at[key]);
    *place = value;
}

impl Chart {
    /// The chart at `path`.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What `helm template` prints, or what it says when it refuses.
    pub(crate) fn template(&self, flags: &[&str], values: &str) -> Result<String, String> {
        self.release("warren", flags, values)
    }

    /// The same for a release of another name.
    pub(crate) fn release(
        &self,
        name: &str,
        flags: &[&str],
        values: &str,
    ) -> Result<String, String> {
        let words = ["template", name, "--namespace", "warren-system"];
        self.run(&[&words, &KUBERNETES[..], flags].concat(), values)
    }

    /// What `helm lint` says, or what it says when it finds faults.
    pub(crate) fn lint(&self, values: &str) -> Result<String, String> {
        self.run(&["lint", "--strict"], values)
    }

    fn run(&self, words: &[&str], values: &str) -> Result<String, String> {
        let mut helm = Command::new(program())
            .args(words)
            .arg(&self.0)
            .args(["--values", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start helm: {error}"));
        let mut stdin = helm.stdin.take().unwrap();
        stdin.write_all(values.as_bytes()).unwrap();
        drop(stdin);
        let output = helm.wait_with_output().unwrap();
        let [said, complained] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        if output.status.success() { Ok(said) } else { Err(said + &complained) }
    }
}

fn program() -> PathBuf {
    #[allow(
        clippy::disallowed_methods,
        reason = "test functions have no arguments to be given the program by"
    )]
    let program = std::env::var_os(VARIABLE);
    let program = program.filter(|program| !program.is_empty());
    let advice = || panic!("this test needs helm: run `cargo xtask test`, or set {VARIABLE} to it");
    program.map_or_else(advice, PathBuf::from)
}
