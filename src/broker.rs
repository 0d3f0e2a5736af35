//! stub until the real one is here
#![allow(missing_docs)]
use std::{collections::BTreeMap, net::SocketAddr};
use serde::{Deserialize, Serialize};
use crate::{error::{Error, Result}, policy::Policy, scenario::{Algorithm, TokenIn}};
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Settings { pub listen: SocketAddr, pub token_in: TokenIn, pub verifier: Verifier }
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Verifier { Anonymous,
 Plugin { key: VerifyingKey, exp: bool, nbf: bool, iss: Option<String>, aud: Vec<String>, bound: BTreeMap<String, Bound> },
 Hook { keys: Vec<HookKey>, policy: Policy, iss: Option<String>, aud: Vec<String>, bound: BTreeMap<String, Bound> } }
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum VerifyingKey { Secret(String), PublicPem(String) }
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HookKey { pub algorithm: Algorithm, pub kid: Option<String>, pub key: VerifyingKey }
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Bound { ClientId, Username }
#[derive(Debug)]
pub struct Embedded {}
impl Embedded { pub fn start(_: &Settings) -> Result<Self> { Err(Error::usage("no embedded broker yet")) }
 pub fn address(&self) -> SocketAddr { SocketAddr::from(([127,0,0,1],0)) } pub fn verifier(&self) -> &'static str { "" } }
pub fn serve(_: &Settings, _: bool, _: impl FnOnce(SocketAddr)) -> Result<()> { Err(Error::usage("no embedded broker yet")) }
