//! `crake kv`: keys and values in tables.

mod load;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use crake_mem::Sga;
use crake_store::{Condition, CreateOptions, KeyRange, Node, PutOptions, Table};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use self::load::LoadArguments;
use crate::client::{self, Client};
use crate::config::Config;
use crate::exit::{Told, Usage};
use crate::fs::RemotePath;
use crate::fs::transfer::Source;
use crate::output::Output;
use crate::stdio::Stdin;
use crate::ttl::{Ttl, TtlOrNone};

/// Arguments of `crake kv`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv put --create /users alice admin
  crake kv get /users alice
  crake kv scan /users --values
  crake kv del /users alice
  crake kv add /counters visits

A table is a node like a file: `crake fs ls` shows it, `crake fs rm -r` removes it. Keys are 1 to 255 bytes of anything.")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with tables.
#[derive(Subcommand, Debug)]
enum Command {
    /// Add to a number
    Add(AddArguments),
    /// Make an empty table, and directories above it
    Create(CreateArguments),
    /// Remove keys
    Del(DelArguments),
    /// Print a value
    Get(GetArguments),
    /// Give many keys values, from lines of keys and values
    Load(LoadArguments),
    /// Give a key a value
    Put(PutArguments),
    /// List keys in order
    Scan(ScanArguments),
    /// Have keys removed after some time
    Ttl(TtlArguments),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv create /app/users                  no error if it is there
  crake kv create --ttl 1h /cache             the table is removed after an hour, with all keys")]
struct CreateArguments {
    /// The table is removed after this time: 500ms, 10s, 5m, 2h or 7d. Not one that is there already
    #[arg(long, value_name = "TIME")]
    ttl: Option<Ttl>,
    /// Path of the table
    table: RemotePath,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv put /users alice admin
  crake kv put --create /users alice admin    makes the table first if it is not there
  crake kv put /users picture - < alice.png
  crake kv put --if-absent /locks job1 me     exit code 1 if it has a value
  crake kv put --ttl 30s /sessions s1 alice   removed after 30 seconds, unless it is put again
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
    /// The value is removed after this time: 500ms, 10s, 5m, 2h or 7d
    #[arg(long, value_name = "TIME")]
    ttl: Option<Ttl>,
    /// Path of the table
    table: RemotePath,
    /// The key
    key: OsString,
    /// The value, or - for standard input
    value: OsString,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv add /counters visits               prints 1, then 2, and so on
  crake kv add /counters visits 10
  crake kv add /counters stock -3
  crake kv add --create /counters visits      makes the table first if it is not there
  crake kv put /counters visits 0             begins again

A number is kept as text, which `crake kv get` shows. A key that is not there counts as 0. Exit code 1, and nothing changed, if
the value is not a number, or the sum does not fit into 64 bits.")]
struct AddArguments {
    /// Make the table if it is not there, and directories above it
    #[arg(short, long)]
    create: bool,
    /// Path of the table
    table: RemotePath,
    /// The key
    key: OsString,
    /// What to add
    #[arg(default_value_t = 1, allow_negative_numbers = true)]
    delta: i64,
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
  crake kv del /users alice bob               exit code 1 if one of them has no value
  crake kv del --if-version 3 /users alice    exit code 1 if its version is not 3")]
struct DelArguments {
    /// Only if the value has this version; of one key
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
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
  crake kv scan /events --from 2026-05 --until 2026-06
  crake kv scan /events --reverse --limit 1   the last key

One key a line, with --values a tab and the value. Bytes that are no text, and control characters, are escaped.")]
struct ScanArguments {
    /// Only keys that begin with this
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: OsString,
    /// Only this key and those above it
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    from: OsString,
    /// Only keys above this one
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    after: OsString,
    /// Only keys below this one
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    until: OsString,
    /// The highest key first
    #[arg(short, long)]
    reverse: bool,
    /// So many keys at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Values, too
    #[arg(long)]
    values: bool,
    /// Without values; this is the default
    #[arg(long, conflicts_with = "values")]
    keys_only: bool,
    /// Path of the table
    table: RemotePath,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake kv ttl 10s /users alice bob           removed ten seconds from now
  crake kv ttl none /users alice              not removed by itself any more

`crake kv get --json` shows when. A put decides anew: without --ttl the value has no end.")]
struct TtlArguments {
    /// The time from now on, 500ms, 10s, 5m, 2h or 7d; or none
    #[arg(value_name = "TIME")]
    ttl: TtlOrNone,
    /// Path of the table
    table: RemotePath,
    /// The keys
    #[arg(required = true)]
    keys: Vec<OsString>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_ns: Option<u64>,
}

/// When something is removed, if it is by itself.
fn end(expires_ns: u64) -> Option<u64> {
    (expires_ns > 0).then_some(expires_ns)
}

impl<'a> Row<'a> {
    fn key(key: &'a [u8]) -> Row<'a> {
        Row {
            key: Bytes(key),
            version: None,
            modified_ns: None,
            value: None,
            removed: None,
            number: None,
            expires_ns: None,
        }
    }
}

/// Does it.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    client::run(config, async |client| match &arguments.command {
        Command::Create(create) => {
            let options = CreateOptions {
                ttl: create.ttl.map(|Ttl(ttl)| ttl),
                ..CreateOptions::from(Node::Table).parents().existing_ok()
            };
            client.store.create(create.table.as_str(), options).await?;
            Ok(())
        }
        Command::Add(add) => add_to(&client, add, output).await,
        Command::Load(arguments) => load::load(&client, arguments, output).await,
        Command::Put(put) => put_value(&client, put, output).await,
        Command::Get(get) => get_value(&client, get, output).await,
        Command::Del(del) => remove(&client, del, output).await,
        Command::Scan(scan) => list(&client, scan, output).await,
        Command::Ttl(ttl) => set_ttl(&client, ttl, output).await,
    })
}

async fn put_value(client: &Client, put: &PutArguments, output: Output) -> Result<()> {
    let table = open_or_create(client, &put.table, put.create).await?;
    let condition = match (put.if_absent, put.if_version) {
        (true, _) => Condition::IfAbsent,
        (false, Some(version)) => Condition::IfVersion(version),
        (false, None) => Condition::Always,
    };
    let options = PutOptions {
        condition,
        ttl: put.ttl.map(|Ttl(ttl)| ttl),
    };
    let key = put.key.as_bytes();
    let version = if put.value == "-" {
        put_stdin(&table, key, options).await?
    } else {
        table.put_when(key, put.value.as_bytes(), options).await?
    };
    let row = Row {
        version: Some(version),
        ..Row::key(key)
    };
    Ok(output.row(&row)?)
}

async fn put_stdin(table: &Table, key: &[u8], options: PutOptions) -> Result<u64> {
    let mut stdin = Stdin::open()?;
    let first = stdin.next().await?;
    let second = if first.is_empty() {
        first.slice(..0)
    } else {
        stdin.next().await?
    };
    if second.is_empty() {
        // It may be small enough to ride in the message.
        return Ok(table.put_when(key, &first, options).await?);
    }
    let mut value = Sga::from(first);
    let mut chunk = second;
    while !chunk.is_empty() {
        value.push(chunk);
        chunk = stdin.next().await?;
    }
    Ok(table.put_from(key, value, options).await?)
}

async fn open_or_create(client: &Client, path: &RemotePath, create: bool) -> Result<Table> {
    match create {
        true => Ok(client.store.make_table(path.as_str(), true).await?),
        false => open(client, path).await,
    }
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

async fn add_to(client: &Client, add: &AddArguments, output: Output) -> Result<()> {
    let table = open_or_create(client, &add.table, add.create).await?;
    let key = add.key.as_bytes();
    let number = table.add(key, add.delta).await?;
    output.row(&Row {
        number: Some(number),
        ..Row::key(key)
    })?;
    Ok(output.line(&number.to_string())?)
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
        expires_ns: end(value.expires_ns),
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
    if del.if_version.is_some() && del.keys.len() > 1 {
        return Err(Usage("--if-version is for one key".into()).into());
    }
    let condition = del.if_version.map_or(Condition::Always, Condition::IfVersion);
    let mut missing = false;
    for key in &del.keys {
        let key = key.as_bytes();
        let removed = table.remove_when(key, condition).await?;
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

async fn set_ttl(client: &Client, arguments: &TtlArguments, output: Output) -> Result<()> {
    let table = client.store.table(arguments.table.as_str()).await?;
    let mut missing = false;
    for key in &arguments.keys {
        let key = key.as_bytes();
        match table.set_ttl(key, arguments.ttl.0).await {
            Ok(attributes) => output.row(&Row {
                expires_ns: end(attributes.expires_ns),
                ..Row::key(key)
            })?,
            Err(crake_store::Error::NotFound { .. }) => {
                output.note(format!("{}: no value for {}", arguments.table, escaped(key)));
                missing = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if missing { Err(Told.into()) } else { Ok(()) }
}

/// Keys of one page at most.
const PAGE: u64 = 512;

async fn list(client: &Client, scan: &ScanArguments, output: Output) -> Result<()> {
    let table = client.store.table(scan.table.as_str()).await?;
    let asked = KeyRange {
        prefix: scan.prefix.as_bytes(),
        from: scan.from.as_bytes(),
        after: scan.after.as_bytes(),
        until: scan.until.as_bytes(),
        reverse: scan.reverse,
    };
    let mut last: Option<Vec<u8>> = None;
    let mut left = scan.limit.unwrap_or(u64::MAX);
    let mut more = true;
    while more && left > 0 {
        let limit = left.min(PAGE) as u32;
        let range = last.as_deref().map_or(asked, |last| asked.behind(last));
        let (count, page_last);
        (count, page_last, more) = if scan.values {
            show_values(&table, range, limit, output).await?
        } else {
            show_keys(&table, range, limit, output).await?
        };
        left -= count.min(left);
        match page_last {
            Some(key) => last = Some(key),
            None => break,
        }
    }
    Ok(())
}

/// How many keys a page had, the last of them, and whether there are more.
type Shown = (u64, Option<Vec<u8>>, bool);

async fn show_keys(table: &Table, range: KeyRange<'_>, limit: u32, output: Output) -> Result<Shown> {
    let page = table.keys_page(range, limit).await?;
    for key in &page.entries {
        output.row(&Row::key(key))?;
        output.line(&escaped(key))?;
    }
    Ok((page.entries.len() as u64, page.entries.last().cloned(), page.more))
}

async fn show_values(table: &Table, range: KeyRange<'_>, limit: u32, output: Output) -> Result<Shown> {
    let page = table.scan_page(range, limit).await?;
    for entry in &page {
        let row = Row {
            version: Some(entry.version),
            modified_ns: Some(entry.modified_ns),
            expires_ns: end(entry.expires_ns),
            value: Some(Bytes(entry.value)),
            ..Row::key(entry.key)
        };
        output.row(&row).context("writing a row")?;
        output.line(&format!("{}\t{}", escaped(entry.key), escaped(entry.value)))?;
    }
    Ok((page.len() as u64, page.last_key().map(Vec::from), page.more()))
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
