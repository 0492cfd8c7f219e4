//! What happens in a run: a random script, then the end that every run has.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::device::{Command, Device, Wishes};
use crate::oracle::{self, Archive};
use crate::random::Random;
use crate::record::{Keeping, User};
use crate::session::Acks;
use crate::world::World;

const RESOURCES: [&str; 3] = ["phone", "tablet", "laptop"];
/// Longer than a session waits for its client, and than a silent client is believed in, together.
const ALL_OVER: Duration = Duration::from_secs(2_000);
/// Longer than anything a device has been told to do takes.
const SETTLED: Duration = Duration::from_secs(600);

struct Player {
    commands: mpsc::UnboundedSender<Command>,
}

impl Player {
    fn start(world: &Arc<World>, user: User, resource: &str, random: &mut Random) -> Self {
        Self { commands: Device::start(world, user, resource, Random::new(random.next())) }
    }

    fn does(&self, command: Command) {
        self.commands.send(command).expect("a device lives as long as its player");
    }

    /// Takes everything that waits for it; the number of the session that could.
    async fn settles(&self, resume: bool) -> Option<usize> {
        let (done, settled) = oneshot::channel();
        self.does(Command::Settle { resume, done });
        timeout(SETTLED, settled).await.ok()?.ok()
    }
}

/// Plays a seed's script and has the oracle look at it.
pub async fn play(seed: u64) -> Arc<World> {
    let mut random = Random::new(seed);
    let world = World::new(&mut random).await;
    let mut players = Vec::new();
    for user in 0..world.logins.len() {
        for resource in RESOURCES.iter().take(random.index(3) + 1) {
            let player = Player::start(&world, user, resource, &mut random);
            player.does(Command::LogIn(wishes(&mut random)));
            players.push(player);
        }
    }
    for _ in 0..random.within(15, 50) {
        players[random.index(players.len())].does(step(&world, &mut random));
        pass_time(&mut random).await;
    }
    world.mend().await;
    world.log("the script is over");
    settle(&world, &players, &mut random).await;
    leave(&world, players, &mut random).await;
    let mut archives = Vec::new();
    for user in 0..world.logins.len() {
        archives.push(read_everything(&world, user, &mut random).await);
    }
    oracle::judge(&world, &archives);
    world
}

fn wishes(random: &mut Random) -> Wishes {
    Wishes {
        stream_management: random.percent(80),
        acks: random.weighted(&[(4, Acks::AtOnce), (3, Acks::Sometimes), (2, Acks::Withheld)]),
        carbons: random.percent(60),
        priority: random.weighted(&[(6, Some(0)), (2, Some(5)), (1, Some(-1)), (1, None)]),
    }
}

fn step(world: &World, random: &mut Random) -> Command {
    #[derive(Clone, Copy)]
    enum Step {
        Send,
        ChatState,
        Presence,
        Carbons,
        Active,
        ReadArchive,
        Block,
        Acknowledge,
        Stall,
        Cut,
        Resume,
        LogIn,
        Close,
    }
    let somebody = random.index(world.logins.len());
    let steps = [
        (40, Step::Send),
        (4, Step::ChatState),
        (5, Step::Presence),
        (3, Step::Carbons),
        (4, Step::Active),
        (6, Step::ReadArchive),
        (2, Step::Block),
        (5, Step::Acknowledge),
        (3, Step::Stall),
        (9, Step::Cut),
        (11, Step::Resume),
        (6, Step::LogIn),
        (2, Step::Close),
    ];
    match random.weighted(&steps) {
        Step::Send => Command::Send {
            to: somebody,
            resource: random.percent(25).then(|| random.pick(&RESOURCES).to_owned()),
            keeping: random.weighted(&[(9, Keeping::Archived), (1, Keeping::UntilDelivered)]),
            count: random.pick(&[1, 1, 1, 2, 3, 8]),
        },
        Step::ChatState => Command::ChatState(somebody),
        Step::Presence => Command::Presence(random.pick(&[Some(0), Some(1), Some(-1), None])),
        Step::Carbons => Command::Carbons(random.percent(70)),
        Step::Active => Command::Active(random.percent(50)),
        Step::ReadArchive => Command::ReadArchive(random.pick(&[1, 3, 50])),
        Step::Block => Command::Block(somebody, random.percent(40)),
        Step::Acknowledge => Command::Acknowledge,
        Step::Stall => Command::Stall(random.pick(&[5, 200, 5_000, 400_000])),
        Step::Cut => Command::Cut { torn: random.percent(30) },
        Step::Resume => Command::Resume,
        Step::LogIn => Command::LogIn(wishes(random)),
        Step::Close => Command::Close,
    }
}

