//! The configuration: whatever stands in the file and in the environment, the answer is a configuration or one line.

use std::path::Path;

use server::config::Config;

use crate::words;

/// The input is the file's text, then the name of a variable and its value.
pub fn run(input: &[u8]) {
    let [file, name, value] = words::split(input).map(String::from_utf8_lossy);
    // The operator names variables, and a control character in a name is no mistake that people make.
    let variables = match name.is_empty() || name.contains(char::is_control) {
        true => Vec::new(),
        false => vec![(format!("WHIMBREL_{name}"), value.into_owned())],
    };
    match Config::from_text(&file, Path::new("whimbrel.toml"), &variables) {
        Ok(config) => _ = config.warnings(),
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty() && !told.trim_end().contains('\n'), "not one line: {told:?}");
        }
    }
}
