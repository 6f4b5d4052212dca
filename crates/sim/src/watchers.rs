//! What a client that is told of changes must know, what one that follows a file must read, and parts written at the same time.

use std::collections::BTreeSet;
use std::time::Duration;

use crake_datapath::Task;
use crake_mem::{Buf, Region};
use crake_store::{Error, Happened, Multifile, Node, Parts, Store, Watch};

use crate::client::{GROWING_DIRECTORY, Life, is_transient};
use crate::content::{self, Tag};

/// The names of a directory as its events tell them.
pub struct Mirror {
    watch: Watch,
    names: BTreeSet<String>,
}

/// So long may events take that happened while nothing is asked: a question that was lost with its connection is asked
/// again after its deadline.
const EVENTS_WITHIN: Duration = Duration::from_secs(40);
/// Who follows a file whose writer has gone waits for no longer than its lease and what it takes to hear of it.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(60);

impl Life {
    /// Compares what events told of this client's directory with a listing of it.
    pub(crate) async fn look_in_mirror(&self) {
        self.client.does("looking in the mirror");
        let held = self.mirror.borrow_mut().take();
        let mut mirror = match held {
            Some(mirror) => mirror,
            None => match self.begin_mirror().await {
                Some(mirror) => mirror,
                None => return,
            },
        };
        let runtime = self.store.runtime().clone();
        if self.world.random.chance(400) {
            self.change_and_lose_connection().await;
        }
        let deadline = runtime.now() + EVENTS_WITHIN;
        loop {
            if !self.catch_up(&mut mirror).await {
                return;
            }
            // Only this client changes its directory, apart from what it sent in vain and what arrives late.
            let Some(listed) = self.names_of_directory().await else {
                break;
            };
            if !self.catch_up(&mut mirror).await {
                return;
            }
            if listed == mirror.names {
                break;
            }
            if runtime.now() >= deadline {
                self.world.violate(format!(
                    "{}: events tell {:?}, and there is {listed:?}",
                    self.client.directory(),
                    mirror.names
                ));
                break;
            }
            runtime.sleep(Duration::from_millis(300)).await;
        }
        *self.mirror.borrow_mut() = Some(mirror);
    }

    /// Changes something of the directory while the connection breaks: what is told of it may be on its way at that moment.
    async fn change_and_lose_connection(&self) {
        let (world, node) = (self.world.clone(), self.client.node);
        let (runtime, soon) = (self.store.runtime().clone(), self.world.plan.network.delay.1 * 4);
        let after = world.random.duration(Duration::ZERO, soon);
        let breaking = async move {
            runtime.sleep(after).await;
            world.cut_off(node);
        };
        self.store.runtime().spawn(breaking).detach();
        self.write_file().await;
    }

    async fn begin_mirror(&self) -> Option<Mirror> {
        match self.store.watch(&self.client.directory()).await {
            Ok(watch) => Some(Mirror {
                watch,
                names: self.names_of_directory().await?,
            }),
            Err(error) => {
                self.allow("watching", &error);
                None
            }
        }
    }

    /// Brings a mirror up to what has arrived; false if that cannot be had.
    async fn catch_up(&self, mirror: &mut Mirror) -> bool {
        while let Some(event) = mirror.watch.try_next() {
            let name = event.name_lossy().into_owned();
            match event.happened {
                Happened::Lost => match self.names_of_directory().await {
                    Some(names) => mirror.names = names,
                    None => return false,
                },
                Happened::Created => drop(mirror.names.insert(name)),
                Happened::Deleted => drop(mirror.names.remove(&name)),
                Happened::Grew | Happened::Sealed | Happened::Put => {}
            }
        }
        true
    }

    async fn names_of_directory(&self) -> Option<BTreeSet<String>> {
        let mut listing = self.store.list(&self.client.directory());
        let mut names = BTreeSet::new();
        loop {
            match listing.next().await {
                Ok(Some(entry)) => drop(names.insert(entry.name)),
                Ok(None) => return Some(names),
                Err(error) => {
                    self.allow("listing for the mirror", &error);
                    return None;
                }
            }
        }
    }

    pub(crate) fn allow(&self, what: &str, error: &Error) {
        let allowed = match error {
            Error::BlockLost { .. } | Error::LeaseLost { .. } => self.world.is_disturbed(),
            error => is_transient(error),
        };
        if !allowed {
            self.world.violate(format!("{what}: {error}"));
        }
    }

