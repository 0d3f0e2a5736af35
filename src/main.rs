//! The program: parses, does, and says how it ended.

use std::process::ExitCode;

use tokenstorm::{
    base::{error::plain::Paint, host},
    cli::{Cli, commands},
};

fn main() -> ExitCode {
    host::dumps::off();
    host::signals::outlive_full_files();
    let exit = Cli::read().and_then(commands::dispatch).unwrap_or_else(|error| {
        tokenstorm::tell!("{} {error}", "error:".red().bold());
        if let Some(hint) = error.way_out() {
            tokenstorm::tell!("\n{} {hint}", "hint:".cyan());
        }
        error.exit()
    });
    ExitCode::from(exit.code())
}
