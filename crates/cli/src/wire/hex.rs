//! Bytes as hexadecimal digits.

use std::fmt::Write;

use anyhow::{Context, Result, bail};

/// Bytes on a line of [`dump`]: those of a slot.
const LINE_BYTES: usize = 8;

/// The digits, two for each byte, without anything between them.
pub fn digits(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Lines of an offset and bytes, as docs/format/wire.md shows messages.
pub fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, line) in bytes.chunks(LINE_BYTES).enumerate() {
        let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "{:04x} | {}", index * LINE_BYTES, bytes.join(" "));
    }
    text
}

/// Digits with any space between them; of a line with bars, what stands behind the first one.
pub fn parse(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let digits = line.split('|').nth(1).unwrap_or(line);
        parse_line(digits, &mut bytes).with_context(|| format!("line {}", index + 1))?;
    }
    Ok(bytes)
}

fn parse_line(line: &str, bytes: &mut Vec<u8>) -> Result<()> {
    let mut high = None;
    for letter in line.chars().filter(|letter| !letter.is_whitespace()) {
        let Some(digit) = letter.to_digit(16) else {
            bail!("`{letter}` is not a hexadecimal digit");
        };
        high = match high {
            None => Some(digit),
            Some(high) => {
                bytes.push((high << 4 | digit) as u8);
                None
            }
        };
    }
    if high.is_some() {
        bail!("half a byte is left over");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&digits(&bytes)).unwrap(), bytes);
        assert_eq!(parse(&dump(&bytes)).unwrap(), bytes);
        assert_eq!(dump(&bytes[..9]), "0000 | 00 01 02 03 04 05 06 07\n0008 | 08\n");
    }

    #[test]
    fn lines_of_the_format_text_are_read() {
        assert_eq!(
            parse("0000 | 07 00 | bitmap: add\n0008 | ff | x\n\n").unwrap(),
            [7, 0, 0xff]
        );
    }

    #[test]
    fn what_is_no_byte_names_its_line() {
        assert_eq!(
            format!("{:#}", parse("00\n0g").unwrap_err()),
            "line 2: `g` is not a hexadecimal digit"
        );
        assert_eq!(
            format!("{:#}", parse("0 00").unwrap_err()),
            "line 1: half a byte is left over"
        );
    }
}
