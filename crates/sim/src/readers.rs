//! What a client reads of what others write: files that it opened long ago, files of other clients, and files in a
//! directory where everybody writes.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crake_mem::Buf;
use crake_store::{CreateOptions, Error, File, Node, Reader};

use crate::client::{Client, Life, SHARED_DIRECTORY, is_transient};
use crate::content::{self, Tag};
use crate::model::{FileModel, Known};

/// A file that was opened and is read now and then. Whatever becomes of the file, these are its bytes or an error.
pub struct Kept {
    owner: Rc<Client>,
    path: String,
    reader: Reader,
    /// As the owner knew the file when it was last looked at.
    model: FileModel,
    /// The size that the reader saw before `model` was taken: bytes below it are as `model` says for ever.
    certain: u64,
}

/// Files that one client keeps open at a time.
const KEPT_MAX: usize = 6;
const SHARED_FILES: u64 = 4;
const SHARED_SIZES: [usize; 6] = [0, 10, 4_097, 70_000, 300_000, 1_500_000];
/// More than this is not asked for beyond the size at which a growing file was seen.
const FOLLOW_BYTES: u64 = 500_000;

impl Life {
    /// Opens a file of anybody, checks its size, and keeps it.
    pub(crate) async fn open_and_keep(&self) {
        let Some((owner, name)) = self.any_file_of_anybody() else {
            return;
        };
        let path = owner.path(&name);
        self.client.does(format!("opening {path} to keep it"));
        let look = || (owner.operations_left(), owner.tree.borrow().file(&name).cloned());
        let before = look();
        let opened = match self.store.open(&path).await {
            Ok(file) => file.reader().map(|reader| (file, reader)),
            Err(error) => Err(error),
        };
        let after = look();
        // Only if its owner has ended no operation meanwhile, and did not name it in one, is this surely the same file.
        let created = |model: &Option<FileModel>| model.as_ref().map(|model| model.created);
        let same = before.0 == after.0 && created(&before.1) == created(&after.1);
        match (opened, before.1, after.1) {
            (Ok((file, reader)), Some(before), Some(after)) if same => {
                self.check_size(&path, &file, &before, &after);
                self.keep(Kept {
                    owner,
                    path,
                    certain: file.attributes().size,
                    reader,
                    model: after,
                });
            }
            (Ok(_), ..) => {}
            (Err(error), ..) => {
                let may_be_gone = !same && is_elsewhere(&error);
                if !may_be_gone && !is_transient(&error) {
                    self.world.violate(format!("opening {path}: {error}"));
                }
            }
        }
    }

    fn check_size(&self, path: &str, file: &File, before: &FileModel, after: &FileModel) {
        let size = file.attributes().size;
        let (min, max) = (before.size_min, before.size_max.max(after.size_max));
        if size < min || size > max {
            self.world
                .violate(format!("{path} has size {size}, and must have {min} to {max}"));
        }
    }

