//! A body on its way into the store.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use storage::uploads::{self, Kept, Medium, Part, Upload};

use super::answers;
use super::pace::{Halt, Pace};
use crate::host::Host;
use crate::media::{Error, Fingerprinting, Inflow, discard, of_medium};

/// How near its end a slot is held open while it is written, in milliseconds.
const CLOSING_SOON_MS: i64 = 90_000;

/// What became of a body.
#[derive(Debug)]
pub(super) enum Received {
    /// The file is there.
    Whole,
    /// A part of it is, and the rest may follow.
    Begun,
    /// It was shorter than promised, or the connection broke.
    Short,
    /// It was longer than promised.
    Long,
    /// It came too slowly.
    Slow,
    /// It came in too many parts.
    Scattered,
    /// Somebody else wrote it, or it is gone.
    Lost,
    /// Database or store failed.
    Failed(Error),
}

impl Received {
    /// What is answered to a body that was not taken.
    pub(super) fn refusal(self) -> Response {
        match self {
            Self::Whole | Self::Begun | Self::Lost => answers::no_slot(),
            Self::Short => answers::problem(StatusCode::BAD_REQUEST, "the file ended before its size"),
            Self::Long => answers::problem(StatusCode::PAYLOAD_TOO_LARGE, "the slot is for a smaller file"),
            Self::Slow => answers::problem(StatusCode::REQUEST_TIMEOUT, "the file came too slowly"),
            Self::Scattered => {
                answers::problem(StatusCode::PAYLOAD_TOO_LARGE, "the file came in too many pieces: send larger ones")
            }
            Self::Failed(error) => answers::failed(&error),
        }
    }
}

impl From<Halt> for Received {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Broken => Self::Short,
            Halt::Slow => Self::Slow,
        }
    }
}

impl<E: Into<Error>> From<E> for Received {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Takes a whole file or nothing.
pub(super) async fn in_one_go(host: &Arc<Host>, upload: &mut Upload, body: Body) -> Received {
    let mut parts = Vec::new();
    match try_in_one_go(host, upload, body, &mut parts).await {
        Ok(Kept::Fresh) => Received::Whole,
        Ok(kept) => {
            discard(host, &upload.medium, &parts).await;
            if kept == Kept::Shared { shared(host) } else { Received::Lost }
        }
        // The database may have noted the parts before it was lost: if not, they are swept up.
        Err(received @ Received::Failed(Error::Storage(_))) => received,
        Err(received) => {
            discard(host, &upload.medium, &parts).await;
            received
        }
    }
}

async fn try_in_one_go(
    host: &Arc<Host>,
    upload: &mut Upload,
    mut body: Body,
    parts: &mut Vec<Part>,
) -> Result<Kept, Received> {
    let fingerprinting = Fingerprinting::new(&upload.fingerprint_key)?;
    let mut inflow = Inflow::begin(&host.media, host.clock, &upload.medium, Some(fingerprinting))?;
    let mut pace = Pace::new(&host.config.limits);
    let mut left = upload.described.bytes;
    while let Some(bytes) = pace.next(&mut body).await? {
        left = left.checked_sub(bytes.len() as u64).ok_or(Received::Long)?;
        hold_open(host, upload).await?;
        parts.extend(inflow.write(&bytes).await?);
    }
    if left > 0 {
        return Err(Received::Short);
    }
    parts.extend(inflow.end_part().await?);
    let digest = inflow.digest()?.unwrap_or_default();
    Ok(uploads::complete(&host.db, upload, parts, &digest, host.clock.now_ms()).await?)
}

/// Takes what comes behind what is there, and keeps it even if no more comes (tus).
pub(super) async fn in_pieces(host: &Arc<Host>, upload: &mut Upload, body: Body) -> Received {
    match try_in_pieces(host, upload, body).await {
        Ok(received) | Err(received) => received,
    }
}

async fn try_in_pieces(host: &Arc<Host>, upload: &mut Upload, mut body: Body) -> Result<Received, Received> {
    let mut inflow = Inflow::begin(&host.media, host.clock, &upload.medium, None)?;
    let mut pace = Pace::new(&host.config.limits);
    let mut left = upload.described.bytes.saturating_sub(upload.medium.bytes());
    let ended = loop {
        let next = tokio::select! {
            next = pace.next(&mut body) => next,
            () = host.stopping.cancelled() => Err(Halt::Broken),
        };
        let bytes = match next {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break None,
            Err(halt) => break Some(Received::from(halt)),
        };
        let Some(after) = left.checked_sub(bytes.len() as u64) else { break Some(Received::Long) };
        left = after;
        hold_open(host, upload).await?;
        for part in inflow.write(&bytes).await? {
            keep(host, upload, part).await?;
        }
    };
    if let Some(part) = inflow.end_part().await? {
        keep(host, upload, part).await?;
    }
    match ended {
        Some(Received::Long) => Err(Received::Long),
        _ if upload.whole => Ok(Received::Whole),
        Some(received) => Err(received),
        None => Ok(Received::Begun),
    }
}

/// An upload that takes its time must not lose its slot meanwhile.
async fn hold_open(host: &Arc<Host>, upload: &mut Upload) -> Result<(), Error> {
    let now_ms = host.clock.now_ms();
    if upload.expires_at_ms.saturating_sub(now_ms) > CLOSING_SOON_MS {
        return Ok(());
    }
    Ok(uploads::stay_open(&host.db, upload, resumable_until_ms(host, now_ms)).await?)
}

fn resumable_until_ms(host: &Host, now_ms: i64) -> i64 {
    let resume_ms = i64::try_from(host.config.limits.upload_resume_secs).unwrap_or(i64::MAX).saturating_mul(1000);
    now_ms.saturating_add(resume_ms)
}

/// Notes a part in the database; with the last one the file is whole.
async fn keep(host: &Arc<Host>, upload: &mut Upload, part: Part) -> Result<(), Received> {
    let medium = &upload.medium;
    if medium.parts.len() >= host.config.limits.upload_parts_max {
        discard(host, medium, &[part]).await;
        return Err(Received::Scattered);
    }
    let bytes = medium.bytes().saturating_add(part.bytes.into());
    let kept = if bytes < upload.described.bytes {
        let expires_at_ms = resumable_until_ms(host, host.clock.now_ms());
        uploads::append(&host.db, upload, part, expires_at_ms).await?
    } else {
        finish(host, upload, part).await?
    };
    if kept {
        return Ok(());
    }
    discard(host, &upload.medium, &[part]).await;
    Err(Received::Lost)
}

async fn finish(host: &Arc<Host>, upload: &mut Upload, last: Part) -> Result<bool, Received> {
    let mut medium: Medium = upload.medium.clone();
    medium.parts.push(last);
    let digest = of_medium(host.media.store().map_err(Error::from)?, &medium, &upload.fingerprint_key).await?;
    let kept = uploads::complete(&host.db, upload, &medium.parts, &digest, host.clock.now_ms()).await?;
    match kept {
        Kept::Lost => return Ok(false),
        Kept::Fresh => {}
        Kept::Shared => {
            discard(host, &medium, &[last]).await;
            shared(host);
        }
    }
    upload.medium = medium;
    upload.whole = true;
    Ok(true)
}

/// The same content was there: what came of it now is not needed.
fn shared(host: &Host) -> Received {
    host.media.clean_up_soon();
    Received::Whole
}
