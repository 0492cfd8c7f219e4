//! Where passwords come from: standard input, a terminal, or chance.

use std::io::{BufRead, IsTerminal, Read};

use xmpp::sasl::Password;

use super::output::Failure;

/// Bytes read of a line with a password.
const LINE_BYTES_MAX: u64 = 4_096;
/// No letter or digit that is easily taken for another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters of a generated password, 5 bits each, and of the groups it is written in.
const GENERATED_CHARS: usize = 16;
const GROUP_CHARS: usize = 4;

/// Reads a new password: the first line of standard input, or twice from the terminal.
pub(super) fn ask(from_stdin: bool) -> Result<Password, Failure> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().take(LINE_BYTES_MAX).read_line(&mut line)?;
        return prepare(line.trim_end_matches(['\r', '\n']));
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new("there is no terminal to ask for the password on: use --password-stdin"));
    }
    let typed = rpassword::prompt_password("New password: ")?;
    if rpassword::prompt_password("Again: ")? != typed {
        return Err(Failure::new("the two passwords differ: nothing was changed"));
    }
    prepare(&typed)
}

/// Checks a text that is to be a password.
pub(super) fn prepare(text: &str) -> Result<Password, Failure> {
    Ok(Password::prepare(text)?)
}

/// A new random password of 80 bits that can be read out and typed.
pub(super) fn generate() -> Result<String, Failure> {
    let mut random = [0; GENERATED_CHARS];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| Failure::new("the operating system gave no random bytes"))?;
    let letters: Vec<char> = random
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(byte % 32)))
        .map(|&letter| char::from(letter))
        .collect();
    Ok(letters.chunks(GROUP_CHARS).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_passwords_are_readable_and_differ() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [4, 4, 4, 4]);
        assert_ne!(one, two);
        prepare(&one).unwrap();
    }
}
