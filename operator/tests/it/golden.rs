//! Whole passes as files: `golden/<case>/in.yaml` and what must come of it, byte for byte.
//!
//! `in.yaml` holds the object, then the surroundings, then, where the broker has something of an
//! earlier spec, that object. `WARREN_BLESS=1` writes the expected files anew.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::Value;
use warren_api::{MessagePipeline, MessagePipelineStatus};
use warren_broker::login::Secret;
use warren_core::{
    owner,
    topology::{Argument, FoundQueue},
};
use warren_operator::{
    apply::{Outcome, StepResult},
    children::ChildStep,
    conditions::Evidence,
    observe::{Observed, Past, Stage},
    pipeline::Pipeline,
    plan::{self, Findings, Plan, Step},
    resources::broker_secret,
    status,
    trouble::{Trouble, TroubleReason},
    validate,
    workers::WorkersReading,
};

use crate::{
    scene::{noon, object_of, settings},
    world::World,
};

/// What stands for every password.
const PASSWORD: &str = "<password>";

/// What a pass finds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Surroundings {
    /// The version of the broker.
    version: String,
    /// The tags of the operator's login.
    #[serde(default = "administrator")]
    tags: Vec<String>,
    /// What the broker has already.
    #[serde(default)]
    declared: Declared,
    /// Objects that somebody took away.
    #[serde(default)]
    without: Vec<String>,
    /// Queues that somebody made, with their marker; without one when it is empty.
    #[serde(default)]
    foreign: BTreeMap<String, String>,
    /// The broker refuses the login.
    #[serde(default)]
    unauthorized: bool,
}

/// What the broker has already.
#[derive(Deserialize, Default, PartialEq)]
enum Declared {
    #[default]
    Nothing,
    /// Everything that the object asks for, and the last status says so.
    This,
    /// Everything that the object of the third document asks for.
    Earlier,
}

fn administrator() -> Vec<String> {
    vec!["administrator".to_owned()]
}

struct Case {
    folder: PathBuf,
    object: MessagePipeline,
    surroundings: Surroundings,
    earlier: Option<MessagePipeline>,
}

#[test]
fn every_case_gives_its_files() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 8, "{folders:?}");
    let wrong: Vec<String> =
        folders.into_iter().flat_map(|folder| judge(&Case::read(folder))).collect();
    assert!(wrong.is_empty(), "{}\nWARREN_BLESS=1 writes them anew", wrong.join("\n"));
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let text = fs::read_to_string(folder.join("in.yaml")).unwrap();
        let mut documents: Vec<Value> = serde_saphyr::from_multiple(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let earlier = (documents.len() > 2).then(|| object_of(&documents.remove(2)));
        Self {
            surroundings: serde_json::from_value(documents.remove(1)).unwrap(),
            object: object_of(&documents.remove(0)),
            earlier,
            folder,
        }
    }

    fn pipeline(&self) -> Result<Pipeline, validate::Violations> {
        validate::pipeline(&self.object, &settings())
    }

    fn observed(&self, pipeline: &Pipeline) -> Observed {
        let surroundings = &self.surroundings;
        let stage = match surroundings.declared {
            Declared::This => Stage::Declared,
            Declared::Nothing | Declared::Earlier => Stage::Declaring,
        };
        let world = self.world(pipeline);
        if surroundings.unauthorized {
            let trouble =
                Trouble::new(TroubleReason::Unauthorized, "the broker refuses user admin");
            return Observed {
                broker: Err(trouble),
                children: world.server.reading(),
                past: Past { stage, ..Past::default() },
            };
        }
        world.observed(pipeline, stage)
    }

    fn world(&self, pipeline: &Pipeline) -> World {
        let surroundings = &self.surroundings;
        let mut world = World::empty(&surroundings.version);
        match &surroundings.declared {
            Declared::Nothing => {}
            Declared::This => world.settle(pipeline),
            Declared::Earlier => {
                let earlier = self.earlier.as_ref().expect("a third document");
                world.settle(&validate::pipeline(earlier, &settings()).unwrap());
            }
        }
        let broker = &mut world.broker;
        surroundings.without.iter().for_each(|name| broker.take_away(name));
        for (name, marker) in &surroundings.foreign {
            let marker = (!marker.is_empty())
                .then(|| (owner::ARGUMENT.to_owned(), Argument::from(marker.as_str())));
            let queue = FoundQueue { durable: true, arguments: marker.into_iter().collect() };
            broker.found.queues.insert(name.clone(), queue);
        }
        broker.tags.clone_from(&surroundings.tags);
        world
    }
}

