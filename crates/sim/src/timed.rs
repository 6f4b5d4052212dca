//! Keys and directories with a time to live: from when to when they may be found.

use std::cell::RefCell;
use std::time::Duration;

use crake_datapath::Time;
use crake_store::{CreateOptions, Error, KeyRange, Node, PutOptions};

use crate::client::{Life, SHARED_DIRECTORY, is_transient};
use crate::keys::Written;

/// Something that ends by itself. Each name is used once.
#[derive(Clone, Debug)]
pub struct Timed {
    name: String,
    /// The value of a key; a directory has a file in it that has no end of its own.
    value: Option<Written>,
    /// It ends between these two: the namenode counts from when it is asked, which is not known to the instant.
    due: (Time, Time),
}

impl Timed {
    /// What must be known of it by who asked at `asked` and was answered at `answered`: that it is there, that it is not, or nothing.
    fn must_be_there(&self, asked: Time, answered: Time) -> Option<bool> {
        if answered < self.due.0 {
            Some(true)
        } else if asked >= self.due.1 {
            Some(false)
        } else {
            None
        }
    }

    fn check(&self, is_there: bool, asked: Time, answered: Time) -> Result<(), String> {
        match self.must_be_there(asked, answered) {
            Some(expected) if expected != is_there => Err(format!(
                "{} is due from {:?} to {:?}, and was {}found between {asked:?} and {answered:?}",
                self.name,
                self.due.0,
                self.due.1,
                if is_there { "" } else { "not " }
            )),
            _ => Ok(()),
        }
    }
}

/// Those of one client that it looks at now and then.
pub type TimedNodes = RefCell<Vec<Timed>>;

/// So many at most, the oldest goes.
const TIMED_MAX: usize = 8;

impl Life {
    /// Puts a key, or makes a directory, that ends soon.
    pub(crate) async fn make_timed(&self) {
        let ttl = self.any_ttl();
        self.client.names.set(self.client.names.get() + 1);
        let name = format!("timed-{}-{}", self.client.number, self.client.names.get());
        self.client.does(format!("making {name} for {ttl:?}"));
        let asked = self.store.runtime().now();
        let is_key = self.world.random.chance(600);
        let made = match is_key {
            true => self.put_timed(&name, ttl).await.map(Some),
            false => self.make_timed_directory(&name, ttl).await.map(|()| None),
        };
        let answered = self.store.runtime().now();
        match made {
            Ok(value) => self.keep_timed(Timed {
                name,
                value,
                due: (asked + ttl, answered + ttl),
            }),
            // It is not looked at again.
            Err(error) => self.allow_timed_error(&name, &error),
        }
    }

    async fn put_timed(&self, name: &str, ttl: Duration) -> Result<Written, Error> {
        let written = self.new_value();
        let options = PutOptions {
            ttl: Some(ttl),
            ..PutOptions::default()
        };
        self.shared
            .put_when(name.as_bytes(), &written.bytes(), options)
            .await?;
        Ok(written)
    }

    async fn make_timed_directory(&self, name: &str, ttl: Duration) -> Result<(), Error> {
        let path = format!("{SHARED_DIRECTORY}/{name}");
        let options = CreateOptions::from(Node::Directory).ttl(ttl);
        self.store.create(&path, options).await?;
        let file = self.store.create(&format!("{path}/file"), Node::File).await?;
        file.close().await?;
        Ok(())
    }

    fn keep_timed(&self, timed: Timed) {
        let mut all = self.client.timed.borrow_mut();
        if all.len() == TIMED_MAX {
            all.remove(0);
        }
        all.push(timed);
    }

    /// Looks for something that ends, or has ended: several times in a row, so that an answer that was kept would be found.
    pub(crate) async fn look_at_timed(&self) {
        let all = self.client.timed.borrow().clone();
        if all.is_empty() {
            return self.make_timed().await;
        }
        let timed = self.world.random.pick(&all).clone();
        for _ in 0..self.any_times() {
            self.look_at_timed_once(&timed).await;
        }
    }

