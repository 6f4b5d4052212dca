//! `crake kv load`: many keys from lines.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use crake_store::{Condition, PutEntry, Table};

use super::{Row, escaped, open_or_create};
use crate::client::Client;
use crate::exit::Told;
use crate::fs::RemotePath;
use crate::output::Output;
use crate::ttl::Ttl;

/// Arguments of `crake kv load`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv load /users users.tsv
  crake kv scan /users --values | crake kv load --create /copy
  printf 'a\\t1\\nb\\t2\\n' | crake kv load /users

A line has a key, a tab and a value, as `crake kv scan --values` prints them: \\t, \\n, \\r, \\\\, \\xff and \\u{1f600} stand for what cannot
be written. Small values go many in a request. A line that is refused is told, the rest is put, and the exit code is 1.")]
pub struct LoadArguments {
    /// Make the table if it is not there, and directories above it
    #[arg(short, long)]
    create: bool,
    /// Only keys that have no value
    #[arg(long)]
    if_absent: bool,
    /// The values are removed after this time: 500ms, 10s, 5m, 2h or 7d
    #[arg(long, value_name = "TIME")]
    ttl: Option<Ttl>,
    /// Path of the table
    table: RemotePath,
    /// The file with the lines, or - for standard input
    #[arg(default_value = "-")]
    file: OsString,
}

/// Lines that are put together.
const LINES: usize = 1024;
/// And their bytes, about.
const LINES_BYTES: usize = 1 << 20;
/// Of one line at most: what is larger is for `crake kv put`.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Does it.
pub async fn load(client: &Client, arguments: &LoadArguments, output: Output) -> Result<()> {
    let source: Box<dyn Read> = match arguments.file.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => {
            let name = arguments.file.display();
            Box::new(File::open(&arguments.file).with_context(|| name.to_string())?)
        }
    };
    let table = open_or_create(client, &arguments.table, arguments.create).await?;
    let mut lines = Lines {
        source: BufReader::new(source),
        number: 0,
    };
    let mut loading = Loading {
        table,
        condition: match arguments.if_absent {
            true => Condition::IfAbsent,
            false => Condition::Always,
        },
        ttl: arguments.ttl.map(|Ttl(ttl)| ttl),
        output,
        put: 0,
        refused: 0,
    };
    loop {
        let batch = lines.next_batch(output, &mut loading.refused)?;
        if batch.is_empty() {
            break;
        }
        loading.put(&batch).await?;
    }
    output.note(format!("{} keys put", loading.put));
    if loading.refused > 0 {
        Err(Told.into())
    } else {
        Ok(())
    }
}

/// A line: its number, the key, the value.
type Line = (u64, Vec<u8>, Vec<u8>);

struct Lines {
    source: BufReader<Box<dyn Read>>,
    number: u64,
}

impl Lines {
    /// The next ones; none at the end. Those that make no sense are told, counted and left out.
    fn next_batch(&mut self, output: Output, refused: &mut u64) -> Result<Vec<Line>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < LINES && bytes < LINES_BYTES {
            let Some(line) = self.next_line()? else { break };
            bytes += line.len();
            match parse(&line) {
                Ok((key, value)) => batch.push((self.number, key, value)),
                Err(error) => {
                    output.note(format!("line {}: {error}", self.number));
                    *refused += 1;
                }
            }
        }
        Ok(batch)
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.source).take(LINE_BYTES_MAX);
        if limited.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        match line.pop() {
            Some(b'\n') => {}
            Some(_) if line.len() as u64 + 1 >= LINE_BYTES_MAX => {
                bail!("line {} is longer than {LINE_BYTES_MAX} bytes", self.number)
            }
            // The last line may end without one.
            last => line.extend(last),
        }
        Ok(Some(line))
    }
}

struct Loading {
    table: Table,
    condition: Condition,
    ttl: Option<Duration>,
    output: Output,
    put: u64,
    refused: u64,
}

