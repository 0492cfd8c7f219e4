//! Every bound of the server, named once: the name here is the key in `[limits]`, the row in
//! `docs/limits.md` and the field the code reads.
//!
//! Units are the last part of a name (`_bytes_max`, `_secs`); a plain `_max` counts things.
//! Defaults follow what ejabberd and Prosody ship where they have the same bound.

/// One row of the table of bounds: what the operator may set, and within what range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The key in `[limits]`, and the field of [`Limits`].
    pub name: &'static str,
    /// The value when nothing is configured.
    pub default: u64,
    /// The smallest value that makes sense.
    pub smallest: u64,
    /// The largest value that the server accepts; `None` where the bound may be switched off
    /// with the word `none`.
    pub largest: Option<u64>,
    /// What the bound protects, one sentence or two.
    pub meaning: &'static str,
}

/// Why a value of `[limits]` was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundError {
    /// Below the smallest value.
    #[error("must be at least {0}")]
    TooSmall(u64),
    /// Above the largest value.
    #[error("must be at most {0}")]
    TooLarge(u64),
    /// `none` for a bound that always holds.
    #[error("cannot be \"none\": this bound always holds, at most {0}")]
    AlwaysHolds(u64),
}

macro_rules! bounds {
    ($( $(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:literal in $smallest:literal .. $largest:tt; )+) => {
        /// The bounds in force, read from `[limits]` once at start.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $( $(#[doc = $doc])+ pub $name: $kind, )+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $( $name: $default, )+ }
            }
        }

        impl Limits {
            /// Every bound, in the order of the documentation.
            pub const BOUNDS: &'static [Bound] = &[
                $( Bound {
                    name: stringify!($name),
                    default: $default,
                    smallest: $smallest,
                    largest: bounds!(@largest $largest),
                    meaning: concat!($($doc),+),
                }, )+
            ];

            /// Sets the bound called `name`, already checked by [`Bound::check`]; `false` when
            /// there is no such bound.
            fn assign(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $( stringify!($name) => self.$name = <$kind>::try_from(value).unwrap_or(<$kind>::MAX), )+
                    _ => return false,
                }
                true
            }

            #[cfg(test)]
            fn value(&self, name: &str) -> Option<u64> {
                match name {
                    $( stringify!($name) => u64::try_from(self.$name).ok(), )+
                    _ => None,
                }
            }
        }
    };
    (@largest none) => { None };
    (@largest $largest:literal) => { Some($largest) };
}