    /// Follows a file while it is written: what comes is what was written, and as much of it as was acknowledged at the end.
    pub(crate) async fn write_and_follow(&self) {
        let name = format!("{GROWING_DIRECTORY}/file-{}", self.world.new_tag().0);
        self.client.does(format!("writing and following {name}"));
        let tag = self.world.new_tag();
        let writer = match self.store.create(&name, Node::File).await {
            Ok(file) => file.writer(),
            Err(error) => return self.allow("creating a file to follow", &error),
        };
        let Ok(writer) = writer else {
            return self
                .world
                .violate(format!("{name} was created and cannot be written"));
        };
        let following = self.follow(&name, tag);
        let random = &self.world.random;
        let mut failed = false;
        for _ in 0..random.below(20) {
            let len = 1 + random.below(40_000);
            drop(writer.write(Buf::from_vec(content::bytes(
                tag,
                writer.position(),
                len as usize,
            ))));
            if random.chance(600) {
                failed |= writer.publish().await.is_err();
            }
            if failed {
                break;
            }
        }
        let (position, abandoned) = (writer.position(), random.chance(200));
        let closed = match abandoned {
            true => {
                drop(writer);
                None
            }
            false => writer.close().await.ok(),
        };
        let deadline = self.store.runtime().now() + FOLLOWED_WITHIN;
        let followed = self.store.runtime().timeout(deadline, following).await;
        match (followed, closed) {
            (Err(_), _) => self.world.violate(format!("{name} is followed and does not end")),
            (Ok(Ok(len)), Some(_)) if len != position => self.world.violate(format!(
                "{name} was closed at {position}, and who followed it read {len} bytes"
            )),
            (Ok(Ok(_)), _) => {}
            (Ok(Err(error)), _) => self.allow("following", &error),
        }
        // Whatever comes of it: nobody else knows the name.
        let _ = self.store.delete(&name, false).await;
    }

    fn follow(&self, name: &str, tag: Tag) -> Task<Result<u64, Error>> {
        let (store, world, name) = (self.store.clone(), self.world.clone(), name.to_owned());
        self.store.runtime().spawn(async move {
            let mut follower = store.open(&name).await?.reader()?.follow(0);
            let target = Region::allocated(30_000).expect("memory").extent(..30_000);
            loop {
                let at = follower.position();
                let count = follower.read(target.clone()).await?;
                if count == 0 {
                    return Ok(at);
                }
                if let Err(mismatch) = content::verify(tag, at, &target.slice(..count).to_vec()) {
                    world.violate(format!("{name}, followed, has wrong bytes: {mismatch:?}"));
                }
            }
        })
    }

    /// Writes the parts of a multifile at the same time, while somebody waits for all of them.
    pub(crate) async fn write_parts(&self) {
        let name = format!("{GROWING_DIRECTORY}/parts-{}", self.world.new_tag().0);
        self.client.does(format!("writing the parts of {name}"));
        let multifile = match self.store.make_multifile(&name, false).await {
            Ok(multifile) => multifile,
            Err(error) => return self.allow("making a multifile", &error),
        };
        let runtime = self.store.runtime().clone();
        let reading = runtime.spawn(read_parts(self.store.clone(), name.clone()));
        let parts = (0..1 + self.world.random.below(5)).map(|_| {
            let len = self.world.random.below(100_000);
            (self.world.new_tag(), len as usize)
        });
        let parts = parts.collect::<Vec<_>>();
        // From the last to the first: they come to be in another order than they are read in.
        let writing = parts.iter().enumerate().rev().map(|(at, &(tag, len))| {
            let name = format!("part-{at}");
            runtime.spawn(write_part(multifile.clone(), name, tag, len))
        });
        let writing = writing.collect::<Vec<_>>();
        let mut is_whole = true;
        for task in writing {
            if let Err(error) = task.await {
                is_whole = false;
                self.allow("writing a part", &error);
            }
        }
        if let Err(error) = multifile.seal().await {
            is_whole = false;
            self.allow("sealing a multifile", &error);
        }
        let deadline = runtime.now() + FOLLOWED_WITHIN;
        match runtime.timeout(deadline, reading).await {
            Ok(Ok(bytes)) if is_whole => self.check_parts(&name, &parts, &bytes),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => self.allow("reading parts", &error),
            // It was not sealed, as far as anybody knows.
            Err(_) if !is_whole => {}
            Err(_) => self
                .world
                .violate(format!("{name} is read to its end and does not end")),
        }
        let _ = self.store.delete(&name, true).await;
    }

    fn check_parts(&self, name: &str, parts: &[(Tag, usize)], bytes: &[u8]) {
        let whole = parts.iter().map(|&(tag, len)| content::bytes(tag, 0, len));
        let whole = whole.collect::<Vec<_>>().concat();
        if bytes != whole {
            let at = bytes.iter().zip(&whole).position(|(a, b)| a != b);
            self.world.violate(format!(
                "{name}: {} bytes for {}, the first difference at {at:?}",
                bytes.len(),
                whole.len()
            ));
        }
    }
}

async fn write_part(multifile: Multifile, name: String, tag: Tag, len: usize) -> Result<(), Error> {
    let writer = multifile.create(&name, Node::File).await?.writer()?;
    drop(writer.write(Buf::from_vec(content::bytes(tag, 0, len))));
    writer.close().await.map(|_| ())
}

async fn read_parts(store: Store, name: String) -> Result<Vec<u8>, Error> {
    let multifile = store.multifile(&name).await?;
    let mut reader = multifile.buffered_reader(Parts::All, 3);
    let (mut all, mut piece) = (Vec::new(), vec![0; 10_000]);
    loop {
        match reader.read(&mut piece).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&piece[..count]),
        }
    }
}
