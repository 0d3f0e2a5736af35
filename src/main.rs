//! The program: parses, does, and says how it ended.

use std::process::ExitCode;

use owo_colors::OwoColorize;
use tokenstorm::{cli::Cli, commands, host};

fn main() -> ExitCode {
    host::dumps::off();
    let exit = Cli::read().and_then(commands::dispatch).unwrap_or_else(|error| {
        anstream::eprintln!("{} {error}", "error:".red().bold());
        if let Some(hint) = error.way_out() {
            anstream::eprintln!("\n{} {hint}", "hint:".cyan());
        }
        error.exit()
    });
    ExitCode::from(exit.code())
}
