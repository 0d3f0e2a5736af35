//! Files of formats that a program reads are read by a parser here, wherever they are in the repository: whoever takes one
//! first is no user.

use std::{fs, path::Path};

use serde_json::Value;

use super::{path, text};

/// Folders whose files are not of the repository, or are made to be wrong.
const LEFT_OUT: [&str; 7] = [".git", "target", "corpus", "artifacts", "seeds", "failed", "results"];

/// The files of the repository, by their paths in it.
fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else {
            let inside = entry.path().strip_prefix(path("")).unwrap().to_owned();
            found.push(inside.to_str().unwrap().to_owned());
        }
    }
}

/// Why a text is none of the format that its ending says; `None` of endings that no parser is here for.
fn fault(ending: &str, text: &str) -> Option<Result<(), String>> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    Some(match ending {
        "yaml" | "yml" => {
            serde_saphyr::from_multiple::<Value>(text).map(drop).map_err(|error| told(&error))
        }
        "json" => serde_json::from_str::<Value>(text).map(drop).map_err(|error| told(&error)),
        "toml" => text.parse::<toml::Table>().map(drop).map_err(|error| told(&error)),
        _ => return None,
    })
}

fn all() -> Vec<String> {
    let mut found = Vec::new();
    files(&path(""), &mut found);
    found.sort();
    found
}

#[test]
fn every_yaml_json_and_toml_file_is_one() {
    let mut read = 0;
    for name in all() {
        let ending = name.rsplit('.').next().unwrap_or_default();
        match fault(ending, &fs::read_to_string(path(&name)).unwrap_or_default()) {
            Some(Err(error)) => panic!("{name}: {error}"),
            Some(Ok(())) => read += 1,
            None => {}
        }
    }
    assert!(read > 70, "{read}");
    let broken =
        "inputs:\n  comment:\n    description: the job needs `pull-requests: write` for it\n";
    assert!(fault("yaml", broken).unwrap().is_err(), "a parser that takes it finds nothing");
}

#[test]
fn every_block_of_the_documents_is_of_the_format_that_it_says() {
    let mut read = 0;
    let is_page = |name: &&String| Path::new(name).extension().is_some_and(|it| it == "md");
    for name in all().iter().filter(is_page) {
        let text = text(name);
        // What is between two blocks begins with the line break that ends a fence, and is of no format.
        for block in text.split("\n```") {
            let (language, body) = block.split_once('\n').unwrap_or((block, ""));
            match fault(language.trim(), body) {
                Some(Err(error)) => panic!("{name}: {error}\n{body}"),
                Some(Ok(())) => read += 1,
                None => {}
            }
        }
    }
    assert!(read > 15, "{read}");
}

#[test]
fn the_action_takes_what_the_workflow_gives_it_and_gives_what_that_asks_for() {
    let of = |name: &str| -> Value { serde_saphyr::from_str(&text(name)).unwrap() };
    let (action, workflow) = (of("action.yml"), of("deploy/github/compare.yaml"));
    let steps = workflow["jobs"]["compare"]["steps"].as_array().unwrap();
    let used = steps.iter().find(|step| step["id"] == "compare").unwrap();
    let given = used["with"].as_object().unwrap();
    let known = action["inputs"].as_object().unwrap();
    assert!(given.keys().all(|input| known.contains_key(input)), "{given:?}");
    for (name, input) in known {
        let is_needed = input["required"] == true;
        assert!(!is_needed || given.contains_key(name), "{name}");
    }
    let asked = text("deploy/github/compare.yaml");
    let outputs = asked.split("steps.compare.outputs.").skip(1);
    for output in outputs.map(|rest| rest.split([' ', '}']).next().unwrap()) {
        assert!(action["outputs"][output].is_object(), "{output}");
    }
}