async fn pass_time(random: &mut Random) {
    let ms = match random.within(0, 100) {
        0..45 => 0,
        45..85 => random.within(1, 60),
        85..97 => random.within(100, 8_000),
        _ => random.within(60_000, 800_000),
    };
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await; // tidy: allow sleep, virtual time
    } else if random.percent(50) {
        tokio::task::yield_now().await;
    }
}

/// Everybody who still has a connection, or comes back for it, takes what waits.
async fn settle(world: &Arc<World>, players: &[Player], random: &mut Random) {
    for player in players {
        player.settles(random.percent(60)).await;
    }
    // What the first ones were told last came after they had settled.
    sleep(Duration::from_secs(5)).await; // tidy: allow sleep, virtual time
    for player in players {
        if let Some(session) = player.settles(false).await {
            world.record().sessions[session].lived = true;
        }
    }
    world.log("all have settled");
}

async fn leave(world: &Arc<World>, players: Vec<Player>, random: &mut Random) {
    for player in players {
        match random.index(3) {
            0 => player.does(Command::Close),
            1 => player.does(Command::Cut { torn: false }),
            _ => {}
        }
    }
    nothing_is_left(world).await;
}

/// No session stays once its client is gone for good, and no task either.
async fn nothing_is_left(world: &Arc<World>) {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let over = async {
        while world.host.sessions.count() > 0 || tasks() > 0 {
            sleep(Duration::from_secs(20)).await; // tidy: allow sleep, one step of a bounded poll in virtual time
        }
    };
    if timeout(ALL_OVER, over).await.is_err() {
        world.problem(format!("{} sessions and {} tasks are left", world.host.sessions.count(), tasks()));
    }
    if world.host.sessions.resumable_count() > 0 {
        world.problem("a session that is over is still named for resumption");
    }
}

/// A fresh device takes what was never delivered and reads the whole archive.
async fn read_everything(world: &Arc<World>, user: User, random: &mut Random) -> Archive {
    let fresh = Player::start(world, user, "fresh", random);
    let wishes = Wishes { stream_management: true, acks: Acks::AtOnce, carbons: false, priority: Some(0) };
    fresh.does(Command::LogIn(wishes));
    let first_page = world.record().pages.len();
    for _ in 0..2 {
        match fresh.settles(false).await {
            Some(session) => world.record().sessions[session].lived = true,
            None => world.problem("a fresh device could not log in"),
        }
    }
    loop {
        let pages = world.record().pages.len();
        fresh.does(Command::ReadArchive(10));
        fresh.settles(false).await;
        let is_last = world.record().pages.get(pages).is_none_or(|page| page.entries.is_empty());
        if is_last {
            break;
        }
    }
    let archive = world.record().pages.drain(first_page..).flat_map(|page| page.entries).collect();
    fresh.does(Command::Close);
    drop(fresh);
    nothing_is_left(world).await;
    let db = &world.host.db;
    db.settle().await.unwrap();
    let left = storage::undelivered::count(db, world.accounts[user]).await.unwrap();
    if left > 0 {
        world.problem(format!("{left} messages are undelivered although a device has acknowledged everything"));
    }
    archive
}
