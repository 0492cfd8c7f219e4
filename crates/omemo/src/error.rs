//! What can go wrong, and what a client should do then (XEP-0384 "Business Rules").

/// Why a message, a bundle or a saved state was refused. The call that fails changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message was decrypted before.
    #[error("this message was already decrypted")]
    Duplicate,
    /// There is no session, and the message starts none.
    #[error("there is no session with this device")]
    NoSession,
    /// The message starts a session with a one-time prekey that was used or never existed.
    #[error("the message uses one-time prekey {0}, which is used up or was never published")]
    UnknownPrekey(u32),
    /// The message starts a session with a signed prekey that is too old or never existed.
    #[error("the message uses signed prekey {0}, which is too old or was never published")]
    UnknownSignedPrekey(u32),
    /// The device has another identity key than before: a new installation, or somebody else.
    #[error("the identity key of this device has changed")]
    IdentityChanged,
    /// No session can authenticate the message: it is forged, or one side lost or restored its state.
    #[error("the message fits no session with this device: it is forged, or one side restored an old state")]
    Unauthentic,
    /// More messages are missing before this one than may be skipped.
    #[error("more messages are missing before this one than can be skipped")]
    TooFarAhead,
    /// The key of this late message is no longer kept, or the message is beyond its chain's end.
    #[error("the key of this late message is no longer kept")]
    TooOld,
    /// The bytes are not what the specification describes; the text names the part.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// More bytes than `limits.rs` allows; the text names the part.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// A public key with which any agreement gives the same secret.
    #[error("a public key is too weak to agree on a secret with")]
    WeakKey,
    /// A signature of the identity key does not verify.
    #[error("the signature was not made by this identity key")]
    BadSignature,
    /// The bundle has no one-time prekey that could be used.
    #[error("the bundle has no one-time prekey left")]
    NoPrekeys,
    /// The payload does not belong to this key, or was changed.
    #[error("the payload does not fit its key")]
    BadPayload,
    /// Device, peer and bundle are not of one namespace.
    #[error("device, peer and bundle speak different versions of OMEMO")]
    WrongProtocol,
    /// A counter of the session is at its end.
    #[error("the session has sent all the messages it can: start a new one")]
    Exhausted,
}

/// What a client does about an [`Error`] of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing, and show nothing: the message is known already.
    Ignore,
    /// Say that a message could not be read; the session itself is sound.
    Report,
    /// Start a session, send an empty message over it, and say that a message could not be read.
    StartSession,
    /// The session is broken. Say so and let the user replace it; never replace it unasked.
    OfferReplacement,
    /// Warn: the user must look at the new fingerprint before anything is sent.
    VerifyIdentity,
}

impl Error {
    /// What XEP-0384 asks of a client whose message failed like this.
    pub fn remedy(self) -> Remedy {
        match self {
            Self::Duplicate => Remedy::Ignore,
            Self::NoSession => Remedy::StartSession,
            Self::IdentityChanged => Remedy::VerifyIdentity,
            Self::Unauthentic
            | Self::TooFarAhead
            | Self::UnknownPrekey(_)
            | Self::UnknownSignedPrekey(_)
            | Self::Exhausted => Remedy::OfferReplacement,
            Self::TooOld
            | Self::Malformed(_)
            | Self::TooLarge(_)
            | Self::WeakKey
            | Self::BadSignature
            | Self::NoPrekeys
            | Self::BadPayload
            | Self::WrongProtocol => Remedy::Report,
        }
    }
}
