//! The key agreement (the Signal specification "The X3DH Key Agreement Protocol", §2.2, §3.3 and §3.4; XEP-0384 "Key
//! Exchange"). Every exchange uses a one-time prekey.

use zeroize::Zeroizing;

use crate::curve::{KeyPair, PublicKey};
use crate::error::Error;
use crate::identity::{Identity, IdentityKey};
use crate::kdf;
use crate::protocol::Profile;
use crate::secret::Secret;

/// Keys of the responder, as its bundle shows them.
pub(crate) struct Theirs<'a> {
    pub(crate) identity: &'a IdentityKey,
    pub(crate) signed_prekey: &'a PublicKey,
    pub(crate) prekey: &'a PublicKey,
}

/// Keys of the responder, as it has them itself.
pub(crate) struct Ours<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) signed_prekey: &'a KeyPair,
    pub(crate) prekey: &'a KeyPair,
}

/// The secret as who starts the session calculates it.
pub(crate) fn initiate(
    profile: &Profile,
    own: &Identity,
    ephemeral: &KeyPair,
    theirs: &Theirs<'_>,
) -> Result<Secret, Error> {
    Ok(secret(
        profile,
        [
            own.pair().agree(theirs.signed_prekey)?,
            ephemeral.agree(theirs.identity.public())?,
            ephemeral.agree(theirs.signed_prekey)?,
            ephemeral.agree(theirs.prekey)?,
        ],
    ))
}

/// The secret as who is written to calculates it.
pub(crate) fn respond(
    profile: &Profile,
    ours: &Ours<'_>,
    identity: &IdentityKey,
    ephemeral: &PublicKey,
) -> Result<Secret, Error> {
    Ok(secret(
        profile,
        [
            ours.signed_prekey.agree(identity.public())?,
            ours.identity.pair().agree(ephemeral)?,
            ours.signed_prekey.agree(ephemeral)?,
            ours.prekey.agree(ephemeral)?,
        ],
    ))
}

fn secret(profile: &Profile, agreed: [Secret; 4]) -> Secret {
    // 32 bytes that are no key come first: no signature can be made to look like this input (X3DH §2.2, F).
    let mut input = Zeroizing::new(Vec::with_capacity(5 * 32));
    input.extend_from_slice(&[0xff; 32]);
    agreed.iter().for_each(|secret| input.extend_from_slice(secret.as_bytes()));
    Secret::new(*kdf::expand(&kdf::NO_SALT, &input, profile.agreement_label))
}
