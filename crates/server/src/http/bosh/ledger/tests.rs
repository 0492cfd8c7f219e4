use super::*;
use xmpp::xml::Limits;

const FIRST: u64 = 100;

struct Client {
    ledger: Ledger,
    now: Instant,
}

type Told = oneshot::Receiver<String>;

impl Client {
    fn new(hold: usize, attributes: &str) -> (Self, Told) {
        let terms = Terms {
            sid: "s".to_owned(),
            version: (1, 11),
            wait_secs: 60,
            hold,
            requests: hold + 1,
            inactivity_secs: 30,
            polling_secs: 5,
            pause_secs_max: 120,
            acknowledges: true,
        };
        let first = parse(FIRST, &format!("to='localhost' {attributes}"), "");
        let mut client = Self { ledger: Ledger::new(terms, &first), now: Instant::now() };
        let told = client.send(first);
        (client, told)
    }

    /// With its first answer given.
    fn created(hold: usize) -> Self {
        let (mut client, mut told) = Self::new(hold, "");
        client.say("<features/>");
        assert!(told.try_recv().unwrap().contains("sid='s'"));
        client.ledger.inbound.clear();
        client
    }

    fn send(&mut self, request: Request) -> Told {
        let (waiter, told) = oneshot::channel();
        self.ledger.offer(request, waiter, self.now);
        told
    }

    fn ask(&mut self, number: u64, content: &'static str) -> Told {
        self.ask_with(number, "", content)
    }

    fn ask_with(&mut self, number: u64, attributes: &str, content: &'static str) -> Told {
        self.send(parse(FIRST + number, &format!("sid='s' {attributes}"), content))
    }

    fn say(&mut self, element: &'static str) {
        self.ledger.push(Bytes::from_static(element.as_bytes()));
        self.ledger.settle(self.now);
    }

    fn heard(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.ledger.inbound).to_vec()).unwrap()
    }
}

fn parse(rid: u64, attributes: &str, content: &str) -> Request {
    let text = format!("<body xmlns='{}' rid='{rid}' {attributes}>{content}</body>", xmpp::ns::HTTP_BIND);
    Request::parse(text.into(), &Limits::TRUSTED).unwrap()
}

fn waits(told: &mut Told) -> bool {
    told.try_recv() == Err(oneshot::error::TryRecvError::Empty)
}

fn terminated(told: &mut Told, condition: &str) -> bool {
    told.try_recv().unwrap().contains(&format!("type='terminate' condition='{condition}'"))
}

#[test]
fn a_request_waits_until_there_is_something_to_say() {
    let mut client = Client::created(1);
    let mut told = client.ask(1, "<a/>");
    assert_eq!(client.heard(), "<a/>");
    assert!(waits(&mut told));
    client.say("<b/>");
    assert!(told.try_recv().unwrap().ends_with("><b/></body>"));
    assert!(client.ledger.is_settled());
}

#[test]
fn the_first_answer_waits_for_the_stream_in_a_polling_session_too() {
    let (mut client, mut told) = Client::new(0, "");
    assert!(waits(&mut told));
    client.say("<features/>");
    let answer = told.try_recv().unwrap();
    assert!(answer.contains("hold='0'") && answer.ends_with("<features/></body>"), "{answer}");
}

#[test]
fn one_request_more_than_may_wait_answers_the_oldest() {
    let mut client = Client::created(1);
    let mut first = client.ask(1, "");
    let mut second = client.ask(2, "<a/>");
    assert!(first.try_recv().unwrap().contains(&format!("ack='{}'", FIRST + 2)));
    assert!(waits(&mut second));
}

#[test]
fn requests_are_taken_in_order_whatever_order_they_come_in() {
    let mut client = Client::created(2);
    let mut second = client.ask(2, "<b/>");
    assert_eq!(client.heard(), "");
    let _first = client.ask(1, "<a/>");
    assert_eq!(client.heard(), "<a/><b/>");
    assert!(waits(&mut second));
}

#[test]
fn a_hole_that_is_never_filled_ends_the_session() {
    let mut client = Client::created(1);
    let mut early = client.ask(2, "<b/>");
    client.ledger.expire(FIRST + 2, client.now);
    assert!(terminated(&mut early, "item-not-found"));
    assert_eq!(client.heard(), "");
}

#[test]
fn a_number_outside_the_window_ends_the_session() {
    for number in [4, 1_000_000] {
        let mut client = Client::created(1);
        let mut told = client.ask(number, "<b/>");
        assert!(terminated(&mut told, "item-not-found"));
        assert!(client.ledger.is_over());
    }
}

