//! Reading files of XEP-0227 piece by piece: hosts, users, and what is theirs, one element at a time and never the
//! whole. Inclusions (XEP-0227 §4) are followed where the text allows them and within the folder of the first file.
//!
//! The parser refuses document types, entities of its own, processing instructions and comments.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use minidom::Element;
use minidom::rxml::{self, AttrMap, Event, Reader, WithOptions as _};
use xmpp::ns;

use super::meter::Meter;

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

/// A relative URI as a path that goes down, and never up.
fn relative(href: &str) -> Option<PathBuf> {
    if href.is_empty() || href.contains(['\0', '?', '#']) {
        return None;
    }
    let decoded = percent_decoded(href)?;
    let path = Path::new(&decoded);
    // A URI with a scheme; a Unix path may have a colon, but not before the first slash.
    if decoded.split('/').next().is_some_and(|first| first.contains(':')) {
        return None;
    }
    let goes_down = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    goes_down.then(|| path.to_owned())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(rest.next())? * 16 + digit(rest.next())?);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file yields, in one word a piece; or its fault.
    fn read(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let first = dir.path().join(files[0].0);
        let place = |bad: BadFile| {
            let name = bad.path.strip_prefix(dir.path()).unwrap_or(&bad.path).display().to_string();
            format!("{name}:{}: {}", bad.line.unwrap_or(0), bad.what)
        };
        let mut source = Source::open(&first).map_err(place)?;
        let mut pieces = Vec::new();
        while let Some(piece) = source.next().map_err(place)? {
            pieces.push(match piece {
                Piece::Host(jid) => format!("host {jid}"),
                Piece::User(name, password) => format!("user {name} {}", password.is_some()),
                Piece::Entry(section, element) => format!("{section:?} {}", String::from(&element)),
                Piece::UserEnd => String::from("end"),
                Piece::Unknown(what) => format!("unknown {what}"),
            });
        }
        Ok(pieces)
    }

    fn server_data(content: &str) -> String {
        format!(
            "<?xml version='1.0'?>\n<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='{}'>{content}</server-data>",
            ns::XINCLUDE
        )
    }

    fn user(content: &str) -> String {
        server_data(&format!("\n<host jid='x'>\n<user name='a'>{content}</user></host>"))
    }

    #[test]
    fn a_file_is_read_piece_by_piece() {
        let text = user(
            "<vCard xmlns='vcard-temp'><FN>A &amp; B</FN></vCard><presence type='subscribe' from='c@x'/>\
             <offline-messages><message from='c@x'><body>hi</body></message></offline-messages>\
             <archive xmlns='urn:xmpp:pie:0#mam'><result xmlns='urn:xmpp:mam:2' id='1'/></archive>",
        );
        assert_eq!(
            read(&[("main.xml", &text)]).unwrap(),
            [
                "host x",
                "user a false",
                "User <vCard xmlns='vcard-temp'><FN>A &amp; B</FN></vCard>",
                "User <presence xmlns='jabber:client' from='c@x' type='subscribe'/>",
                "Offline <message xmlns='jabber:client' from='c@x'><body>hi</body></message>",
                "Archive <result xmlns='urn:xmpp:mam:2' id='1'/>",
                "end"
            ]
        );
    }

    #[test]
    fn included_files_stand_where_they_are_named() {
        let main = server_data("<xi:include href='x.xml'/>");
        let host = format!(
            "<host xmlns='urn:xmpp:pie:0' jid='x' xmlns:xi='{0}'><xi:include href='x/a%20b.xml'/></host>",
            ns::XINCLUDE
        );
        let user = "<user xmlns='urn:xmpp:pie:0' name='a'><i xmlns='urn:i'><include xmlns='http://www.w3.org/2001/XInclude' href='/etc/passwd'/></i></user>";
        let pieces = read(&[("main.xml", &main), ("x.xml", &host), ("x/a b.xml", user)]).unwrap();
        assert_eq!(pieces[..2], ["host x", "user a false"]);
        // Deep within a user's own data it is only data.
        assert!(pieces[2].contains("/etc/passwd"), "{pieces:?}");
    }

    #[test]
    fn inclusions_never_leave_the_folder() {
        for href in ["../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "a/%2e%2e/%2e%2e/b", "http://x/a", ""] {
            let refused = read(&[("main.xml", &server_data(&format!("<xi:include href='{href}'/>")))]).unwrap_err();
            assert_eq!(refused, format!("main.xml:2: the inclusion \"{href}\" leaves the folder"));
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        std::fs::write(dir.path().join("secret.xml"), "<host xmlns='urn:xmpp:pie:0' jid='x'/>").unwrap();
        std::os::unix::fs::symlink("../secret.xml", dir.path().join("in/link.xml")).unwrap();
        std::fs::write(dir.path().join("in/main.xml"), server_data("<xi:include href='link.xml'/>")).unwrap();
        let mut source = Source::open(&dir.path().join("in/main.xml")).unwrap();
        assert!(source.next().unwrap_err().what.contains("leaves the folder"));
    }

    #[test]
    fn files_that_include_themselves_end() {
        let twice = server_data("<xi:include href='x.xml'/><xi:include href='x.xml'/>");
        let host = "<host xmlns='urn:xmpp:pie:0' jid='x'/>";
        assert!(read(&[("main.xml", &twice), ("x.xml", host)]).unwrap_err().contains("included twice"));
        let itself = format!("<include xmlns='{}' href='x.xml'/>", ns::XINCLUDE);
        let main = server_data("<xi:include href='x.xml'/>");
        assert!(read(&[("main.xml", &main), ("x.xml", &itself)]).unwrap_err().contains("included twice"));
        let missing = read(&[("main.xml", &main)]).unwrap_err();
        assert!(missing.starts_with("main.xml:2: the inclusion \"x.xml\": "), "{missing}");
    }

    #[test]
    fn hostile_files_are_refused_with_their_place() {
        let laughs = "<!DOCTYPE lolz [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>\n<server-data xmlns='urn:xmpp:pie:0'>&b;</server-data>";
        let refused = |text: &str| read(&[("main.xml", text)]).unwrap_err();
        assert!(refused(laughs).starts_with("main.xml:1: "), "{}", refused(laughs));
        assert!(refused(&user("&b;")).starts_with("main.xml:4: "));
        assert!(refused(&user(&format!("<v xmlns='urn:v' a='{}'/>", "x".repeat(100_000)))).starts_with("main.xml:4: "));
        let many: String = (0..100_000).map(|number| format!(" a{number}='123456789'")).collect();
        assert!(refused(&user(&format!("<v xmlns='urn:v'{many}/>"))).ends_with("a tag of more than 1048576 bytes"));
        let deep = format!("{}{}", "<d xmlns='urn:d'>".repeat(200), "</d>".repeat(200));
        assert!(refused(&user(&deep)).ends_with("more than 128 elements within each other"));
        let big = format!("<v xmlns='urn:v'>{}</v>", "x".repeat(ELEMENT_BYTES_MAX + 1));
        assert!(refused(&user(&big)).contains("an element of more than"));
        assert!(refused("<server-data xmlns='urn:else'/>").contains("begins with server-data of \"urn:else\""));
        assert!(refused(&user("<a xmlns='urn:a'>")[..80]).starts_with("main.xml:"));
        assert_eq!(refused("").split(": ").next(), Some("main.xml:1"));
    }
}
