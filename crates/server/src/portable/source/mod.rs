//! Reading files of XEP-0227 piece by piece: hosts, users, and what is theirs, one element at a time and never the
//! whole. Inclusions (XEP-0227 §4) are followed where the text allows them and within the folder of the first file.
//!
//! The parser refuses document types, entities of its own, processing instructions and comments.

mod inclusion;
mod meter;

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use minidom::Element;
use minidom::rxml::{self, AttrMap, Event, Reader, WithOptions as _};
use xmpp::ns;

use self::inclusion::relative;
use self::meter::Meter;

/// Bytes of one element: a visiting card with its photo, a message.
const ELEMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Elements open at once; the server's own bound on stanzas is lower.
const DEPTH_MAX: usize = 128;
/// Bytes of one name, attribute value, or piece of text.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Files open at once, each included by the one before. XEP-0227 §4.1 makes use of three.
const FILES_OPEN_MAX: usize = 8;

/// Why a file cannot be imported, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {what}", path.display(), line.map_or_else(String::new, |line| format!(":{line}")))]
pub struct BadFile {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1; none for a file that cannot be opened.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub what: String,
}

/// Where among the things of a user an element stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// Directly within the user.
    User,
    /// Within its `<archive/>`.
    Archive,
    /// Within its `<offline-messages/>`.
    Offline,
}

/// The next thing in a file.
#[derive(Debug)]
pub(super) enum Piece {
    /// A host begins; users follow.
    Host(String),
    /// A user begins: its name, and its password if that is there.
    User(String, Option<String>),
    /// Something of the user's.
    Entry(Section, Element),
    /// The user is complete.
    UserEnd,
    /// Something that XEP-0227 does not have in this place, by namespace and name.
    Unknown(String),
}

/// What the parser is within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    ServerData,
    Host,
    User,
    Archive,
    Offline,
}

struct OpenFile {
    path: PathBuf,
    reader: Reader<Meter>,
    /// How many places were open when it was begun: it has to close its own.
    floor: usize,
}

/// A file of XEP-0227 with all it includes, read once from its beginning.
pub(super) struct Source {
    /// The folder of the first file, which inclusions stay in.
    folder: PathBuf,
    files: Vec<OpenFile>,
    /// Files that were opened. Each is used once, or a few small ones could stand for any number.
    seen: HashSet<PathBuf>,
    places: Vec<Place>,
}