/// The differences between what a case gives and what its files say.
fn judge(case: &Case) -> Vec<String> {
    let pipeline = case.pipeline();
    let (pipeline, observed, plan) = match &pipeline {
        Ok(pipeline) => {
            let observed = case.observed(pipeline);
            let plan = plan::next(pipeline, &observed);
            (Some(pipeline), Some(observed), plan)
        }
        Err(violations) => (None, None, Plan::rejected(violations.clone())),
    };
    let done = plan.steps.iter().map(|step| (step.clone(), StepResult::Done));
    let outcome = Outcome { results: done.collect() };
    let evidence = Evidence {
        pipeline,
        observed: observed.as_ref(),
        plan: &plan,
        outcome: Some(&outcome),
        workers: &WorkersReading::default(),
        paused: None,
        now: noon(),
    };
    let status = status::next(&case.object, &MessagePipelineStatus::default(), &evidence);
    let files = [
        ("plan.txt", shown(&plan)),
        ("objects.yaml", objects(pipeline, observed.as_ref(), &plan)),
        ("status.yaml", serde_saphyr::to_string(&status).unwrap()),
    ];
    let wrong =
        files.into_iter().filter_map(|(name, text)| compare(&case.folder.join(name), &text));
    wrong.collect()
}

fn shown(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        writeln!(text, "{step}").unwrap();
    }
    if plan.steps.is_empty() {
        text.push_str("nothing to write\n");
    }
    let drift: Vec<String> =
        plan.drift().iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if !drift.is_empty() {
        writeln!(text, "drift: {}", drift.join(", ")).unwrap();
    }
    match &plan.findings {
        Findings::Rejected(violations) => writeln!(text, "rejected:\n{violations}").unwrap(),
        Findings::Unreachable(trouble) => writeln!(text, "unreachable: {trouble}").unwrap(),
        Findings::Compared(compared) => {
            for conflict in &compared.conflicts {
                writeln!(text, "conflict: {conflict}").unwrap();
            }
        }
    }
    writeln!(text, "then: {:?}", plan.requeue).unwrap();
    text
}

/// The Kubernetes objects that are written.
fn objects(pipeline: Option<&Pipeline>, observed: Option<&Observed>, plan: &Plan) -> String {
    let login = observed.and_then(|observed| Some(&observed.broker.as_ref().ok()?.login));
    let written = plan.steps.iter().filter_map(|step| match step {
        Step::Child(ChildStep::Apply(manifest)) => Some(manifest.clone()),
        Step::PutUser { holder, user, .. } => {
            let password = Secret::new(PASSWORD);
            let account = broker_secret::Account { user: user.clone(), password };
            Some(broker_secret::manifest(pipeline?, holder, login?, Some(&account)))
        }
        _ => None,
    });
    let documents = written.map(|manifest| {
        let shown = shown_object(manifest.0);
        serde_saphyr::to_string(&shown).unwrap()
    });
    documents.collect::<Vec<String>>().join("---\n")
}

/// An object without what is secret, and without what another version of Warren changes.
fn shown_object(mut object: Value) -> Value {
    let metadata = &mut object["metadata"];
    metadata["labels"]["app.kubernetes.io/version"] = "<version>".into();
    metadata["annotations"]["warren.dev/applied"] = "<hash>".into();
    if object["kind"] == "Secret" {
        for (key, content) in object["data"].as_object_mut().unwrap() {
            let ByteString(bytes) = serde_json::from_value(content.clone()).unwrap();
            let text = if key == "password" {
                PASSWORD.to_owned()
            } else {
                String::from_utf8(bytes).unwrap()
            };
            *content = text.into();
        }
    }
    object
}

fn compare(file: &Path, text: &str) -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "a test has no arguments to be told it by")]
    let bless = std::env::var_os("WARREN_BLESS").is_some();
    if bless {
        fs::write(file, text).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    (expected != text).then(|| format!("{} should be\n{text}", file.display()))
}
