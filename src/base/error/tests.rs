use super::{Error, name_shown, nearest, suggestion, suggestion_of};

#[test]
fn what_others_wrote_does_not_steer_the_terminal() {
    let theirs = "a\u{1b}]0;x\u{7}\u{9b}31m\r\n\tb\u{7f}";
    let error = Error::usage(theirs).within(theirs).hint(theirs);
    for text in [error.to_string(), error.way_out().unwrap().to_owned()] {
        assert!(text.contains("31m\u{fffd}\n\tb"), "{text:?}");
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\r', '\u{7f}']), "{text:?}");
    }
}

#[test]
fn a_name_is_shown_where_it_is_nearly_one_that_there_is() {
    let known = ["main", "a", "a-key-of-a-very-long-name-indeed"];
    for typed in ["mian", "Main", "mains", "a-key-of-a-very-long-name-inded"] {
        assert_eq!(name_shown(typed, known), format!("`{typed}`"));
    }
    for secret in
        ["hunter2-S3cr3tValue", "b", "hunter2_main", "hunter2", "x-key-for-my-very-long-fame-indx"]
    {
        assert!(!name_shown(secret, known).contains('`'), "{secret}");
    }
}

#[test]
fn a_typo_gets_the_nearest_name_and_the_whole_list() {
    let hint = suggestion("expird", ["fresh", "expired"]);
    assert_eq!(hint, "did you mean `expired`? There are: `fresh`, `expired`");
    assert_eq!(suggestion("zzzzzzzzzz", ["fresh"]), "there are: `fresh`");
    let many: Vec<String> = (10..40).map(|number| format!("name-{number}")).collect();
    let many = || many.iter().map(String::as_str);
    assert_eq!(suggestion("nam-12", many()), "did you mean `name-12`?");
    let none = suggestion_of("zzzzzzzzzz", many(), "tokenstorm token defects");
    assert_eq!(
        none,
        "there are 30, such as `name-10`, `name-11`, `name-12`; `tokenstorm token defects` lists them"
    );
    let near = suggestion_of("nam-12", many(), "tokenstorm token defects");
    assert_eq!(near, "did you mean `name-12`? `tokenstorm token defects` lists them");
}

#[test]
fn a_name_in_another_case_is_the_nearest() {
    let algorithms = ["HS256", "HS512", "ES256", "RS256", "EdDSA"];
    for (typed, name) in
        [("hs256", "HS256"), ("rs256", "RS256"), ("eddsa", "EdDSA"), ("Es256", "ES256")]
    {
        assert_eq!(nearest(typed, algorithms), Some(name));
    }
    let grants = ["client_credentials", "password", "refresh_token"];
    assert_eq!(nearest("Client-Credentials", grants), Some("client_credentials"));
    assert_eq!(nearest("client_secret_post", ["basic", "post"]), Some("post"));
    assert_eq!(nearest("hold_for", ["for", "hold_fot"]), Some("hold_fot"));
}
