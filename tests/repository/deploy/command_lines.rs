//! The program takes the command lines that manifests and scripts give it.

use clap::Parser;
use tokenstorm::cli::Cli;

use super::{pods, scripts};

/// Whether the program takes these arguments.
fn check(place: &str, arguments: &[String]) {
    let words = std::iter::once("tokenstorm").chain(arguments.iter().map(String::as_str));
    if let Err(error) = Cli::try_parse_from(words) {
        panic!("{place}: {arguments:?}\n{error}");
    }
}

#[test]
fn the_program_takes_the_arguments_of_every_container() {
    let all = pods::arguments();
    assert_eq!(all.len(), 2);
    for (name, arguments) in all {
        check(&name, &arguments);
    }
}

#[test]
fn the_program_takes_the_arguments_that_the_slurm_job_gives_it() {
    for nodes in ["1", "3"] {
        let seen = scripts::slurm(nodes);
        assert_eq!(seen.commands.len(), 4, "three agents and a coordinator");
        for arguments in seen.commands {
            check("tokenstorm.sbatch", &arguments);
        }
    }
}

#[test]
fn the_program_takes_the_arguments_that_come_through_ssh() {
    let seen = scripts::ssh();
    assert_eq!(seen.commands.len(), 4, "three agents and a coordinator");
    for arguments in seen.commands {
        check("tokenstorm-ssh", &arguments);
    }
}
