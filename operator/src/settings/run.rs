//! What `run` was told, from text to what is valid: each mistake is named with its variable.

use std::{fmt, net::SocketAddr, time::Duration};

use warren_core::{duration, names::PipelineId};

use super::{ImagePull, PullPolicy};
use crate::args::RunArgs;

/// What the operator in a cluster was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The image of workers that ask for none.
    pub worker_image: String,
    /// The image of producers that ask for none.
    pub producer_image: String,
    /// How nodes get images.
    pub pull: ImagePull,
    /// Which cluster this is.
    pub cluster: ClusterId,
    /// Which pipelines are ours.
    pub watched: Watched,
    /// Where metrics and health are shown.
    pub address: SocketAddr,
    /// The name of this process in events.
    pub pod: String,
    /// How often a pipeline is compared with its broker when nothing happens.
    pub interval: Duration,
    /// How many passes run at once.
    pub concurrency: usize,
}

/// Which cluster this is, which is the first part of every owner marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterId {
    /// This id.
    Given(String),
    /// The uid of namespace `kube-system`.
    OfKubeSystem,
}

/// Which pipelines are ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// In which namespaces; all of the cluster when absent.
    pub namespaces: Option<Vec<String>>,
    /// With which labels; a label selector, all of them when absent.
    pub labels: Option<String>,
}

/// Everything that is wrong with what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(Vec<String>);

/// The most passes at once: each holds connections to the API server and a broker.
const MOST_CONCURRENT: usize = 256;
/// The shortest interval: below it a broker would do little but answer.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(5);

impl Run {
    /// Reads what was typed.
    ///
    /// # Errors
    /// All mistakes, each with the variable it is in.
    pub fn read(args: &RunArgs) -> Result<Self, Refused> {
        let mut mistakes = Mistakes::default();
        let worker_image = mistakes.required("WARREN_WORKER_IMAGE", args.worker_image.as_ref());
        let producer_image =
            mistakes.required("WARREN_PRODUCER_IMAGE", args.producer_image.as_ref());
        let policy = mistakes.parsed("WARREN_IMAGE_PULL_POLICY", &args.pull_policy, pull_policy);
        let port = mistakes.parsed("WARREN_HTTP_PORT", &args.http_port, port);
        let interval = mistakes.parsed("WARREN_RECONCILE_INTERVAL", &args.interval, interval);
        let concurrency =
            mistakes.parsed("WARREN_RECONCILE_CONCURRENCY", &args.concurrency, concurrency);
        let namespaces = list(args.namespaces.as_deref());
        for namespace in &namespaces {
            mistakes.judge("WARREN_WATCH_NAMESPACES", namespace_name(namespace));
        }
        mistakes.none_or(Self {
            worker_image: worker_image.unwrap_or_default(),
            producer_image: producer_image.unwrap_or_default(),
            pull: ImagePull {
                policy: policy.unwrap_or_default(),
                secrets: list(args.pull_secrets.as_deref()),
            },
            cluster: given(args.cluster_id.as_ref())
                .map_or(ClusterId::OfKubeSystem, ClusterId::Given),
            watched: Watched {
                namespaces: (!namespaces.is_empty()).then_some(namespaces),
                labels: given(args.labels.as_ref()),
            },
            address: SocketAddr::new(args.http_host, port.unwrap_or_default()),
            pod: given(args.pod.as_ref()).unwrap_or_else(|| "warren-operator".to_owned()),
            interval: interval.unwrap_or_default(),
            concurrency: concurrency.unwrap_or_default(),
        })
    }
}

/// What was wrong so far.
#[derive(Default)]
struct Mistakes(Vec<String>);

impl Mistakes {
    fn required(&mut self, variable: &str, text: Option<&String>) -> Option<String> {
        let found = given(text);
        if found.is_none() {
            self.0.push(format!("{variable} is not set: name the image"));
        }
        found
    }

    fn parsed<T>(
        &mut self,
        variable: &str,
        text: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = parse(text.trim());
        parsed.map_err(|why| self.0.push(format!("{variable} is `{text}`: {why}"))).ok()
    }

