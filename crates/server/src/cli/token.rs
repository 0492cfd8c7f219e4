//! `whimbreld token`: what programs present to the administration's API (`/admin/v1`).

use clap::{Args, Subcommand};
use storage::api_tokens::ApiToken;

use super::ConfigArg;
use super::output::{Failure, say};
use super::user::{ACTOR, Accounts};
use crate::admin::scope::{Scope, Scopes};
use crate::admin::{Error, tokens};
use crate::clock;
use crate::config::{Config, parse_duration};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it; it is shown only now
    Create(Create),
    /// List the tokens: name, scopes, when made, when it ends, when last used
    List(ConfigArg),
    /// Make a token void, at once
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What it is called, in lists and in the audit log
    #[arg(long)]
    name: String,
    /// What it is good for, such as accounts:read,accounts:write
    #[arg(long = "scope", required = true, value_delimiter = ',', value_name = "SCOPE,...")]
    scopes: Vec<Scope>,
    /// When it ends, such as 90d or 12h; without it, never
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires: Option<u64>,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// A name of the list
    name: String,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn token(command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Create(arg) => {
            let accounts = Accounts::open(&Config::load(&arg.config.config)?)?;
            let scopes: Scopes = arg.scopes.iter().copied().collect();
            say(accounts.wait(tokens::create(&accounts.host, &ACTOR, &arg.name, &scopes, arg.expires))?);
        }
        TokenCommand::List(arg) => {
            let accounts = Accounts::open(&Config::load(&arg.config)?)?;
            accounts.wait(tokens::list(&accounts.host))?.iter().for_each(|token| say(line(token)));
        }
        TokenCommand::Revoke(arg) => {
            let accounts = Accounts::open(&Config::load(&arg.config.config)?)?;
            match accounts.wait(tokens::revoke(&accounts.host, &ACTOR, &arg.name)) {
                Err(Error::Missing(_)) => {
                    return Err(Failure::new(format!("there is no token \"{}\"", arg.name.escape_debug())));
                }
                done => done?,
            }
            say(format_args!("revoked {}", arg.name));
        }
    }
    Ok(())
}

fn line(token: &ApiToken) -> String {
    let time = |at_ms: Option<i64>| at_ms.map_or_else(|| String::from("never"), clock::xmpp_time);
    let scopes = token.scopes.replace(' ', ",");
    let made = clock::xmpp_time(token.created_at_ms);
    format!("{} {scopes} made {made} ends {} used {}", token.name, time(token.expires_at_ms), time(token.used_at_ms))
}

/// A time such as `90d`, in seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let time = parse_duration(text).ok_or_else(|| String::from("a time is needed, such as 90d, 12h or 30m"))?;
    Ok(time.as_secs())
}
