use super::*;

fn read(text: &str) -> Rows {
    Rows::read(text.as_bytes()).unwrap()
}

fn error_of(text: &str) -> String {
    Rows::read(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn rows_belong_to_clients_in_the_order_in_which_these_come_first() {
    let csv =
        "client_id,token,kind,expected,note\nb,t1,x,accept,1\na,t2,,,2\nb,\"t,3\",y,refuse,3\n";
    let json = "\n{\"client_id\":\"b\",\"token\":\"t1\",\"kind\":\"x\",\"expected\":\"accept\",\"note\":1}\r\n\
                {\"client_id\":\"a\",\"token\":\"t2\",\"kind\":null}\n\
                {\"client_id\":\"b\",\"token\":\"t,3\",\"kind\":\"y\",\"expected\":\"refuse\"}\n";
    for text in [csv, json] {
        let rows = read(text);
        assert_eq!((rows.clients(), rows.count()), (2, 3));
        let of = |client| -> Vec<(&[u8], &str, Option<Word>)> {
            let row = |row| (rows.token(row), rows.kinds[row.kind].as_str(), row.word);
            rows.of(client).iter().map(row).collect()
        };
        assert_eq!(
            of(0),
            [(&b"t1"[..], "x", Some(Word::Accept)), (&b"t,3"[..], "y", Some(Word::Refuse)),]
        );
        assert_eq!(of(1), [(&b"t2"[..], "file", None)]);
        assert!(of(2).is_empty() && of(u64::MAX).is_empty());
        assert_eq!(rows.client_ids.as_deref().map(|ids| ids[1].to_string()), Some("a".into()));
        assert!(rows.usernames.is_none());
        assert_eq!(rows.unknown, ["note"]);
    }
}

#[test]
fn without_client_ids_each_row_is_a_client_and_opaque_bytes_are_kept() {
    let rows = Rows::read(b"\xef\xbb\xbftoken,username\r\n\xff\xfe,u\r\nx,\r\n").unwrap();
    assert_eq!(rows.clients(), 2);
    assert_eq!(rows.token(&rows.of(0)[0]), b"\xff\xfe");
    assert!(rows.client_ids.is_none());
    assert_eq!(rows.usernames.as_deref().map(<[_]>::len), Some(2));
}

#[test]
fn what_is_wrong_is_named_by_its_line_and_no_token_is_shown() {
    for (text, told) in [
        ("", "no column `token`"),
        ("client_id,tokens\na,hunter2\n", "no column `token`"),
        ("hunter2.hunter2.hunter2\n", "no column `token`"),
        ("token,token\na,b\n", "the column `token` twice"),
        ("token\n", "no row"),
        ("token,kind\nhunter2\n", "line 2: it has 1 fields"),
        ("token\na\n\"\"\n", "line 3: `token` is empty"),
        ("client_id,token\n,hunter2\n", "line 2: `client_id` is empty"),
        ("token,expected\na,accept\nhunter2,maybe\n", "line 3: `expected` is another text"),
        ("token,kind\nhunter2,a b\n", "line 2: `kind` is no name"),
        ("token,kind\nhunter2,hunter2\n", "line 2: `kind` is the token itself"),
        ("client_id, token\na, hunter2\n", "line 2: `token` has a blank"),
        ("client_id,token\na,\"hunter2\nb,hunter3\n", "line 2: `token` goes on over several lines"),
        (
            "client_id,username,token\na,u,t\na,v,hunter2\n",
            "line 3: the client has another user name than in line 2",
        ),
        ("username,token\na\0,hunter2\n", "line 2: `username` is no text of MQTT"),
        ("{\"token\":\"hunter2\"", "line 1: it is no object"),
        ("{\"token\":\"a\"}\n{\"token\":7}\n", "line 2: `token` is no text"),
        (
            "{\"token\":\"a\"}\n{\"client_id\":\"x\",\"token\":\"hunter2\"}\n",
            "line 2: there is a `client_id`",
        ),
        (
            "{\"client_id\":\"x\",\"token\":\"a\"}\n{\"token\":\"hunter2\"}\n",
            "line 2: `client_id` is missing",
        ),
        ("{\"client_id\":\"x\"}\n", "line 1: there is no `token`"),
    ] {
        let error = error_of(text);
        assert!(error.contains(told), "{text:?}: {error}");
        assert!(!error.contains("hunter2"), "{text:?}: {error}");
    }
    let long = format!("client_id,token\n{},x\n", "a".repeat(65_536));
    assert!(error_of(&long).contains("line 2: `client_id` is no text of MQTT"));
    let kinds = (0..257).fold(String::new(), |kinds, n| kinds + &format!("t,k{n}\n"));
    assert!(error_of(&format!("token,kind\n{kinds}")).contains("line 258: `kind` is the 257th"));
}
