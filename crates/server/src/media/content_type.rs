//! Media types: which are ones, and which a browser may show where it is.

use super::slot::CONTENT_TYPE_BYTES_MAX;

/// Whether a text is a media type with or without parameters (RFC 9110 §8.3.1), fit for the head of an answer.
#[must_use]
pub fn is_content_type(text: &str) -> bool {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let halves = essence.trim_end().split_once('/');
    text.len() <= CONTENT_TYPE_BYTES_MAX
        && halves.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
        && parameters.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Whether a browser may show it rather than save it: pictures, sound, film and plain text. All that can hold a script
/// is saved.
#[must_use]
pub fn is_shown_inline(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        Some(("image", subtype)) => !subtype.contains("svg") && !subtype.contains("xml"),
        Some(("audio" | "video", subtype)) => !subtype.contains("xml"),
        _ => essence == "text/plain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_types_and_no_heads() {
        for good in ["image/png", "text/plain; charset=utf-8", "application/vnd.a+xml", "image/svg+xml"] {
            assert!(is_content_type(good), "{good}");
        }
        for bad in ["", "image", "/png", "image/", "image/png\r\nX: y", "image/é", "a b/c", &"a/b".repeat(50)] {
            assert!(!is_content_type(bad), "{bad}");
        }
    }

    #[test]
    fn what_can_hold_a_script_is_saved() {
        for shown in ["image/png", "IMAGE/JPEG", "video/mp4", "audio/ogg; codecs=opus", "text/plain;charset=utf-8"] {
            assert!(is_shown_inline(shown), "{shown}");
        }
        for saved in ["image/svg+xml", "text/html", "application/xhtml+xml", "application/pdf", "text/xml", ""] {
            assert!(!is_shown_inline(saved), "{saved}");
        }
    }
}
