//! `doap.xml`: what the project is and which extensions it supports, for machines (XEP-0453),
//! generated from `xmpp::xep::table`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use xmpp::xep::table::{SUPPORTED, Status, Xep};

const FILE: &str = "doap.xml";

/// Standards of the IETF that the server implements, as XEP-0453 wants them listed.
const RFCS: &[u16] = &[5802, 6120, 6121, 6122, 7395, 7590, 7677, 9266];

pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    fs::write(root.join(FILE), document()?).context(FILE)
}

pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    if fs::read_to_string(root.join(FILE)).unwrap_or_default() != document()? {
        bail!("{FILE} is not up to date: run `cargo xtask doap`");
    }
    Ok(())
}

fn document() -> anyhow::Result<String> {
    let mut out = String::from(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
         xmlns="http://usefulinc.com/ns/doap#"
         xmlns:xmpp="https://linkmauve.fr/ns/xmpp-doap#">
  <Project>
    <name>Whimbrel</name>
    <shortdesc xml:lang="en">A messenger that anyone can run, on open standards</shortdesc>
    <description xml:lang="en">An XMPP server in Rust: a message it has acknowledged is never lost and never shown twice.</description>
    <programming-language>Rust</programming-language>
    <os>Linux</os>
    <category rdf:resource="https://linkmauve.fr/ns/xmpp-doap#category-server"/>
    <license rdf:resource="https://spdx.org/licenses/MIT.html"/>
"#,
    );
    for rfc in RFCS {
        writeln!(out, r#"    <implements rdf:resource="https://xmpp.org/rfcs/rfc{rfc}.html"/>"#)?;
    }
    for xep in SUPPORTED {
        extension(&mut out, xep)?;
    }
    out.push_str("  </Project>\n</rdf:RDF>\n");
    Ok(out)
}

fn extension(out: &mut String, xep: &Xep) -> anyhow::Result<()> {
    let status = match xep.status {
        Status::Complete => "complete",
        Status::Partial => "partial",
    };
    writeln!(out, "    <implements>")?;
    writeln!(out, "      <!-- {} -->", escape(xep.name).replace("--", "- -"))?;
    writeln!(out, "      <xmpp:SupportedXep>")?;
    writeln!(out, r#"        <xmpp:xep rdf:resource="https://xmpp.org/extensions/xep-{:04}.html"/>"#, xep.number)?;
    writeln!(out, "        <xmpp:status>{status}</xmpp:status>")?;
    writeln!(out, "        <xmpp:version>{}</xmpp:version>", escape(xep.version))?;
    writeln!(out, "        <xmpp:since>{}</xmpp:since>", escape(xep.since))?;
    if !xep.note.is_empty() {
        writeln!(out, r#"        <xmpp:note xml:lang="en">{}</xmpp:note>"#, escape(xep.note))?;
    }
    writeln!(out, "      </xmpp:SupportedXep>")?;
    writeln!(out, "    </implements>")?;
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_extension_of_the_table_is_in_the_document_once() {
        let document = document().unwrap();
        for xep in SUPPORTED {
            let address = format!("extensions/xep-{:04}.html\"", xep.number);
            assert_eq!(document.matches(&address).count(), 1, "XEP-{:04}", xep.number);
        }
    }
}
