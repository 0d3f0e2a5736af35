use super::*;
use crate::{scenario::Identity, token::names::Names};

fn names(username: &str) -> Names {
    let identity = Identity { username: username.into(), ..Identity::default() };
    Names::compile(&identity).unwrap()
}

fn compiled(text: &str) -> Carrier {
    Carrier::compile(text, &names("user-{n}").placeholders()).unwrap()
}

fn rendered(text: &str, token: &[u8]) -> String {
    let mut out = Vec::new();
    compiled(text).render(7, Shown { token, signature: b"a+b/c=" }, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_text_holds_what_the_client_shows_as_it_is_or_percent_encoded() {
    assert_eq!(rendered("OAUTH~p~{token}", b"a.b"), "OAUTH~p~a.b");
    assert_eq!(
        rendered("?t={token:url}&s={signature:url}", b"a.b-_~ \xff"),
        "?t=a.b-_~%20%FF&s=a%2Bb%2Fc%3D"
    );
    assert_eq!(rendered("{client_id} {username} {n} {signature}", b""), "storm-7 user-7 7 a+b/c=");
    assert_eq!(rendered("{{token}} ${token}", b"x"), "{token} ${token}");
    assert_eq!(rendered("{token}{token}", b"x"), "xx");
}

#[test]
fn a_placeholder_that_there_is_not_and_the_user_name_within_itself_are_refused() {
    for (text, username) in [("{tokens}", "user-{n}"), ("{", "u"), ("{username}", "{token}")] {
        let error = Carrier::compile(text, &names(username).placeholders()).unwrap_err();
        let told = error.to_string();
        assert!(told.contains(&format!("`{text}`")), "{told}");
    }
    let error = Carrier::compile("{username}", &names("{token:url}").placeholders()).unwrap_err();
    assert!(error.to_string().contains("the user name holds what the client shows"), "{error}");
}

#[test]
fn a_token_that_would_arrive_as_another_text_is_unfit_for_where_it_would_stand() {
    let header = |text: &str| Carriers {
        headers: vec![("Authorization".into(), compiled(text))],
        ..Carriers::default()
    };
    let plain = header("Bearer {token}");
    assert_eq!(plain.unfit(b"a.b\x80"), None);
    for token in [&b"a\r\nX: y"[..], b"a\0", b" a", b"a ", b"a\t", b"\x7f"] {
        assert!(plain.unfit(token).is_some(), "{token:?}");
        assert_eq!(header("{token:url}").unfit(token), None, "{token:?}");
    }
    let path = Carriers { path: Some(compiled("/x?t={token}")), ..Carriers::default() };
    assert_eq!(path.unfit(b"a.b-_"), None);
    for token in [&b"a b"[..], b"a#b", b"a\xc3\xa9"] {
        assert!(path.unfit(token).is_some(), "{token:?}");
    }
    let username = Carriers { username: Some(compiled("{token}")), ..Carriers::default() };
    assert_eq!(username.unfit("é\r\n".as_bytes()), None);
    assert!(username.unfit(b"\xff").is_some() && username.unfit(b"a\0b").is_some());
    // A password is bytes.
    let password = Carriers { password: Some(compiled("{token}")), ..Carriers::default() };
    assert_eq!(password.unfit(b"\xff\0\r\n"), None);
}

#[test]
fn who_shows_nothing_leaves_the_headers_out_that_would() {
    let carriers = Carriers {
        path: Some(compiled("/m?t={token:url}")),
        headers: vec![
            ("Authorization".into(), compiled("Bearer {token}")),
            ("X-Client".into(), compiled("{client_id}")),
        ],
        ..Carriers::default()
    };
    let (mut path, mut headers) = (Vec::new(), Vec::new());
    let shown = Shown { token: b"a.b", signature: b"" };
    let own = carriers.in_upgrade(3, Some(shown), (&mut path, &mut headers)).unwrap();
    assert_eq!(own.path, Some(&b"/m?t=a.b"[..]));
    assert_eq!(own.headers, b"Authorization: Bearer a.b\r\nX-Client: storm-3\r\n");
    assert!(own.is_about_token);
    let own = carriers.in_upgrade(3, None, (&mut path, &mut headers)).unwrap();
    assert_eq!((own.path, own.headers), (Some(&b"/m?t="[..]), &b"X-Client: storm-3\r\n"[..]));
    assert!(!format!("{own:?} {shown:?}").contains("a.b"));
}
