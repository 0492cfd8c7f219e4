//! Clients to recommend, by the system that a browser says it runs on (XEP-0379 §3.3).

use axum::http::{HeaderMap, header};

/// What a browser runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    Android,
    Ios,
    MacOs,
    Windows,
    Linux,
    Unknown,
}

/// A client.
#[derive(Clone, Copy, Debug)]
pub(super) struct App {
    pub(super) name: &'static str,
    /// What it runs on, for people.
    pub(super) runs_on: &'static str,
    pub(super) url: &'static str,
    systems: &'static [System],
}

const APPS: &[App] = &[
    App { name: "Conversations", runs_on: "Android", url: "https://conversations.im/", systems: &[System::Android] },
    App { name: "Cheogram", runs_on: "Android", url: "https://cheogram.com/", systems: &[System::Android] },
    App {
        name: "Monal",
        runs_on: "iPhone, iPad, Mac",
        url: "https://monal-im.org/",
        systems: &[System::Ios, System::MacOs],
    },
    App { name: "Siskin", runs_on: "iPhone, iPad", url: "https://siskin.im/", systems: &[System::Ios] },
    App {
        name: "Gajim",
        runs_on: "Windows, Linux, Mac",
        url: "https://gajim.org/",
        systems: &[System::Windows, System::Linux, System::MacOs],
    },
    App { name: "Dino", runs_on: "Linux", url: "https://dino.im/", systems: &[System::Linux] },
];

impl System {
    /// What a browser says.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        // Android says Linux too, an iPad Macintosh at times.
        [
            ("Android", Self::Android),
            ("iPhone", Self::Ios),
            ("iPad", Self::Ios),
            ("Macintosh", Self::MacOs),
            ("Windows", Self::Windows),
            ("Linux", Self::Linux),
        ]
        .into_iter()
        .find(|(word, _)| agent.contains(word))
        .map_or(Self::Unknown, |(_, system)| system)
    }

    /// Those that run there; all, where it is not known.
    pub(super) fn apps(self) -> impl Iterator<Item = &'static App> {
        APPS.iter().filter(move |app| self == Self::Unknown || app.systems.contains(&self))
    }

    /// Those that run elsewhere.
    pub(super) fn others(self) -> impl Iterator<Item = &'static App> {
        APPS.iter().filter(move |app| self != Self::Unknown && !app.systems.contains(&self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_has_an_app_and_none_is_named_twice() {
        for system in [System::Android, System::Ios, System::MacOs, System::Windows, System::Linux, System::Unknown] {
            assert!(system.apps().count() > 0, "{system:?}");
            assert_eq!(system.apps().count() + system.others().count(), APPS.len());
        }
    }

    #[test]
    fn a_browser_says_what_it_runs_on() {
        let of = |agent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, agent.parse().unwrap());
            System::of(&headers)
        };
        assert_eq!(of("Mozilla/5.0 (Linux; Android 14; Pixel 8) Mobile"), System::Android);
        assert_eq!(of("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"), System::Ios);
        assert_eq!(of("Mozilla/5.0 (X11; Linux x86_64)"), System::Linux);
        assert_eq!(of("curl/8"), System::Unknown);
    }
}
