//! The folder's way into the cluster and back.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::rc::Rc;

use anyhow::{Context, Error, Result, bail};
use crake_mem::Buf;
use crake_store::{CreateOptions, Node, Store};

use super::folder::Folder;
use super::measure::{Measured, Raw, Stopwatch, Traffic};
use crate::fs::crew::Crew;
use crate::fs::transfer::{
    CHUNK_BYTES, Chunks, FILES_IN_FLIGHT, LocalFile, Source, Whole, read_whole, store_file,
};
use crate::output::Output;

/// Where the folder goes.
const ROOT: &str = "/demo";
/// Entries of one page of a listing.
const PAGE_ENTRIES: u64 = 512;
/// What an entry takes in a listing, with a name of usual length.
const ENTRY_BYTES: u64 = 128;

/// The checksum of each chunk of each file.
pub type Sums = Vec<Vec<u64>>;

fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}

fn remote(path: &str) -> String {
    format!("{ROOT}/{path}")
}

/// A local file whose reading does not count.
struct Timed<'a> {
    file: LocalFile,
    watch: &'a Stopwatch,
}

impl Source for Timed<'_> {
    async fn next(&mut self) -> Result<Buf> {
        // Reading a local file does not wait for anything of the runtime's.
        self.watch.aside(|| self.file.read())
    }
}

/// Does something with every file, many at a time; ends at the first failure.
async fn for_each_file<F: Future<Output = Result<()>> + 'static>(
    store: &Store,
    count: usize,
    act: impl Fn(usize) -> F + 'static,
) -> Result<()> {
    let failure = Rc::new(RefCell::new(None::<Error>));
    let first_failure = failure.clone();
    let next = Cell::new(FILES_IN_FLIGHT.min(count));
    let next = Rc::new(next);
    let first = (0..FILES_IN_FLIGHT.min(count)).collect();
    let act = Rc::new(act);
    Crew::work(store.runtime(), FILES_IN_FLIGHT, first, move |crew, file| {
        let (act, failure, next) = (act.clone(), first_failure.clone(), next.clone());
        async move {
            match act(file).await {
                Ok(()) if next.get() < count => {
                    crew.add(next.replace(next.get() + 1));
                }
                Ok(()) => {}
                Err(error) => {
                    crew.stop();
                    failure.borrow_mut().get_or_insert(error);
                }
            }
        }
    })
    .await;
    failure.take().map_or(Ok(()), Err)
}

/// Stores everything.
pub async fn put(store: &Store, folder: &Rc<Folder>, raw: &Raw, output: Output) -> Result<(Sums, Measured)> {
    let bar = output.progress(folder.files.len() as u64, "storing");
    let watch = Rc::new(Stopwatch::start());
    store.make_dir(ROOT, false).await?;
    for directory in &folder.directories {
        store.create(&remote(directory), Node::Directory).await?;
    }
    let sums = Rc::new(RefCell::new(vec![Vec::new(); folder.files.len()]));
    let chunks = Chunks::new();
    let bytes = Rc::new(Cell::new(0));
    let (own_sums, own_watch, own_store, own_folder, own_bytes, own_bar) = (
        sums.clone(),
        watch.clone(),
        store.clone(),
        folder.clone(),
        bytes.clone(),
        bar.clone(),
    );
    for_each_file(store, folder.files.len(), move |number| {
        let (sums, watch, store, folder, chunks, bytes, bar) = (
            own_sums.clone(),
            own_watch.clone(),
            own_store.clone(),
            own_folder.clone(),
            chunks.clone(),
            own_bytes.clone(),
            own_bar.clone(),
        );
        async move {
            let (path, len) = &folder.files[number];
            let local = folder.local(path);
            let file = watch
                .aside(|| File::open(&local))
                .with_context(|| local.display().to_string())?;
            let mut source = Timed {
                file: LocalFile::new(file, *len),
                watch: &watch,
            };
            let mut own = Vec::new();
            let seen = |bytes: &[u8]| own.push(watch.aside(|| checksum(bytes)));
            let options = CreateOptions::from(Node::File).size_hint(*len);
            let stored = store_file(&store, &chunks, &remote(path), options, &mut source, seen)
                .await
                .with_context(|| local.display().to_string())?;
            bytes.set(bytes.get() + stored.size);
            sums.borrow_mut()[number] = own;
            bar.inc(1);
            Ok(())
        }
    })
    .await?;
    bar.finish_and_clear();
    let files = folder.files.len() as u64;
    let traffic = Traffic {
        // Create, write, close.
        messages: 3 * files + folder.directories.len() as u64,
        bytes: bytes.get(),
    };
    let measured = watch.stop("store", "files", (files, bytes.get()), raw, traffic);
    Ok((sums.take(), measured))
}

