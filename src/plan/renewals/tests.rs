use super::*;
use crate::{base::host::Limits, plan::loaded, token::Must};

/// A scenario whose clients authenticate again, with this in `[session]` and behind it.
fn planned(session: &str, more: &str) -> Result<Plan> {
    let text = format!(
        r#"
name = "renewals"
[target]
brokers = ["mqtt://127.0.0.1:1"]
protocol = 5
token_in = "auth_data"
auth_method = "JWT"
[load]
clients = 1000
concurrency = 60
hold = "20s"
[keys.main]
algorithm = "HS256"
secret = "0123456789abcdef0123456789abcdef"
[token]
ttl = "10s"
[session]
renew = "reauthenticate"
{session}
[token.claims]
sub = "{{client_id}}"
{more}
"#
    );
    Plan::new(&loaded(&text), &Limits::read())
}

const MIX: &str =
    "[[mix]]\ntoken = \"fresh\"\nshare = 3\n[[mix]]\ntoken = \"expired\"\nshare = 1\n";

fn labels(plan: &Plan) -> Vec<&str> {
    plan.mould.kinds.iter().map(|kind| kind.label.as_str()).collect()
}

#[test]
fn kinds_that_the_mix_has_are_the_same_and_others_stand_behind_it_with_no_client_that_comes_with_them()
 {
    let with = "renew_with = [{ token = \"fresh\", share = 2 }, { token = \"stolen\", share = 1 }, { token = \"expired\", share = 1 }]";
    let plan = planned(with, MIX).unwrap();
    assert_eq!(labels(&plan), ["fresh", "expired", "stolen"]);
    assert!((0..1000).all(|client| plan.kind_of(client) < 2));
    assert!(plan.is_in_mix(1) && !plan.is_in_mix(2));
    // Whatever a broker compares in CONNECT: this policy binds nothing.
    assert!(plan.policy.binds.is_empty());
    assert!(matches!(plan.mould.kinds[2].must, Must::Refuse(_)));
    let mut drawn = [0_u32; 3];
    for client in 0..1000 {
        let kind = plan.renews_with(plan.life(client), 1);
        assert_eq!(kind, plan.renews_with(plan.life(client), 1), "by client and turn alone");
        drawn[kind] += 1;
    }
    assert!((400..600).contains(&drawn[0]) && drawn[1] > 150 && drawn[2] > 150, "{drawn:?}");
    let again = (0..1000).filter(|client| {
        plan.renews_with(plan.life(*client), 1) != plan.renews_with(plan.life(*client), 2)
    });
    assert!(again.count() > 300, "drawn anew in each turn");
}

#[test]
fn without_a_list_clients_bring_what_they_came_with_where_that_is_good() {
    let mix = "[[mix]]\ntoken = \"expired\"\nshare = 1\n[[mix]]\ntoken = \"fresh\"\nname = \"first\"\nshare = 1\n\
               [[mix]]\ntoken = \"fresh\"\nname = \"second\"\nshare = 1\n";
    let plan = planned("", mix).unwrap();
    for client in 0..100 {
        let life = plan.life(client);
        let wanted = if life.kind == 0 { 1 } else { life.kind };
        assert_eq!(plan.renews_with(life, 3), wanted);
    }
    assert!(
        plan.warnings.iter().any(|it| it.contains("`policy.reauthentication` promises nothing"))
    );
    let promised = format!("{mix}[policy]\nreauthentication = \"accept\"\n");
    let plan = planned("", &promised).unwrap();
    assert!(!plan.warnings.iter().any(|it| it.contains("policy.reauthentication")));
    assert!(plan.expects_reauths());
}

#[test]
fn what_has_the_name_of_another_entry_is_refused_unless_it_is_the_same() {
    let differs = "renew_with = [{ token = \"expired\", by = \"2h\", share = 1 }]";
    let error = planned(differs, MIX).unwrap_err().to_string();
    assert!(error.contains("session.renew_with[0]") && error.contains("`expired`"), "{error}");
    let named = "renew_with = [{ token = \"expired\", by = \"2h\", share = 1, name = \"later\" }]";
    assert_eq!(labels(&planned(named, MIX).unwrap()), ["fresh", "expired", "later"]);
    let twice =
        "renew_with = [{ token = \"wrong_key\", share = 1 }, { token = \"wrong_key\", share = 1 }]";
    let error = planned(twice, MIX).unwrap_err().to_string();
    assert!(error.contains("session.renew_with[1]"), "{error}");
    let of_matrix = "renew_with = [{ token = \"reauth_expired\", share = 1 }]";
    let error = planned(of_matrix, MIX).unwrap_err().to_string();
    assert!(error.contains("entry of the matrix alone"), "{error}");
}
