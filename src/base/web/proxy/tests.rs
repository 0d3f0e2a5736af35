use super::*;

fn proxies(variables: &[(&str, &str)]) -> Proxies {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Proxies::of_variables(&variables.iter().map(own).collect::<Vec<_>>())
}

fn shown(proxies: &Proxies, url: &str) -> Option<String> {
    proxies.of(&Url::parse(url).unwrap()).map(Proxy::shown)
}

#[test]
fn this_host_is_never_asked_by_a_proxy_however_it_is_written() {
    let all = [("all_proxy", "http://192.0.2.1:3128")];
    for host in [
        "127.0.0.1",
        "127.9.8.7:80",
        "127.1",
        "2130706433",
        "0.0.0.0",
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "idp.localhost",
        "[::1]",
        "[::1]:8080",
        "[::]",
        "[::ffff:127.0.0.1]",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}/token");
            assert_eq!(shown(&proxies(&all), &url), None, "{url}");
        }
    }
    for host in ["192.0.2.9", "[2001:db8::1]", "128.0.0.1", "localhost.example", "mylocalhost"] {
        let url = format!("http://{host}/token");
        assert_eq!(shown(&proxies(&all), &url).unwrap(), "http://192.0.2.1:3128", "{url}");
    }
}

#[test]
fn variables_count_in_any_case_by_scheme_and_the_lower_case_before_others() {
    let server = "http://192.0.2.9/token";
    for name in ["http_proxy", "HTTP_PROXY", "Http_Proxy", "all_proxy", "ALL_PROXY"] {
        assert!(shown(&proxies(&[(name, "192.0.2.1:3128")]), server).is_some(), "{name}");
    }
    let both = proxies(&[
        ("HTTP_PROXY", "http://192.0.2.1"),
        ("http_proxy", "http://192.0.2.2"),
        ("https_proxy", "http://192.0.2.3:3128"),
        ("all_proxy", "http://192.0.2.4"),
    ]);
    assert_eq!(shown(&both, server).unwrap(), "http://192.0.2.2");
    assert_eq!(shown(&both, "https://192.0.2.9/token").unwrap(), "http://192.0.2.3:3128");
    assert_eq!(shown(&proxies(&[("http_proxy", "")]), server), None);
    assert_eq!(shown(&proxies(&[("https_proxy", "http://192.0.2.1")]), server), None);
    assert_eq!(shown(&proxies(&[("http_proxy", "ftp://192.0.2.1")]), server), None);
    assert_eq!(shown(&proxies(&[("http_proxy", "::::")]), server), None);
    let socks = proxies(&[("ALL_PROXY", "socks5h://192.0.2.1:1080")]);
    assert_eq!(shown(&socks, server).unwrap(), "socks5h://192.0.2.1:1080");
}

#[test]
fn hosts_of_no_proxy_are_asked_themselves() {
    for list in ["*", "192.0.2.9", "192.0.2.0/24", "a.example, 192.0.2.9", "a.example 192.0.2.9"] {
        for name in ["no_proxy", "NO_PROXY", "No_Proxy"] {
            let exempt = proxies(&[("http_proxy", "http://192.0.2.1"), (name, list)]);
            assert_eq!(shown(&exempt, "http://192.0.2.9/"), None, "{name}={list}");
        }
    }
    let by_name = |list| proxies(&[("http_proxy", "http://192.0.2.1"), ("no_proxy", list)]);
    for list in ["invalid", ".invalid", "*.invalid", "IDP.invalid"] {
        assert_eq!(shown(&by_name(list), "http://idp.invalid/"), None, "{list}");
    }
    assert_eq!(shown(&by_name("[2001:db8::1]"), "http://[2001:db8::1]/"), None);
    assert!(shown(&by_name("dp.invalid"), "http://idp.invalid/").is_some());
}

#[test]
fn a_proxy_is_named_without_what_it_is_logged_in_to_with() {
    let proxies = proxies(&[("http_proxy", "http://ann:hunter2@192.0.2.1:3128/?hunter2")]);
    let url = Url::parse("http://192.0.2.9/token").unwrap();
    let proxy = proxies.of(&url).unwrap();
    assert_eq!(
        (proxy.shown().as_str(), proxy.url.password()),
        ("http://192.0.2.1:3128", Some("hunter2"))
    );
}