    fn keep(&self, file: Kept) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() == KEPT_MAX {
            let place = self.world.random.below(KEPT_MAX as u64) as usize;
            kept.swap_remove(place);
        }
        kept.push(file);
    }

    /// Reads again from a file that was opened earlier, perhaps further than it then was.
    pub(crate) async fn read_kept(&self) {
        let Some(mut kept) = self.take_kept() else { return };
        self.client
            .does(format!("reading {}, which it has open", kept.path));
        let found_before = kept.look();
        let random = &self.world.random;
        let beyond = match kept.reader.is_growing() && random.chance(700) {
            true => FOLLOW_BYTES,
            false => 0,
        };
        let offset = random.below(kept.certain + 1);
        let len = (kept.certain - offset + beyond).min(1 + random.below(1_500_000));
        let read = kept.reader.read_to_vec(offset, len as usize).await;
        let found = kept.look() && found_before;
        match read {
            Ok(bytes) => {
                self.check_kept(&kept, offset, len, &bytes, found);
                if found {
                    kept.certain = kept.certain.max(offset + bytes.len() as u64);
                }
            }
            Err(error) => {
                self.client.notes(&error);
                let allowed = match error {
                    Error::BlockLost { .. } => self.world.is_disturbed(),
                    // Those who keep a file open do not keep it from being deleted or replaced.
                    Error::NotFound { .. } => !found,
                    ref error => is_transient(error),
                };
                if !allowed {
                    self.world.violate(format!("reading open {}: {error}", kept.path));
                }
            }
        }
        self.keep(kept);
    }

    fn take_kept(&self) -> Option<Kept> {
        let mut kept = self.kept.borrow_mut();
        if kept.is_empty() {
            return None;
        }
        let place = self.world.random.below(kept.len() as u64) as usize;
        Some(kept.swap_remove(place))
    }

    fn check_kept(&self, kept: &Kept, offset: u64, len: u64, bytes: &[u8], found: bool) {
        let end = offset + bytes.len() as u64;
        if bytes.len() as u64 > len || end < kept.certain.min(offset + len) {
            let path = &kept.path;
            self.world.violate(format!(
                "open {path}: {} bytes for {len} at {offset}, of which there were {}",
                bytes.len(),
                kept.certain
            ));
            return;
        }
        let known = match found {
            true => bytes.len(),
            false => (kept.certain.saturating_sub(offset) as usize).min(bytes.len()),
        };
        if let Err(mismatch) = kept.model.verify(offset, &bytes[..known]) {
            self.world
                .violate(format!("open {} has wrong bytes: {mismatch:?}", kept.path));
        }
    }

    fn any_file_of_anybody(&self) -> Option<(Rc<Client>, String)> {
        let owner = match self.world.random.chance(400) {
            true => self.client.clone(),
            false => self.world.random.pick(&self.world.clients.borrow()).clone(),
        };
        let names = owner.tree.borrow().paths(|known| matches!(known, Known::File(_)));
        (!names.is_empty()).then(|| (owner, self.world.random.pick(&names).clone()))
    }

    /// Writes a file where others write theirs, in place of the one that is there.
    pub(crate) async fn write_together(&self) {
        let path = self.any_shared_file();
        self.client.does(format!("writing {path}"));
        let tag = self.world.new_tag();
        let len = *self.world.random.pick(&SHARED_SIZES);
        self.world.together.borrow_mut().try_write(&path, tag, len);
        let write = async {
            let options = CreateOptions::from(Node::File).replace();
            let writer = self.store.create(&path, options).await?.writer()?;
            drop(writer.write(Buf::from_vec(content::bytes(tag, 0, len))));
            writer.close().await
        };
        match write.await {
            Ok(attributes) if attributes.size == len as u64 => {}
            Ok(attributes) => self
                .world
                .violate(format!("{path} closed at {} for {len}", attributes.size)),
            Err(error) => self.allow_together(&path, &error),
        }
    }

    /// Deletes a file that it is still writing, and writes others where that one's blocks were.
    pub(crate) async fn write_over_together(&self) {
        let path = self.any_shared_file();
        self.client.does(format!("writing {path} to delete it meanwhile"));
        let tag = self.world.new_tag();
        let len = *self.world.random.pick(&SHARED_SIZES);
        self.world.together.borrow_mut().try_write(&path, tag, len);
        let begin = async {
            let options = CreateOptions::from(Node::File).replace();
            let writer = self.store.create(&path, options).await?.writer()?;
            drop(writer.write(Buf::from_vec(content::bytes(tag, 0, len))));
            Ok(writer)
        };
        let writer = match begin.await {
            Ok(writer) => writer,
            Err(error) => return self.allow_together(&path, &error),
        };
        let begun = self
            .world
            .random
            .duration(Duration::ZERO, Duration::from_millis(20));
        self.store.runtime().sleep(begun).await;
        if let Err(error) = self.store.delete(&path, false).await {
            self.allow_together(&path, &error);
        }
        self.write_together().await;
        self.read_together().await;
        match writer.close().await {
            // Its blocks were given away while it was written.
            Ok(_) | Err(Error::BlockLost { .. }) => {}
            Err(error) => self.allow_together(&path, &error),
        }
    }

    /// Reads what somebody wrote, all of it from one of them.
    pub(crate) async fn read_together(&self) {
        let path = self.any_shared_file();
        self.client.does(format!("reading {path}"));
        let read = async {
            let file = self.store.open(&path).await?;
            let (size, reader) = (file.attributes().size, file.reader()?);
            Ok((size, reader.read_to_vec(0, size as usize).await?))
        };
        match read.await {
            Ok((size, bytes)) => {
                let checked = self.world.together.borrow().check(&path, size, &bytes);
                if let Err(what) = checked {
                    self.world.violate(what);
                }
            }
            Err(error) => self.allow_together(&path, &error),
        }
    }

    /// Looks at what somebody wrote in place, goes on looking for a while, and sees the same bytes, whatever became of the file.
    pub(crate) async fn look_together(&self) {
        let path = self.any_shared_file();
        self.client.does(format!("looking at {path}"));
        let runtime = self.store.runtime();
        // It is pinned from some time after this on, and for a lease at least, however the client fares meanwhile.
        let pinned = runtime.now();
        let deaths = self.world.datanode_deaths();
        let look = async {
            let reader = self.store.open(&path).await?.reader()?;
            let view = reader.view().await?;
            let all = view.all().await?;
            Ok((view.size(), all))
        };
        let (size, view) = match look.await {
            Ok(looked) => looked,
            Err(error) => return self.allow_together(&path, &error),
        };
        let lease = self.world.plan.lease;
        // What is freed meanwhile is soon somebody else's.
        for round in 0..self.world.random.below(5) {
            let gone = match round {
                0 => path.clone(),
                _ => self.any_shared_file(),
            };
            self.delete_shared(&gone).await;
            self.write_together().await;
        }
        let time = self.world.random.duration(Duration::ZERO, lease / 2);
        runtime.sleep(time).await;
        if view.is_held() {
            let checked = self.world.together.borrow().check(&path, size, &view.to_vec());
            if let Err(what) = checked {
                self.world.violate(format!("looked at for a while: {what}"));
            }
        } else if runtime.now() < pinned + lease && self.world.datanode_deaths() == deaths {
            self.world
                .violate(format!("{path} was looked at, and its blocks were given away"));
        }
    }

    /// Deletes what anybody wrote.
    pub(crate) async fn delete_together(&self) {
        self.delete_shared(&self.any_shared_file()).await;
    }

    async fn delete_shared(&self, path: &str) {
        self.client.does(format!("deleting {path}"));
        if let Err(error) = self.store.delete(path, false).await {
            self.allow_together(path, &error);
        }
    }

    /// Anybody may have deleted or replaced the file at any time.
    fn allow_together(&self, path: &str, error: &Error) {
        self.client.notes(error);
        let allowed = match error {
            Error::NotFound { .. } | Error::LeaseLost { .. } => true,
            Error::BlockLost { .. } => self.world.is_disturbed(),
            error => is_transient(error),
        };
        if !allowed {
            self.world.violate(format!("{path}: {error}"));
        }
    }

    fn any_shared_file(&self) -> String {
        format!("{SHARED_DIRECTORY}/f{}", self.world.random.below(SHARED_FILES))
    }
}

