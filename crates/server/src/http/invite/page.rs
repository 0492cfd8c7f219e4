//! The pages as HTML. `maud` escapes what is put in.

use jid::BareJid;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use qrcode::QrCode;
use qrcode::render::svg;

use super::apps::{App, System};

/// Pixels of the code's side; the style sheet has the last word.
const CODE_SIDE: u32 = 200;

/// What is shown.
pub(super) enum Page<'a> {
    /// The invitation, with a form for who has no account.
    Invitation(Invitation<'a>),
    /// The account is there.
    Welcome { jid: &'a BareJid, contact: Option<&'a BareJid>, system: System },
    /// There is no such invitation, or none any more.
    Void,
    /// Not now.
    Later,
}

/// An invitation.
pub(super) struct Invitation<'a> {
    pub(super) domain: &'a str,
    pub(super) contact: Option<&'a BareJid>,
    pub(super) uri: &'a str,
    /// The name that is reserved.
    pub(super) localpart: Option<&'a str>,
    /// How an account comes with it.
    pub(super) registration: Registration<'a>,
    /// What was wrong with the form.
    pub(super) problem: Option<&'a str>,
    pub(super) system: System,
}

/// How an account comes with an invitation.
pub(super) enum Registration<'a> {
    /// Not at all.
    None,
    /// By the form, with this hidden value.
    Form(String),
    /// By the same page over TLS, where its address is known.
    Elsewhere(Option<&'a str>),
}

impl Page<'_> {
    /// The whole document.
    pub(super) fn to_html(&self) -> String {
        let (title, body) = match self {
            Self::Invitation(invitation) => (title(invitation), invitation.html()),
            Self::Welcome { jid, contact, system } => (String::from("Welcome"), welcome(jid, *contact, *system)),
            Self::Void => (
                String::from("This invitation cannot be used"),
                html! {
                    p { "It was used already, has expired, or was withdrawn. The link may also be incomplete." }
                    p { "Ask whoever sent it for a new one." }
                },
            ),
            Self::Later => (
                String::from("Please try again later"),
                html! { p { "The server cannot show this page at the moment. Try again in a minute." } },
            ),
        };
        document(&title, &body).into_string()
    }
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/invite/style.css";
            }
            body { main { h1 { (title) } (body) } }
        }
    }
}

fn title(invitation: &Invitation<'_>) -> String {
    match invitation.contact.and_then(|contact| contact.node()) {
        Some(name) => format!("{name} invites you to chat"),
        None => format!("You are invited to {}", invitation.domain),
    }
}

impl Invitation<'_> {
    fn html(&self) -> Markup {
        html! {
            @match self.contact {
                Some(contact) => p.lead { "Talk to " strong { (contact.as_str()) } " with an app of your choice." },
                None => p.lead { "Get an address at " strong { (self.domain) } " and chat with an app of your choice." },
            }
            @if let Some(problem) = self.problem {
                p.problem role="alert" { (problem) }
            }
            @match &self.registration {
                Registration::None => {}
                Registration::Form(seal) => (self.form(seal)),
                Registration::Elsewhere(page) => p.problem {
                    "This connection is not encrypted, so no account can be created here. "
                    @if let Some(page) = page { a href=(page) { "Open the page over https" } }
                },
            }
            section {
                h2 { @if matches!(self.registration, Registration::Form(_)) { "You have an app for XMPP?" } @else { "Open it in your app" } }
                p { a.button.second href=(self.uri) { "Open the invitation in the app" } }
                @if let Some(code) = code(self.uri) {
                    details {
                        summary { "Scan it with another device" }
                        div.code { (PreEscaped(code)) }
                    }
                }
                p.small { "If nothing happens, install one of these first, then come back to this page." }
                (apps(self.system))
            }
            p.small { "If you do not know who sent you this link, close the page: nothing happens by itself." }
        }
    }

    fn form(&self, seal: &str) -> Markup {
        html! {
            form method="post" {
                h2 { "Create your account" }
                input type="hidden" name="form" value=(seal);
                label for="username" { "Name" }
                div.address {
                    @match self.localpart {
                        Some(name) => input #username name="username" value=(name) readonly autocomplete="username";,
                        None => input #username name="username" required autofocus maxlength="64"
                            autocapitalize="none" autocorrect="off" spellcheck="false" autocomplete="username";,
                    }
                    span { "@" (self.domain) }
                }
                label for="password" { "Password" }
                input #password type="password" name="password" required minlength="8" maxlength="512"
                    autocomplete="new-password" aria-describedby="rule";
                p.small #rule { "At least 8 characters. Nobody but you knows it, and nobody can tell it to you again." }
                button type="submit" { "Create account" }
            }
        }
    }
}

fn welcome(jid: &BareJid, contact: Option<&BareJid>, system: System) -> Markup {
    html! {
        p.lead { "Your address is " strong { (jid.as_str()) } "." }
        @if let Some(contact) = contact {
            p { "You and " strong { (contact.as_str()) } " are in each other's contact lists already." }
        }
        section {
            h2 { "What to do next" }
            ol {
                li { "Install one of these apps." }
                li { "Choose to log in with an account that you have." }
                li { "Enter your address, " strong { (jid.as_str()) } ", and your password." }
            }
            (apps(system))
        }
    }
}

fn apps(system: System) -> Markup {
    html! {
        ul.apps { @for app in system.apps() { (entry(app)) } }
        @if system.others().next().is_some() {
            details {
                summary { "Apps for other systems" }
                ul.apps { @for app in system.others() { (entry(app)) } }
            }
        }
    }
}

fn entry(app: &App) -> Markup {
    html! {
        li { a href=(app.url) rel="noreferrer noopener" { strong { (app.name) } span { (app.runs_on) } } }
    }
}

/// The link as a code to scan. The drawing has no style of its own.
fn code(uri: &str) -> Option<String> {
    let code = QrCode::new(uri.as_bytes()).ok()?;
    let drawing = code.render::<svg::Color<'_>>().min_dimensions(CODE_SIDE, CODE_SIDE).build();
    // What comes before the element itself is for files.
    let start = drawing.find("<svg")?;
    drawing.get(start..).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation<'static> {
        Invitation {
            domain: "example.org",
            contact: None,
            uri: "xmpp:example.org?register;preauth=TOKEN",
            localpart: None,
            registration: Registration::Form("1.ab".into()),
            problem: None,
            system: System::Unknown,
        }
    }

    #[test]
    fn whatever_a_name_is_it_stays_text() {
        let contact = BareJid::new("o'neil@example.org").unwrap_or_else(|_| BareJid::new("oneil@example.org").unwrap());
        let problem = "<script>alert(1)</script>";
        let page = Page::Invitation(Invitation { contact: Some(&contact), problem: Some(problem), ..invitation() });
        let html = page.to_html();
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
    }

    #[test]
    fn the_policy_holds_no_style_and_no_script_stands_in_a_page() {
        let jid = BareJid::new("carol@example.org").unwrap();
        let pages = [
            Page::Invitation(invitation()),
            Page::Invitation(Invitation {
                registration: Registration::Elsewhere(Some("https://x")),
                localpart: Some("carol"),
                ..invitation()
            }),
            Page::Welcome { jid: &jid, contact: Some(&jid), system: System::Android },
            Page::Void,
            Page::Later,
        ];
        for page in pages {
            let html = page.to_html();
            let attribute = |name: &str| html.contains(&format!(" {name}=")) || html.contains(&format!("<{name}"));
            assert!(!["style", "script", "onclick", "onload"].into_iter().any(attribute), "{html}");
        }
    }
}
