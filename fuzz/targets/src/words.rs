//! Inputs that are several texts: split where they have a line `--`, which none of the texts needs.

const SEPARATOR: &[u8] = b"\n--\n";

/// The first `N` texts of an input; those that it lacks are empty, the last is all that remains.
pub(crate) fn split<const N: usize>(mut input: &[u8]) -> [&[u8]; N] {
    let mut texts = [&[][..]; N];
    for (index, text) in texts.iter_mut().enumerate() {
        let cut = input.windows(SEPARATOR.len()).position(|bytes| bytes == SEPARATOR).filter(|_| index + 1 < N);
        let Some(at) = cut else {
            *text = input;
            break;
        };
        *text = &input[..at];
        input = &input[at + SEPARATOR.len()..];
    }
    texts
}
