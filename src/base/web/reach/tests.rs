use super::*;

#[test]
fn only_what_is_certainly_on_this_host_is_here() {
    let here = |url: &str| is_here(&Url::parse(url).unwrap());
    for url in
        ["http://127.0.0.1/", "https://127.9.9.9:1/x", "http://[::1]:80/", "http://localhost/"]
    {
        assert!(here(url), "{url}");
    }
    for url in [
        "http://192.0.2.1/",
        "http://no-such.invalid/token",
        "https://127.0.0.1.invalid/",
        "http://[2001:db8::1]/",
        "http://0.0.0.0/",
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "ftp://127.0.0.1/",
        "data:text/plain,hello",
    ] {
        assert!(!here(url), "{url}");
        let url = Url::parse(url).unwrap();
        assert!(Reach::ThisHost.check("the server", &url).is_err(), "{url}");
        assert!(Reach::Anywhere.check("the server", &url).is_ok(), "{url}");
    }
    let unknown = Url::parse("http://no-such.invalid/").unwrap();
    let error = Reach::of(false).check("the server", &unknown).unwrap_err();
    assert!(error.to_string().contains("nobody knows"), "{error}");
    assert!(error.way_out().unwrap().contains("--authorized"));
}

#[tokio::test]
async fn a_name_that_has_moved_away_meanwhile_is_not_asked() {
    let found = Here.resolve("localhost".parse().unwrap()).await.unwrap().collect::<Vec<_>>();
    assert!(!found.is_empty() && found.iter().all(is_loopback), "{found:?}");
    // An address is its own name for the resolver of the system.
    assert!(Here.resolve("192.0.2.1".parse().unwrap()).await.is_err());
}
