//! Directories that get another name while somebody looks: they are found under one of both names at any time, and under the new one alone once that was
//! answered. And files that one client writes while another one wants to.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crake_mem::Buf;
use crake_store::{CreateOptions, Error, Node, Store};

use crate::client::{Client, GROWING_DIRECTORY, Life, is_transient};
use crate::content;
use crate::world::World;

/// Names in the directory that gets another name: each may be at another partition than the one above it.
const BELOW: [&str; 3] = ["", "/deep", "/deep/leaf"];
/// Who looks does so at most so often, and at least so often when it is known what came of it.
const LOOKS_MAX: u32 = 40;
const LOOKS_AFTER: u32 = 2;
/// So long what came of it is waited for by who tells, and by who looks.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(3);

/// A directory that is about to get another name. Each name is used once.
#[derive(Debug)]
struct Move {
    from: String,
    to: String,
    outcome: Cell<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    UnderWay,
    /// It may have happened, and still happen.
    InDoubt,
    Moved,
    Refused,
}

impl Outcome {
    /// Whether a path below the old name, and the same one below the new name, may have been found like this, one after the other, by who knew
    /// this before.
    fn allows(self, is_old_first: bool, (old, new): (bool, bool)) -> bool {
        match self {
            // Who does not find it at the old name comes too late for that, and who finds it at the new one, too.
            Outcome::UnderWay | Outcome::InDoubt if is_old_first => old || new,
            Outcome::UnderWay | Outcome::InDoubt => !(old && new),
            Outcome::Moved => !old && new,
            Outcome::Refused => old && !new,
        }
    }
}

impl Life {
    /// Gives a directory another name, or moves it to another directory, while others look.
    pub(crate) async fn move_directory(&self) {
        let known = self.client.moving.take();
        let Some(from) = (match known {
            Some(known) => Some(known),
            None => self.make_to_move().await,
        }) else {
            return;
        };
        let to = self.new_place();
        self.client.does(format!("moving {from} to {to}"));
        let moved = Rc::new(Move {
            from,
            to,
            outcome: Cell::new(Outcome::UnderWay),
        });
        let observers = self.observers();
        for observer in &observers {
            let looking = look(observer.clone(), self.world.clone(), moved.clone());
            observer.runtime().spawn(looking).detach();
        }
        drop(observers);
        let runtime = self.store.runtime();
        runtime.sleep(self.any_moment()).await;
        let renamed = self.store.rename(&moved.from, &moved.to).await;
        moved.outcome.set(match renamed {
            Ok(_) => Outcome::Moved,
            Err(error) => {
                self.client.notes(&error);
                if !is_transient(&error) {
                    self.world.violate(format!("{moved:?}: {error}"));
                }
                match error.may_have_run() {
                    true => Outcome::InDoubt,
                    false => Outcome::Refused,
                }
            }
        });
        let deadline = runtime.now() + KNOWN_WITHIN;
        while Rc::strong_count(&moved) > 1 && runtime.now() < deadline {
            runtime.sleep(PAUSE).await;
        }
        if Rc::strong_count(&moved) == 1 {
            self.go_on_with(&moved).await;
        }
    }

    /// What became of it is moved again, or deleted, with the branches in it. What is in doubt is left to itself.
    async fn go_on_with(&self, moved: &Move) {
        let path = match moved.outcome.get() {
            Outcome::Moved => &moved.to,
            Outcome::Refused => &moved.from,
            Outcome::InDoubt | Outcome::UnderWay => return,
        };
        if self.world.random.chance(800) {
            *self.client.moving.borrow_mut() = Some(path.clone());
            return;
        }
        self.client.does(format!("deleting {path}"));
        match self.store.delete(path, true).await {
            Ok(_) => self.expect_gone(path).await,
            Err(error) if is_transient(&error) => {}
            Err(error) => self.world.violate(format!("deleting {path}: {error}")),
        }
    }

    async fn expect_gone(&self, path: &str) {
        for below in BELOW {
            let path = format!("{path}{below}");
            if is_there(&self.store, &self.world, &path).await == Some(true) {
                self.world.violate(format!("{path} was deleted and is there"));
            }
        }
    }

    /// A new directory with others below it.
    async fn make_to_move(&self) -> Option<String> {
        let path = self.new_place();
        self.client.does(format!("making {path}"));
        let options = CreateOptions {
            spread: true,
            ..CreateOptions::from(Node::Directory).existing_ok()
        };
        for below in BELOW {
            if let Err(error) = self.store.create(&format!("{path}{below}"), options).await {
                self.client.notes(&error);
                if !is_transient(&error) {
                    self.world.violate(format!("{path}{below}: {error}"));
                }
                return None;
            }
        }
        Some(path)
    }

    /// A path that was never used, in one of two directories.
    fn new_place(&self) -> String {
        self.client.names.set(self.client.names.get() + 1);
        let number = self.client.names.get();
        let directory = match self.world.random.chance(700) {
            true => self.client.moving_directory(),
            false => self.client.second_moving_directory(),
        };
        format!("{directory}/n{number:03}")
    }

    fn any_moment(&self) -> Duration {
        let random = &self.world.random;
        random.duration(Duration::ZERO, Duration::from_millis(30))
    }

    /// Clients that look: this one, and somebody else if there is one.
    fn observers(&self) -> Vec<Store> {
        let other = self.other_store();
        [Some(self.store.clone()), other].into_iter().flatten().collect()
    }

    /// The connection of another client that lives.
    fn other_store(&self) -> Option<Store> {
        let clients = self.world.clients.borrow();
        let others = clients
            .iter()
            .filter(|client| client.number != self.client.number);
        let others: Vec<Store> = others.filter_map(|client| client.store()).collect();
        (!others.is_empty()).then(|| self.world.random.pick(&others).clone())
    }

