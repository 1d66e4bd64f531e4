//! `producer.yaml`: what a producer is told about its pipeline.

use std::path::Path;

use warren_core::{config::ProducerConfig, retry::Delay};

use crate::pipeline::{Access, Pipeline};

/// The name of the file.
pub const FILE: &str = "producer.yaml";

impl Pipeline {
    /// What the producers of the pipeline are told; `secrets` is the directory in which the keys of
    /// Secrets stand as `<secret>/<key>`.
    pub fn producer_config(&self, secrets: &Path) -> ProducerConfig {
        let bearer_token_file = match &self.producer.access {
            Access::Open => None,
            Access::Bearer(token) => {
                let file = secrets.join(&token.name).join(&token.key);
                Some(file.to_string_lossy().into_owned())
            }
        };
        ProducerConfig {
            pipeline: self.id.clone(),
            prefix: self.prefix.clone(),
            unrouted: self.unrouted,
            max_message_bytes: self.producer.max_message_bytes,
            max_delay: Some(Delay(self.longest_delay())),
            bearer_token_file,
        }
    }
}

/// The text of the file.
///
/// # Panics
/// Never: the type is made of YAML's own kinds of values.
pub fn render(config: &ProducerConfig) -> String {
    serde_saphyr::to_string(config).expect("a producer's configuration is plain data")
}
