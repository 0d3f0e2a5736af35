//! Where CONNECT has a token: the fields of one client.

use super::{
    carrier::{InUpgrade, Shown},
    mint::Password,
    names::Names,
    recipe::{Placing, Recipe},
    template::decimal,
};
use crate::scenario::TokenIn;

/// The authentication method that nobody knows.
pub const UNKNOWN_METHOD: &[u8] = b"TOKENSTORM-UNKNOWN";

/// Buffers for the names of a client, kept from one to the next.
#[derive(Default)]
pub struct Scratch {
    name: Vec<u8>,
    user: Vec<u8>,
    password: Vec<u8>,
    path: Vec<u8>,
    headers: Vec<u8>,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// What a client brings in its CONNECT.
#[derive(Clone, Copy, Debug)]
pub struct Brought<'a> {
    /// Client id.
    pub client_id: &'a [u8],
    /// User name, where there is one.
    pub username: Option<&'a [u8]>,
    /// Password, where there is one.
    pub password: Option<&'a [u8]>,
    /// Authentication Method, where there is one.
    pub method: Option<&'a [u8]>,
    /// Authentication Data, where there is some.
    pub data: Option<&'a [u8]>,
    /// What is wrong with the packet itself.
    pub odd: Option<Odd>,
    /// The value of the user property `token`, where there is one.
    pub property: Option<&'a [u8]>,
    /// The payload of the will, where there is one.
    pub will: Option<&'a [u8]>,
    /// The token, where it is in no field of its own: in texts of the scenario.
    pub carried: Option<&'a [u8]>,
    /// What the request for the upgrade to WebSocket has of it, where that has anything.
    pub upgrade: Option<InUpgrade<'a>>,
}

/// What is wrong with the packet that brings a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Odd {
    /// CONNECT has the authentication method twice.
    MethodTwice,
    /// It is an AUTH.
    AuthFirst,
}

impl Scratch {
    /// What client `n` brings; `shown` is what was made ready for it.
    pub fn fields<'a>(
        &'a mut self,
        names: &'a Names,
        recipe: &Recipe,
        token_in: TokenIn,
        n: u64,
        (password_is, shown): (Password, Shown<'a>),
    ) -> Brought<'a> {
        let Self { name, user, password, path, headers } = self;
        for text in [&mut *name, &mut *user, &mut *password] {
            text.clear();
        }
        let token = shown.token;
        let is_elsewhere =
            matches!(recipe.placing, Placing::ClientId | Placing::UserProperty | Placing::Will);
        let shown = if is_elsewhere { Shown { token: OTHER_PASSWORD, ..shown } } else { shown };
        let is_shown =
            password_is == Password::Given && recipe.placing != Placing::EmptyUsernameAlone;
        let carriers = names.carriers.as_deref();
        names.client_id.render(n, name);
        match (&names.username, carriers.and_then(|it| it.username.as_ref())) {
            (Some(own), _) => own.render(n, user),
            (None, Some(carrier)) => carrier.render(n, shown, user),
            (None, None) => {}
        }
        let password = carriers.and_then(|it| it.password.as_ref()).map(|carrier| {
            carrier.render(n, shown, password);
            password.as_slice()
        });
        match recipe.placing {
            Placing::ClientIdWith(more) => name.extend_from_slice(more.as_bytes()),
            Placing::ClientIdIs(other) => {
                other.as_bytes().clone_into(name);
                name.push(b'-');
                decimal(n, name);
            }
            Placing::UsernameIs(other) => other.as_bytes().clone_into(user),
            Placing::EmptyUsername => user.clear(),
            Placing::NoClientId => name.clear(),
            _ => {}
        }
        let own = match (password_is, token_in) {
            (Password::Absent, _) => (None, None),
            (Password::Given, TokenIn::Password) => (Some(user.as_slice()), Some(token)),
            // Verifiers that look at the user name want some password all the same: mosquitto-go-auth.
            (Password::Given, TokenIn::Username) => {
                (Some(token), Some(password.unwrap_or(OTHER_PASSWORD)))
            }
            (Password::Given, TokenIn::AuthData | TokenIn::WsHeader | TokenIn::Template) => {
                (Some(user.as_slice()), password)
            }
        };
        let (client_id, (username, password)) = match (recipe.placing, token_in) {
            (Placing::NoUsername, _) => (name.as_slice(), (None, Some(token))),
            (Placing::NoPassword, _) => (name.as_slice(), (Some(user.as_slice()), None)),
            (Placing::EmptyUsernameAlone, TokenIn::Username) => {
                (name.as_slice(), (Some(&[][..]), Some(password.unwrap_or(OTHER_PASSWORD))))
            }
            (Placing::EmptyUsernameAlone, _) => (name.as_slice(), (Some(&[][..]), None)),
            (Placing::OtherField, TokenIn::Username | TokenIn::AuthData) => {
                (name.as_slice(), (Some(user.as_slice()), Some(token)))
            }
            // Some password has to be there: one that is missing is another defect.
            (Placing::OtherField, TokenIn::Password) => {
                (name.as_slice(), (Some(token), Some(OTHER_PASSWORD)))
            }
            (Placing::ClientId, TokenIn::AuthData) => (token, (Some(user.as_slice()), password)),
            (Placing::ClientId, TokenIn::Password | TokenIn::Username) => {
                (token, (Some(user.as_slice()), Some(password.unwrap_or(OTHER_PASSWORD))))
            }
            (Placing::ClientId, TokenIn::WsHeader | TokenIn::Template) => (token, own),
            (Placing::UserProperty | Placing::Will, TokenIn::Password | TokenIn::Username) => {
                (name.as_slice(), (Some(user.as_slice()), Some(password.unwrap_or(OTHER_PASSWORD))))
            }
            _ => (name.as_slice(), own),
        };
        let when = |placing| (recipe.placing == placing).then_some(token);
        let is_given = password_is == Password::Given;
        let (method, data) = match &names.auth_method {
            Some(method) if is_given => authentication(recipe.placing, method.as_bytes(), token),
            _ => (None, None),
        };
        let unknown = (recipe.placing == Placing::UnknownMethod).then_some(UNKNOWN_METHOD);
        Brought {
            client_id,
            username,
            password,
            method: unknown.or(method),
            data,
            odd: match recipe.placing {
                Placing::MethodTwice => Some(Odd::MethodTwice),
                Placing::AuthFirst => Some(Odd::AuthFirst),
                _ => None,
            },
            property: when(Placing::UserProperty),
            will: when(Placing::Will),
            carried: (is_shown && token_in.is_by_template()).then_some(shown.token),
            upgrade: carriers
                .and_then(|it| it.in_upgrade(n, is_shown.then_some(shown), (path, headers))),
        }
    }
}

/// The authentication method and data of a client, where its token is the data.
fn authentication<'a>(
    placing: Placing,
    method: &'a [u8],
    token: &'a [u8],
) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    match placing {
        Placing::EmptyUsernameAlone => (None, None),
        Placing::NoMethod => (None, Some(token)),
        Placing::NoData => (Some(method), None),
        // Something stands in its place: without it, that would be another defect.
        Placing::OtherField | Placing::ClientId | Placing::UserProperty | Placing::Will => {
            (Some(method), Some(OTHER_PASSWORD))
        }
        _ => (Some(method), Some(token)),
    }
}

/// What is in the password, or in the authentication data, where the token is elsewhere.
const OTHER_PASSWORD: &[u8] = b"see-elsewhere";
