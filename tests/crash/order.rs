//! Two users with several devices each, in random interleavings: in the end all devices of both show the same messages
//! in the same order, and nothing twice (`DESIGN.md`, invariants 1 and 2).

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use testkit::TestServer;
use testkit::faults::{Dice, Fate, Note, archived_of, number_from, seed};
use tokio::task::JoinSet;

use crate::device::{Device, Line};

/// Cases under way at a time: their messages share commits.
const AT_A_TIME: usize = 3;
/// Decisions in a case.
const STEPS: usize = 80;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_devices_show_the_same_messages_in_the_same_order() -> Result<()> {
    let (seed, cases) = (seed(), number_from("WHIMBREL_CASES", 30));
    println!("WHIMBREL_SEED={seed} WHIMBREL_CASES={cases}");
    let server = Arc::new(TestServer::start().await?);
    let mut running = JoinSet::new();
    let mut waiting = 0..cases;
    loop {
        while running.len() < AT_A_TIME
            && let Some(case) = waiting.next()
        {
            let (server, dice) = (Arc::clone(&server), Dice::new(seed).fork(case.into()));
            running.spawn(async move {
                interleave(&server, case, dice).await.with_context(|| format!("case {case} of WHIMBREL_SEED={seed}"))
            });
        }
        let Some(ended) = running.join_next().await else { return Ok(()) };
        ended??;
    }
}

async fn interleave(server: &TestServer, case: u32, mut dice: Dice) -> Result<()> {
    let users = [format!("alice{case}"), format!("bob{case}")];
    let mut devices = Vec::new();
    for (user, peer) in [(0, 1), (1, 0)] {
        let [name, peer] = [user, peer].map(|at: usize| users.get(at).cloned().unwrap_or_default());
        server.add_user(&name, &name).await?;
        for number in 0..dice.between(1, 3) {
            let mut login = server.login(&name, &name)?;
            login.resource = Some(format!("device{number}"));
            devices.push(Device::new(login, format!("{peer}@{}", server.domain())));
        }
    }
    for _ in 0..STEPS {
        let at = usize::try_from(dice.below(u64::try_from(devices.len())?))?;
        if let Some(device) = devices.get_mut(at) {
            step(device, &mut dice).await.with_context(|| device.jid())?;
        }
    }
    // Everybody comes back, hears what became of what was sent, and reads the archive to its end.
    for device in &mut devices {
        come_back(device, dice.percent(50)).await?;
        device.learn().await?;
    }
    for device in &mut devices {
        device.receive(true).await?;
        device.synchronise().await?;
    }
    let mut archives = Vec::new();
    for user in &users {
        archives.push(archived_of(server.login(user, user)?).await?);
    }
    let lines = |archive: &[testkit::faults::Archived]| -> BTreeMap<String, Line> {
        let line = |note, from: &str| (from.to_owned(), note);
        archive.iter().filter_map(|a| Some((a.id.clone(), line(Note::parse(&a.body)?, &a.from)))).collect()
    };
    let truth = archives.first().map(|archive| lines(archive)).unwrap_or_default();
    ensure!(archives.iter().all(|archive| lines(archive) == truth), "the two archives differ");
    let violations: Vec<String> = devices.iter().flat_map(|device| violations(device, &truth)).collect();
    ensure!(violations.is_empty(), "{}", violations.join("\n"));
    for device in &mut devices {
        device.close().await?;
    }
    Ok(())
}

async fn come_back(device: &mut Device, resume: bool) -> Result<()> {
    if device.is_up() {
        return Ok(());
    }
    if device.is_cut() && resume { device.resume().await } else { device.connect().await }
}

async fn step(device: &mut Device, dice: &mut Dice) -> Result<()> {
    if !device.is_up() {
        return if dice.percent(60) { come_back(device, dice.percent(70)).await } else { Ok(()) };
    }
    match dice.below(100) {
        0..50 => {
            for _ in 0..dice.between(1, 3) {
                device.send().await?;
            }
            Ok(())
        }
        50..65 => device.receive(dice.percent(70)).await,
        65..75 => device.learn().await,
        75..82 => {
            device.cut();
            Ok(())
        }
        82..88 => device.close().await,
        88..95 => device.set_active(dice.percent(50)).await,
        _ => device.synchronise().await,
    }
}

fn violations(device: &Device, truth: &BTreeMap<String, Line>) -> Vec<String> {
    let mut found = device.complaints.clone();
    let jid = device.jid();
    // What it wrote itself it has without being told an id.
    for (id, line) in truth.iter().filter(|(id, (from, _))| *from != jid && !device.known.contains_key(*id)) {
        found.push(format!("{jid} does not have {id}: {line:?}"));
    }
    for (id, line) in device.known.iter().filter(|(id, _)| !truth.contains_key(*id)) {
        found.push(format!("{jid} has what no archive has, {id}: {line:?}"));
    }
    // What arrives by itself arrives in the order of the archive, whoever it is from.
    for pair in device.live.windows(2) {
        if let [before, after] = pair
            && before >= after
        {
            found.push(format!("{jid} got {after} after {before}"));
        }
    }
    check_order(&format!("{jid} shows"), device.known.values(), &mut found);
    let archived = |note: Note| truth.values().any(|(from, other)| *from == jid && *other == note);
    for (note, fate) in &device.sent {
        match (fate, archived(*note)) {
            (Fate::Acknowledged, false) => {
                found.push(format!("{jid} sent {note:?}, which was acknowledged and is nowhere"))
            }
            (Fate::Refused, true) => {
                found.push(format!("{jid} was told that {note:?} was not handled, and it is there"))
            }
            _ => {}
        }
    }
    found
}

/// What one device wrote must stand in the order in which it wrote it, and once.
fn check_order<'a>(what: &str, lines: impl Iterator<Item = &'a Line>, found: &mut Vec<String>) {
    let mut last: BTreeMap<&str, Note> = BTreeMap::new();
    for (from, note) in lines {
        if let Some(before) = last.insert(from, *note)
            && before.serial >= note.serial
        {
            found.push(format!("{what} {note:?} of {from} after {before:?}"));
        }
    }
}
