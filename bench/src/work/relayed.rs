//! The same frames through the bare relay: what the machine, the kernel and TLS cost alone.

use anyhow::Result;

use super::{each, message, per};
use crate::client::Wire;
use crate::peer::Running;

/// Ends a frame on the way through the relay.
const FRAME_END: u8 = b'\n';

/// Microseconds of relay CPU for a message.
pub async fn relayed(running: &Running, connections: usize, in_flight: u64, each_sends: u64) -> Result<f64> {
    let wires = connect(running, 0..connections, true).await?;
    let before = running.cpu_at_rest().await?;
    let at_once = wires.len().max(1);
    let numbered: Vec<_> = wires.into_iter().enumerate().collect();
    let wires = each(numbered, at_once, |(number, wire)| async move {
        let ahead = if number % 2 == 0 { in_flight } else { 0 };
        end_of_pair(wire, ahead.min(each_sends), each_sends).await
    })
    .await?;
    let cost = running.cpu_at_rest().await?.since(before);
    drop(wires);
    Ok(cost.per(connections * usize::try_from(each_sends)?).value)
}

/// Bytes of relay memory (PSS) for an idle connection.
#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
pub async fn relayed_idle(running: &Running, connections: usize, tls: bool) -> Result<f64> {
    let warm = connections / 10;
    let _warm = connect(running, 0..warm, tls).await?;
    let before = running.server.pss_at_rest().await?;
    let _idle = connect(running, warm..connections, tls).await?;
    let after = running.server.pss_at_rest().await?;
    Ok(per(after.saturating_sub(before) as f64, connections - warm))
}

/// Microseconds of relay CPU for a connection with its TLS handshake and one line each way.
pub async fn relayed_handshakes(running: &Running, count: usize) -> Result<f64> {
    connect(running, 0..16, true).await?;
    let before = running.cpu_at_rest().await?;
    connect(running, 0..count, true).await?;
    Ok(running.cpu_at_rest().await?.since(before).per(count).value)
}

async fn connect(running: &Running, numbers: std::ops::Range<usize>, tls: bool) -> Result<Vec<Wire>> {
    let target = running.target(tls);
    each(numbers.collect(), 16, |number| async move {
        let mut wire = Wire::connect(target).await?;
        wire.push(&format!("{number}\n"));
        // The relay's line says that the number is known.
        wire.bytes().await?;
        Ok(wire)
    })
    .await
}

async fn end_of_pair(mut wire: Wire, ahead: u64, each_sends: u64) -> Result<Wire> {
    let (mut sent, mut received) = (0, 0);
    while sent < ahead {
        wire.push(&format!("{}\n", message("u0@localhost", sent, "")));
        sent += 1;
    }
    while received < each_sends {
        let bytes = wire.bytes().await?;
        let frames = memchr::memchr_iter(FRAME_END, &bytes).count() as u64;
        received += frames;
        for _ in 0..frames.min(each_sends - sent) {
            wire.push(&format!("{}\n", message("u0@localhost", sent, "")));
            sent += 1;
        }
    }
    wire.flush().await?;
    Ok(wire)
}
