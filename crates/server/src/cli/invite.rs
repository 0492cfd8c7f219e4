//! `whimbreld invite`: links by which people become users (XEP-0401).

use clap::{Args, Subcommand};
use jid::{BareJid, NodePart};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use storage::InviteId;
use storage::invites::Invite;

use super::ConfigArg;
use super::output::{Failure, say};
use super::token::seconds;
use super::user::{ACTOR, Accounts, localpart};
use crate::admin::Error;
use crate::admin::invites::{self, NewInvite};
use crate::clock;
use crate::config::Config;

/// Invitations read at a time.
const PAGE: u32 = 250;

#[derive(Debug, Subcommand)]
pub(super) enum InviteCommand {
    /// Make an invitation, and print its link and a code to scan; they are shown only now
    Create(Create),
    /// List the invitations: id, state, uses, when it ends, name and contact, who made it
    List(ConfigArg),
    /// Make an invitation void, at once
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The name that is reserved for the invited person
    #[arg(long, value_name = "LOCALPART")]
    name: Option<String>,
    /// An account here that the invited person is connected with
    #[arg(long, value_name = "JID")]
    contact: Option<String>,
    /// When it ends, such as 7d or 12h
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires: Option<u64>,
    /// How many people may use it
    #[arg(long)]
    uses: Option<u32>,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// An id of the list
    #[arg(value_parser = invite_id)]
    id: InviteId,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn invite(command: InviteCommand) -> Result<(), Failure> {
    match command {
        InviteCommand::Create(arg) => create(&arg),
        InviteCommand::List(arg) => list(&Config::load(&arg.config)?),
        InviteCommand::Revoke(arg) => {
            let accounts = Accounts::open(&Config::load(&arg.config.config)?)?;
            match accounts.wait(invites::revoke(&accounts.host, &ACTOR, arg.id)) {
                Err(Error::Missing(_)) => return Err(Failure::new(format!("there is no invitation {}", arg.id))),
                done => done?,
            }
            say(format_args!("revoked {}", arg.id));
            Ok(())
        }
    }
}

fn create(arg: &Create) -> Result<(), Failure> {
    let config = Config::load(&arg.config.config)?;
    let domain = &config.server.domain;
    let named = |text: &Option<String>| text.as_deref().map(|text| localpart(text, domain)).transpose();
    let contact: Option<NodePart> = named(&arg.contact)?;
    let new = NewInvite {
        contact: contact.map(|localpart| BareJid::from_parts(Some(&localpart), domain)),
        localpart: named(&arg.name)?,
        registers: true,
        uses: arg.uses,
        expires_in_secs: arg.expires,
    };
    let accounts = Accounts::open(&config)?;
    let made = accounts.wait(invites::create(&accounts.host, &ACTOR, new))?;
    let link = made.link.page.as_deref().unwrap_or(&made.link.uri);
    if let Ok(code) = QrCode::new(link.as_bytes()) {
        // Dark on light on most terminals, which are dark.
        say(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build());
    }
    say(link);
    if made.link.page.is_some() {
        say(&made.link.uri);
    }
    let until = clock::xmpp_time(made.invite.expires_at_ms);
    say(format_args!("invitation {}, {} uses, until {until}", made.invite.id, made.invite.uses_max));
    Ok(())
}

fn list(config: &Config) -> Result<(), Failure> {
    let accounts = Accounts::open(config)?;
    let now_ms = clock::now_ms();
    let mut after = None;
    loop {
        let page = accounts.wait(invites::list(&accounts.host, after, PAGE))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for invite in &page {
            let contact = accounts.wait(invites::contact_of(&accounts.host, invite))?;
            say(line(invite, contact.as_ref(), now_ms));
        }
    }
}

fn line(invite: &Invite, contact: Option<&BareJid>, now_ms: i64) -> String {
    let state = match (invite.is_open(now_ms), invite.uses >= invite.uses_max) {
        (true, _) => "open",
        (false, true) => "used",
        (false, false) => "expired",
    };
    let Invite { id, uses, uses_max, created_by, .. } = invite;
    let until = clock::xmpp_time(invite.expires_at_ms);
    let name = invite.localpart.as_deref().unwrap_or("-");
    let contact = contact.map_or("-", |contact| contact.as_str());
    format!("{id} {state} {uses}/{uses_max} {until} name {name} contact {contact} by {created_by}")
}

fn invite_id(text: &str) -> Result<InviteId, String> {
    InviteId::parse(text).ok_or_else(|| String::from("an id of \"invite list\" is needed: 16 hexadecimal digits"))
}
