use proptest::prelude::*;

use super::*;

fn names() -> Names {
    Names::compile(&crate::scenario::Identity::default()).unwrap()
}

fn sent(secret: Option<String>) -> String {
    secret_template("client_secret", &secret.unwrap(), &names()).unwrap().text(7)
}

#[test]
fn a_secret_of_the_environment_or_a_file_is_literal_and_a_written_one_is_a_template() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret.txt");
    for text in ["hunter2{n}x", "p{w", "{{x}}", "${n}", "}{", "{client_id}", "plain"] {
        std::fs::write(&file, format!("{text}\n")).unwrap();
        assert_eq!(sent(secret("client_secret", None, None, Some(&file)).unwrap()), text);
        let literal = literal_secret("refresh_token", None, None, Some(&file)).unwrap();
        assert_eq!(literal.as_deref(), Some(text));
    }
    // Set by whoever starts the tests, and no text of this test: what matters is that it comes as it is.
    let path = env::var("PATH").unwrap();
    assert_eq!(sent(secret("password", None, Some("PATH"), None).unwrap()), path);
    let written = "of-{client_id}-{{n}}".to_owned();
    assert_eq!(sent(secret("password", Some(&written), None, None).unwrap()), "of-storm-7-{n}");
}

proptest! {
    #[test]
    fn any_text_taken_literally_is_sent_as_it_is(text: String) {
        prop_assert_eq!(sent(Some(with_braces_twice(&text))), text);
    }
}