    /// Writes a file while another client asks to write it, too: as long as this one can go on the other one cannot begin.
    pub(crate) async fn write_alone(&self) {
        let Some(other) = self.other_store() else { return };
        let path = format!("{GROWING_DIRECTORY}/alone-{}", self.world.new_tag().0);
        self.client.does(format!("writing {path} alone"));
        let made = self.store.create(&path, Node::File).await;
        let writer = match made.and_then(|file| file.writer()) {
            Ok(writer) => writer,
            Err(error) => return self.allow("creating a file to write alone", &error),
        };
        let asked = Rc::new(Cell::new(Asked::UnderWay));
        let asking = ask_to_write(other.clone(), self.world.clone(), path.clone(), asked.clone());
        other.runtime().spawn(asking).detach();
        drop(other);
        let runtime = self.store.runtime();
        let deadline = runtime.now() + KNOWN_WITHIN;
        while asked.get() == Asked::UnderWay && Rc::strong_count(&asked) > 1 && runtime.now() < deadline {
            runtime.sleep(PAUSE).await;
        }
        let is_other_writer = asked.get() == Asked::Writes;
        let bytes = content::bytes(self.world.new_tag(), 0, 100);
        drop(writer.write(Buf::from_vec(bytes)));
        match writer.publish().await {
            Ok(_) if is_other_writer => self.world.violate(format!("two clients write {path}")),
            Ok(_) => {}
            Err(error) => self.allow("writing alone", &error),
        }
        asked.set(Asked::Over);
        drop(writer);
        // Whatever comes of it: nobody else knows the name.
        let _ = self.store.delete(&path, false).await;
    }
}

/// Looks at both names, in either order, until it is known what came of it.
async fn look(store: Store, world: Rc<World>, moved: Rc<Move>) {
    let runtime = store.runtime().clone();
    let mut looks_after = 0;
    for _ in 0..LOOKS_MAX {
        let known = moved.outcome.get();
        let below = world.random.pick(&BELOW);
        let (old, new) = (format!("{}{below}", moved.from), format!("{}{below}", moved.to));
        let is_old_first = world.random.chance(500);
        let found = match is_old_first {
            true => {
                let old = is_there(&store, &world, &old).await;
                (old, is_there(&store, &world, &new).await)
            }
            false => {
                let new = is_there(&store, &world, &new).await;
                (is_there(&store, &world, &old).await, new)
            }
        };
        if let (Some(at_old), Some(at_new)) = found
            && !known.allows(is_old_first, (at_old, at_new))
        {
            let first = if is_old_first { "old" } else { "new" };
            world.violate(format!(
                "{old} is moved to {new} ({known:?}): found {at_old} and {at_new}, the {first} one looked at first"
            ));
        }
        looks_after += u32::from(known != Outcome::UnderWay);
        if looks_after >= LOOKS_AFTER {
            return;
        }
        runtime
            .sleep(world.random.duration(Duration::ZERO, PAUSE * 4))
            .await;
    }
}

/// Nothing if it cannot be found out.
async fn is_there(store: &Store, world: &World, path: &str) -> Option<bool> {
    match store.lookup(path).await {
        Ok(_) => Some(true),
        Err(Error::NotFound { .. }) => Some(false),
        Err(error) if is_transient(&error) => None,
        Err(error) => {
            world.violate(format!("looking at {path}: {error}"));
            None
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    UnderWay,
    Writes,
    Refused,
    /// Nobody wants to know any more.
    Over,
}

/// Asks to write a file, and keeps it until nobody wants to know any more.
async fn ask_to_write(store: Store, world: Rc<World>, path: String, asked: Rc<Cell<Asked>>) {
    let runtime = store.runtime().clone();
    let deadline = runtime.now() + KNOWN_WITHIN;
    match store.append(&path).await {
        Ok(_writer) => {
            asked.set(Asked::Writes);
            while asked.get() != Asked::Over && Rc::strong_count(&asked) > 1 && runtime.now() < deadline {
                runtime.sleep(PAUSE).await;
            }
        }
        Err(error) => {
            asked.set(Asked::Refused);
            let is_allowed = match error {
                Error::LeaseHeld { .. } => true,
                // The writer may have given up.
                Error::NotFound { .. } | Error::BlockLost { .. } => world.is_disturbed(),
                ref error => is_transient(error),
            };
            if !is_allowed {
                world.violate(format!("asking to write {path}: {error}"));
            }
        }
    }
}

impl Client {
    /// Where its directories are that get other names.
    pub fn moving_directory(&self) -> String {
        format!("/moving-{}", self.number)
    }

    /// And another one.
    pub fn second_moving_directory(&self) -> String {
        format!("{}/second", self.moving_directory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_is_at_one_place_at_any_time() {
        for outcome in [Outcome::UnderWay, Outcome::InDoubt] {
            assert!(!outcome.allows(true, (false, false)), "never none");
            assert!(
                outcome.allows(true, (true, true)),
                "it was moved between the looks"
            );
            assert!(!outcome.allows(false, (true, true)), "never both");
            assert!(
                outcome.allows(false, (false, false)),
                "it was moved between the looks"
            );
        }
        for is_old_first in [true, false] {
            let allowed = |outcome: Outcome| {
                let all = [(false, false), (false, true), (true, false), (true, true)];
                all.map(|found| outcome.allows(is_old_first, found))
            };
            assert_eq!(allowed(Outcome::Moved), [false, true, false, false]);
            assert_eq!(allowed(Outcome::Refused), [false, false, true, false]);
        }
    }
}
