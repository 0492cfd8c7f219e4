//! The task that keeps the certificate fresh for as long as the server runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{Account, CertificateIdentifier};

use super::account::{self, AcmeError};
use super::held::{self, Held};
use super::schedule::{self, Window};
use super::{folder, order, replace};
use crate::config::AcmeConfig;
use crate::host::Host;

/// How long one attempt may take, whatever the authority does.
const ATTEMPT: Duration = Duration::from_secs(300);

/// Gets a certificate when there is none, and a new one in time, for ever. Failures are logged and tried again; the old
/// certificate stays in use meanwhile.
pub async fn renew_forever(host: Arc<Host>) {
    let Some(config) = &host.config.tls.acme else { return };
    let mut failures = 0;
    // Where in the authority's window this server renews: once and for all, or it would always be later.
    let chance = chance();
    loop {
        let attempt = look(&host, config, chance, failures);
        let done = match tokio::time::timeout(ATTEMPT, attempt).await {
            Ok(done) => done,
            Err(_) => Err(AcmeError::Unfit(String::from("the authority takes too long"))),
        };
        host.answers.clear();
        let wait = match done {
            Ok(wait) => {
                failures = 0;
                wait
            }
            Err(error) => {
                failures += 1;
                host.metrics.renewals.failed.add(1);
                let pause = schedule::pause_after(failures, self::chance());
                let next_secs = pause.as_secs();
                tracing::warn!(%error, next_secs, "there is no new certificate yet");
                if error.is_unknown_account()
                    && let Err(error) = account::forget(&folder(&host.config.server.data_dir))
                {
                    tracing::warn!(%error, "the account that the authority forgot cannot be put aside");
                }
                pause
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Looks at the certificate and renews it if it is time; says when to look again.
async fn look(host: &Host, config: &AcmeConfig, chance: f64, failures: u32) -> Result<Duration, AcmeError> {
    let path = &host.config.tls.cert;
    let folder = folder(&host.config.server.data_dir);
    let domains = ascii(config)?;
    let held = Held::read(path);
    let unfit = match &held {
        None => Some("there is none"),
        Some(held) => held.unfit(&domains, &config.directory),
    };
    let account = account::open(config, &folder).await?;
    let now_secs = host.clock.now_ms() / 1000;
    let mut replaces = None;
    if let (Some(held), None) = (&held, unfit) {
        let (window, again) = window_of(&account, held).await;
        let at_secs = schedule::renew_at(held.validity, window, chance);
        if now_secs < at_secs {
            return Ok(schedule::until_next_look(now_secs, at_secs, again));
        }
        // An authority that refuses the hint is asked without it the next time.
        replaces = held.identifier.clone().filter(|_| window.is_some() && failures == 0);
    }
    let why = unfit.unwrap_or("it is time");
    tracing::info!(domains = domains.join(","), directory = config.directory, why, "asking for a certificate");
    renew(host, config, &account, &domains, replaces).await?;
    Ok(Duration::ZERO)
}

async fn renew(
    host: &Host,
    config: &AcmeConfig,
    account: &Account,
    domains: &[String],
    replaces: Option<CertificateIdentifier<'static>>,
) -> Result<(), AcmeError> {
    let path: &Path = &host.config.tls.cert;
    let pem = order::run(account, domains, config.challenge, replaces, &host.answers).await?;
    replace(path, format!("{}{pem}", held::origin_line(&config.directory)).as_bytes())
        .map_err(|source| AcmeError::File { path: path.to_owned(), source })?;
    if let Some(tls) = &host.tls {
        tls.reload().map_err(|error| AcmeError::Unfit(error.to_string()))?;
    }
    host.metrics.renewals.renewed.add(1);
    let validity = Held::read(path).map_or((0, 0), |held| held.validity);
    let until = crate::clock::xmpp_time(validity.1.saturating_mul(1000));
    tracing::info!(domains = domains.join(","), until, "got a certificate");
    // Or the next look would ask for another one at once, and so on.
    if schedule::renew_at(validity, None, 0.0) <= host.clock.now_ms() / 1000 {
        let what = "the new certificate is nearly over already: look at this machine's clock";
        return Err(AcmeError::Unfit(String::from(what)));
    }
    Ok(())
}

/// When the authority would like it renewed, and how soon to ask again (RFC 9773). None where it does not say.
async fn window_of(account: &Account, held: &Held) -> (Option<Window>, Option<Duration>) {
    let Some(id) = &held.identifier else { return (None, None) };
    match account.renewal_info(id).await {
        Ok((info, again)) => {
            let window = info.suggested_window;
            let (start_secs, end_secs) = (window.start.unix_timestamp(), window.end.unix_timestamp());
            (Some(Window { start_secs, end_secs }), Some(again))
        }
        Err(error) => {
            tracing::debug!(%error, "the authority does not say when to renew");
            (None, None)
        }
    }
}

/// The names as they stand in a certificate.
fn ascii(config: &AcmeConfig) -> Result<Vec<String>, AcmeError> {
    let ascii = |domain: &jid::DomainPart| {
        let refused = |_| AcmeError::Unfit(format!("{domain} cannot be named in a certificate"));
        idna::domain_to_ascii_strict(domain.as_str()).map_err(refused)
    };
    config.domains.iter().map(ascii).collect()
}

/// Random, from 0 to 1.
fn chance() -> f64 {
    let [byte, ..] = crate::c2s::random_bytes();
    f64::from(byte) / 255.0
}
