use super::*;

fn answer(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
    let mut answer = HttpResponse::new(body.into());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

fn read(body: impl Into<Vec<u8>>) -> Answer {
    let (answer, error) = in_plain_form(answer(200, body));
    assert_eq!((answer.status().as_u16(), error), (200, None));
    serde_json::from_slice(answer.body()).unwrap()
}

#[test]
fn a_lifetime_is_read_as_number_as_text_and_with_a_fraction_and_else_left_out() {
    for (written, read_as) in [
        ("3599", Some(3599)),
        ("\"3599\"", Some(3599)),
        ("\" 3599 \"", Some(3599)),
        ("3599.5", Some(3599)),
        ("\"3599.5\"", Some(3599)),
        ("3.6e3", Some(3600)),
        ("1e300", Some(LONGEST)),
        ("18446744073709551615", Some(LONGEST)),
        ("\"3600s\"", None),
        ("\"soon\"", None),
        ("\"\"", None),
        ("\"inf\"", None),
        ("\"NaN\"", None),
        ("-1", None),
        ("0", None),
        ("null", None),
        ("true", None),
        ("[3600]", None),
        ("{}", None),
    ] {
        let answer = read(format!("{{\"access_token\":\"t\",\"expires_in\":{written}}}"));
        assert_eq!((answer.access(), answer.expires_in), (Some("t"), read_as), "{written}");
    }
}

#[test]
fn members_that_no_client_needs_may_be_anything() {
    for more in [
        "",
        ",\"token_type\":\"mac\"",
        ",\"token_type\":null",
        ",\"token_type\":7",
        ",\"scope\":[\"a\",\"b\"]",
        ",\"scope\":{\"a\":1}",
        ",\"refresh_token\":null",
        ",\"refresh_token\":\"\"",
        ",\"id_token\":null",
        ",\"error\":null,\"error_description\":\"\"",
        ",\"not-before-policy\":0,\"session_state\":null",
    ] {
        let answer = read(format!("{{\"access_token\":\"t\"{more}}}"));
        assert_eq!(answer.access(), Some("t"), "{more}");
        assert!(answer.id().is_none() && answer.refresh_token().is_none(), "{more}");
    }
    let only_id = read("{\"id_token\":\"i\"}");
    assert_eq!((only_id.access(), only_id.id()), (None, Some("i")));
    for none in ["null", "7", "[]", "\"\""] {
        assert_eq!(read(format!("{{\"access_token\":{none},\"id_token\":\"i\"}}")).access(), None);
    }
}

#[test]
fn marks_before_the_text_forms_and_every_2xx_are_taken() {
    for body in [
        &b"\xef\xbb\xbf{\"access_token\":\"t\"}"[..],
        b"\r\n {\"access_token\":\"t\"} \n",
        b"{\"access_token\":\"t\",\"who\":\"J\xf6rg\"}",
        b"access_token=t&token_type=bearer&expires_in=3600",
        b"token_type=bearer&access_token=%74\n",
    ] {
        assert_eq!(read(body).access(), Some("t"), "{}", String::from_utf8_lossy(body));
    }
    for status in [200, 201, 202, 203, 206] {
        let (answer, error) = in_plain_form(answer(status, "{\"access_token\":\"t\"}"));
        assert_eq!((answer.status(), error), (StatusCode::OK, None));
    }
    for nothing in ["", "<html>", "eyJ.eyJ.x", "[1]", "\"t\"", "a=b", "null"] {
        let (answer, error) = in_plain_form(answer(200, nothing));
        assert!(serde_json::from_slice::<Answer>(answer.body()).is_err(), "{nothing}");
        assert_eq!(error, None);
    }
}

#[test]
fn an_error_is_found_wherever_servers_put_it() {
    for (body, error) in [
        ("{\"error\":\"invalid_client\",\"error_codes\":[7]}", "invalid_client"),
        ("{\"error\":\"INVALID_CLIENT\"}", "invalid_client"),
        ("{\"error\":\"invalid_client\",\"error_description\":{\"a\":1}}", "invalid_client"),
        ("{\"error\":{\"code\":\"invalid_grant\",\"message\":\"x\"}}", "invalid_grant"),
        ("{\"error\":{\"code\":400,\"status\":\"INVALID_ARGUMENT\"}}", "invalid_argument"),
        ("{\"error\":{\"code\":400}}", "other"),
        ("{\"error\":[\"invalid_scope\"]}", "invalid_scope"),
        ("{\"error\":true}", "other"),
        ("{\"errorCode\":\"invalid_client\",\"errorSummary\":\"x\"}", "invalid_client"),
        ("{\"code\":\"invalid_grant\"}", "invalid_grant"),
        ("error=invalid_grant&error_description=x", "invalid_grant"),
        ("\u{feff}{\"error\":\"invalid_grant\"}", "invalid_grant"),
    ] {
        for status in [200, 400, 401, 500] {
            let (answer, found) = in_plain_form(answer(status, body));
            assert_eq!(found.as_deref(), Some(error), "{body}");
            assert!(!answer.status().is_success(), "{body}");
            let plain: Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!(plain["error"], error, "what the library reads: {body}");
        }
    }
    for body in ["<html>401</html>", "", "{}", "{\"error\":null}", "{\"message\":\"no\"}"] {
        let (answer, error) = in_plain_form(answer(401, body));
        assert_eq!((answer.status().as_u16(), error), (401, None), "{body}");
    }
}
