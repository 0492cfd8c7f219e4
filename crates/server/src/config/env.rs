//! Environment variables as settings: `WHIMBREL_SECTION__KEY=value`, the value in TOML syntax, a
//! bare word being a text.

use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::settings::{Origin, Settings, one_line};

const PREFIX: &str = "WHIMBREL_";

/// Puts every variable of ours over what the file says.
pub(super) fn apply(settings: &mut Settings, variables: &[(String, String)]) -> Result<(), ConfigError> {
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        // Orchestrators set WHIMBREL_SERVICE_HOST and the like when a service is called whimbrel:
        // without the double underscore a variable is not ours. Near misses are caught below.
        if !rest.contains("__") {
            continue;
        }
        let key = rest.split("__").map(str::to_lowercase).collect();
        let origin = Origin::Variable(name.clone());
        with_value(text, &origin, |value| settings.override_with(key, value, &origin))?;
    }
    Ok(())
}

/// Refuses a variable that is a known one but for the double underscore.
pub(super) fn refuse_near_misses(settings: &Settings, variables: &[(String, String)]) -> Result<(), ConfigError> {
    for (name, _) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX) && !name.contains("__")) {
        let meant =
            settings.known().iter().map(|key| variable_name(key)).find(|known| known.replace("__", "_") == *name);
        if let Some(nearest) = meant {
            let origin = Origin::Variable(name.clone());
            return Err(ConfigError::UnknownKey { origin, key: name.clone(), nearest: Some(nearest) });
        }
    }
    Ok(())
}

/// The variable that sets a dotted key.
pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

fn with_value(text: &str, origin: &Origin, then: impl FnOnce(&DeValue<'_>)) -> Result<(), ConfigError> {
    let document = format!("value = {}", text.trim());
    let problem = match DeTable::parse(&document) {
        Ok(table) if table.get_ref().len() == 1 => {
            if let Some(value) = table.get_ref().get("value") {
                then(value.get_ref());
                return Ok(());
            }
            String::from("is not one TOML value")
        }
        Ok(_) => String::from("must be one TOML value on one line"),
        Err(error) => one_line(error.message()),
    };
    // Something that begins as TOML and does not end as TOML is a mistake, not a word.
    if text.trim_start().starts_with(['[', '{', '"', '\'']) {
        return Err(ConfigError::Syntax { origin: origin.clone(), message: problem });
    }
    then(&DeValue::String(text.into()));
    Ok(())
}