impl Kept {
    /// Takes over what the owner knows of the file now; false if it does not know.
    fn look(&mut self) -> bool {
        match self.owner.tree.borrow().file_created(self.model.created) {
            Some(model) => {
                self.model = model.clone();
                true
            }
            None => false,
        }
    }
}

/// Whether this is what a name gives that has come to stand for something else.
fn is_elsewhere(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound { .. } | Error::IsADirectory { .. } | Error::NotADirectory { .. }
    )
}

/// What anybody tried to write to the files that all clients write.
#[derive(Debug, Default)]
pub struct SharedFiles {
    tried: BTreeMap<String, Vec<(Tag, usize)>>,
}

impl SharedFiles {
    /// Somebody is about to write this much.
    pub fn try_write(&mut self, path: &str, tag: Tag, len: usize) {
        self.tried.entry(path.to_owned()).or_default().push((tag, len));
    }

    /// Checks that a whole file is a beginning of what one of its writers wrote.
    pub fn check(&self, path: &str, size: u64, bytes: &[u8]) -> Result<(), String> {
        if bytes.len() as u64 != size {
            return Err(format!("{path}: {} bytes of {size}", bytes.len()));
        }
        let mut tried = self.tried.get(path).into_iter().flatten();
        match tried.any(|&(tag, len)| bytes.len() <= len && content::verify(tag, 0, bytes).is_ok()) {
            true => Ok(()),
            false => Err(format!("{path} has {size} bytes that nobody wrote there")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_file_is_the_beginning_of_what_one_writer_wrote() {
        let mut files = SharedFiles::default();
        files.try_write("f", Tag(1), 100);
        files.try_write("f", Tag(2), 50);
        let (one, two) = (content::bytes(Tag(1), 0, 100), content::bytes(Tag(2), 0, 100));
        assert_eq!(files.check("f", 100, &one), Ok(()));
        assert_eq!(files.check("f", 20, &two[..20]), Ok(()));
        assert!(files.check("f", 100, &two).is_err(), "longer than was written");
        assert!(files.check("f", 100, &one[..99]).is_err(), "short");
        let mixed = [&one[..10], &two[10..20]].concat();
        assert!(files.check("f", 20, &mixed).is_err());
        assert!(files.check("g", 20, &one[..20]).is_err());
    }
}
