//! What a client does with files and directories, and what must come of it.

use std::cell::RefMut;

use crake_mem::Buf;
use crake_store::{CreateOptions, Error, File, Node, Writer};

use crate::client::{Life, is_transient};
use crate::content;
use crate::model::{FileModel, Known, Tree};

/// Sizes around those at which something changes: inline limit, size classes, slices.
const SIZES: [usize; 13] = [
    0, 1, 100, 4_095, 4_096, 4_097, 20_000, 65_535, 65_537, 200_000, 1_048_576, 1_048_577, 2_500_000,
];

impl Life {
    pub(crate) fn tree(&self) -> RefMut<'_, Tree> {
        self.client.tree.borrow_mut()
    }

    /// Creates a file, or replaces one, and fills it.
    pub(crate) async fn write_file(&self) {
        let name = self.target_name(|known| matches!(known, Known::File(_)));
        self.client.does(format!("writing {name}"));
        let undo = self.client.tree.borrow().clone();
        self.tree().taint(&name);
        let options = CreateOptions::from(Node::File).replace();
        match self.store.create(&self.client.path(&name), options).await {
            Ok(file) => {
                self.tree().set(
                    &name,
                    Known::File(FileModel::new(self.world.new_tag(), self.world.crashes())),
                );
                self.fill_created(&name, file).await;
            }
            Err(error) => self.settle(undo, &name, &error, is_transient),
        }
    }

    async fn fill_created(&self, name: &str, file: File) {
        match file.writer() {
            Ok(writer) => self.fill(name, writer).await,
            Err(error) => self
                .world
                .violate(format!("{name} was created and cannot be written: {error}")),
        }
    }

    /// Takes up a file where it ends.
    pub(crate) async fn append_file(&self) {
        let Some(name) = self.any_file() else { return };
        self.client.does(format!("appending to {name}"));
        match self.store.append(&self.client.path(&name)).await {
            Ok(writer) => {
                if self.observe_size(&name, writer.position(), true) {
                    self.fill(&name, writer).await;
                }
            }
            // A writer before this one may have been cut off, and its lease lives on for a while.
            Err(Error::LeaseHeld { .. }) | Err(Error::BlockLost { .. }) => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => self.world.violate(format!("appending to {name}: {error}")),
        }
    }

    /// Writes a stretch in pieces, many in flight; then closes, or leaves the writer to itself.
    async fn fill(&self, name: &str, writer: Writer) {
        let random = &self.world.random;
        let (start, tag) = (writer.position(), self.world.new_tag());
        let end = start + *random.pick(&SIZES) as u64;
        self.change_file(name, |file| file.begin_stretch(start, tag));
        let mut at = start;
        while at < end {
            let len = (end - at).min(1 + random.below(150_000));
            self.change_file(name, |file| file.size_max = file.size_max.max(at + len));
            drop(writer.write(Buf::from_vec(content::bytes(tag, at, len as usize))));
            at += len;
            if random.chance(100) && !self.publish(name, &writer).await {
                break;
            }
        }
        if random.chance(900) {
            self.close(name, writer).await;
        }
    }

    /// Publishes what was written; false if writing cannot go on.
    async fn publish(&self, name: &str, writer: &Writer) -> bool {
        let position = writer.position();
        match writer.publish().await {
            Ok(_) => {
                self.change_file(name, |file| file.size_min = file.size_min.max(position));
                true
            }
            Err(error) => {
                self.allow_write_error(name, &error);
                false
            }
        }
    }

    async fn close(&self, name: &str, writer: Writer) {
        let position = writer.position();
        match writer.close().await {
            Ok(attributes) if attributes.size == position => {
                self.observe_size(name, position, true);
            }
            Ok(attributes) => self
                .world
                .violate(format!("{name} closed at {} for {position}", attributes.size)),
            Err(error) => self.allow_write_error(name, &error),
        }
    }

    fn allow_write_error(&self, name: &str, error: &Error) {
        self.client.notes(error);
        let allowed = match error {
            Error::LeaseLost { .. } | Error::BlockLost { .. } => self.world.is_disturbed(),
            error => is_transient(error),
        };
        if !allowed {
            self.world.violate(format!("writing {name}: {error}"));
        }
    }

    /// Looks a name up, some again and again: from the second time on the answer may be found in the namenode's memory.
    pub(crate) async fn look_up(&self) {
        let name = match self.world.random.chance(700) {
            true => self.any_known(|_| true),
            false => Some(format!(
                "n{:03}",
                self.world.random.below(u64::from(self.client.names.get()) + 1)
            )),
        };
        let Some(name) = name else { return };
        for _ in 0..self.any_times() {
            self.look_up_once(&name).await;
        }
    }

    async fn look_up_once(&self, name: &str) {
        self.client.does(format!("looking {name} up"));
        let found = self.store.lookup(&self.client.path(name)).await;
        let known = self.client.tree.borrow().known(name).cloned();
        match (found, known) {
            (Err(error), _) if is_transient(&error) => {}
            (_, Some(Known::Tainted)) | (Err(Error::NotFound { .. }), None) => {}
            (Ok(attributes), Some(Known::File(_))) if attributes.kind == Node::File => {
                self.observe_size(name, attributes.size, !attributes.open);
            }
            (Ok(attributes), Some(Known::Directory)) if attributes.kind == Node::Directory => {}
            (found, known) => {
                let found = found.map(|attributes| attributes.kind);
                self.world
                    .violate(format!("looked {name} up: {found:?}, known {known:?}"));
            }
        }
    }

    /// How often something is asked in a row.
    pub(crate) fn any_times(&self) -> u64 {
        1 + self.world.random.below(4)
    }

    /// Opens a file and reads some of it, or all.
    pub(crate) async fn read_file(&self) {
        let Some(name) = self.any_file() else { return };
        self.client.does(format!("reading {name}"));
        match self.store.open(&self.client.path(&name)).await {
            Ok(file) => {
                let attributes = file.attributes();
                if self.observe_size(&name, attributes.size, !attributes.open) {
                    self.read_range(&name, file).await;
                }
            }
            Err(error) if is_transient(&error) => {}
            Err(error) => self.world.violate(format!("opening {name}: {error}")),
        }
    }

    async fn read_range(&self, name: &str, file: File) {
        let random = &self.world.random;
        let size = file.attributes().size;
        let offset = if random.chance(500) {
            0
        } else {
            random.below(size + 1)
        };
        let len = if random.chance(500) {
            size - offset
        } else {
            random.below(size - offset + 1)
        };
        let read = match file.reader() {
            Ok(reader) => reader.read_to_vec(offset, len as usize).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(bytes) if bytes.len() as u64 != len => {
                self.world.violate(format!(
                    "{name}: {} bytes for {len} at {offset} of {size}",
                    bytes.len()
                ));
            }
            Ok(bytes) => self.verify(name, offset, &bytes),
            Err(Error::BlockLost { .. }) if self.world.is_disturbed() => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => self.world.violate(format!("reading {name}: {error}")),
        }
    }

    fn verify(&self, name: &str, offset: u64, bytes: &[u8]) {
        let mut tree = self.tree();
        let Some(file) = tree.file_mut(name) else { return };
        if let Err(mismatch) = file.verify(offset, bytes) {
            self.world
                .violate(format!("{name} has wrong bytes: {mismatch:?}"));
        }
    }

    /// Checks a size that was seen; one that is final from now on is what the model then knows.
    fn observe_size(&self, name: &str, size: u64, is_final: bool) -> bool {
        let mut tree = self.tree();
        let Some(file) = tree.file_mut(name) else {
            return true;
        };
        if !file.allows_size(size) {
            let (min, max) = (file.size_min, file.size_max);
            self.world
                .violate(format!("{name} has size {size}, and must have {min} to {max}"));
            return false;
        }
        if is_final {
            (file.size_min, file.size_max) = (size, size);
        }
        true
    }

    fn change_file(&self, name: &str, change: impl FnOnce(&mut FileModel)) {
        if let Some(file) = self.tree().file_mut(name) {
            change(file);
        }
    }

    /// Makes a directory.
    pub(crate) async fn make_directory(&self) {
        let name = self.new_name();
        self.client.does(format!("making {name}"));
        let undo = self.client.tree.borrow().clone();
        self.tree().taint(&name);
        let options = CreateOptions {
            spread: self.world.random.chance(500),
            ..Node::Directory.into()
        };
        match self.store.create(&self.client.path(&name), options).await {
            Ok(_) => self.tree().set(&name, Known::Directory),
            Err(error) => self.settle(undo, &name, &error, is_transient),
        }
    }

    /// Renames something, to a new name or onto another node.
    pub(crate) async fn rename(&self) {
        let Some(from) = self.any_known(|_| true) else {
            return;
        };
        let to = self.target_name(|_| true);
        if [&from, &to]
            .iter()
            .any(|name| self.client.tree.borrow().tainted_within(name))
        {
            return;
        }
        self.client.does(format!("renaming {from} to {to}"));
        let undo = self.client.tree.borrow().clone();
        let expected = expect_rename(&undo, &from, &to);
        // Of a directory that is at another partition nobody knows whether it is empty, and may be replaced.
        let replaces_directory = matches!(undo.known(&to), Some(Known::Directory));
        self.tree().taint(&from);
        self.tree().taint(&to);
        match (
            self.store
                .rename(&self.client.path(&from), &self.client.path(&to))
                .await,
            expected,
        ) {
            (Ok(_), Ok(())) => {
                *self.tree() = undo;
                self.tree().rename(&from, &to);
            }
            (Ok(_), Err(refusal)) => {
                self.world.violate(format!(
                    "renaming {from} to {to} went well, and must be {refusal:?}"
                ));
            }
            (Err(error), expected) => {
                let refused = |error: &Error| {
                    let is_across = replaces_directory && self.is_across(error);
                    is_across || expected.is_err_and(|refusal| refusal.is(error))
                };
                self.settle(undo, &from, &error, |error| is_transient(error) || refused(error));
            }
        }
    }

    /// Whether something is refused because no partition can do it alone.
    pub(crate) fn is_across(&self, error: &Error) -> bool {
        matches!(error, Error::CrossPartition { .. }) && self.world.plan.partitions > 1
    }

    /// Deletes something, with or without what is below it.
    pub(crate) async fn delete(&self) {
        let Some(name) = self.any_known(|_| true) else {
            return;
        };
        let recursive = self.world.random.chance(500);
        self.client.does(format!("deleting {name}"));
        let undo = self.client.tree.borrow().clone();
        let (has_children, doubtful) = (undo.has_children(&name), undo.tainted_within(&name));
        self.tree().taint(&name);
        match self.store.delete(&self.client.path(&name), recursive).await {
            Ok(_) if has_children && !recursive && !doubtful => {
                self.world.violate(format!("{name} is gone, and was not empty"));
            }
            Ok(_) => {
                *self.tree() = undo;
                self.tree().remove(&name);
            }
            Err(error) => {
                let refused =
                    |error: &Error| matches!(error, Error::NotEmpty { .. }) && has_children && !recursive;
                self.settle(undo, &name, &error, |error| is_transient(error) || refused(error));
            }
        }
    }

    /// Lists a directory, page by page.
    pub(crate) async fn list(&self) {
        let name = match self.world.random.chance(500) {
            true => self
                .any_known(|known| *known == Known::Directory)
                .unwrap_or_default(),
            false => String::new(),
        };
        self.client.does(format!("listing {name}"));
        let limit = 1 + self.world.random.below(5) as u32;
        let mut names: Vec<String> = Vec::new();
        loop {
            let after = names.last().cloned().unwrap_or_default();
            let page = self
                .store
                .list_page(&self.client.path(&name), "", &after, limit)
                .await;
            match page {
                Ok(page) => {
                    names.extend(page.entries.into_iter().map(|entry| entry.name));
                    if !page.more {
                        break;
                    }
                }
                Err(error) if is_transient(&error) => return,
                Err(error) => return self.world.violate(format!("listing {name}: {error}")),
            }
        }
        if let Err(what) = self.client.tree.borrow().check_listing(&name, &names) {
            self.world.violate(what);
        }
    }

    /// After an error: the names are as they were if it surely did not happen, and stay tainted otherwise.
    fn settle(&self, undo: Tree, name: &str, error: &Error, allowed: impl FnOnce(&Error) -> bool) {
        self.client.notes(error);
        if !error.may_have_run() {
            *self.tree() = undo;
        }
        if !allowed(error) {
            self.world.violate(format!("{}: {error}", self.client.path(name)));
        }
    }

    fn any_file(&self) -> Option<String> {
        self.any_known(|known| matches!(known, Known::File(_)))
    }

    fn any_known(&self, wanted: impl Fn(&Known) -> bool) -> Option<String> {
        let names = self
            .client
            .tree
            .borrow()
            .paths(|known| *known != Known::Tainted && wanted(known));
        (!names.is_empty()).then(|| self.world.random.pick(&names).clone())
    }

    /// A name that is new, or one that is known.
    fn target_name(&self, wanted: impl Fn(&Known) -> bool) -> String {
        let known = self.any_known(wanted).filter(|_| self.world.random.chance(300));
        known.unwrap_or_else(|| self.new_name())
    }

    /// A name that was never used, in some directory that is there.
    fn new_name(&self) -> String {
        self.client.names.set(self.client.names.get() + 1);
        let name = format!("n{:03}", self.client.names.get());
        let directory = self.any_known(|known| *known == Known::Directory);
        match directory.filter(|_| self.world.random.chance(600)) {
            Some(directory) => format!("{directory}/{name}"),
            None => name,
        }
    }
}

