//! The program: parses, does, and says how it ended.

use std::process::ExitCode;

use clap::Parser;
use owo_colors::OwoColorize;
use tokenstorm::{cli::Cli, commands, error::Exit};

fn main() -> ExitCode {
    let exit = commands::dispatch(Cli::parse()).unwrap_or_else(|error| {
        anstream::eprintln!("{} {error}", "error:".red().bold());
        if let Some(hint) = error.way_out() {
            anstream::eprintln!("\n{} {hint}", "hint:".cyan());
        }
        error.exit()
    });
    ExitCode::from(match exit {
        Exit::Fine => 0,
        Exit::Failed => 1,
        Exit::Usage => 2,
        Exit::NotMeasured => 3,
        Exit::Interrupted => 130,
    })
}
