//! Subscription states (RFC 6121 Appendix A): what a subscription stanza changes, and whether it goes on.

/// What one side's roster says of a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The user receives the contact's presence.
    pub to: bool,
    /// The contact receives the user's presence.
    pub from: bool,
    /// The user has asked the contact (`ask='subscribe'`).
    pub pending_out: bool,
    /// The contact has asked the user.
    pub pending_in: bool,
    /// The user has approved a request that the contact has not made yet (RFC 6121 §3.4).
    pub approved: bool,
}

/// The four stanzas that manage subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named and explained in RFC 6121 §3")]
pub enum Action {
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
}

/// What becomes of a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The state afterwards.
    pub state: State,
    /// Whether the stanza goes on: to the contact when it was outbound, to the user's clients when inbound.
    pub pass: bool,
    /// Whether the server itself answers `subscribed` for the user.
    pub auto_approve: bool,
}

impl State {
    /// The user sends `action` to the contact (RFC 6121 A.2).
    pub fn outbound(self, action: Action) -> Outcome {
        let mut state = self;
        let pass = match action {
            Action::Subscribe => {
                state.pending_out |= !self.to;
                true
            }
            Action::Unsubscribe => {
                state.to = false;
                state.pending_out = false;
                true
            }
            Action::Subscribed if self.pending_in => {
                state.from = true;
                state.pending_in = false;
                true
            }
            Action::Subscribed => {
                state.approved |= !self.from;
                false
            }
            Action::Unsubscribed => {
                state.from = false;
                state.pending_in = false;
                state.approved = false;
                self.from || self.pending_in
            }
        };
        Outcome { state, pass, auto_approve: false }
    }

    /// The contact sends `action` to the user (RFC 6121 A.3).
    pub fn inbound(self, action: Action) -> Outcome {
        let mut state = self;
        let mut auto_approve = false;
        let pass = match action {
            Action::Subscribe if self.from => {
                auto_approve = true;
                false
            }
            Action::Subscribe if self.approved => {
                state.from = true;
                auto_approve = true;
                false
            }
            Action::Subscribe => {
                state.pending_in = true;
                !self.pending_in
            }
            Action::Subscribed => {
                let awaited = self.pending_out && !self.to;
                state.to |= awaited;
                state.pending_out = false;
                awaited
            }
            Action::Unsubscribe => {
                state.from = false;
                state.pending_in = false;
                self.from || self.pending_in
            }
            Action::Unsubscribed => {
                state.to = false;
                state.pending_out = false;
                self.to || self.pending_out
            }
        };
        Outcome { state, pass, auto_approve }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> State {
        let mut state = State::default();
        for part in text.split('+') {
            match part {
                "None" => {}
                "To" => state.to = true,
                "From" => state.from = true,
                "Both" => (state.to, state.from) = (true, true),
                "Out" => state.pending_out = true,
                "In" => state.pending_in = true,
                other => panic!("{other}"),
            }
        }
        state
    }

    const STATES: [&str; 9] = ["None", "None+Out", "None+In", "None+Out+In", "To", "To+In", "From", "From+Out", "Both"];

    /// Rows in the order of [`STATES`]: whether the stanza passes, and the new state ("" for no change).
    fn check(action: Action, step: fn(State, Action) -> Outcome, rows: [(bool, &str); 9]) {
        for (from, (pass, to)) in STATES.iter().zip(rows) {
            let outcome = step(state(from), action);
            let mut reached = outcome.state;
            reached.approved = false;
            assert_eq!(outcome.pass, pass, "{action:?} in {from}");
            assert_eq!(reached, state(if to.is_empty() { from } else { to }), "{action:?} in {from}");
        }
    }

    #[test]
    fn outbound_stanzas_follow_tables_a_2() {
        let yes = |to| (true, to);
        let no = (false, "");
        check(
            Action::Subscribe,
            State::outbound,
            [
                yes("None+Out"),
                yes(""),
                yes("None+Out+In"),
                yes(""),
                yes(""),
                yes(""),
                yes("From+Out"),
                yes(""),
                yes(""),
            ],
        );
        check(
            Action::Unsubscribe,
            State::outbound,
            [
                yes(""),
                yes("None"),
                yes(""),
                yes("None+In"),
                yes("None"),
                yes("None+In"),
                yes(""),
                yes("From"),
                yes("From"),
            ],
        );
        check(Action::Subscribed, State::outbound, [no, no, yes("From"), yes("From+Out"), no, yes("Both"), no, no, no]);
        check(
            Action::Unsubscribed,
            State::outbound,
            [no, no, yes("None"), yes("None+Out"), no, yes("To"), yes("None"), yes("None+Out"), yes("To")],
        );
    }

    #[test]
    fn inbound_stanzas_follow_tables_a_3() {
        let yes = |to| (true, to);
        let no = (false, "");
        check(
            Action::Subscribe,
            State::inbound,
            [yes("None+In"), yes("None+Out+In"), no, no, yes("To+In"), no, no, no, no],
        );
        check(
            Action::Unsubscribe,
            State::inbound,
            [no, no, yes("None"), yes("None+Out"), no, yes("To"), yes("None"), yes("None+Out"), yes("To")],
        );
        check(Action::Subscribed, State::inbound, [no, yes("To"), no, yes("To+In"), no, no, no, yes("Both"), no]);
        check(
            Action::Unsubscribed,
            State::inbound,
            [no, yes("None"), no, yes("None+In"), yes("None"), yes("None+In"), no, yes("From"), yes("From")],
        );
    }

    #[test]
    fn a_request_that_was_approved_before_is_answered_by_the_server() {
        let approved = State::default().outbound(Action::Subscribed).state;
        assert!(approved.approved);
        let outcome = approved.inbound(Action::Subscribe);
        assert!(outcome.auto_approve && !outcome.pass && outcome.state.from);
        assert!(!approved.outbound(Action::Unsubscribed).state.approved);
        assert!(state("Both").inbound(Action::Subscribe).auto_approve);
    }
}
