//! The program `warren-operator`: parse, run, exit code.

use std::io::Write;

use warren_operator::{
    args::{Args, Command},
    local, run, smoke,
};
use warren_service::{
    crypto,
    exit::{self, Exit, Failure},
};

fn main() -> Exit {
    crypto::install();
    match exit::parse::<Args>() {
        Ok(args) => exit::finish(obey(&args)),
        Err(exit) => exit,
    }
}

fn obey(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Run(asked) => run::start(asked, &args.log),
        Command::Local(asked) => local::run(asked, &args.log),
        Command::Crd => std::io::stdout()
            .write_all(warren_api::crd_yaml().as_bytes())
            .map_or_else(|e| Err(Exit::Internal.because(e)), |()| Ok(Exit::Done)),
        Command::Smoke(asked) => smoke::run(asked),
    }
}
