//! The `warren-receiver` program.

use warren_receiver::args::Args;
use warren_service::exit::{self, Exit};

fn main() -> Exit {
    match exit::parse::<Args>() {
        Ok(args) => exit::finish(warren_receiver::run(args)),
        Err(exit) => exit,
    }
}
