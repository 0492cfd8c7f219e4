//! API tokens: made and revoked on the command line alone, so that no token begets another. What is shown once is 256
//! random bits; the database has a keyed hash.

use std::net::IpAddr;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use storage::api_tokens::{self, ApiToken};

use super::scope::Scopes;
use super::{Action, Actor, Change, Error, recorded};
use crate::c2s::guessing::{Attempt, Refusal, Secret};
use crate::host::Host;
use crate::provisioning;

/// What every token begins with, so that a leaked one is known for what it is.
const PREFIX: &str = "whimbrel_";
const SECRET_BYTES: usize = 32;
/// Characters of a token: the prefix and 32 bytes in base64.
const TOKEN_CHARS: usize = PREFIX.len() + 43;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 64;
/// A use is noted when the last note is older than this.
const USE_NOTED_MS: i64 = 60_000;
/// What attempts with tokens are counted under: no account has this name.
const NOBODY: &str = "";

/// A token that was presented and is good.
#[derive(Clone, Debug)]
pub struct Access {
    /// Its name.
    pub name: String,
    /// What it is good for.
    pub scopes: Scopes,
}

/// Why a token was not taken.
#[derive(Debug)]
pub enum Denied {
    /// There is none, or it is unknown, revoked or expired: nobody is told which.
    Unknown,
    /// Too many attempts from this address failed of late.
    TooMany(Refusal),
    /// The database failed.
    Storage(storage::Error),
}

/// Makes a token. Returns what its holder presents, which is nowhere to be seen again.
///
/// # Errors
/// [`Error::Exists`] for a name that is taken, [`Error::Unusable`] for one that makes no sense and for no scopes,
/// [`Error::Bound`] when there are `api_tokens_max`.
pub async fn create(
    host: &Host,
    actor: &Actor,
    name: &str,
    scopes: &Scopes,
    expires_in_secs: Option<u64>,
) -> Result<String, Error> {
    if !is_name(name) {
        let rule = format!("a token's name has 1 to {NAME_CHARS_MAX} letters, digits, - _ or .");
        return Err(Error::Unusable(rule));
    }
    if scopes.is_empty() {
        return Err(Error::Unusable(String::from("a token needs a scope")));
    }
    let now_ms = host.clock.now_ms();
    let expires_at_ms = expires_in_secs
        .map(|secs| now_ms.saturating_add(i64::try_from(secs.saturating_mul(1_000)).unwrap_or(i64::MAX)));
    let stored = ApiToken {
        name: name.to_owned(),
        scopes: scopes.to_string(),
        created_at_ms: now_ms,
        expires_at_ms,
        used_at_ms: None,
    };
    recorded(host, actor, Change::to(Action::TokenCreate, name).with(scopes), async {
        if api_tokens::count(&host.db).await? >= host.config.limits.api_tokens_max {
            return Err(Error::Bound("api_tokens_max"));
        }
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut secret).map_err(|_| provisioning::Error::NoRandomness)?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        if api_tokens::create(&host.db, &stored, token.as_bytes()).await? {
            Ok(token)
        } else {
            Err(Error::Exists("token"))
        }
    })
    .await
}

/// Every token, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list(host: &Host) -> Result<Vec<ApiToken>, Error> {
    Ok(api_tokens::list(&host.db).await?)
}

/// Makes a token void, at once and on every node.
///
/// # Errors
/// [`Error::Missing`] when there is none of that name.
pub async fn revoke(host: &Host, actor: &Actor, name: &str) -> Result<(), Error> {
    recorded(host, actor, Change::to(Action::TokenRevoke, name), async {
        if api_tokens::revoke(&host.db, name).await? { Ok(()) } else { Err(Error::Missing("token")) }
    })
    .await
}

/// Whose token this is, when it is good. Failures count as failed log-ins of the address do.
///
/// # Errors
/// [`Denied`].
pub async fn authenticate(host: &Host, ip: IpAddr, token: Option<&str>) -> Result<Access, Denied> {
    let now_ms = host.clock.now_ms();
    let attempt = Attempt { ip, localpart: NOBODY, secret: Secret::Token };
    host.guessing.check(&attempt, now_ms).map_err(Denied::TooMany)?;
    // Whatever is presented is looked up, so that what is malformed takes as long as what is wrong.
    let token = token.unwrap_or_default();
    let found = api_tokens::by_secret(&host.db, token.as_bytes()).await.map_err(Denied::Storage)?;
    let good = found
        .filter(|_| token.len() == TOKEN_CHARS && token.starts_with(PREFIX))
        .filter(|found| found.expires_at_ms.is_none_or(|end_ms| now_ms < end_ms));
    let Some(good) = good else {
        host.guessing.failed(&attempt, now_ms);
        return Err(Denied::Unknown);
    };
    if good.used_at_ms.is_none_or(|used_ms| now_ms - used_ms >= USE_NOTED_MS) {
        api_tokens::touch(&host.db, &good.name, now_ms).await.map_err(Denied::Storage)?;
    }
    Ok(Access { scopes: Scopes::from_stored(&good.scopes), name: good.name })
}

fn is_name(name: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
