//! XEP-0484: a token instead of a password. The database holds a seed for each; the token is made from it with a key
//! of the deployment each time it is needed.

use std::sync::Arc;

use bytes::Bytes;
use storage::devices::{self as stored, Token};
use storage::{AccountId, DeviceId};
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::sasl::{Condition, Failure, TokenMechanism, UserAgentId, hashed_token};

use super::request::{Fast, Request};
use crate::accounts::Account;
use crate::c2s::auth::{self, Channel, WRONG};
use crate::c2s::guessing::Secret;
use crate::clock;
use crate::devices;
use crate::host::Host;

/// Somebody came with a token.
pub(super) struct Came {
    pub(super) account: Arc<Account>,
    pub(super) device: DeviceId,
    /// Proves that the server knows the token too.
    pub(super) proof: Vec<u8>,
    /// The token is old: the client is to be given another of this mechanism.
    pub(super) rotates: Option<TokenMechanism>,
}

/// Logs in with a token, unless too many log-ins have failed from that address. What was used is committed before this returns, so that it cannot be used once more.
///
/// # Errors
/// `invalid-mechanism` for one that takes no token or has nothing to bind to here, `malformed-request` for broken
/// syntax, `credentials-expired` for a token that was good once; for everything else `not-authorized`.
pub(super) async fn log_in(
    host: &Host,
    channel: &Channel,
    request: &Request,
    (fast, initial): (Fast, Option<&[u8]>),
) -> Result<Came, Failure> {
    let not_offered = Failure::new(Condition::InvalidMechanism, "the mechanism is not on offer");
    let mechanism = TokenMechanism::by_name(&request.mechanism).ok_or(not_offered)?;
    let bound = mechanism.bound_bytes(&channel.bindings).ok_or(not_offered)?;
    let malformed = |reason| Failure::new(Condition::MalformedRequest, reason);
    let agent = request.user_agent.id.ok_or(malformed("a token needs the id of its user-agent"))?;
    let initial = initial.ok_or(malformed("a token needs an initial response"))?;
    let claim = hashed_token::parse(initial, host.domain.domain())?;
    let attempt = auth::attempt(channel, &claim.account, Secret::Token);
    auth::check_guessing(host, &attempt)?;
    let came = check(host, &claim, (mechanism, bound), (&agent, fast)).await;
    auth::note_outcome(host, &attempt, came)
}

/// Finds the token that the client proves to have, and uses it.
async fn check(
    host: &Host,
    claim: &hashed_token::Claim,
    (mechanism, bound): (TokenMechanism, &[u8]),
    (agent, fast): (&UserAgentId, Fast),
) -> Result<Came, Failure> {
    let account = host.accounts.find(&host.db, &claim.account).await.map_err(failed)?.ok_or(WRONG)?;
    let device = devices::id_of(host, account.id, agent);
    let tokens = stored::tokens(&host.db, account.id, device).await.map_err(failed)?;
    // XEP-0484 §3.4: a token is of no use with another mechanism.
    let mut known = tokens.into_iter().filter(|token| token.mechanism == mechanism.name());
    let (token, text) = known
        .find_map(|token| {
            let text = devices::token_of(host, account.id, device, &token.seed);
            claim.is_proved_by(&text, bound).then_some((token, text))
        })
        .ok_or(WRONG)?;
    let now_ms = host.clock.now_ms();
    if token.expires_at_ms <= now_ms {
        return Err(Failure::new(Condition::CredentialsExpired, "the token has expired"));
    }
    auth::check_enabled(&account)?;
    if !stored::use_token(&host.db, account.id, device, &token, fast.count, now_ms).await.map_err(failed)? {
        return Err(Failure::new(Condition::NotAuthorized, "the token was used with this count before"));
    }
    if fast.invalidate {
        stored::forget_token(&host.db, account.id, device, &token).await.map_err(failed)?;
    }
    let is_old = now_ms.saturating_sub(token.issued_at_ms) >= ms(host.config.limits.fast_token_rotate_secs);
    Ok(Came {
        account,
        device,
        proof: hashed_token::answer(&text, bound),
        rotates: Some(mechanism).filter(|_| is_old && !fast.invalidate),
    })
}

/// Makes a token for a device: the `<token/>` for its client. None when it could not be stored: the client is in, and
/// asks again another time.
pub(super) async fn issue(host: &Host, account: AccountId, device: DeviceId, mechanism: TokenMechanism) -> Option<Xml> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).ok()?;
    let issued_at_ms = host.clock.now_ms();
    let expires_at_ms = issued_at_ms.saturating_add(ms(host.config.limits.fast_token_secs_max));
    let mechanism = mechanism.name().to_owned();
    let token = Token { seed: Bytes::copy_from_slice(&seed), mechanism, issued_at_ms, expires_at_ms };
    if let Err(error) = stored::add_token(&host.db, account, device, &token).await {
        tracing::warn!(%error, "a token could not be stored");
        return None;
    }
    let text = devices::token_of(host, account, device, &seed);
    Some(Xml::new("token", ns::FAST).attr("token", text).attr("expiry", clock::xmpp_time(expires_at_ms)))
}

fn ms(secs: u64) -> i64 {
    i64::try_from(secs.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

fn failed(error: storage::Error) -> Failure {
    tracing::error!(%error, "tokens could not be read");
    auth::out_of_order()
}