bounds! {
    /// Bytes of one stanza after authentication; a bigger one ends the stream with
    /// `policy-violation`. Announced to clients (XEP-0478).
    stanza_bytes_max: usize = 262_144 in 10_000..67_108_864;
    /// Bytes of one element before authentication.
    pre_auth_stanza_bytes_max: usize = 10_240 in 4_096..262_144;
    /// Depth of nested elements in one stanza.
    depth_max: usize = 64 in 8..512;
    /// Attributes of one element.
    attributes_max: usize = 64 in 16..1_024;
    /// Namespace prefixes in scope at one element.
    declarations_max: usize = 32 in 8..512;

    /// Seconds a connection may take to authenticate and bind.
    pre_auth_secs: u64 = 30 in 1..3_600;
    /// Connections that have not authenticated yet, over all addresses.
    pre_auth_connections_max: usize = 2_000 in 1..none;
    /// Connections from one IP address (IPv6: from a /64) at a time.
    connections_per_ip_max: usize = 256 in 1..none;
    /// Failed log-ins of one connection before it is closed.
    auth_attempts_max: u32 = 3 in 1..100;
    /// Failed log-ins of one IP address (IPv6: of a /64) in a minute; then it is told
    /// `temporary-auth-failure` until the minute is over, except on an account that it has logged in to
    /// within a day.
    auth_failures_per_ip_per_minute_max: u32 = 30 in 1..none;
    /// Failed log-ins on one account in a minute, from anywhere; then passwords are refused, likewise.
    /// Not from an address that has logged in to it within a day; and tokens (XEP-0484) are good.
    auth_failures_per_account_per_minute_max: u32 = 20 in 1..none;
    /// Seconds a token is good for that a device logs in with instead of a password (XEP-0484): how
    /// long it may stay away.
    fast_token_secs_max: u64 = 1_209_600 in 1..31_536_000;
    /// Seconds after which a device that uses its token is given a new one (XEP-0484).
    fast_token_rotate_secs: u64 = 86_400 in 0..31_536_000;
    /// Devices of one account that are remembered (XEP-0388); the one unseen for longest makes room.
    devices_per_account_max: usize = 64 in 1..10_000;
    /// Resources one connection may ask to bind.
    bind_max: u32 = 4 in 1..100;
    /// Seconds without a byte after which the server asks the client whether it is there.
    idle_secs: u64 = 300 in 10..86_400;
    /// Seconds the client has to answer that question before its connection is closed. Announced,
    /// added to `idle_secs`, to clients (XEP-0478).
    ping_timeout_secs: u64 = 60 in 1..3_600;

    /// Resources of one account at a time, hibernating ones included.
    sessions_per_account_max: usize = 32 in 1..10_000;
    /// Stanzas waiting for one slow session; a full queue detaches the session from its socket.
    session_queue_stanzas_max: usize = 512 in 16..100_000;
    /// Stanzas sent and not yet acknowledged by a client with stream management (XEP-0198).
    sm_queue_stanzas_max: usize = 2_000 in 16..100_000;
    /// Bytes of those stanzas.
    sm_queue_bytes_max: usize = 4_194_304 in 65_536..268_435_456;
    /// Seconds a session waits for its client to resume (XEP-0198).
    sm_resume_secs_max: u64 = 600 in 1..86_400;
    /// Stanzas held back for an inactive client (XEP-0352) before all of them are sent.
    csi_queue_stanzas_max: usize = 512 in 1..100_000;
    /// JIDs one session has sent directed presence to (RFC 6121 §4.6).
    directed_presence_max: usize = 256 in 1..100_000;
    /// Commands in progress per session (XEP-0050).
    adhoc_sessions_max: usize = 8 in 1..1_000;
    /// Seconds a command in progress is kept (XEP-0050).
    adhoc_session_secs: u64 = 600 in 1..86_400;

    /// Roster items of one account.
    roster_items_max: usize = 1_000 in 1..100_000;
    /// Groups of one roster item.
    roster_groups_per_item_max: usize = 32 in 1..1_000;
    /// Bytes of a roster item's name, and of a group's name.
    roster_name_bytes_max: usize = 1_024 in 1..65_536;
    /// Subscription requests waiting for one account's answer.
    pending_subscriptions_max: usize = 256 in 1..100_000;
    /// JIDs one account has blocked (XEP-0191).
    blocklist_max: usize = 1_000 in 1..100_000;
    /// Bytes of one account's private XML (XEP-0049).
    private_xml_bytes_max: usize = 262_144 in 1..16_777_216;
    /// Bytes of one vCard, its photo included (XEP-0054).
    vcard_bytes_max: usize = 131_072 in 1..16_777_216;

    /// Nodes of one account (XEP-0163).
    pubsub_nodes_max: usize = 256 in 1..100_000;
    /// Items of one node; this is what `max` means in its configuration (XEP-0060).
    pubsub_items_max: usize = 1_000 in 1..100_000;
    /// Bytes of one item's payload (XEP-0060).
    pubsub_item_bytes_max: usize = 196_608 in 1_024..16_777_216;
    /// Bytes of all payloads of one account (XEP-0060).
    pubsub_bytes_max: u64 = 4_194_304 in 1_024..1_073_741_824;
    /// Bytes of a node's name, and of an item's id (XEP-0060).
    pubsub_name_bytes_max: usize = 3_071 in 16..65_536;
    /// Subscriptions to one node, and likewise affiliations (XEP-0060).
    pubsub_affiliates_max: usize = 256 in 1..10_000;
    /// Bytes of payloads in one answer; what is left out is told of (XEP-0059), and one item is always given.
    pubsub_page_bytes_max: usize = 1_048_576 in 1_024..16_777_216;
    /// Hashes of capabilities that are remembered for all clients (XEP-0115); the oldest makes room.
    caps_entries_max: usize = 4_096 in 1..1_000_000;
    /// Bytes of the nodes one client wants to be told of (XEP-0163); what is beyond is not looked at.
    caps_bytes_max: usize = 4_096 in 256..65_536;

    /// Messages of one archive page (XEP-0313).
    mam_page_max: usize = 250 in 1..5_000;
    /// Messages of an archive page when the client names no number.
    mam_page_default: usize = 50 in 1..5_000;
    /// JIDs in one account's archiving preferences (XEP-0441), and ids in one query.
    mam_list_max: usize = 256 in 1..10_000;
    /// Undelivered messages of one account (XEP-0160); a sender gets `service-unavailable` after.
    offline_messages_max: usize = 10_000 in 1..none;

    /// Bytes of the embedded database; when it is full, messages are refused with
    /// `resource-constraint` until something is deleted.
    database_bytes_max: u64 = 18_446_744_073_709_551_615 in 262_144..none;
    /// Accounts created in-band from one IP address in an hour (XEP-0077).
    registrations_per_ip_per_hour_max: u32 = 5 in 1..none;
    /// Bytes of the body of a request to the administration's API.
    admin_body_bytes_max: usize = 65_536 in 1_024..16_777_216;
    /// Items of a page that it answers with.
    admin_page_max: u32 = 250 in 1..5_000;
    /// Idempotency keys of its requests that are remembered, each for a day.
    idempotency_keys_max: usize = 1_000 in 1..1_000_000;
    /// Tokens of the administration's API.
    api_tokens_max: u64 = 100 in 1..10_000;
    /// Entries of the audit log; the oldest make room.
    audit_entries_max: u64 = 100_000 in 64..none;
    /// Bytes of an announcement, its subject included.
    announcement_bytes_max: usize = 10_000 in 100..100_000;
    /// Invitations (XEP-0401) that can be used, over all accounts.
    invites_open_max: u64 = 10_000 in 1..1_000_000;
    /// Those of them that connect with one account.
    invites_per_account_max: u64 = 50 in 1..10_000;
    /// Seconds an invitation lasts, when nothing else is said.
    invite_secs: u64 = 604_800 in 60..31_536_000;
    /// Seconds an invitation may last.
    invite_secs_max: u64 = 7_776_000 in 60..31_536_000;
    /// How often one invitation may be used.
    invite_uses_max: u32 = 100 in 1..100_000;

    /// HTTP connections at a time, over all addresses; an open WebSocket counts as a client instead.
    http_connections_max: usize = 4_000 in 1..none;
    /// HTTP connections from one IP address (IPv6: from a /64) at a time; not of trusted proxies.
    http_connections_per_ip_max: usize = 256 in 1..none;
    /// Seconds an HTTP client may take for TLS, and then for the head of each request.
    http_head_secs: u64 = 15 in 1..600;
    /// Bytes of the head of an HTTP request.
    http_head_bytes_max: usize = 16_384 in 8_192..1_048_576;
    /// Fields in the head of an HTTP/1.1 request.
    http_fields_max: usize = 100 in 16..1_000;
    /// Requests under way on one HTTP/2 connection.
    http_streams_max: u32 = 64 in 1..1_000;
    /// Seconds an HTTP client may take for the body of a request of BOSH.
    http_body_secs: u64 = 30 in 1..600;
    /// Bytes of the body of a request of BOSH, once the client has logged in (XEP-0124); before that
    /// `pre_auth_stanza_bytes_max`.
    bosh_body_bytes_max: usize = 1_048_576 in 16_384..67_108_864;
    /// Seconds a request of BOSH may wait for its answer.
    bosh_wait_secs_max: u64 = 60 in 1..600;
    /// Requests of one BOSH session that may wait at a time.
    bosh_hold_max: usize = 2 in 1..10;
    /// Seconds a BOSH client may have no request under way before its session is lost.
    bosh_inactivity_secs: u64 = 60 in 1..3_600;
    /// Seconds between two requests of a BOSH client that polls and has nothing to say.
    bosh_polling_secs: u64 = 2 in 1..60;
    /// Seconds a BOSH client may pause.
    bosh_pause_secs_max: u64 = 300 in 1..3_600;

    /// Open upload slots of one account (XEP-0363).
    upload_slots_per_account_max: u64 = 100 in 1..100_000;
    /// Seconds a slot waits for its upload to begin.
    upload_slot_secs: u64 = 300 in 1..86_400;
    /// Seconds an upload that was interrupted can be resumed (tus).
    upload_resume_secs: u64 = 86_400 in 1..2_592_000;
    /// Files of one account.
    uploads_per_account_max: u64 = 50_000 in 1..10_000_000;
    /// Parts of one file: how often its upload may be interrupted, and more.
    upload_parts_max: usize = 10_000 in 16..100_000;
    /// Uploads and downloads at a time.
    media_transfers_max: usize = 512 in 1..100_000;
    /// Seconds without a byte after which an upload ends, and the connection of who reads no answer.
    transfer_stall_secs: u64 = 30 in 1..3_600;
    /// Bytes in a second below which one ends, on average from `transfer_stall_secs` on.
    transfer_bytes_per_sec_min: u64 = 1_024 in 1..1_048_576;
    /// Seconds between two looks for media that are to be removed.
    media_purge_secs: u64 = 300 in 1..86_400;
    /// Seconds between two comparisons of the media store with the database.
    media_sweep_secs: u64 = 86_400 in 1..31_536_000;

    /// Connections of external components at a time (XEP-0114).
    component_connections_max: usize = 64 in 1..10_000;
}

