//! What a part is called in the store: `MEDIUM.PART`, 32 hexadecimal digits each. A part's id begins with the time when
//! it was begun, so that one that no row names can be told from one that is being written.

use aws_lc_rs::rand;
use blob::Name;
use storage::uploads::{ObjectId, PartId};

use super::Error;

/// A new part begun at this time.
pub(super) fn new_part(now_ms: i64) -> Result<PartId, Error> {
    let mut id = [0; 16];
    rand::fill(&mut id).map_err(|_| Error::NoRandomness)?;
    let seconds = u32::try_from(now_ms.div_euclid(1000)).unwrap_or(0);
    id.iter_mut().zip(seconds.to_be_bytes()).for_each(|(to, from)| *to = from);
    Ok(PartId(id))
}

/// When a part was begun, in milliseconds since the Unix epoch.
pub(super) fn begun_ms(part: PartId) -> i64 {
    let [a, b, c, d, ..] = part.0;
    i64::from(u32::from_be_bytes([a, b, c, d])).saturating_mul(1000)
}

/// Where a part lies in the store.
pub(super) fn of(object: ObjectId, part: PartId) -> Result<Name, Error> {
    let name = format!("{:032x}.{:032x}", u128::from_be_bytes(object.0), u128::from_be_bytes(part.0));
    name.parse().map_err(|_| Error::NoRandomness)
}

/// The part that lies there; `None` for what is none of ours.
pub(super) fn parse(name: &Name) -> Option<(ObjectId, PartId)> {
    let (object, part) = name.as_str().split_once('.')?;
    let id = |text: &str| {
        let is_ours = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| is_ours).map(u128::to_be_bytes)
    };
    Some((ObjectId(id(object)?), PartId(id(part)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_medium_part_and_time() {
        let part = new_part(1_700_000_000_999).unwrap();
        assert_eq!(begun_ms(part), 1_700_000_000_000);
        let object = ObjectId([3; 16]);
        assert_eq!(parse(&of(object, part).unwrap()), Some((object, part)));
        for other in ["media", "a.b", "probe/a", "03030303030303030303030303030303.0"] {
            assert_eq!(parse(&other.parse().unwrap()), None, "{other}");
        }
    }
}
