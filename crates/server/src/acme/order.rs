//! One order: the authority is shown that the names are ours, and signs a certificate for a key made for it.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::account::AcmeError;
use super::answers::Answers;
use crate::config::AcmeChallenge;

/// How long an authority may take to look, and again to sign.
const PATIENCE: Duration = Duration::from_secs(90);

/// Gets a certificate: its key and chain as one PEM text.
pub(super) async fn run(
    account: &Account,
    domains: &[String],
    challenge: AcmeChallenge,
    replaces: Option<CertificateIdentifier<'static>>,
    answers: &Answers,
) -> Result<String, AcmeError> {
    let identifiers: Vec<Identifier> = domains.iter().map(|domain| Identifier::Dns(domain.clone())).collect();
    let new = NewOrder::new(&identifiers);
    let new = match replaces {
        Some(old) => new.replaces(old),
        None => new,
    };
    let mut order = account.new_order(&new).await?;
    let shown = show(&mut order, challenge, answers).await;
    answers.clear();
    shown?;
    sign(&mut order, domains).await
}

/// Shows the authority that every name is ours.
async fn show(order: &mut Order, challenge: AcmeChallenge, answers: &Answers) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let domain = authorization.identifier().to_string();
        match authorization.status {
            AuthorizationStatus::Pending => {}
            // Shown not long ago.
            AuthorizationStatus::Valid => continue,
            status => return Err(AcmeError::Unfit(format!("the authority says {status:?} of {domain}"))),
        }
        let wanted = match challenge {
            AcmeChallenge::Http01 => ChallengeType::Http01,
            AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        };
        let not_offered = || AcmeError::Unfit(format!("the authority does not offer {wanted:?} for {domain}"));
        let mut handle = authorization.challenge(wanted.clone()).ok_or_else(not_offered)?;
        let proof = handle.key_authorization();
        match challenge {
            AcmeChallenge::Http01 => answers.offer_text(&handle.token, &proof),
            AcmeChallenge::TlsAlpn01 => answers.offer_certificate(&domain, &proof)?,
        }
        handle.set_ready().await?;
    }
    let refused = match order.poll_ready(&patience()).await {
        Ok(OrderStatus::Ready) => return Ok(()),
        Ok(status) => AcmeError::Unfit(format!("the authority says {status:?} of the order")),
        // It says of the order that it is invalid; why, it says of the challenge.
        Err(error) => AcmeError::from(error),
    };
    Err(why_invalid(order).await.map_or(refused, AcmeError::Unfit))
}

/// What the authority did not like of the answers, in its own words.
async fn why_invalid(order: &mut Order) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            let said = problem.detail.clone().unwrap_or_default();
            return Some(format!("the authority could not see that {} is ours: {said}", state.identifier()));
        }
    }
    None
}

async fn sign(order: &mut Order, domains: &[String]) -> Result<String, AcmeError> {
    let unfit = |error: rcgen::Error| AcmeError::Unfit(format!("no request can be made: {error}"));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unfit)?;
    let mut params = CertificateParams::new(domains).map_err(unfit)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(unfit)?;
    order.finalize_csr(request.der()).await?;
    let chain = order.poll_certificate(&patience()).await?;
    Ok(format!("{}{chain}", key.serialize_pem()))
}

fn patience() -> RetryPolicy {
    RetryPolicy::default().timeout(PATIENCE)
}
