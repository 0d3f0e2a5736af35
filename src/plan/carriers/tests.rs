use crate::{
    base::host::Limits,
    plan::{Plan, cells::Ask, loaded},
    scenario::{Algorithm, TokenIn},
};

/// A scenario with these lines under `[target]`, `[identity]`, and at its end.
fn plan(target: &str, identity: &str, rest: &str) -> Result<Box<Plan>, String> {
    let text = format!(
        "name = \"x\"\n[load]\nclients = 10\nconcurrency = 2\n[keys.main]\nalgorithm = \"ES256\"\ngenerate = true\n\
         [keys.rsa]\nalgorithm = \"RS256\"\ngenerate = true\n[token]\nkey = \"main\"\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n\
         [identity]\n{identity}\n[target]\n{target}\n{rest}"
    );
    Plan::new(&loaded(&text), &Limits::read()).map(Box::new).map_err(|error| error.to_string())
}

const PLAIN: &str = "brokers = [\"mqtt://127.0.0.1:1883\"]";
const WS: &str = "brokers = [\"ws://127.0.0.1:8083\"]";

#[test]
fn a_template_takes_the_place_of_token_in() {
    let token_in = |plan: &Plan| (plan.token_in, plan.scenario.target.token_in);
    let own = plan(PLAIN, "", "").unwrap();
    assert_eq!(token_in(&own), (TokenIn::Password, Some(TokenIn::Password)));
    assert!(own.mould.names.carriers.is_none());
    let own = plan(PLAIN, "password = \"P~{token}\"", "").unwrap();
    assert_eq!(token_in(&own), (TokenIn::Template, None));
    let own = plan(WS, "", "token_in = \"ws_header\"").unwrap();
    assert_eq!(token_in(&own), (TokenIn::WsHeader, Some(TokenIn::WsHeader)));
    assert!(own.mould.names.upgrade_brings_token());
    // A password beside a token that is elsewhere, and headers beside one in the password, are no templates of it.
    let own = plan(PLAIN, "password = \"p-{n}\"", "token_in = \"username\"").unwrap();
    assert_eq!(own.token_in, TokenIn::Username);
    let own = plan(WS, "", "[target.ws]\nheaders = { X-Tenant = \"{n}\" }").unwrap();
    assert!(own.token_in == TokenIn::Password && !own.mould.names.upgrade_brings_token());
}

#[test]
fn what_does_not_fit_together_is_refused_with_key_and_way_out() {
    let ws = |rest: &str| plan(WS, "", rest);
    let cases = vec![
        (
            plan(PLAIN, "password = \"{token}\"", "token_in = \"password\""),
            "would be brought twice",
        ),
        (plan(PLAIN, "password = \"secret\"", ""), "nothing would bring the token"),
        (plan(PLAIN, "password = \"{tok}\"", ""), "`identity.password` holds a brace"),
        (plan(PLAIN, "username = \"{tok}\"", ""), "`{tok}` holds `{tok}`"),
        (plan(PLAIN, "username = \"{username}{token}\"", ""), "nothing else can repeat it"),
        (
            plan(PLAIN, "username = \"{token}\"", "[token.claims]\nsub = \"{username}\""),
            "nothing else can repeat it",
        ),
        (plan(PLAIN, "password = \"<redacted>\"", ""), "was taken out of this file"),
        (plan(PLAIN, "password = \"{token}\"\nsignature_key = \"rsa\"", ""), "no template holds"),
        (
            plan(PLAIN, "password = \"{token}{signature}\"", ""),
            "`identity.signature_key` is missing",
        ),
        (
            plan(PLAIN, "password = \"{token}{signature}\"\nsignature_key = \"main\"", ""),
            "a key for ES256",
        ),
        (
            plan(PLAIN, "password = \"{token}{signature}\"\nsignature_key = \"other\"", ""),
            "no key of `[keys]`",
        ),
        (plan(PLAIN, "", "token_in = \"ws_header\""), "is spoken to without WebSocket"),
        (plan(PLAIN, "", "[target.ws]\npath = \"/{token}\""), "is spoken to without WebSocket"),
        (
            plan("brokers = [\"ws://127.0.0.1:1/mqtt\"]", "", "[target.ws]\npath = \"/{token}\""),
            "has a path too",
        ),
        (
            plan("brokers = [\"embedded\"]", "password = \"x{token}\"", ""),
            "`embedded` looks for it",
        ),
        (
            plan("brokers = [\"embedded+ws\"]", "", "token_in = \"ws_header\""),
            "`embedded+ws` looks for it",
        ),
        (ws("[target.ws]\npath = \"mqtt?{token}\""), "no path of a request"),
        (ws("[target.ws]\npath = \"/?t={token}&s={signature}\""), "`{signature}`, whose `+`"),
        (
            plan(PLAIN, "username = \"{signature}\"", "token_in = \"username\""),
            "the token takes its whole place",
        ),
        (ws("[target.ws]\npath = \"/a b{token}\""), "no path of a request"),
        (ws("[target.ws]\nheaders = { A = \"{token}\\r\\nB: c\" }"), "a line break"),
        (ws("[target.ws]\nheaders = { A = \"{token}é\" }"), "no visible ASCII"),
        (ws("[target.ws]\nheaders = { \"A b\" = \"{token}\" }"), "a name that no header has"),
        (ws("[target.ws]\nheaders = { Host = \"{token}\" }"), "the handshake itself writes"),
        (ws("[target.ws]\nheaders = { X = \"{token}\", x = \"1\" }"), "twice"),
        (ws("[target.ws]\nheaders = { X = \"{tok}\" }"), "`target.ws.headers.X` holds a brace"),
        (
            ws("token_in = \"ws_header\"\n[target.ws]\nheaders = { authorization = \"x\" }"),
            "which writes the header",
        ),
    ];
    for (number, (plan, told)) in cases.into_iter().enumerate() {
        let error = plan.map(|_| ()).unwrap_err();
        assert!(error.contains(told), "{number}: {told}: {error}");
        assert!(!error.contains("secret"), "{number}: {error}");
    }
}

