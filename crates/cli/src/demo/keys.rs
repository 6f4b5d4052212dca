//! Keys and values.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use anyhow::{Error, Result, bail};
use crake_datapath::Runtime;
use crake_store::{KeyRange, Table};
use indicatif::ProgressBar;

use super::measure::{Measured, Raw, Stopwatch, Traffic};
use crate::fs::crew::Crew;
use crate::output::Output;

/// Operations in flight.
const IN_FLIGHT: u64 = 128;
/// Bytes of a value.
const VALUE_BYTES: usize = 64;
/// The progress moves in steps of so many.
const STEP: u64 = 1024;

/// Keys whose order is that of their numbers.
fn key(number: u64) -> [u8; 13] {
    let mut key = *b"key-000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// A value that no other key has.
fn value(number: u64) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    for (at, bytes) in value.chunks_exact_mut(8).enumerate() {
        let mixed = (number * 8 + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes.copy_from_slice(&mixed.to_le_bytes());
    }
    value
}

/// Does something with every number, many at a time.
async fn for_each<F: Future<Output = Result<()>> + 'static>(
    runtime: &Runtime,
    table: &Table,
    count: u64,
    bar: &ProgressBar,
    act: impl Fn(Table, u64) -> F + 'static,
) -> Result<()> {
    let failure = Rc::new(RefCell::new(None::<Error>));
    let next = Rc::new(Cell::new(0));
    let (failed, own_table, own_bar) = (failure.clone(), table.clone(), bar.clone());
    let workers = (0..IN_FLIGHT.min(count)).collect();
    let act = Rc::new(act);
    Crew::work(runtime, IN_FLIGHT as usize, workers, move |crew, _: u64| {
        let (act, table, next, failed, bar) = (
            act.clone(),
            own_table.clone(),
            next.clone(),
            failed.clone(),
            own_bar.clone(),
        );
        async move {
            while next.get() < count && failed.borrow().is_none() {
                let number = next.replace(next.get() + 1);
                if number.is_multiple_of(STEP) {
                    bar.set_position(number);
                }
                if let Err(error) = act(table.clone(), number).await {
                    crew.stop();
                    failed.borrow_mut().get_or_insert(error);
                }
            }
        }
    })
    .await;
    bar.finish_and_clear();
    failure.take().map_or(Ok(()), Err)
}

fn traffic(messages: u64, keys: u64) -> Traffic {
    Traffic {
        messages,
        bytes: keys * (key(0).len() + VALUE_BYTES) as u64,
    }
}

fn counts(keys: u64) -> (u64, u64) {
    (keys, keys * VALUE_BYTES as u64)
}

/// Puts them.
pub async fn put(runtime: &Runtime, table: &Table, keys: u64, raw: &Raw, output: Output) -> Result<Measured> {
    let bar = output.progress(keys, "putting keys");
    let watch = Stopwatch::start();
    for_each(runtime, table, keys, &bar, |table, number| async move {
        table.put(&key(number), &value(number)).await?;
        Ok(())
    })
    .await?;
    Ok(watch.stop("put", "keys", counts(keys), raw, traffic(keys, keys)))
}

/// Gets each and compares it.
pub async fn get(runtime: &Runtime, table: &Table, keys: u64, raw: &Raw, output: Output) -> Result<Measured> {
    let bar = output.progress(keys, "getting keys");
    let watch = Stopwatch::start();
    for_each(runtime, table, keys, &bar, |table, number| async move {
        match table.get(&key(number)).await? {
            Some(found) if found[..] == value(number) => Ok(()),
            Some(_) => bail!(
                "{}: another value came back",
                String::from_utf8_lossy(&key(number))
            ),
            None => bail!("{}: its value is gone", String::from_utf8_lossy(&key(number))),
        }
    })
    .await?;
    Ok(watch.stop("get", "keys", counts(keys), raw, traffic(keys, keys)))
}

/// Scans all and compares order and values.
pub async fn scan(table: &Table, keys: u64, raw: &Raw, output: Output) -> Result<Measured> {
    let bar = output.progress(keys, "scanning keys");
    let watch = Stopwatch::start();
    let (mut after, mut number, mut pages) = (Vec::new(), 0, 0);
    loop {
        let page = table.scan_page(KeyRange::ALL.after(&after), 0).await?;
        pages += 1;
        for found in &page {
            if found.key != key(number) || found.value != value(number) {
                bail!(
                    "{}: the scan has something else in its place: {}",
                    String::from_utf8_lossy(&key(number)),
                    String::from_utf8_lossy(found.key)
                );
            }
            number += 1;
        }
        bar.set_position(number);
        match page.last_key() {
            Some(last) if page.more() => after = last.into(),
            _ => break,
        }
    }
    bar.finish_and_clear();
    if number != keys {
        bail!("the scan has {number} keys instead of {keys}");
    }
    Ok(watch.stop("scan", "keys", counts(keys), raw, traffic(pages, keys)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_their_numbers_and_values_differ() {
        assert_eq!(&key(0), b"key-000000000");
        assert_eq!(&key(1_234_567), b"key-001234567");
        assert!(key(99) < key(100));
        assert_ne!(value(1), value(2));
    }
}
