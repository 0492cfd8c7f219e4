//! Settings on their way from text to types: every key with its value and the place it came from.
//! Keys are taken out one by one; what is left in the end was written for nobody.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::value::{FromValue, Value};

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration file.
    File {
        /// The file as the operator named it.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// In an environment variable of this name.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "{name} (environment)"),
        }
    }
}

/// One key's value, and where it was written.
#[derive(Clone, Debug)]
struct Setting {
    value: Value,
    origin: Origin,
}

/// A key as a path: `["components", "secrets", "echo.example.org"]`.
type Key = Vec<String>;

/// All settings of a file and the environment, by key.
#[derive(Debug, Default)]
pub(super) struct Settings {
    written: BTreeMap<Key, Setting>,
    /// Sections written without a key in them: only looked at for their names.
    empty: BTreeMap<Key, Origin>,
    /// Every key that was asked for, for hints.
    known: Vec<String>,
}

impl Settings {
    /// Reads the text of a configuration file.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let at = |offset: usize| Origin::File { path: path.to_owned(), line: line_of(text, offset) };
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            origin: at(error.span().map_or(0, |span| span.start)),
            message: one_line(error.message()),
        })?;
        let mut settings = Self::default();
        settings.flatten(&[], table.get_ref(), &at);
        Ok(settings)
    }

    /// Sets `key` from a variable; a table replaces what the file says below that key.
    pub(super) fn override_with(&mut self, key: Key, value: &DeValue<'_>, origin: &Origin) {
        self.written.retain(|written, _| !written.starts_with(&key));
        self.insert(&key, value, origin.clone(), &|_| origin.clone());
    }

    fn flatten(&mut self, prefix: &[String], table: &DeTable<'_>, at: &dyn Fn(usize) -> Origin) {
        for (name, value) in table {
            let mut key = prefix.to_vec();
            key.push(name.get_ref().clone().into_owned());
            self.insert(&key, value.get_ref(), at(name.span().start), at);
        }
    }

    fn insert(&mut self, key: &[String], value: &DeValue<'_>, origin: Origin, at: &dyn Fn(usize) -> Origin) {
        match value {
            DeValue::Table(table) if table.is_empty() => {
                self.empty.insert(key.to_vec(), origin);
            }
            DeValue::Table(table) => self.flatten(key, table, at),
            value => {
                self.written.insert(key.to_vec(), Setting { value: Value::from_toml(value), origin });
            }
        }
    }

    /// Takes the value of a dotted key, or `None` when nobody wrote it.
    pub(super) fn take<T: FromValue>(&mut self, key: &str) -> Result<Option<T>, ConfigError> {
        self.take_checked(key, Ok)
    }

    /// As [`Settings::take`], and `check` may refuse the value or turn it into something else.
    pub(super) fn take_checked<T: FromValue, U>(
        &mut self,
        key: &str,
        check: impl FnOnce(T) -> Result<U, String>,
    ) -> Result<Option<U>, ConfigError> {
        self.known.push(key.to_owned());
        let path: Key = key.split('.').map(str::to_owned).collect();
        let Some(setting) = self.written.remove(&path) else { return Ok(None) };
        match T::from_value(&setting.value).and_then(check) {
            Ok(value) => Ok(Some(value)),
            Err(problem) => Err(ConfigError::Value { origin: setting.origin, key: key.to_owned(), problem }),
        }
    }

    /// Of keys that exclude each other, leaves one: what a variable says wins over the file.
    pub(super) fn only_one(&mut self, keys: &[&str]) -> Result<(), ConfigError> {
        let paths: Vec<Key> = keys.iter().map(|key| key.split('.').map(str::to_owned).collect()).collect();
        let is_variable = |setting: &Setting| matches!(setting.origin, Origin::Variable(_));
        if paths.iter().filter_map(|path| self.written.get(path)).any(is_variable) {
            self.written.retain(|path, setting| is_variable(setting) || !paths.contains(path));
        }
        let mut written = paths.iter().filter_map(|path| Some((path, self.written.get(path)?)));
        let (Some((first, _)), Some((key, setting))) = (written.next(), written.next()) else { return Ok(()) };
        let problem = format!("cannot stand beside `{}`: keep one of them", dotted(first));
        Err(ConfigError::Value { origin: setting.origin.clone(), key: dotted(key), problem })
    }

    /// Takes every entry of a section whose keys are the operator's own names.
    pub(super) fn take_named<K, T: FromValue>(
        &mut self,
        section: &str,
        parse_name: impl Fn(&str) -> Result<K, String>,
    ) -> Result<Vec<(K, T)>, ConfigError> {
        self.known.push(format!("{section}.NAME"));
        let prefix: Key = section.split('.').map(str::to_owned).collect();
        let mut taken = Vec::new();
        for (path, setting) in self.written.extract_if(.., |path, _| path.starts_with(&prefix)) {
            let refused = |problem| ConfigError::Value { origin: setting.origin.clone(), key: dotted(&path), problem };
            let [name] = path.get(prefix.len()..).unwrap_or_default() else {
                return Err(refused(format!(
                    "is too deep: put the name in quotes, [{section}] \"name.example.org\" = ..."
                )));
            };
            let name = parse_name(name).map_err(&refused)?;
            let value = T::from_value(&setting.value).map_err(&refused)?;
            taken.push((name, value));
        }
        Ok(taken)
    }

    /// Refuses the first key that nobody took.
    pub(super) fn finish(&self) -> Result<(), ConfigError> {
        let left = self.written.iter().map(|(key, setting)| (key, &setting.origin));
        if let Some((key, origin)) = left.min_by_key(|(_, origin)| place(origin)) {
            return Err(self.unknown(key, origin));
        }
        for (key, origin) in &self.empty {
            let section = format!("{}.", dotted(key));
            if !self.known.iter().any(|known| known.starts_with(&section)) {
                return Err(self.unknown(key, origin));
            }
        }
        Ok(())
    }

    /// Every key that was asked for, dotted.
    pub(super) fn known(&self) -> &[String] {
        &self.known
    }

    fn unknown(&self, key: &[String], origin: &Origin) -> ConfigError {
        let key = dotted(key);
        let section = format!("{key}.");
        if self.known.iter().any(|known| known.starts_with(&section)) {
            let problem = format!("is a section: write [{key}] on a line of its own and the keys below it");
            return ConfigError::Value { origin: origin.clone(), key, problem };
        }
        let nearest = nearest(&key, &self.known).map(|known| match origin {
            Origin::File { .. } => known.to_owned(),
            Origin::Variable(_) => super::env::variable_name(known),
        });
        ConfigError::UnknownKey { origin: origin.clone(), key, nearest }
    }
}

/// The known key that looks most like `key`; the right name in the wrong section counts first.
fn nearest<'a>(key: &str, known: &'a [String]) -> Option<&'a str> {
    fn last(key: &str) -> &str {
        key.rsplit('.').next().unwrap_or(key)
    }
    known
        .iter()
        .min_by_key(|known| (last(known) != last(key), strsim::damerau_levenshtein(known, key)))
        .map(String::as_str)
}

fn place(origin: &Origin) -> usize {
    match origin {
        Origin::File { line, .. } => *line,
        Origin::Variable(_) => usize::MAX,
    }
}

fn dotted(key: &[String]) -> String {
    let quote = |name: &String| if name.contains('.') { format!("\"{name}\"") } else { name.clone() };
    key.iter().map(quote).collect::<Vec<_>>().join(".")
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

pub(super) fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