/// Why a rename must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Cycle,
    NotEmpty,
    IsADirectory,
    NotADirectory,
}

impl Refusal {
    fn is(self, error: &Error) -> bool {
        matches!(
            (self, error),
            (Refusal::Cycle, Error::Cycle { .. })
                | (Refusal::NotEmpty, Error::NotEmpty { .. })
                | (Refusal::IsADirectory, Error::IsADirectory { .. })
                | (Refusal::NotADirectory, Error::NotADirectory { .. })
        )
    }
}

/// What POSIX says of `rename(from, to)`, the parent of `to` being a directory.
fn expect_rename(tree: &Tree, from: &str, to: &str) -> Result<(), Refusal> {
    let is_directory = |name: &str| tree.known(name) == Some(&Known::Directory);
    if from == to {
        return Ok(());
    }
    if to.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
        return Err(Refusal::Cycle);
    }
    match (is_directory(from), tree.known(to)) {
        (_, None) => Ok(()),
        (true, Some(_)) if !is_directory(to) => Err(Refusal::NotADirectory),
        (true, Some(_)) if tree.has_children(to) => Err(Refusal::NotEmpty),
        (true, Some(_)) => Ok(()),
        (false, Some(_)) if is_directory(to) => Err(Refusal::IsADirectory),
        (false, Some(_)) => Ok(()),
    }
}
