//! What is inside the streams: frames of a kind, a length and so many bytes.

use bytes::{BufMut, Bytes};

use super::Error;
use super::limits;
use super::stream::{Opening, Sealing};

/// One step of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Rows of this table follow.
    Table(String),
    /// Rows of the table, one after the other.
    Rows(Bytes),
    /// The name of a medium.
    Medium(String),
    /// Nothing follows.
    End,
}

const TABLE: u8 = 1;
const ROWS: u8 = 2;
const MEDIUM: u8 = 3;
const END: u8 = 4;

impl Frame {
    pub(super) async fn write(&self, stream: &mut Sealing<'_>) -> Result<(), Error> {
        let (kind, content): (u8, &[u8]) = match self {
            Self::Table(name) => (TABLE, name.as_bytes()),
            Self::Rows(rows) => (ROWS, rows),
            Self::Medium(name) => (MEDIUM, name.as_bytes()),
            Self::End => (END, &[]),
        };
        let mut head = Vec::with_capacity(5);
        head.put_u8(kind);
        // FRAME_BYTES_MAX is far below.
        head.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
        stream.write(&head).await?;
        stream.write(content).await
    }

    pub(super) async fn read(stream: &mut Opening<'_>) -> Result<Self, Error> {
        let head = stream.read(5).await?;
        let (kind, len) = match *head {
            [kind, a, b, c, d] => (kind, u32::from_be_bytes([a, b, c, d])),
            _ => return Err(stream.damaged("has no frame")),
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > limits::FRAME_BYTES_MAX {
            return Err(stream.damaged("has a frame that is too long"));
        }
        let content = if len == 0 { Bytes::new() } else { stream.read(len).await? };
        let text = |content: Bytes| String::from_utf8(content.into()).ok();
        let frame = match kind {
            TABLE => text(content).map(Self::Table),
            ROWS => Some(Self::Rows(content)),
            MEDIUM => text(content).map(Self::Medium),
            END => content.is_empty().then_some(Self::End),
            _ => None,
        };
        frame.ok_or_else(|| stream.damaged("has a frame of an unknown kind"))
    }
}