impl Bound {
    /// Checks a configured value; `None` stands for the word `none`.
    ///
    /// # Errors
    /// [`BoundError`] says which end of the range was passed.
    pub fn check(&self, value: Option<u64>) -> Result<u64, BoundError> {
        match (value, self.largest) {
            (None, None) => Ok(u64::MAX),
            (None, Some(largest)) => Err(BoundError::AlwaysHolds(largest)),
            (Some(value), _) if value < self.smallest => Err(BoundError::TooSmall(self.smallest)),
            (Some(value), Some(largest)) if value > largest => Err(BoundError::TooLarge(largest)),
            (Some(value), _) => Ok(value),
        }
    }
}

impl Limits {
    /// Sets one bound of [`Limits::BOUNDS`]; `None` switches it off where that is allowed.
    ///
    /// # Errors
    /// [`BoundError`] when the value is out of range.
    pub fn set(&mut self, bound: &Bound, value: Option<u64>) -> Result<(), BoundError> {
        let value = bound.check(value)?;
        let known = self.assign(bound.name, value);
        debug_assert!(known, "every bound of BOUNDS is a field");
        Ok(())
    }

    /// The table of `docs/limits.md`, in Markdown.
    #[must_use]
    pub fn markdown() -> String {
        let mut table = String::from("| key | default | range | what it bounds |\n| --- | --- | --- | --- |\n");
        for bound in Self::BOUNDS {
            let largest = bound.largest.map_or_else(|| String::from("`\"none\"`"), |n| n.to_string());
            table.push_str(&format!(
                "| `{}` | {} | {} to {} | {} |\n",
                bound.name,
                if bound.default == u64::MAX { String::from("`\"none\"`") } else { bound.default.to_string() },
                bound.smallest,
                largest,
                bound.meaning.trim(),
            ));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.md");

    fn bound(name: &str) -> &'static Bound {
        Limits::BOUNDS.iter().find(|bound| bound.name == name).unwrap()
    }

    #[test]
    fn every_default_lies_in_its_own_range() {
        for bound in Limits::BOUNDS {
            assert_eq!(bound.check(Some(bound.default)), Ok(bound.default), "{}", bound.name);
        }
    }

    #[test]
    fn every_bound_can_be_set_by_its_name() {
        for bound in Limits::BOUNDS {
            let mut limits = Limits::default();
            assert_eq!(limits.value(bound.name), Some(bound.default));
            limits.set(bound, Some(bound.smallest)).unwrap();
            assert_eq!(limits.value(bound.name), Some(bound.smallest));
        }
    }

    #[test]
    fn a_value_out_of_range_says_which_end_it_passed() {
        let page = bound("mam_page_max");
        assert_eq!(page.check(Some(0)), Err(BoundError::TooSmall(1)));
        assert_eq!(page.check(Some(1_000_000)), Err(BoundError::TooLarge(5_000)));
        assert_eq!(page.check(None), Err(BoundError::AlwaysHolds(5_000)));
    }

    #[test]
    fn a_rate_limit_can_be_switched_off() {
        let mut limits = Limits::default();
        limits.set(bound("connections_per_ip_max"), None).unwrap();
        assert_eq!(limits.connections_per_ip_max, usize::MAX);
    }

    /// Run with `UPDATE_DOCS=1` to write the page.
    #[test]
    fn the_page_of_limits_lists_every_bound() {
        let head = "# Limits\n\nEvery bound of the server. Set one in the section `[limits]` of `whimbrel.toml`, \
                    or as `WHIMBREL_LIMITS__NAME` in the environment.\nThe table is generated from \
                    `crates/server/src/limits.rs`; `UPDATE_DOCS=1 cargo test -p server limits` writes it.\n\n";
        let page = format!("{head}{}", Limits::markdown());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(std::path::Path::new(PAGE).parent().unwrap()).unwrap();
            std::fs::write(PAGE, &page).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(PAGE).unwrap_or_default(),
            page,
            "run: UPDATE_DOCS=1 cargo test -p server limits"
        );
    }
}
