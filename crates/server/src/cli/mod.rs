//! The command line of `whimbreld`, as the operator's contract has it: one file a command. Every
//! command exits with 0, or says in one line on standard error what went wrong and exits with 1.

mod audit;
mod backup;
mod check;
mod dev;
mod init;
mod invite;
mod keys;
mod migrate;
mod output;
mod password;
mod run;
mod token;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use jid::DomainPart;

#[derive(Debug, Parser)]
#[command(name = "whimbreld", version, about = "The Whimbrel XMPP server", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try it now: a server on this machine only, with two accounts, no configuration needed
    Dev {
        /// Where everything is kept; made on first use
        #[arg(long, default_value = "./whimbrel-dev")]
        dir: PathBuf,
    },
    /// Write a commented configuration, a master key and a self-signed certificate
    Init {
        /// The part of your addresses after the @
        #[arg(long, value_parser = domain)]
        domain: DomainPart,
        /// The folder to write to
        #[arg(long)]
        dir: PathBuf,
    },
    /// Run the server in the foreground
    Run(ConfigArg),
    /// Try everything that is configured and say what is wrong and how to mend it
    Check(ConfigArg),
    /// Add, change, list and delete accounts, while the server runs or not
    #[command(subcommand)]
    User(user::UserCommand),
    /// Make, list and revoke tokens of the administration's API
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Make, list and revoke links by which people become users
    #[command(subcommand)]
    Invite(invite::InviteCommand),
    /// Show what administrators changed, the newest first
    Audit(audit::AuditArg),
    /// Change the master key, while the server runs or not
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Back up everything, and restore it, while the server runs or not
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Bring the schema to the newest version, as every start does; or copy everything into another database
    Migrate(migrate::MigrateArgs),
}

#[derive(Debug, Args)]
struct ConfigArg {
    /// The configuration file, whimbrel.toml
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) if is_mistake(&error) => {
            eprintln!("whimbreld: {}", mistake(&error));
            return ExitCode::FAILURE;
        }
        Err(help) => {
            // Nobody reads it: no failure.
            let _ = help.print();
            return ExitCode::from(u8::from(help.use_stderr()));
        }
    };
    let done = match command {
        Command::Dev { dir } => dev::dev(&dir),
        Command::Init { domain, dir } => init::init(&domain, &dir),
        Command::Run(arg) => run::run(&arg.config),
        Command::Check(arg) => check::check(&arg.config),
        Command::User(command) => user::user(command),
        Command::Token(command) => token::token(command),
        Command::Invite(command) => invite::invite(command),
        Command::Audit(arg) => audit::audit(&arg),
        Command::Keys(command) => keys::keys(&command),
        Command::Backup(command) => backup::backup(&command),
        Command::Migrate(args) => migrate::migrate(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("whimbreld: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether a command line is wrong, rather than one that asks for help or the version.
fn is_mistake(error: &clap::Error) -> bool {
    error.use_stderr() && error.kind() != clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// What is wrong with a command line, in one line: what clap says before it shows the usage.
fn mistake(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let line = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line).to_owned();
    match line.split_once(" For more information") {
        Some((said, _)) => format!("{said} (try --help)"),
        None => format!("{line} (try --help)"),
    }
}

fn domain(text: &str) -> Result<DomainPart, String> {
    // By way of a JID, so that `user@domain` is refused.
    match jid::BareJid::new(text) {
        Ok(jid) if jid.node().is_none() => Ok(jid.domain().to_owned()),
        _ => Err(String::from("a domain is needed, such as example.org")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_the_contract() {
        Cli::command().debug_assert();
        for line in [
            "whimbreld dev",
            "whimbreld dev --dir d",
            "whimbreld init --domain example.org --dir d",
            "whimbreld run --config f",
            "whimbreld check --config f",
            "whimbreld user add alice --password-stdin --config f",
            "whimbreld user passwd alice@example.org --config f",
            "whimbreld user disable alice --config f",
            "whimbreld user enable alice --config f",
            "whimbreld user delete alice --config f",
            "whimbreld user delete alice --json --config f",
            "whimbreld user export alice --config f",
            "whimbreld user export --all --output all.xml --config f",
            "whimbreld user export alice --zip alice.zip --config f",
            "whimbreld user import all.xml more.xml --merge --config f",
            "whimbreld user list --config f",
            "whimbreld user show alice --config f",
            "whimbreld user devices list alice --config f",
            "whimbreld user devices revoke alice --config f",
            "whimbreld user devices revoke alice 00000000deadbeef --config f",
            "whimbreld user uploads list alice --config f",
            "whimbreld user uploads remove alice --config f",
            "whimbreld user uploads remove alice 000000000000000000000000deadbeef --config f",
            "whimbreld token create --name ci --scope accounts:read,accounts:write --expires 90d --config f",
            "whimbreld token list --config f",
            "whimbreld token revoke ci --config f",
            "whimbreld invite create --config f",
            "whimbreld invite create --name carol --contact alice --expires 7d --uses 1 --config f",
            "whimbreld invite list --config f",
            "whimbreld invite revoke 00000000deadbeef --config f",
            "whimbreld audit --limit 9 --config f",
            "whimbreld keys rotate --config f",
            "whimbreld backup create --to dir --config f",
            "whimbreld backup create --to s3://bucket?endpoint=http://h --keep 3 --passphrase-stdin --config f",
            "whimbreld backup restore --from dir --backup name --force --passphrase-stdin --config f",
            "whimbreld backup list --from dir --config f",
            "whimbreld backup verify --from dir --config f",
            "whimbreld migrate --to postgres://host/db --config f",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert!(Cli::try_parse_from(["whimbreld", "init", "--domain", "a@b", "--dir", "d"]).is_err());
    }
}