#[test]
fn a_repeated_request_gets_the_same_answer_and_does_nothing_twice() {
    let mut client = Client::created(1);
    let mut told = client.ask(1, "<a/>");
    client.say("<b/>");
    let answer = told.try_recv().unwrap();
    client.heard();
    assert_eq!(client.ask(1, "<a/>").try_recv().unwrap(), answer);
    assert_eq!(client.heard(), "");
}

#[test]
fn an_answer_that_is_no_longer_kept_ends_the_session() {
    let mut client = Client::created(1);
    for number in 1..5 {
        let _told = client.ask(number, "");
        client.say("<b/>");
    }
    assert!(terminated(&mut client.ask(1, ""), "item-not-found"));
}

#[test]
fn nothing_is_given_to_a_connection_that_broke() {
    let mut client = Client::created(1);
    drop(client.ask(1, ""));
    client.say("<b/>");
    assert!(!client.ledger.is_settled());
    assert!(client.ledger.away_at().is_some());
    // It comes again.
    assert!(client.ask(1, "").try_recv().unwrap().contains("<b/>"));
    assert!(client.ledger.is_settled());
}

#[test]
fn a_client_that_goes_on_without_an_answer_gets_the_news_with_the_next() {
    let mut client = Client::created(1);
    drop(client.ask(1, ""));
    client.say("<b/>");
    assert!(client.ask(2, "").try_recv().unwrap().contains("<b/>"));
    assert!(!client.ask(1, "").try_recv().unwrap().contains("<b/>"));
}

#[test]
fn a_client_may_be_away_for_its_inactivity_or_its_pause() {
    let mut client = Client::created(1);
    assert_eq!(client.ledger.away_at(), Some(client.now + Duration::from_secs(30)));
    let mut waiting = client.ask(1, "");
    assert_eq!(client.ledger.away_at(), None);
    let mut paused = client.ask_with(2, "pause='90'", "");
    assert!(waiting.try_recv().is_ok() && paused.try_recv().is_ok());
    assert_eq!(client.ledger.away_at(), Some(client.now + Duration::from_secs(90)));
    client.ask_with(3, "pause='1000'", "").try_recv().unwrap();
    assert_eq!(client.ledger.away_at(), Some(client.now + Duration::from_secs(120)));
}

#[test]
fn polling_too_often_ends_the_session_and_sending_often_does_not() {
    let mut client = Client::created(0);
    assert!(client.ask(1, "<a/>").try_recv().is_ok());
    assert!(client.ask(2, "<a/>").try_recv().is_ok());
    assert!(client.ask(3, "").try_recv().is_ok());
    client.now += Duration::from_secs(5);
    assert!(client.ask(4, "").try_recv().is_ok());
    assert!(terminated(&mut client.ask(5, ""), "policy-violation"));
}

#[test]
fn the_end_is_told_once_and_with_what_was_said_before_it() {
    let mut client = Client::created(2);
    let (mut first, mut second) = (client.ask(1, ""), client.ask(2, ""));
    client.ledger.push(Bytes::from_static(b"<error/>"));
    client.ledger.end(Some(Condition::RemoteStreamError));
    assert!(!client.ledger.is_settled());
    client.ledger.settle(client.now);
    let told = first.try_recv().unwrap();
    assert!(told.contains("type='terminate' condition='remote-stream-error'") && told.contains("<error/>"), "{told}");
    assert!(!second.try_recv().unwrap().contains("terminate"));
    assert!(client.ledger.is_settled());
}

#[test]
fn a_key_must_be_what_the_one_before_was_made_from() {
    // K(1) to K(3) of the seed "x", and a second sequence.
    let keys = [sha1_hex("x"), sha1_hex(&sha1_hex("x")), sha1_hex(&sha1_hex(&sha1_hex("x")))];
    let (mut client, _told) = Client::new(1, &format!("newkey='{}'", keys[2].to_uppercase()));
    client.say("<features/>");
    let _waiting = client.ask_with(1, &format!("key='{}'", keys[1]), "");
    let fresh = sha1_hex("fresh");
    let _waiting = client.ask_with(2, &format!("key='{}' newkey='{}'", keys[0], sha1_hex(&fresh)), "");
    assert!(!client.ledger.is_over());
    let _waiting = client.ask_with(3, &format!("key='{fresh}'"), "");
    assert!(!client.ledger.is_over());
    client.heard();
    let mut told = client.ask(4, "<a/>");
    assert!(told.try_recv().unwrap().contains("terminate"));
    assert_eq!(client.heard(), "");
}
