//! The program `warren-worker`: parse, run, exit code.

use warren_service::{
    crypto,
    exit::{self, Exit},
};
use warren_worker::args::Args;

fn main() -> Exit {
    crypto::install();
    match exit::parse::<Args>() {
        Ok(args) => exit::finish(warren_worker::run(&args)),
        Err(exit) => exit,
    }
}
