//! The two namespaces of OMEMO as one table of differences. All else in this crate is written once.
//!
//! Sources: XEP-0384 0.3 (`eu.siacs.conversations.axolotl`) and XEP-0384 0.8 and later (`urn:xmpp:omemo:2`).

/// Which OMEMO is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `eu.siacs.conversations.axolotl`, XEP-0384 0.3: what most clients speak.
    Axolotl,
    /// `urn:xmpp:omemo:2`, XEP-0384 0.8 and later.
    Omemo2,
}

/// Whose identity key comes first in what a message's authentication covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdentityOrder {
    /// The sender of this message.
    SenderFirst,
    /// Who started the session.
    InitiatorFirst,
}

/// How public keys are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// `0x05` and the Curve25519 u-coordinate; identity keys too, and their signatures carry the Edwards sign.
    Tagged,
    /// The Curve25519 u-coordinate; identity keys are in their Ed25519 form.
    Bare,
}

/// How a ratchet message is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A version byte, the protobuf, the MAC.
    Versioned,
    /// A protobuf of MAC and message (`OMEMOAuthenticatedMessage`).
    Nested,
}

/// Field numbers of a ratchet message.
#[derive(Debug)]
pub(crate) struct MessageFields {
    pub(crate) dh: u32,
    pub(crate) n: u32,
    pub(crate) pn: u32,
    pub(crate) ciphertext: u32,
}

/// Field numbers of a key exchange.
#[derive(Debug)]
pub(crate) struct KeyExchangeFields {
    pub(crate) prekey_id: u32,
    pub(crate) signed_prekey_id: u32,
    pub(crate) identity: u32,
    pub(crate) ephemeral: u32,
    pub(crate) message: u32,
    /// The sender's device id, where it is written at all.
    pub(crate) device_id: Option<u32>,
}

/// Every difference between the namespaces, the payload's cipher (`payload.rs`) apart.
#[derive(Debug)]
pub(crate) struct Profile {
    /// HKDF label of the key agreement.
    pub(crate) agreement_label: &'static [u8],
    /// HKDF label of the root chain.
    pub(crate) root_label: &'static [u8],
    /// HKDF label of a message's keys.
    pub(crate) message_label: &'static [u8],
    /// What remains of a ratchet message's HMAC, in bytes.
    pub(crate) mac_bytes: usize,
    /// Further keys to keep of a chain that is over: clients of the older namespace write the last index of the
    /// previous chain where others write its length.
    pub(crate) previous_counter_slack: u32,
    pub(crate) identity_order: IdentityOrder,
    pub(crate) key_form: KeyForm,
    pub(crate) framing: Framing,
    pub(crate) message_fields: MessageFields,
    pub(crate) key_exchange_fields: KeyExchangeFields,
}

const AXOLOTL: Profile = Profile {
    agreement_label: b"WhisperText",
    root_label: b"WhisperRatchet",
    message_label: b"WhisperMessageKeys",
    mac_bytes: 8,
    previous_counter_slack: 1,
    identity_order: IdentityOrder::SenderFirst,
    key_form: KeyForm::Tagged,
    framing: Framing::Versioned,
    message_fields: MessageFields { dh: 1, n: 2, pn: 3, ciphertext: 4 },
    key_exchange_fields: KeyExchangeFields {
        prekey_id: 1,
        ephemeral: 2,
        identity: 3,
        message: 4,
        device_id: Some(5),
        signed_prekey_id: 6,
    },
};

const OMEMO_2: Profile = Profile {
    agreement_label: b"OMEMO X3DH",
    root_label: b"OMEMO Root Chain",
    message_label: b"OMEMO Message Key Material",
    mac_bytes: 16,
    previous_counter_slack: 0,
    identity_order: IdentityOrder::InitiatorFirst,
    key_form: KeyForm::Bare,
    framing: Framing::Nested,
    message_fields: MessageFields { n: 1, pn: 2, dh: 3, ciphertext: 4 },
    key_exchange_fields: KeyExchangeFields {
        prekey_id: 1,
        signed_prekey_id: 2,
        identity: 3,
        ephemeral: 4,
        message: 5,
        device_id: None,
    },
};

impl Protocol {
    pub(crate) fn profile(self) -> &'static Profile {
        match self {
            Self::Axolotl => &AXOLOTL,
            Self::Omemo2 => &OMEMO_2,
        }
    }
}
