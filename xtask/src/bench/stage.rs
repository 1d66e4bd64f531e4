//! Where it is measured: a virtual host with one exchange and one quorum queue, and the files that
//! the programs read.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::management::{Management, broker_file};
use crate::paths;

/// The pipeline that worker and producer are told they belong to.
pub(super) const PIPELINE: &str = "bench/footprint";
/// Its exchange, which is its name prefix.
pub(super) const EXCHANGE: &str = "bench.footprint";
/// Its queue.
const QUEUE: &str = "all";
/// What the queue is called on the broker.
pub(super) const MAIN_QUEUE: &str = "bench.footprint.all";

/// The type of the queue, for floor and Warren alike.
pub(super) const QUEUE_TYPE: &str = "quorum";

/// Files of a broker folder that only a broker with TLS needs.
const TLS_FILES: [&str; 4] = ["ca.crt", "tls.crt", "tls.key", "tls-server-name"];

/// The virtual host, and a folder for files.
pub(super) struct Stage {
    management: Management,
    vhost: String,
    folder: PathBuf,
    login: PathBuf,
}

impl Stage {
    /// Prepares the files in `folder`; makes nothing on the broker.
    ///
    /// # Errors
    /// When the broker folder is incomplete, or is one for TLS.
    pub(super) fn new(broker_dir: &Path, folder: &Path) -> anyhow::Result<Self> {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).context("draw a name for the virtual host")?;
        let stage = Self {
            management: Management::of(broker_dir)?,
            vhost: format!("warren-bench-{:08x}", u32::from_ne_bytes(bytes)),
            folder: folder.to_owned(),
            login: folder.join("broker"),
        };
        paths::create_private(&stage.login)?;
        for name in TLS_FILES {
            ensure!(
                broker_file(broker_dir, name)?.is_none(),
                "{} has a {name}; measure on a broker without TLS, because the bare client speaks \
                 none",
                broker_dir.display()
            );
        }
        for name in ["host", "port", "username", "password"] {
            let value = broker_file(broker_dir, name)?;
            let value =
                value.with_context(|| format!("there is no {name} in {}", broker_dir.display()))?;
            paths::write_private(&stage.login.join(name), &value)?;
        }
        let management = stage.management.address().to_owned();
        let chosen = [
            ("vhost", stage.vhost.as_str()),
            ("tls-mode", "Plaintext"),
            ("management-uri", &management),
        ];
        for (name, value) in chosen {
            paths::write_private(&stage.login.join(name), value)?;
        }
        Ok(stage)
    }

    /// Makes the virtual host and what is in it.
    ///
    /// # Errors
    /// When the broker refuses.
    pub(super) fn make(&self) -> anyhow::Result<()> {
        let (broker, vhost) = (&self.management, self.vhost.as_str());
        broker.put(&["vhosts", vhost], &json!({}))?;
        let everything = json!({"configure": ".*", "write": ".*", "read": ".*"});
        broker.put(&["permissions", vhost, broker.user()], &everything)?;
        let exchange = json!({"type": "topic", "durable": true});
        broker.put(&["exchanges", vhost, EXCHANGE], &exchange)?;
        let queue = json!({"durable": true, "arguments": {"x-queue-type": QUEUE_TYPE}});
        broker.put(&["queues", vhost, MAIN_QUEUE], &queue)?;
        let binding = json!({"routing_key": "#"});
        broker.post(&["bindings", vhost, "e", EXCHANGE, "q", MAIN_QUEUE], &binding)?;
        Ok(())
    }

    /// Removes everything from the queue that no consumer holds.
    ///
    /// # Errors
    /// When the broker refuses.
    pub(super) fn purge(&self) -> anyhow::Result<()> {
        self.management.delete(&["queues", &self.vhost, MAIN_QUEUE, "contents"])
    }

    /// Removes the virtual host, and the users that an operator has made for it.
    ///
    /// # Errors
    /// When the broker refuses.
    pub(super) fn clear(&self) -> anyhow::Result<()> {
        let (broker, vhost) = (&self.management, self.vhost.as_str());
        let cleared = self.remove_users().and_then(|()| broker.delete(&["vhosts", vhost]));
        cleared.with_context(|| format!("remove the virtual host {vhost} and its users"))
    }

    /// The virtual host is ours alone: who else may enter it was made for it.
    fn remove_users(&self) -> anyhow::Result<()> {
        let broker = &self.management;
        let permissions = broker.get(&["vhosts", &self.vhost, "permissions"])?;
        let users = permissions.as_array().into_iter().flatten();
        let users = users.filter_map(|permission| permission["user"].as_str());
        users
            .filter(|user| *user != broker.user())
            .try_for_each(|user| broker.delete(&["users", user]))
    }

    /// The broker's connections, with what went over each.
    ///
    /// # Errors
    /// When the broker refuses.
    pub(super) fn connections(&self) -> anyhow::Result<Value> {
        self.management.get(&["vhosts", &self.vhost, "connections"])
    }

    /// The version of the broker.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn version(&self) -> anyhow::Result<String> {
        let overview = self.management.get(&["overview"])?;
        let version = overview["rabbitmq_version"].as_str();
        version.map(str::to_owned).context("the broker does not say which version it is")
    }

    /// The broker folder of the virtual host.
    pub(super) fn login(&self) -> &Path {
        &self.login
    }

    /// Where files may be written.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file; gives its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        paths::write_private(&path, text)?;
        Ok(path)
    }

    /// Writes the configuration of a worker that takes so many messages at a time and does nothing
    /// with them; gives the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn worker_config(&self, at_a_time: u16) -> anyhow::Result<PathBuf> {
        // JSON, which is YAML too.
        self.write("worker.yaml", &worker_config(at_a_time).to_string())
    }
}

/// The handler writes at a level that is switched off, which is the least a handler can do.
fn worker_config(at_a_time: u16) -> Value {
    json!({
        "pipeline": PIPELINE,
        "prefix": EXCHANGE,
        "queue": QUEUE,
        "handler": {"log": {"level": "Trace"}},
        "concurrency": at_a_time,
        "prefetch": at_a_time,
        "retry": {"attempts": 5, "backoff": {"type": "Fixed", "initial": "1s"}},
        "taskTimeout": "1m",
        "drainTimeout": "10s",
        "consumerTimeout": "30m",
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use warren_core::config::WorkerConfig;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in files {
            fs::write(folder.path().join(name), "5672\n").expect("written");
        }
        folder
    }

    #[test]
    fn the_worker_understands_its_configuration_and_finds_its_queue() {
        let config: WorkerConfig =
            serde_json::from_value(worker_config(256)).expect("a configuration");
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.prefix.main(&config.queue), MAIN_QUEUE);
    }

    #[test]
    fn the_programs_log_in_to_a_virtual_host_of_their_own() {
        let given = folder(&["host", "port", "username", "password", "vhost"]);
        let base = folder(&[]);
        let stage = Stage::new(given.path(), base.path()).expect("a stage");
        let file = |name| broker_file(stage.login(), name).expect("readable");
        assert_eq!(file("port").as_deref(), Some("5672"));
        assert!(file("vhost").is_some_and(|vhost| vhost.starts_with("warren-bench-")));
    }

    #[test]
    fn a_broker_with_tls_is_refused() {
        let given = folder(&["host", "port", "username", "password", "ca.crt"]);
        let error = Stage::new(given.path(), folder(&[]).path()).err().expect("refused");
        assert!(error.to_string().contains("ca.crt"), "{error}");
    }
}