impl Source {
    /// Opens the first file.
    pub(super) fn open(path: &Path) -> Result<Self, BadFile> {
        let failed = |error: std::io::Error| BadFile { path: path.to_owned(), line: None, what: error.to_string() };
        let real = path.canonicalize().map_err(failed)?;
        let folder = real.parent().unwrap_or(Path::new("/")).to_owned();
        let mut source = Self { folder, files: Vec::new(), seen: HashSet::new(), places: Vec::new() };
        source.enter(path.to_owned(), real).map_err(|what| BadFile { path: path.to_owned(), line: None, what })?;
        Ok(source)
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, BadFile> {
        self.step().map_err(|what| {
            let (path, line) = match self.files.last() {
                Some(file) => (file.path.clone(), Some(file.reader.inner().line())),
                None => (self.folder.clone(), None),
            };
            BadFile { path, line, what }
        })
    }

    fn step(&mut self) -> Result<Option<Piece>, String> {
        loop {
            let Some(event) = self.event()? else {
                let Some(file) = self.files.pop() else { return Ok(None) };
                if self.places.len() != file.floor {
                    self.files.push(file);
                    return Err(String::from("the file ends too early"));
                }
                continue;
            };
            let found = match event {
                Event::StartElement(_, (namespace, name), attributes) => {
                    self.start(namespace.as_str(), name.as_str(), attributes)?
                }
                Event::EndElement(_) => match self.places.pop() {
                    Some(Place::User) => Some(Piece::UserEnd),
                    _ => None,
                },
                // Indentation, or words that nobody could mean.
                Event::Text(..) | Event::XmlDeclaration(..) => None,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// What a start tag begins in this place.
    fn start(&mut self, namespace: &str, name: &str, attributes: AttrMap) -> Result<Option<Piece>, String> {
        let attribute = |name: &str| {
            let value = attributes.iter().find(|((ns, candidate), _)| ns.is_none() && candidate.as_str() == name);
            value.map(|(_, value)| value.to_string())
        };
        let place = self.places.last().copied();
        let is_portable = namespace == ns::PORTABLE;
        match (place, name) {
            (None, "server-data") if is_portable => self.places.push(Place::ServerData),
            (None, _) => {
                return Err(format!(
                    "this is no export of accounts (XEP-0227): it begins with {name} of \"{namespace}\""
                ));
            }
            (Some(Place::ServerData | Place::Host | Place::User), "include") if namespace == ns::XINCLUDE => {
                let is_plain = attribute("parse").is_none() && attribute("xpointer").is_none();
                let href =
                    attribute("href").filter(|_| is_plain).ok_or("an inclusion of another kind than href alone")?;
                self.skip_or_build(None)?;
                self.include(&href)?;
            }
            (Some(Place::ServerData), "host") if is_portable => {
                self.places.push(Place::Host);
                return Ok(Some(Piece::Host(attribute("jid").ok_or("a host without jid")?)));
            }
            (Some(Place::Host), "user") if is_portable => {
                self.places.push(Place::User);
                let name = attribute("name").ok_or("a user without name")?;
                return Ok(Some(Piece::User(name, attribute("password"))));
            }
            (Some(Place::User), "offline-messages") if is_portable => self.places.push(Place::Offline),
            (Some(Place::User), "archive") if namespace == ns::PORTABLE_ARCHIVE => self.places.push(Place::Archive),
            (Some(Place::ServerData | Place::Host), _) => {
                self.skip_or_build(None)?;
                return Ok(Some(Piece::Unknown(format!("{name} of {namespace}"))));
            }
            (Some(Place::User | Place::Archive | Place::Offline), _) => {
                let section = match place {
                    Some(Place::Archive) => Section::Archive,
                    Some(Place::Offline) => Section::Offline,
                    _ => Section::User,
                };
                let root = element(namespace, name, attributes)?;
                let built = self.skip_or_build(Some(root))?.ok_or("an element without its end")?;
                return Ok(Some(Piece::Entry(section, built)));
            }
        }
        Ok(None)
    }

    /// Reads on to the end tag of the element that was just begun. With `root`, its content is kept.
    fn skip_or_build(&mut self, root: Option<Element>) -> Result<Option<Element>, String> {
        let keeps = root.is_some();
        let mut open: Vec<Element> = root.into_iter().collect();
        let mut depth = 1_usize;
        let mut bytes = 0_usize;
        loop {
            let event = self.event()?.ok_or("the file ends within an element")?;
            bytes = bytes.saturating_add(self.last_event_bytes());
            if keeps && bytes > ELEMENT_BYTES_MAX {
                return Err(format!("an element of more than {ELEMENT_BYTES_MAX} bytes"));
            }
            match event {
                Event::StartElement(_, (namespace, name), attributes) => {
                    depth = depth.saturating_add(1);
                    if depth > DEPTH_MAX {
                        return Err(format!("more than {DEPTH_MAX} elements within each other"));
                    }
                    if keeps {
                        open.push(element(namespace.as_str(), name.as_str(), attributes)?);
                    }
                }
                Event::EndElement(_) => {
                    depth = depth.saturating_sub(1);
                    let ended = open.pop();
                    match (ended, open.last_mut()) {
                        (Some(ended), Some(parent)) => _ = parent.append_child(ended),
                        (ended, None) if depth == 0 => return Ok(ended),
                        _ => {}
                    }
                }
                Event::Text(_, text) => {
                    if let Some(element) = open.last_mut() {
                        element.append_text(text.as_str());
                    }
                }
                Event::XmlDeclaration(..) => {}
            }
        }
    }

    /// The parser's next event in the innermost file; `None` at its end.
    fn event(&mut self) -> Result<Option<Event>, String> {
        let Some(file) = self.files.last_mut() else { return Ok(None) };
        file.reader.inner_mut().event();
        file.reader.read().map_err(|error| error.to_string())
    }

    fn last_event_bytes(&mut self) -> usize {
        self.files.last_mut().map_or(0, |file| file.reader.inner_mut().event())
    }

    /// Opens a file that the innermost one includes.
    fn include(&mut self, href: &str) -> Result<(), String> {
        let relative =
            relative(href).ok_or_else(|| format!("the inclusion \"{}\" leaves the folder", href.escape_debug()))?;
        let from = self.files.last().and_then(|file| file.path.parent()).unwrap_or(Path::new("")).to_owned();
        let path = from.join(relative);
        let real =
            path.canonicalize().map_err(|error| format!("the inclusion \"{}\": {error}", href.escape_debug()))?;
        // A symbolic link may lead out, too.
        if !real.starts_with(&self.folder) {
            return Err(format!("the inclusion \"{}\" leaves the folder", href.escape_debug()));
        }
        self.enter(path, real)
    }

    fn enter(&mut self, path: PathBuf, real: PathBuf) -> Result<(), String> {
        if self.files.len() >= FILES_OPEN_MAX {
            return Err(format!("more than {FILES_OPEN_MAX} files that include each other"));
        }
        let file = File::open(&real).map_err(|error| error.to_string())?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(String::from("this is no file"));
        }
        if !self.seen.insert(real) {
            return Err(format!("{} is included twice", path.display()));
        }
        let options = rxml::Options { max_token_length: TOKEN_BYTES_MAX, ..rxml::Options::default() };
        let reader = Reader::wrap(Meter::new(file), rxml::Parser::with_options(options));
        self.files.push(OpenFile { path, reader, floor: self.places.len() });
        Ok(())
    }
}

/// An element without its content. What has no namespace of its own in the file is a client's.
fn element(namespace: &str, name: &str, attributes: AttrMap) -> Result<Element, String> {
    // Some servers write stanzas without their namespace, so that they stand in that of the file.
    let namespace = if namespace == ns::PORTABLE { ns::CLIENT } else { namespace };
    let mut element = Element::bare(name, namespace);
    for ((namespace, name), value) in attributes {
        element.set_attr(namespace, name, value);
    }
    Ok(element)
}

#[cfg(test)]
mod tests;