/// Lists everything and compares names and sizes.
pub async fn list(store: &Store, folder: &Folder, raw: &Raw, output: Output) -> Result<Measured> {
    let bar = output.progress(folder.directories.len() as u64 + 1, "listing");
    let watch = Stopwatch::start();
    let mut found = BTreeMap::new();
    let mut todo = vec![String::new()];
    let (mut entries, mut pages) = (0, 0);
    while let Some(directory) = todo.pop() {
        let path = remote(&directory);
        let mut listing = store.list(&path);
        while let Some(page) = listing.next_page().await? {
            pages += 1;
            for entry in page {
                entries += 1;
                let path = match directory.as_str() {
                    "" => entry.name,
                    directory => format!("{directory}/{}", entry.name),
                };
                if entry.attributes.kind == Node::Directory {
                    todo.push(path.clone());
                }
                found.insert(path, (entry.attributes.kind, entry.attributes.size));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let traffic = Traffic {
        messages: pages.max(entries / PAGE_ENTRIES),
        bytes: entries * ENTRY_BYTES,
    };
    let measured = watch.stop("list", "names", (entries, 0), raw, traffic);
    compare_names(folder, &found)?;
    Ok(measured)
}

fn compare_names(folder: &Folder, found: &BTreeMap<String, (Node, u64)>) -> Result<()> {
    for directory in &folder.directories {
        if !matches!(found.get(directory), Some((Node::Directory, _))) {
            bail!("{}: the directory is not in the listing", remote(directory));
        }
    }
    for (path, _) in &folder.files {
        if !matches!(found.get(path), Some((Node::File, _))) {
            bail!("{}: the file is not in the listing", remote(path));
        }
    }
    let expected = folder.directories.len() + folder.files.len();
    if found.len() != expected {
        bail!(
            "{ROOT}: the listing has {} names instead of {expected}",
            found.len()
        );
    }
    Ok(())
}

/// Reads everything back and compares the checksum of each chunk.
pub async fn get(
    store: &Store,
    folder: &Rc<Folder>,
    sums: &Rc<Sums>,
    raw: &Raw,
    output: Output,
) -> Result<Measured> {
    let bar = output.progress(folder.files.len() as u64, "reading back");
    let watch = Rc::new(Stopwatch::start());
    let chunks = Chunks::new();
    let bytes = Rc::new(Cell::new(0));
    let (own_watch, own_store, own_folder, own_sums, own_bytes, own_bar) = (
        watch.clone(),
        store.clone(),
        folder.clone(),
        sums.clone(),
        bytes.clone(),
        bar.clone(),
    );
    for_each_file(store, folder.files.len(), move |number| {
        let (watch, store, folder, sums, chunks, bytes, bar) = (
            own_watch.clone(),
            own_store.clone(),
            own_folder.clone(),
            own_sums.clone(),
            chunks.clone(),
            own_bytes.clone(),
            own_bar.clone(),
        );
        async move {
            let (path, _) = &folder.files[number];
            let remote = remote(path);
            let whole = Whole::open(&store, &remote).await?;
            let mut seen = 0;
            let len = read_whole(&whole, &chunks, &remote, async |offset, chunk| {
                chunk
                    .bytes(|bytes| watch.aside(|| compare(&folder, number, &sums[number], offset, bytes)))?;
                seen += 1;
                Ok(())
            })
            .await?;
            if seen != sums[number].len() {
                bail!("{remote}: differs at byte {len}: it ends there");
            }
            bytes.set(bytes.get() + len);
            bar.inc(1);
            Ok(())
        }
    })
    .await?;
    bar.finish_and_clear();
    let files = folder.files.len() as u64;
    let traffic = Traffic {
        // Open, read.
        messages: 2 * files,
        bytes: bytes.get(),
    };
    Ok(watch.stop("read back", "files", (files, bytes.get()), raw, traffic))
}

/// Compares a chunk with what was stored, and finds the first byte that differs.
fn compare(folder: &Folder, number: usize, sums: &[u64], offset: u64, bytes: &[u8]) -> Result<()> {
    let path = &folder.files[number].0;
    let sum = sums.get((offset / CHUNK_BYTES as u64) as usize);
    if sum == Some(&checksum(bytes)) {
        return Ok(());
    }
    let remote = remote(path);
    let local = read_local(folder, path, offset, bytes.len());
    match local {
        Ok(local) if sum == Some(&checksum(&local)) => {
            let first = local
                .iter()
                .zip(bytes)
                .take_while(|(left, right)| left == right)
                .count() as u64;
            bail!("{remote}: differs at byte {}", offset + first)
        }
        _ => bail!(
            "{remote}: differs between byte {offset} and {}",
            offset + bytes.len() as u64
        ),
    }
}

fn read_local(folder: &Folder, path: &str, offset: u64, len: usize) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(folder.local(path))?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found() {
        let kept = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..CHUNK_BYTES + 100).map(|at| (at % 251) as u8).collect();
        std::fs::write(kept.path().join("a"), &bytes).unwrap();
        let folder = Folder::find(Some(kept.path().into()), 1 << 30).unwrap();
        let sums: Vec<u64> = bytes.chunks(CHUNK_BYTES).map(checksum).collect();
        let offset = CHUNK_BYTES as u64;
        let last = &bytes[CHUNK_BYTES..];
        compare(&folder, 0, &sums, offset, last).unwrap();
        let mut broken = last.to_vec();
        broken[42] ^= 1;
        let error = compare(&folder, 0, &sums, offset, &broken).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("/demo/a: differs at byte {}", offset + 42)
        );
        let error = compare(&folder, 0, &sums, offset, &last[..99]).unwrap_err();
        assert!(error.to_string().contains("differs"), "{error}");
        assert!(compare(&folder, 0, &sums[..1], offset, last).is_err());
    }
}
