//! The `warren-producer` program.

use warren_producer::args::Args;
use warren_service::{
    crypto,
    exit::{self, Exit},
};

fn main() -> Exit {
    crypto::install();
    match exit::parse::<Args>() {
        Ok(args) => exit::finish(warren_producer::run(args)),
        Err(exit) => exit,
    }
}
