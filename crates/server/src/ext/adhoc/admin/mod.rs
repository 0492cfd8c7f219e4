//! XEP-0133 Service Administration: the commands that configured administrators may use. How a command is found and
//! run is XEP-0050's business, in `ext/adhoc`; who may is checked there before anything here runs.

mod accounts;
mod form;
mod reports;
mod sessions;

use xmpp::build::Xml;
use xmpp::error::StanzaError;
use xmpp::ns;
use xmpp::xep::data_form::Submission;

use crate::ext::Request;

/// A command of XEP-0133.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    AddUser,
    DeleteUser,
    DisableUser,
    ReenableUser,
    EndUserSession,
    ChangeUserPassword,
    GetUserLastLogin,
    UserStats,
    GetRegisteredUsersNum,
    GetDisabledUsersNum,
    GetOnlineUsersNum,
    GetActiveUsersNum,
    GetRegisteredUsersList,
    GetDisabledUsersList,
    GetOnlineUsersList,
    Announce,
}

use Command::*;

impl Command {
    /// Every command, in the order of XEP-0133.
    pub const ALL: &'static [Self] = &[
        AddUser,
        DeleteUser,
        DisableUser,
        ReenableUser,
        EndUserSession,
        ChangeUserPassword,
        GetUserLastLogin,
        UserStats,
        GetRegisteredUsersNum,
        GetDisabledUsersNum,
        GetOnlineUsersNum,
        GetActiveUsersNum,
        GetRegisteredUsersList,
        GetDisabledUsersList,
        GetOnlineUsersList,
        Announce,
    ];

    /// The command with that node.
    pub fn by_node(node: &str) -> Option<Self> {
        let name = node.strip_prefix(ns::ADMIN)?.strip_prefix('#')?;
        Self::ALL.iter().copied().find(|command| command.id() == name)
    }

    /// Its node, by which clients call it.
    pub fn node(self) -> String {
        format!("{}#{}", ns::ADMIN, self.id())
    }

    fn id(self) -> &'static str {
        match self {
            AddUser => "add-user",
            DeleteUser => "delete-user",
            DisableUser => "disable-user",
            ReenableUser => "reenable-user",
            EndUserSession => "end-user-session",
            ChangeUserPassword => "change-user-password",
            GetUserLastLogin => "get-user-lastlogin",
            UserStats => "user-stats",
            GetRegisteredUsersNum => "get-registered-users-num",
            GetDisabledUsersNum => "get-disabled-users-num",
            GetOnlineUsersNum => "get-online-users-num",
            GetActiveUsersNum => "get-active-users-num",
            GetRegisteredUsersList => "get-registered-users-list",
            GetDisabledUsersList => "get-disabled-users-list",
            GetOnlineUsersList => "get-online-users-list",
            Announce => "announce",
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            AddUser => "Add User",
            DeleteUser => "Delete User",
            DisableUser => "Disable User",
            ReenableUser => "Re-Enable User",
            EndUserSession => "End User Session",
            ChangeUserPassword => "Change User Password",
            GetUserLastLogin => "Get User Last Login Time",
            UserStats => "Get User Statistics",
            GetRegisteredUsersNum => "Get Number of Registered Users",
            GetDisabledUsersNum => "Get Number of Disabled Users",
            GetOnlineUsersNum => "Get Number of Online Users",
            GetActiveUsersNum => "Get Number of Active Users",
            GetRegisteredUsersList => "Get List of Registered Users",
            GetDisabledUsersList => "Get List of Disabled Users",
            GetOnlineUsersList => "Get List of Online Users",
            Announce => "Send Announcement to Online Users",
        }
    }

    /// The form to fill in; None when the command needs none and runs at once.
    pub fn form(self) -> Option<Xml> {
        Some(match self {
            AddUser => accounts::add_form(),
            DeleteUser => accounts::delete_form(),
            DisableUser => accounts::disable_form(),
            ReenableUser => accounts::reenable_form(),
            ChangeUserPassword => accounts::password_form(),
            EndUserSession => sessions::end_form(),
            Announce => sessions::announce_form(),
            GetUserLastLogin => reports::last_login_form(),
            UserStats => reports::stats_form(),
            GetRegisteredUsersList => reports::list_form("Requesting List of Registered Users"),
            GetDisabledUsersList => reports::list_form("Requesting List of Disabled Users"),
            GetOnlineUsersList => reports::list_form("Requesting List of Online Users"),
            GetRegisteredUsersNum | GetDisabledUsersNum | GetOnlineUsersNum | GetActiveUsersNum => return None,
        })
    }

    /// Runs it. Returns the form with its results, when it has any.
    ///
    /// # Errors
    /// `bad-request` with `bad-payload` for a form that lacks something, and those of XEP-0133 §5.
    pub async fn run(self, request: &Request<'_>, form: &Submission) -> Result<Option<Xml>, StanzaError> {
        if form.form_type().is_some_and(|form_type| form_type != ns::ADMIN) {
            return Err(form::bad_payload());
        }
        let host = request.host;
        match self {
            AddUser => accounts::add(request, form).await.map(|()| None),
            DeleteUser => accounts::delete(request, form).await.map(|()| None),
            DisableUser => accounts::disable(request, form).await.map(|()| None),
            ReenableUser => accounts::reenable(request, form).await.map(|()| None),
            ChangeUserPassword => accounts::change_password(request, form).await.map(|()| None),
            EndUserSession => sessions::end(request, form).await.map(|()| None),
            Announce => sessions::announce(request, form).await.map(|()| None),
            GetUserLastLogin => reports::last_login(host, form).await.map(Some),
            UserStats => reports::stats(host, form).await.map(Some),
            GetRegisteredUsersNum => reports::registered_num(host).await.map(Some),
            GetDisabledUsersNum => reports::disabled_num(host).await.map(Some),
            GetOnlineUsersNum => Ok(Some(reports::online_num(host))),
            GetActiveUsersNum => Ok(Some(reports::active_num(host))),
            GetRegisteredUsersList => reports::registered_list(host, form).await.map(Some),
            GetDisabledUsersList => reports::disabled_list(host, form).await.map(Some),
            GetOnlineUsersList => reports::online_list(host, form).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_command_is_found_by_its_own_node() {
        let nodes: HashSet<String> = Command::ALL.iter().map(|command| command.node()).collect();
        assert_eq!(nodes.len(), Command::ALL.len());
        for command in Command::ALL {
            assert_eq!(Command::by_node(&command.node()), Some(*command));
        }
        assert_eq!(Command::by_node("http://jabber.org/protocol/admin#get-user-password"), None);
        assert_eq!(Command::by_node("add-user"), None);
    }

    #[test]
    fn every_form_is_one_of_administration() {
        for form in Command::ALL.iter().filter_map(|command| command.form()) {
            let form: minidom::Element = form.to_string().parse().unwrap();
            assert_eq!(form.attr("type"), Some("form"));
            let form_type = form.children().find(|field| field.attr("var") == Some("FORM_TYPE")).unwrap();
            assert_eq!(form_type.get_child("value", ns::DATA_FORMS).unwrap().text(), ns::ADMIN);
            assert!(form.has_child("title", ns::DATA_FORMS) && form.has_child("instructions", ns::DATA_FORMS));
        }
    }
}
