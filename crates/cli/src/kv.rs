//! `crake kv`: keys and values in tables.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use crake_mem::Sga;
use crake_store::{Condition, Table};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::client::{self, Client};
use crate::config::Config;
use crate::exit::Told;
use crate::fs::RemotePath;
use crate::fs::transfer::Source;
use crate::output::Output;
use crate::stdio::Stdin;

/// Arguments of `crake kv`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv put --create /users alice admin
  crake kv get /users alice
  crake kv scan /users --values
  crake kv del /users alice

A table is a node like a file: `crake fs ls` shows it, `crake fs rm -r` removes it. Keys are 1 to 255 bytes of anything.")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with tables.
#[derive(Subcommand, Debug)]
enum Command {
    /// Make an empty table, and directories above it
    Create(CreateArguments),
    /// Remove keys
    Del(DelArguments),
    /// Print a value
    Get(GetArguments),
    /// Give a key a value
    Put(PutArguments),
    /// List keys in order
    Scan(ScanArguments),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv create /app/users                  no error if it is there")]
struct CreateArguments {
    /// Path of the table
    table: RemotePath,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv put /users alice admin
  crake kv put --create /users alice admin    makes the table first if it is not there
  crake kv put /users picture - < alice.png
  crake kv put --if-absent /locks job1 me     exit code 1 if it has a value
  crake kv put --if-version 3 /users alice x  exit code 1 if its version is not 3")]
struct PutArguments {
    /// Make the table if it is not there, and directories above it
    #[arg(short, long)]
    create: bool,
    /// Only if the key has no value
    #[arg(long, conflicts_with = "if_version")]
    if_absent: bool,
    /// Only if the value has this version
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
    /// Path of the table
    table: RemotePath,
    /// The key
    key: OsString,
    /// The value, or - for standard input
    value: OsString,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv get /users alice
  crake kv get /users picture > alice.png     the bytes and nothing else
  crake kv get /users alice --json            with version and time

Exit code 1 if the key has no value. On a terminal a newline follows the value.")]
struct GetArguments {
    /// Path of the table
    table: RemotePath,
    /// The key
    key: OsString,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv del /users alice bob               exit code 1 if one of them has no value")]
struct DelArguments {
    /// Path of the table
    table: RemotePath,
    /// The keys
    #[arg(required = true)]
    keys: Vec<OsString>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv scan /users
  crake kv scan /users --prefix al --values
  crake kv scan /users --after bob --limit 100 --json

One key a line, with --values a tab and the value. Bytes that are no text, and control characters, are escaped.")]
struct ScanArguments {
    /// Only keys that begin with this
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: OsString,
    /// Only keys behind this one
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    after: OsString,
    /// So many keys at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Values, too
    #[arg(long)]
    values: bool,
    /// Path of the table
    table: RemotePath,
}

/// Bytes in JSON: text where they are text, `{"hex": "..."}` where not.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("hex", &hex)?;
                map.end()
            }
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    key: Bytes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<bool>,
}

impl<'a> Row<'a> {
    fn key(key: &'a [u8]) -> Row<'a> {
        Row {
            key: Bytes(key),
            version: None,
            modified_ns: None,
            value: None,
            removed: None,
        }
    }
}

/// Does it.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    client::run(config, async |client| match &arguments.command {
        Command::Create(create) => {
            client.store.make_table(create.table.as_str(), true).await?;
            Ok(())
        }
        Command::Put(put) => put_value(&client, put, output).await,
        Command::Get(get) => get_value(&client, get, output).await,
        Command::Del(del) => remove(&client, del, output).await,
        Command::Scan(scan) => list(&client, scan, output).await,
    })
}

async fn put_value(client: &Client, put: &PutArguments, output: Output) -> Result<()> {
    let table = match put.create {
        true => client.store.make_table(put.table.as_str(), true).await?,
        false => open(client, &put.table).await?,
    };
    let condition = match (put.if_absent, put.if_version) {
        (true, _) => Condition::IfAbsent,
        (false, Some(version)) => Condition::IfVersion(version),
        (false, None) => Condition::Always,
    };
    let key = put.key.as_bytes();
    let version = if put.value == "-" {
        put_stdin(&table, key, condition).await?
    } else {
        table.put_when(key, put.value.as_bytes(), condition).await?
    };
    let row = Row {
        version: Some(version),
        ..Row::key(key)
    };
    Ok(output.row(&row)?)
}

async fn put_stdin(table: &Table, key: &[u8], condition: Condition) -> Result<u64> {
    let mut stdin = Stdin::open()?;
    let first = stdin.next().await?;
    let second = if first.is_empty() {
        first.slice(..0)
    } else {
        stdin.next().await?
    };
    if second.is_empty() {
        // It may be small enough to ride in the message.
        return Ok(table.put_when(key, &first, condition).await?);
    }
    let mut value = Sga::from(first);
    let mut chunk = second;
    while !chunk.is_empty() {
        value.push(chunk);
        chunk = stdin.next().await?;
    }
    Ok(table.put_from(key, value, condition).await?)
}

/// A table, or the word that there is none and how to have it.
async fn open(client: &Client, path: &RemotePath) -> Result<Table> {
    client
        .store
        .table(path.as_str())
        .await
        .map_err(|error| match error {
            crake_store::Error::NotFound { .. } => {
                anyhow!("{error}; `crake kv create {path}` makes the table")
            }
            other => other.into(),
        })
}

async fn get_value(client: &Client, get: &GetArguments, output: Output) -> Result<()> {
    let table = client.store.table(get.table.as_str()).await?;
    let key = get.key.as_bytes();
    let Some(value) = table.get(key).await? else {
        return Err(anyhow!("{}: no value for {}", get.table, escaped(key)));
    };
    output.row(&Row {
        version: Some(value.version),
        modified_ns: Some(value.modified_ns),
        value: Some(Bytes(&value)),
        ..Row::key(key)
    })?;
    if !output.is_json() {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&value)?;
        if stdout.is_terminal() {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()?;
    }
    Ok(())
}

async fn remove(client: &Client, del: &DelArguments, output: Output) -> Result<()> {
    let table = client.store.table(del.table.as_str()).await?;
    let mut missing = false;
    for key in &del.keys {
        let key = key.as_bytes();
        let removed = table.remove(key).await?;
        if !removed {
            output.note(format!("{}: no value for {}", del.table, escaped(key)));
            missing = true;
        }
        output.row(&Row {
            removed: Some(removed),
            ..Row::key(key)
        })?;
    }
    if missing { Err(Told.into()) } else { Ok(()) }
}

/// Keys of one page at most.
const PAGE: u64 = 512;

async fn list(client: &Client, scan: &ScanArguments, output: Output) -> Result<()> {
    let table = client.store.table(scan.table.as_str()).await?;
    let mut after = scan.after.as_bytes().to_vec();
    let mut left = scan.limit.unwrap_or(u64::MAX);
    let mut more = true;
    while more && left > 0 {
        let limit = left.min(PAGE) as u32;
        let (count, last);
        (count, last, more) = if scan.values {
            show_values(&table, &scan.prefix, &after, limit, output).await?
        } else {
            show_keys(&table, &scan.prefix, &after, limit, output).await?
        };
        left -= count.min(left);
        match last {
            Some(key) => after = key,
            None => break,
        }
    }
    Ok(())
}

/// How many keys a page had, the last of them, and whether there are more.
type Shown = (u64, Option<Vec<u8>>, bool);

async fn show_keys(table: &Table, prefix: &OsStr, after: &[u8], limit: u32, output: Output) -> Result<Shown> {
    let page = table.keys_page(prefix.as_bytes(), after, limit).await?;
    for key in &page.entries {
        output.row(&Row::key(key))?;
        output.line(&escaped(key))?;
    }
    Ok((page.entries.len() as u64, page.entries.last().cloned(), page.more))
}

async fn show_values(
    table: &Table,
    prefix: &OsStr,
    after: &[u8],
    limit: u32,
    output: Output,
) -> Result<Shown> {
    let page = table.scan_page(prefix.as_bytes(), after, limit).await?;
    for (key, value) in &page.entries {
        let row = Row {
            version: Some(value.version),
            modified_ns: Some(value.modified_ns),
            value: Some(Bytes(value)),
            ..Row::key(key)
        };
        output.row(&row).context("writing a row")?;
        output.line(&format!("{}\t{}", escaped(key), escaped(value)))?;
    }
    let last = page.entries.last().map(|(key, _)| key.clone());
    Ok((page.entries.len() as u64, last, page.more))
}

/// Bytes on one line: text as it is, backslashes, control characters and what is no text escaped.
fn escaped(bytes: &[u8]) -> String {
    let mut line = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '\\' {
                line.extend(c.escape_default());
            } else {
                line.push(c);
            }
        }
        for byte in chunk.invalid() {
            line.push_str(&format!("\\x{byte:02x}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_stay_on_one_line() {
        assert_eq!(escaped("grün".as_bytes()), "grün");
        assert_eq!(escaped(b"a\tb\nc\\"), "a\\tb\\nc\\\\");
        assert_eq!(escaped(b"\xffx\0"), "\\xffx\\u{0}");
    }

    #[test]
    fn bytes_that_are_no_text_are_hexadecimal_in_json() {
        assert_eq!(serde_json::to_string(&Bytes(b"a\n")).unwrap(), r#""a\n""#);
        assert_eq!(
            serde_json::to_string(&Bytes(b"\xff\x00")).unwrap(),
            r#"{"hex":"ff00"}"#
        );
    }
}