    fn judge(&mut self, variable: &str, verdict: Result<(), String>) {
        self.0.extend(verdict.err().map(|why| format!("{variable}: {why}")));
    }

    fn none_or(self, run: Run) -> Result<Run, Refused> {
        if self.0.is_empty() { Ok(run) } else { Err(Refused(self.0)) }
    }
}

/// An empty variable in a manifest means "not set".
fn given(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The items of a comma list, each once.
fn list(text: Option<&str>) -> Vec<String> {
    let items = text.unwrap_or_default().split(',').map(str::trim);
    let mut items: Vec<String> = items.filter(|item| !item.is_empty()).map(str::to_owned).collect();
    items.sort();
    items.dedup();
    items
}

fn pull_policy(text: &str) -> Result<PullPolicy, String> {
    let found = PullPolicy::ALL.into_iter().find(|policy| policy.as_str() == text);
    found.ok_or_else(|| "write Always, IfNotPresent or Never".to_owned())
}

fn port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| "write a port from 1 to 65535".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration::parse(text).map_err(|error| error.to_string())?;
    if interval < SHORTEST_INTERVAL {
        return Err(format!("write at least {}", duration::format(SHORTEST_INTERVAL)));
    }
    Ok(interval)
}

fn concurrency(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST_CONCURRENT).contains(number));
    number.ok_or_else(|| format!("write a number from 1 to {MOST_CONCURRENT}"))
}

fn namespace_name(namespace: &str) -> Result<(), String> {
    let verdict = PipelineId::new(namespace, "any");
    verdict.map(|_| ()).map_err(|_| format!("`{namespace}` is no name of a namespace"))
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn read(arguments: &[&str]) -> Result<Run, String> {
        let typed = ["warren-operator", "run"].iter().chain(arguments);
        let Command::Run(args) = Args::try_parse_from(typed).unwrap().command else {
            panic!("another command");
        };
        Run::read(&args).map_err(|refused| refused.to_string())
    }

    fn with(arguments: &[&str]) -> Result<Run, String> {
        let images = ["--worker-image", "w:1", "--producer-image", "p:1"];
        read(&[&images, arguments].concat())
    }

    #[test]
    fn images_are_all_that_must_be_said() {
        let run = with(&[]).unwrap();
        assert_eq!((run.worker_image.as_str(), run.producer_image.as_str()), ("w:1", "p:1"));
        assert_eq!(run.pull, ImagePull::default());
        assert_eq!(run.cluster, ClusterId::OfKubeSystem);
        assert_eq!(run.watched, Watched { namespaces: None, labels: None });
        assert_eq!((run.address.port(), run.interval.as_secs(), run.concurrency), (8080, 60, 8));
    }

    #[test]
    fn lists_take_spaces_and_repetitions() {
        let run = with(&["--watch-namespaces", " shop, mail,,shop "]).unwrap();
        let namespaces = ["mail", "shop"].map(str::to_owned).to_vec();
        assert_eq!(run.watched.namespaces, Some(namespaces));
        assert_eq!(with(&["--watch-namespaces", ""]).unwrap().watched.namespaces, None);
        let run = with(&["--image-pull-secrets", "a,b"]).unwrap();
        assert_eq!(run.pull.secrets, ["a", "b"]);
    }

    #[test]
    fn every_mistake_is_named_with_its_variable() {
        let refused = read(&[
            "--worker-image",
            " ",
            "--http-port",
            "0",
            "--reconcile-interval",
            "1s",
            "--reconcile-concurrency",
            "many",
            "--image-pull-policy",
            "Sometimes",
            "--watch-namespaces",
            "Shop",
        ])
        .unwrap_err();
        for variable in [
            "WARREN_WORKER_IMAGE",
            "WARREN_PRODUCER_IMAGE",
            "WARREN_HTTP_PORT",
            "WARREN_RECONCILE_INTERVAL is `1s`: write at least 5s",
            "WARREN_RECONCILE_CONCURRENCY",
            "WARREN_IMAGE_PULL_POLICY",
            "WARREN_WATCH_NAMESPACES: `Shop`",
        ] {
            assert!(refused.contains(variable), "{variable} is not in: {refused}");
        }
    }
}
