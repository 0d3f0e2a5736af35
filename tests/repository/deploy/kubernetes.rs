//! Every document under `deploy/kubernetes` is what its kind allows, down to the last field.

use std::fs;

use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Pod, Secret, Service},
    networking::v1::NetworkPolicy,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{path, text};

/// Maps whose keys are anybody's choice: a name that is wrong there is no field that is wrong.
const FREE: [&str; 7] =
    ["annotations", "data", "labels", "limits", "matchLabels", "requests", "stringData"];

/// A document, and the file that it is in.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) file: String,
    pub(crate) value: Value,
}

impl Document {
    pub(crate) fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }
}

/// The YAML files of the folder, Kustomize's own left out.
pub(crate) fn files() -> Vec<String> {
    let entries =
        fs::read_dir(path("deploy/kubernetes")).unwrap().map(|entry| entry.unwrap().path());
    let manifests = entries.filter(|path| path.extension().is_some_and(|it| it == "yaml"));
    let names = manifests.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let mut files: Vec<String> = names.filter(|name| name != "kustomization.yaml").collect();
    files.sort();
    files
}

/// All documents of all files.
pub(crate) fn documents() -> Vec<Document> {
    let of = |file: String| {
        let text = text(&format!("deploy/kubernetes/{file}"));
        let values: Vec<Value> =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        values.into_iter().map(move |value| Document { file: file.clone(), value })
    };
    files().into_iter().flat_map(of).collect()
}

/// What Kustomize is told.
pub(crate) fn kustomization() -> Value {
    serde_saphyr::from_str(&text("deploy/kubernetes/kustomization.yaml")).unwrap()
}

/// What Kubernetes' own type keeps of a document.
fn kept<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, String> {
    let typed: T = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    serde_json::to_value(typed).map_err(|error| error.to_string())
}

/// All that is wrong with a document: what its type refuses, and what it does not know.
fn faults(value: &Value) -> Vec<String> {
    let read = match value["kind"].as_str() {
        Some("ConfigMap") => kept::<ConfigMap>(value),
        Some("Deployment") => kept::<Deployment>(value),
        Some("Job") => kept::<Job>(value),
        Some("Namespace") => kept::<Namespace>(value),
        Some("NetworkPolicy") => kept::<NetworkPolicy>(value),
        Some("PersistentVolumeClaim") => kept::<PersistentVolumeClaim>(value),
        Some("Pod") => kept::<Pod>(value),
        Some("Secret") => kept::<Secret>(value),
        Some("Service") => kept::<Service>(value),
        kind => Err(format!("no type is known for the kind {kind:?}")),
    };
    let mut faults = Vec::new();
    match read {
        Ok(read) => lost("", value, &read, &mut faults),
        Err(error) => faults.push(error),
    }
    faults
}

/// The types pass over fields that they do not know: whatever was written and is not there after reading is one.
fn lost(at: &str, written: &Value, read: &Value, faults: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                match read.get(key) {
                    Some(read) => lost(&format!("{at}.{key}"), value, read, faults),
                    None => faults.push(format!("{at}.{key}: there is no such field")),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) if written.len() == read.len() => {
            for (index, (written, read)) in written.iter().zip(read).enumerate() {
                lost(&format!("{at}[{index}]"), written, read, faults);
            }
        }
        _ if written == read => {}
        _ => faults.push(format!("{at}: {written} was read as {read}")),
    }
}

/// The document once for each of its fields, with that field misspelled.
fn misspelled(value: &Value, at: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            // No field has a `/` in its name: that is a label, as in the selector of a Service.
            for (key, inner) in fields.iter().filter(|(key, _)| !key.contains('/')) {
                let place = format!("{at}/{key}");
                let mut wrong = fields.clone();
                let kept = wrong.remove(key).unwrap();
                wrong.insert(format!("{key}x"), kept);
                found.push((place.clone(), Value::Object(wrong)));
                if !FREE.contains(&key.as_str()) {
                    misspelled(inner, &place, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                misspelled(inner, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The whole document with one part of it replaced.
fn with(whole: &Value, place: &str, part: Value) -> Value {
    let mut whole = whole.clone();
    *whole.pointer_mut(place).unwrap() = part;
    whole
}

#[test]
fn every_document_is_what_its_kind_allows_and_nothing_else() {
    let documents = documents();
    assert!(documents.len() >= 14, "{}", documents.len());
    for document in documents {
        let faults = faults(&document.value);
        assert!(faults.is_empty(), "{}, {}: {faults:#?}", document.file, document.name());
    }
}

#[test]
fn a_field_that_is_misspelled_is_found_wherever_it_stands() {
    let mut tried = 0;
    for document in documents() {
        let mut variants = Vec::new();
        misspelled(&document.value, "", &mut variants);
        for (place, part) in variants {
            let parent = place.rsplit_once('/').unwrap().0;
            let wrong = with(&document.value, parent, part);
            assert!(!faults(&wrong).is_empty(), "{}: {place}x was not noticed", document.file);
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn kustomize_applies_every_file_but_the_examples_and_the_reader() {
    let kustomization = kustomization();
    let mut listed: Vec<String> =
        kustomization["resources"].as_array().unwrap().iter().map(word).collect();
    listed.extend(["results-reader.yaml".into(), "secrets.example.yaml".into()]);
    listed.sort();
    assert_eq!(listed, files());
    // The names of what it makes are those that the Jobs refer to, and the namespace is the one that exists.
    assert_eq!(kustomization["generatorOptions"]["disableNameSuffixHash"], true);
    let documents = documents();
    let namespace = documents.iter().find(|document| document.kind() == "Namespace").unwrap();
    assert_eq!(kustomization["namespace"], namespace.name());
    for document in documents.iter().filter(|document| document.kind() != "Namespace") {
        let named = &document.value["metadata"]["namespace"];
        assert_eq!(*named, namespace.name(), "{} of {}", document.name(), document.file);
    }
    for map in kustomization["configMapGenerator"].as_array().unwrap() {
        for file in map["files"].as_array().unwrap() {
            let file = word(file);
            assert!(path(&format!("deploy/kubernetes/{file}")).is_file(), "{file}");
        }
    }
    let image = &kustomization["images"][0];
    assert_eq!(image["name"], "tokenstorm");
    assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"), "the tag is this version's");
}

#[test]
fn what_stands_for_secrets_is_none() {
    for document in documents().iter().filter(|document| document.kind() == "Secret") {
        assert_eq!(document.file, "secrets.example.yaml");
        assert!(document.value.get("data").is_none(), "{}", document.name());
        for (key, value) in document.value["stringData"].as_object().unwrap() {
            let value = value.as_str().unwrap();
            assert!(value.starts_with('<') && value.ends_with('>'), "{key}: {value}");
        }
    }
}

/// A text, where it must be one.
pub(crate) fn word(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
