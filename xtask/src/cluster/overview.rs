//! What `cluster status` shows: the components, and where everything is.

use super::component::Component;
use super::layout::Layout;
use super::record::Record;
use super::tools::Tools;

/// Lines for people.
pub(super) fn text(record: &Record, layout: &Layout, tools: &Tools) -> String {
    let running = record.running();
    let state = |component| if running.contains(&component) { "runs" } else { "ended" };
    let components = Component::ALL
        .map(|component| format!("{:<24}{}\n", component.name(), state(component)))
        .concat();
    let places = [
        ("kubeconfig", layout.kubeconfig().display().to_string()),
        ("kubectl", tools.kubectl().display().to_string()),
        ("helm", tools.helm().display().to_string()),
        ("images", layout.images().display().to_string()),
        ("logs", layout.root().join("log").display().to_string()),
        ("node ports", record.network.inside.to_string()),
        ("enter", format!("nsenter --net={}", record.network.namespace_file().display())),
    ];
    let places = places.map(|(name, place)| format!("{name:<24}{place}\n")).concat();
    format!("{components}\n{places}")
}

#[cfg(test)]
mod tests {
    use super::super::network::Network;
    use super::*;
    use crate::args::Homes;
    use crate::paths::Paths;

    #[test]
    fn a_component_that_ended_is_seen() {
        let homes = Homes { home: Some("/h".into()), state_home: None, cache_home: None };
        let paths = Paths::resolve(&homes).expect("folders");
        let record = Record::new("recipe".to_owned(), Network::example());
        let text = text(&record, &Layout::new(&paths), &Tools::new(&paths));
        assert!(text.contains("kubelet                 ended\n"), "{text}");
        assert!(text.contains("nsenter --net=/run/netns/warren-00000000\n"), "{text}");
    }
}
