//! The documents: tables that are made from what they describe, links that lead somewhere, and what examples promise.
//!
//! `TOKENSTORM_WRITE_DOCS=1 cargo test --test repository docs` writes the tables anew.

mod keys;
mod summary;

use std::{env, fmt::Write, fs, path::PathBuf};

use clap::CommandFactory;
use tokenstorm::{
    base::{
        shipped::{SCENARIOS, Shipped},
        words::{
            Conclusion, LimitedBy, Metric, Operation, OperationOutcome, OutcomeKind, Phase, Tone,
            Unit, Validity, Verdict,
        },
    },
    cli::Cli,
    record::results::sheets,
    scenario::needs::needs,
};

use self::summary::text::anchor;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

/// Holds the part of a document behind a mark against what it has to be, or writes it.
fn hold(document: &str, name: &str, made: &str) {
    let whole = text(document);
    let mark = format!(
        "<!-- {name}: written by `TOKENSTORM_WRITE_DOCS=1 cargo test --test repository docs` -->\n"
    );
    let (before, rest) = whole.split_once(&mark).unwrap_or_else(|| panic!("{document}: no {name}"));
    let (own, after) = rest.split_once("<!-- end -->").unwrap();
    if env::var_os("TOKENSTORM_WRITE_DOCS").is_some() {
        let written = format!("{before}{mark}{made}<!-- end -->{after}");
        fs::write(root().join(document), written).unwrap();
        return;
    }
    assert!(
        own == made,
        "`{document}` is not what the program is: `TOKENSTORM_WRITE_DOCS=1 cargo test --test repository docs` writes it"
    );
}

/// A text as a cell of a table, in one line.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[test]
fn every_command_stands_in_the_reference_with_what_its_help_says() {
    let mut made = String::from("| command | what it does |\n|---|---|\n");
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let parts: Vec<&str> = command
            .get_subcommands()
            .filter(|part| part.get_name() != "help")
            .map(clap::Command::get_name)
            .collect();
        let parts = match parts.join("\\|") {
            none if none.is_empty() => none,
            all if command.is_subcommand_required_set() => format!(" {all}"),
            some => format!(" [{some}]"),
        };
        writeln!(made, "| `tokenstorm {}{parts}` | {} |", command.get_name(), cell(&about))
            .unwrap();
    }
    hold("docs/commands.md", "commands", &made);
}

#[test]
fn every_scenario_stands_in_its_table_with_its_question() {
    let mut made = String::from("| scenario | question | needs |\n|---|---|---|\n");
    for (name, scenario) in SCENARIOS.iter().filter_map(|it| Some((it.name()?, it))) {
        let about = scenario.about();
        let question = about.strip_prefix("Question: ").unwrap();
        let needs = needs(scenario.text).join("; ");
        writeln!(made, "| [`{name}`]({name}.toml) | {} | {} |", cell(question), cell(&needs))
            .unwrap();
    }
    hold("scenarios/README.md", "scenarios", &made);
    let readme = text("README.md");
    let count = Shipped::names(SCENARIOS).count();
    assert!(
        readme.contains(&format!("lists the {count} built-in scenarios")),
        "README.md says how many"
    );
}

#[test]
fn every_key_of_a_scenario_stands_in_the_reference_with_its_doc_comment() {
    hold("docs/keys.md", "keys", &keys::tables());
}

#[test]
fn every_column_of_a_file_stands_in_the_reference_with_what_it_holds() {
    let mut made = String::new();
    for sheet in sheets::ALL {
        write!(
            made,
            "## {}\n\n{}\n\n| column | value |\n|---|---|\n",
            sheet.name,
            cell(sheet.about)
        )
        .unwrap();
        for (name, about) in sheet.columns {
            writeln!(made, "| `{name}` | {} |", cell(about)).unwrap();
        }
        made.push('\n');
    }
    hold("docs/columns.md", "columns", &made);
}

/// Words with what they mean, as rows.
macro_rules! rows {
    ($set:ty) => {
        <$set>::ALL.map(|word| format!("| `{}` | {} |\n", word.name(), cell(word.about()))).concat()
    };
}

#[test]
fn every_word_that_files_and_thresholds_have_stands_in_the_reference_with_its_meaning() {
    let metrics = Metric::ALL.map(|metric| {
        let unit = match metric.unit() {
            Unit::Time => "a time",
            Unit::Number => "a number",
        };
        format!("| `{}` | {unit} | {} |\n", metric.name(), cell(metric.about()))
    });
    let made = format!(
        "## Phases\n\n| phase | what it times |\n|---|---|\n{}\n\
         ## Outcomes\n\n| outcome | how the attempt ended |\n|---|---|\n{}\n\
         ## Verdicts\n\n| verdict | what it says |\n|---|---|\n{}\n\
         ## Operations\n\n| operation | what it is |\n|---|---|\n{}\n\
         ## Outcomes of operations\n\n| outcome | what came of the operation |\n|---|---|\n{}\n\
         ## Validity\n\n| verdict | whether the numbers are reliable |\n|---|---|\n{}\n\
         ## Conclusions\n\n| conclusion | what the run came to |\n|---|---|\n{}\n\
         ## Tones\n\n| tone | how good a piece of news it is |\n|---|---|\n{}\n\
         ## Limits of a search\n\n| limit | who kept the search from going higher |\n|---|---|\n{}\n\
         ## Metrics\n\n| metric | value | what it is |\n|---|---|---|\n{}\n",
        rows!(Phase),
        rows!(OutcomeKind),
        rows!(Verdict),
        rows!(Operation),
        rows!(OperationOutcome),
        rows!(Validity),
        rows!(Conclusion),
        rows!(Tone),
        rows!(LimitedBy),
        metrics.concat(),
    );
    hold("docs/words.md", "words", &made);
}

/// Every document of the repository.
fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // What a run or a build leaves is none of ours.
            let is_left =
                path.join("CACHEDIR.TAG").exists() || name.starts_with('.') || name == "target";
            if path.is_dir() && !is_left {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    assert!(documents.len() > 25, "{documents:?}");
    documents
}

#[test]
fn every_link_of_the_documents_leads_to_a_file_and_a_heading_in_it() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{} leads to `{link}`", document.display());
            if !heading.is_empty() {
                let of = fs::read_to_string(&target).unwrap();
                let headings = of.lines().filter(|line| line.starts_with('#'));
                let mut anchors = headings.map(|line| anchor(line.trim_start_matches(['#', ' '])));
                let is_there = anchors.any(|anchor| anchor == heading);
                assert!(is_there, "{} leads to `{link}`", document.display());
            }
        }
    }
}

#[test]
fn no_document_waits_for_a_figure() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for mark in ["@@", "TODO", "TBD"] {
            assert!(!text.contains(mark), "{} has `{mark}`", document.display());
        }
    }
}
