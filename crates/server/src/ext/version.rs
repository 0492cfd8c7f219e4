//! XEP-0092: which software this is. Of the operating system no more than its name is told.

use xmpp::build::Xml;
use xmpp::error::Condition;
use xmpp::ns;

use super::{Reply, Request};

/// Answers with the program's name, its version and the system's name.
///
/// # Errors
/// `service-unavailable` for the account of somebody else: an answer would tell whether it exists.
pub async fn handle(request: &Request<'_>) -> Reply {
    request.only_get()?;
    if request.account.is_some() {
        request.own_session().map_err(|_| Condition::ServiceUnavailable)?;
    }
    Ok(answer().to_string())
}

fn answer() -> Xml {
    let system = match std::env::consts::OS {
        "linux" => "Linux",
        other => other,
    };
    Xml::new("query", ns::VERSION)
        .text_child("name", "whimbreld")
        .text_child("version", env!("CARGO_PKG_VERSION"))
        .text_child("os", system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_named_without_its_release() {
        let answer: minidom::Element = answer().to_string().parse().unwrap();
        let text = |name| answer.get_child(name, ns::VERSION).unwrap().text();
        assert_eq!(text("name"), "whimbreld");
        assert_eq!(text("version"), env!("CARGO_PKG_VERSION"));
        assert!(text("os").chars().all(char::is_alphabetic), "{}", text("os"));
    }
}