impl Loading {
    async fn put(&mut self, batch: &[Line]) -> Result<()> {
        let entries: Vec<PutEntry<'_>> = batch
            .iter()
            .map(|(_, key, value)| PutEntry {
                key,
                value,
                condition: self.condition,
                ttl: self.ttl,
            })
            .collect();
        let outcomes = self.table.multi_put(&entries).await;
        for ((number, key, _), outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Ok(version) => {
                    self.put += 1;
                    self.output.row(&Row {
                        version: Some(version),
                        ..Row::key(key)
                    })?;
                }
                Err(error) => {
                    self.refused += 1;
                    self.output.note(format!("line {number}: {error}"));
                }
            }
        }
        Ok(())
    }
}

fn parse(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let tab = line
        .iter()
        .position(|&byte| byte == b'\t')
        .ok_or_else(|| anyhow!("no tab between a key and a value"))?;
    Ok((unescaped(&line[..tab])?, unescaped(&line[tab + 1..])?))
}

/// What [`escaped`] has made a line of.
fn unescaped(mut text: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(at) = text.iter().position(|&byte| byte == b'\\') {
        bytes.extend_from_slice(&text[..at]);
        text = unescape_one(&text[at + 1..], &mut bytes)?;
    }
    bytes.extend_from_slice(text);
    Ok(bytes)
}

/// Reads what follows a backslash, and gives what is behind it.
fn unescape_one<'t>(text: &'t [u8], bytes: &mut Vec<u8>) -> Result<&'t [u8]> {
    let (&kind, rest) = text
        .split_first()
        .ok_or_else(|| anyhow!("a backslash at the end"))?;
    match kind {
        b't' => bytes.push(b'\t'),
        b'n' => bytes.push(b'\n'),
        b'r' => bytes.push(b'\r'),
        b'\\' => bytes.push(b'\\'),
        b'x' => {
            let (digits, rest) = rest
                .split_at_checked(2)
                .ok_or_else(|| anyhow!("\\x needs two digits"))?;
            bytes.push(number(digits)? as u8);
            return Ok(rest);
        }
        b'u' => {
            let close = rest.iter().position(|&byte| byte == b'}');
            let (Some(close), Some(b'{')) = (close, rest.first()) else {
                bail!("\\u needs digits in braces");
            };
            let character = char::from_u32(number(&rest[1..close])?);
            let character = character.ok_or_else(|| anyhow!("\\u of no character"))?;
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(&rest[close + 1..]);
        }
        _ => bail!("\\{} stands for nothing", escaped(&[kind])),
    }
    Ok(rest)
}

fn number(digits: &[u8]) -> Result<u32> {
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let number = str::from_utf8(digits)
        .ok()
        .filter(|_| is_hex)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number.ok_or_else(|| anyhow!("not a hexadecimal number: {}", escaped(digits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scan_prints_is_read_back() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [
            &b""[..],
            b"a\tb\nc\\d\r\0",
            "grün \u{1f600}\u{7f}".as_bytes(),
            &all,
        ] {
            assert_eq!(unescaped(escaped(bytes).as_bytes()).unwrap(), bytes);
        }
        let line = format!("{}\t{}", escaped(b"\t\\"), escaped(&all));
        assert_eq!(parse(line.as_bytes()).unwrap(), (b"\t\\".to_vec(), all));
    }

    #[test]
    fn lines_that_make_no_sense_are_refused() {
        for line in [
            &b"no tab"[..],
            b"k\tends with \\",
            b"k\t\\q",
            b"k\t\\x1",
            b"k\t\\x+1",
            b"k\t\\u41",
            b"k\t\\u{41",
            b"k\t\\u{}",
            b"k\t\\u{d800}",
            b"k\t\\u{111111111}",
        ] {
            assert!(parse(line).is_err(), "{}", line.escape_ascii());
        }
        assert_eq!(parse(b"k\t").unwrap(), (b"k".to_vec(), Vec::new()));
        assert_eq!(parse(b"k\ta\tb").unwrap().1, b"a\tb");
    }
}
