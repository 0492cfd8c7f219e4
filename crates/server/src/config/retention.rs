//! How long the archive keeps a message.

use std::str::FromStr;
use std::time::Duration;

/// How long a message stays in the archive, unless its account says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Retention {
    /// Nothing is purged.
    #[default]
    Forever,
    /// Purged when it is older than this.
    For(Duration),
    /// Gone once a device has acknowledged it.
    UntilDelivered,
}

impl FromStr for Retention {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "forever" => Ok(Self::Forever),
            "until-delivered" => Ok(Self::UntilDelivered),
            time => parse_duration(time).map(Self::For).ok_or(()),
        }
    }
}

/// A whole number and one of `s`, `m`, `h`, `d`, `w`; zero is refused.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let unit_secs = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        b'w' => 604_800,
        _ => return None,
    };
    let number = text.get(..text.len() - 1)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let secs = number.parse::<u64>().ok()?.checked_mul(unit_secs)?;
    (secs > 0).then(|| Duration::from_secs(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_operators_write_them() {
        let of = |text: &str| text.parse::<Retention>();
        assert_eq!(of("forever"), Ok(Retention::Forever));
        assert_eq!(of("until-delivered"), Ok(Retention::UntilDelivered));
        assert_eq!(of("30d"), Ok(Retention::For(Duration::from_secs(30 * 86_400))));
        assert_eq!(of("2w"), Ok(Retention::For(Duration::from_secs(14 * 86_400))));
        assert_eq!(of("90s"), Ok(Retention::For(Duration::from_secs(90))));
        for bad in [
            "",
            "d",
            "0d",
            "-1d",
            "+1d",
            "1.5d",
            "30",
            "30 d",
            "1y",
            "99999999999999999999w",
            "18446744073709551615w",
            "3é",
        ] {
            assert_eq!(of(bad), Err(()), "{bad}");
        }
    }
}
