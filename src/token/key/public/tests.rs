use std::process::Command;

use super::*;

/// `openssh` against `ssh-keygen`, where that is installed: its own tests hold the rest.
#[test]
fn a_public_key_has_the_forms_that_tools_give_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    for (name, algorithm) in [("rsa", "RS256"), ("ec256", "ES256"), ("ed25519", "EdDSA")] {
        let file = folder.join(format!("{name}.pkcs8.pem"));
        let key = crate::token::key::material::PrivateKey::from_file(
            &std::fs::read(&file).unwrap(),
            serde_json::from_value(algorithm.into()).unwrap(),
        )
        .unwrap();
        let pem = &key.public_pem;
        let told: Value = serde_json::from_slice(
            &std::fs::read(folder.join(format!("{name}.jwk.json"))).unwrap(),
        )
        .unwrap();
        assert_eq!(pem_of_jwk(&told).as_ref(), Some(pem), "{name}");
        for (member, value) in jwk(pem).unwrap().as_object().unwrap() {
            assert_eq!(told[member], *value, "{name} {member}");
        }
        for form in PublicForm::ALL {
            let is_there = super::form(pem, form).is_some();
            let has_it = match form {
                PublicForm::Pkcs1Pem => name == "rsa",
                PublicForm::Point => name != "rsa",
                _ => true,
            };
            assert_eq!(is_there, has_it, "{name} {form:?}");
        }
        let asked = Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&file).output();
        if let Some(said) = asked.ok().filter(|said| said.status.success()) {
            assert_eq!(String::from_utf8_lossy(&said.stdout), *pem, "{name}");
        }
    }
}
