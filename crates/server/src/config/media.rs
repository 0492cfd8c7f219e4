//! `[media]`: where uploads are kept, how many and how long.

use blob::{Credentials, Store};

use super::settings::Settings;
use super::value::{FromValue, Value, expected};
use super::{ConfigError, Retention};

/// `[media]`: files that clients upload (XEP-0363).
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// The store: `file:FOLDER` in the data folder, or `s3://BUCKET?endpoint=URL&region=REGION`.
    pub url: String,
    /// Bytes of one file.
    pub max_size: u64,
    /// Bytes of all files of an account.
    pub quota: u64,
    /// How long a file is kept.
    pub retention: Retention,
}

impl MediaConfig {
    pub(super) fn take(settings: &mut Settings) -> Result<Self, ConfigError> {
        let retention = settings.take_checked("media.retention", |retention| match retention {
            Retention::UntilDelivered => Err(String::from("must be \"forever\" or a time such as \"30d\"")),
            retention => Ok(retention),
        })?;
        let size = |size: Option<Size>, default| size.map_or(default, |size| size.0);
        Ok(Self {
            url: settings.take_checked("media.url", store_url)?.unwrap_or_else(|| String::from("file:media")),
            max_size: size(settings.take("media.max_size")?, 100 * 1024 * 1024),
            quota: size(settings.take("media.quota")?, 1024 * 1024 * 1024),
            retention: retention.unwrap_or_default(),
        })
    }
}

fn store_url(url: String) -> Result<String, String> {
    // Whether the credentials are there is said when the store is used.
    let nobody = Credentials { access_key_id: String::new(), secret_access_key: String::new() };
    match Store::open(&url, std::path::Path::new(""), Some(nobody)) {
        Ok(_) => Ok(url),
        Err(error) => Err(format!("is no store: {error}")),
    }
}

/// A number of bytes: `"100 MiB"`, `"1 GB"`, `4096`.
struct Size(u64);

impl FromValue for Size {
    fn from_value(value: &Value) -> Result<Self, String> {
        const WANTED: &str = "a size such as \"100 MiB\" or \"1 GiB\" (B, KiB, MiB, GiB, TiB, kB, MB, GB or TB)";
        let bytes = match value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Text(text) => parse_size(text),
            _ => None,
        };
        bytes.filter(|bytes| *bytes > 0).map_or_else(|| expected(WANTED, value), |bytes| Ok(Self(bytes)))
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_operators_write_them() {
        for (text, bytes) in
            [("1", 1), ("100 MiB", 104_857_600), ("1GiB", 1 << 30), ("5 GB", 5_000_000_000), ("2 TiB", 2 << 40)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5 GiB", "1 mib", "1 GiB more", "99999999 TiB", "1é"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
        assert!(Size::from_value(&Value::Integer(0)).is_err());
    }
}
