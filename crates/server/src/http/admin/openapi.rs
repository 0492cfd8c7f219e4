//! `/admin/v1/openapi.json`: the API described by itself (OpenAPI 3.1), for people, generators and the fuzzer of
//! `make test`.

use std::sync::OnceLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{accounts, announcements, audit, invites, sessions, statistics, uploads};

#[derive(OpenApi)]
#[openapi(
    info(title = "Whimbrel administration", description = "Tokens are made with `whimbreld token create`."),
    paths(
        accounts::list,
        accounts::create,
        accounts::show,
        accounts::usage,
        accounts::set_password,
        accounts::set_disabled,
        accounts::delete,
        uploads::list,
        uploads::remove,
        sessions::list,
        sessions::end,
        invites::list,
        invites::create,
        invites::revoke,
        announcements::send,
        statistics::show,
        audit::list,
    ),
    modifiers(&Bearer),
    security(("token" = []))
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The document.
pub(super) async fn document() -> impl IntoResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    // Made of this program's own types: what cannot be written is a mistake that the tests find.
    let text = TEXT.get_or_init(|| Document::openapi().to_json().unwrap_or_default());
    ([(CONTENT_TYPE, "application/json")], text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_operation_behind_a_token() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().map(|path| path.as_object().unwrap().len()).sum::<usize>();
        assert_eq!(operations, 17);
        assert_eq!(document["security"][0]["token"], serde_json::json!([]));
        assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    }
}