    async fn look_at_timed_once(&self, timed: &Timed) {
        self.client.does(format!("looking at {}", timed.name));
        let asked = self.store.runtime().now();
        let found = match timed.value {
            Some(_) if self.world.random.chance(200) => self.scan_for(&timed.name).await,
            Some(written) => self.get_timed(&timed.name, written).await,
            None => self.look_up_timed(&timed.name).await,
        };
        let answered = self.store.runtime().now();
        match found {
            Ok(is_there) => {
                if let Err(what) = timed.check(is_there, asked, answered) {
                    self.world.violate(what);
                }
            }
            Err(error) => self.allow_timed_error(&timed.name, &error),
        }
    }

    async fn get_timed(&self, name: &str, written: Written) -> Result<bool, Error> {
        let found = self.shared.get(name.as_bytes()).await?;
        if found.as_ref().is_some_and(|value| !written.is(value)) {
            self.world.violate(format!("{name} has other bytes"));
        }
        Ok(found.is_some())
    }

    async fn scan_for(&self, name: &str) -> Result<bool, Error> {
        let range = KeyRange::prefix(name.as_bytes());
        let page = self.shared.keys_page(range, 0).await?;
        Ok(page.entries.iter().any(|key| key == name.as_bytes()))
    }

    async fn look_up_timed(&self, name: &str) -> Result<bool, Error> {
        let path = format!("{SHARED_DIRECTORY}/{name}");
        let path = match self.world.random.chance(500) {
            true => path,
            false => format!("{path}/file"),
        };
        match self.store.lookup(&path).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves the end of something, or takes it back and gives another.
    pub(crate) async fn move_end(&self) {
        let all = self.client.timed.borrow().clone();
        if all.is_empty() {
            return;
        }
        let at = self.world.random.below(all.len() as u64) as usize;
        let timed = self.client.timed.borrow_mut().remove(at);
        let ttl = self.any_ttl();
        self.client
            .does(format!("having {} live for {ttl:?}", timed.name));
        let repeats = self.store.stats().repeats;
        let asked = self.store.runtime().now();
        let moved = match timed.value {
            Some(_) => self.shared.set_ttl(timed.name.as_bytes(), Some(ttl)).await,
            None => {
                let path = format!("{SHARED_DIRECTORY}/{}", timed.name);
                self.store.set_ttl(&path, Some(ttl)).await
            }
        };
        let answered = self.store.runtime().now();
        match moved {
            // The one before may still arrive, and move the end again.
            _ if self.store.stats().repeats > repeats => {}
            Ok(_) => {
                if let Err(what) = timed.check(true, asked, answered) {
                    self.world.violate(what);
                }
                self.keep_timed(Timed {
                    due: (asked + ttl, answered + ttl),
                    ..timed
                });
            }
            Err(Error::NotFound { .. }) => {
                if let Err(what) = timed.check(false, asked, answered) {
                    self.world.violate(what);
                }
                self.keep_timed(timed);
            }
            Err(error) => self.allow_timed_error(&timed.name, &error),
        }
    }

    /// As it goes over the wire: in whole milliseconds.
    fn any_ttl(&self) -> Duration {
        Duration::from_millis(1 + self.world.random.below(4_000))
    }

    fn allow_timed_error(&self, name: &str, error: &Error) {
        self.client.notes(error);
        // What was slow may have ended while it was made; a doubtful creation may have run.
        let may_be = matches!(
            error,
            Error::NotFound { .. } | Error::LeaseLost { .. } | Error::BlockLost { .. }
        );
        if !may_be && !is_transient(error) {
            self.world.violate(format!("{name}: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_found_depends_on_when_it_is_looked_for() {
        let timed = Timed {
            name: "k".into(),
            value: None,
            due: (Time(100), Time(200)),
        };
        assert!(timed.check(true, Time(0), Time(99)).is_ok());
        assert!(timed.check(false, Time(0), Time(99)).is_err());
        assert!(timed.check(false, Time(200), Time(300)).is_ok());
        assert!(timed.check(true, Time(200), Time(300)).is_err());
        for is_there in [false, true] {
            assert!(timed.check(is_there, Time(0), Time(100)).is_ok());
            assert!(timed.check(is_there, Time(199), Time(300)).is_ok());
        }
    }
}
