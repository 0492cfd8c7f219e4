//! The work that every server is given, one file for each kind. Each checks what it got and returns what it cost.

mod archive;
mod idle;
mod logins;
mod messages;
mod offline;
mod paced;
mod relayed;

pub use archive::{fill, pages};
pub use idle::idle;
pub use logins::{logins, storm};
pub use messages::{Chat, Hint, chat};
pub use offline::offline;
pub use paced::{Latency, Paced, exchange, paced};
pub use relayed::{relayed, relayed_handshakes, relayed_idle};

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use xmpp::ns;
use xmpp::xml::Element;

use crate::client::{Account, Login, Session};

/// Log-ins at a time where it is not a storm.
const LOGINS_AT_A_TIME: usize = 16;
/// How long one piece of work may take.
const DEADLINE: Duration = Duration::from_secs(600);

/// Runs a future for each item, `at_a_time` of them at once, and returns the results in order. The first failure ends
/// all.
pub async fn each<T, R, F>(items: Vec<T>, at_a_time: usize, run: impl Fn(T) -> F) -> Result<Vec<R>>
where
    R: Send + 'static,
    F: Future<Output = Result<R>> + Send + 'static,
{
    let turns = Arc::new(Semaphore::new(at_a_time));
    let mut tasks = JoinSet::new();
    for (number, item) in items.into_iter().enumerate() {
        let (turns, future) = (Arc::clone(&turns), run(item));
        tasks.spawn(async move {
            let _turn = turns.acquire().await?;
            Ok::<_, anyhow::Error>((number, future.await?))
        });
    }
    let all = async {
        let mut results = Vec::new();
        while let Some(done) = tasks.join_next().await {
            results.push(done??);
        }
        results.sort_by_key(|(number, _)| *number);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    };
    tokio::time::timeout(DEADLINE, all).await.context("the work takes too long")?
}

/// Sessions of all accounts, in their order.
pub async fn sessions(login: Login, accounts: &[Arc<Account>]) -> Result<Vec<Session>> {
    each(accounts.to_vec(), LOGINS_AT_A_TIME, |account| async move { Session::online(login, &account).await }).await
}

/// Two by two.
fn in_pairs<T>(items: Vec<T>) -> Vec<(T, T)> {
    let mut pairs = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(a), Some(b)) = (items.next(), items.next()) {
        pairs.push((a, b));
    }
    pairs
}

/// A message of about 500 bytes: its number and the time are its id.
fn message(to: &str, number: u64, hint: &str) -> String {
    let id = format!("{number}-{}", now_ns());
    format!(
        "<message to='{to}' type='chat' id='{id}'><body>{TEXT}</body><origin-id xmlns='{}' id='{id}'/>\
         <request xmlns='{}'/>{hint}</message>",
        ns::STANZA_ID,
        ns::RECEIPTS
    )
}

const TEXT: &str = "The whimbrel breeds on tundra and moor and winters on the coasts of the tropics; its call is a \
                    rippling whistle, seven notes long, so that people in the north of England knew it as the seven \
                    whistler. It flies far without a rest.";

/// Checks that a stanza is message `number` from `from`, and returns how long ago it was written.
fn check_message(stanza: &Element, from: &str, number: u64) -> Result<Duration> {
    let shown = || String::from_utf8_lossy(stanza.bytes()).into_owned();
    let is_chat = stanza.name() == "message" && stanza.attr("type").as_deref() == Some("chat");
    let sender = stanza.attr("from").unwrap_or_default().into_owned();
    if !is_chat || sender.split('/').next() != Some(from) {
        bail!("not a message of {from}: {}", shown());
    }
    let id = stanza.attr("id").unwrap_or_default().into_owned();
    let (seen, written_ns) = id.split_once('-').context("a strange id")?;
    if seen != number.to_string() {
        bail!("message {number} was expected from {from}: {}", shown());
    }
    Ok(Duration::from_nanos(now_ns().saturating_sub(written_ns.parse()?)))
}

/// Whether the stanza is presence, which may come at any time.
fn is_presence(stanza: &Element) -> bool {
    stanza.name() == "presence"
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A cost for each of `count`.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub fn per(cost: f64, count: usize) -> f64 {
    cost / count.max(1) as f64
}
