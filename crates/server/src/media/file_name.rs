//! What a file is called: clients say it, URLs and heads of answers repeat it.

/// Bytes of a name; longer ones lose their front, so that the extension stays.
const BYTES_MAX: usize = 200;

/// A name without folders and control characters. Nothing is stored under it: it is only shown.
#[must_use]
pub fn tidy(said: &str) -> String {
    let last = said.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name: String = last.chars().filter(|c| !c.is_control()).collect();
    while name.len() > BYTES_MAX {
        name.remove(0);
    }
    if name.bytes().all(|byte| byte == b'.') { String::from("file") } else { name }
}

/// A name as a part of a URL, and as RFC 8187 has it.
#[must_use]
pub fn percent_encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere() {
        for (said, name) in [
            ("très cool.jpg", "très cool.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\a.txt", "a.txt"),
            ("..", "file"),
            ("", "file"),
            ("a/", "file"),
            ("a\r\nSet-Cookie: b\0.png", "aSet-Cookie: b.png"),
        ] {
            assert_eq!(tidy(said), name, "{said:?}");
        }
        let long = format!("{}é.jpg", "x".repeat(300));
        assert!(tidy(&long).len() <= BYTES_MAX && tidy(&long).ends_with("é.jpg"));
        assert_eq!(percent_encoded("très cool.jpg"), "tr%C3%A8s%20cool.jpg");
        assert_eq!(percent_encoded("a/b?c#d\"'%"), "a%2Fb%3Fc%23d%22%27%25");
    }
}