#[test]
fn a_client_id_with_a_line_break_is_taken_and_refused_only_in_a_header() {
    let id = "client_id = \"a\\r\\nb {n} \\\"é\\u0001\"";
    plan(PLAIN, id, "").unwrap();
    plan(WS, id, "token_in = \"ws_header\"").unwrap();
    let error = plan(WS, id, "[target.ws]\nheaders = { A = \"{token} {client_id}\" }").unwrap_err();
    assert!(error.contains("a line break"), "{error}");
}

#[test]
fn a_key_that_signs_over_tokens_alone_signs_none_and_a_matrix_leaves_out_what_the_user_name_can_not_say()
 {
    let text = "name = \"x\"\n[load]\nclients = 1\nconcurrency = 1\n[keys.a]\nalgorithm = \"RS256\"\ngenerate = true\n\
                [keys.main]\nalgorithm = \"PS256\"\ngenerate = true\n[token.claims]\nclientid = \"{client_id}\"\n\
                [identity]\nusername = \"d-{n}?t={token:url}&s={signature:url}\"\nsignature_key = \"a\"\n\
                [target]\nbrokers = [\"mqtt://127.0.0.1:1883\"]\n[policy]\nbinds = [\"clientid\"]\n\
                [[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    let plan = Plan::new(&loaded(text), &Limits::read()).unwrap();
    assert_eq!(plan.policy.algorithms, [Algorithm::PS256]);
    assert_eq!(plan.mould.keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["main"]);
    let matrix = Plan::matrix(&loaded(text), &Limits::read(), &Ask::default()).unwrap();
    let skipped = &matrix.cells.as_ref().unwrap().skipped;
    for name in ["bound_array", "placeholder_client_id", "no_password", "in_other_field"] {
        assert!(skipped.iter().any(|skipped| skipped.defect == name), "{name}");
    }
    assert!(matrix.mould.kinds.iter().any(|kind| kind.defect.name == "in_client_id"));
    let swept = format!("{text}[sweep]\nalgorithm = [\"RS256\"]\n");
    let error = Plan::new(&loaded(&swept), &Limits::read()).unwrap_err().to_string();
    assert!(error.contains("none of `[keys]` has it"), "{error}");
}

#[test]
fn runs_without_tokens_have_no_template_either() {
    let rest = "token_in = \"ws_header\"\n[control]\narms = [\"without\"]\n";
    let plan = plan(WS, "", rest).unwrap();
    assert!(plan.mould.names.carriers.is_none() && plan.token_in == TokenIn::Password);
}
