//! `whimbreld user uploads`: what an account has uploaded (XEP-0363), and how it is taken away.

use clap::{Args, Subcommand};
use storage::uploads::{Listed, UploadId};

use super::{Accounts, Named};
use crate::cli::output::{Failure, say};
use crate::clock;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum UploadsCommand {
    /// List the uploads, in the order of their ids: id, when, whole or open, bytes, media type, name
    List(Named),
    /// Remove an upload for good; without an ID all of them
    Remove(Which),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Which {
    #[command(flatten)]
    named: Named,
    /// An id of the list
    #[arg(value_parser = upload_id)]
    id: Option<UploadId>,
}

pub(super) fn uploads(command: &UploadsCommand) -> Result<(), Failure> {
    match command {
        UploadsCommand::List(named) => {
            let (config, localpart) = named.resolve()?;
            Accounts::open(&config)?.for_each_upload(&localpart, |upload| say(line(upload)))
        }
        UploadsCommand::Remove(which) => {
            let (config, localpart) = which.named.resolve()?;
            let accounts = Accounts::open(&config)?;
            let jid = format!("{localpart}@{}", config.server.domain);
            let removed = match which.id {
                Some(id) if !accounts.remove_upload(&localpart, id)? => {
                    return Err(Failure::new(format!("{jid} has no upload {id}")));
                }
                Some(_) => 1,
                None => accounts.remove_uploads(&localpart)?,
            };
            say(format_args!("removed {removed} of the uploads of {jid}"));
            Ok(())
        }
    }
}

fn line(upload: &Listed) -> String {
    let Listed { id, whole, at_ms, described } = upload;
    let state = if *whole { "whole" } else { "open" };
    let kind = if described.content_type.is_empty() { "-" } else { &described.content_type };
    format!("{id} {} {state} {} {kind} {}", clock::xmpp_time(*at_ms), described.bytes, described.file_name)
}

fn upload_id(text: &str) -> Result<UploadId, String> {
    UploadId::parse(text).ok_or_else(|| String::from("an id of \"user uploads list\" is needed: 32 hexadecimal digits"))
}
