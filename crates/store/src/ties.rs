//! What partitions have of one another that does not match: what `crake fsck` tells of beside what is lost and has leaked.
//!
//! Creating, moving and deleting across partitions takes several steps, and the partition that takes one has to tell the other of it until that has
//! done its part. Each partition says what it has of the others, and what it has yet to tell them. What does not match, and is no step that is under way,
//! does so again after all is told that was to be told when it was seen first, and all partitions know each other as they are: who has begun anew is told so, and
//! what hangs on its earlier life goes. A partition gives no id again (who gets an older copy of its log is refused), so what was seen is the same thing. That is looked at several times over, for a node may move again just then.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use crate::Error;
use crate::node::Node;
use crate::pending::Pending;
use crate::session::Session;
use crate::store::Store;

mod operation;

use operation::{AskTies, Of, RemoveTie, Tie};

/// How often what does not match is looked at again before it is believed.
const AGAIN: u32 = 3;
/// How long partitions have to tell each other what they have to tell, and how often that is looked at.
const TELLING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// What is wrong between two partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mismatch {
    /// A node that no name leads to: its entry at the other partition is gone.
    Orphan,
    /// Keys here of a table at the other partition that is not there.
    OrphanKeys,
    /// A name here that leads to nothing: its node at the other partition is gone.
    Dangling,
    /// A table here whose keys at the other partition are gone.
    LacksKeys,
}

impl Mismatch {
    /// Whether [`Store::remove_broken`] mends it: not a table that lacks keys, for the others are there.
    pub fn is_mendable(self) -> bool {
        self != Mismatch::LacksKeys
    }

    fn side(self) -> Of {
        match self {
            Mismatch::Orphan => Of::Branches,
            Mismatch::OrphanKeys => Of::Shards,
            Mismatch::Dangling => Of::Links,
            Mismatch::LacksKeys => Of::Tables,
        }
    }
}

/// What a partition has of another one that does not have its side of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenTie {
    /// What is wrong.
    pub mismatch: Mismatch,
    /// The partition that has this.
    pub partition: u16,
    /// Its id there: of the node, of the name's entry, of the table, or of its keys.
    pub node: u64,
    /// What the node is, or was.
    pub kind: Node,
    /// Its last name; of keys none.
    pub name: Vec<u8>,
    /// The partition that should have the other side of it.
    pub other: u16,
}

impl Store {
    /// Looks whether the partitions agree about what each has of the others, and gives what does not match. Takes requests, and about 200 bytes of memory, in
    /// proportion to the directories, tables and files whose entries are at other partitions than they are; clients may go on meanwhile. If all is well partitions are asked
    /// once, else it may take seconds.
    ///
    /// # Errors
    /// A partition does not answer, has begun anew meanwhile, or has not told another one for ten seconds what it has to tell it.
    pub async fn broken_ties(&self) -> Result<Vec<BrokenTie>, Error> {
        let sessions = self.session().partitions().all();
        if sessions.len() < 2 {
            return Ok(Vec::new());
        }
        let mut lives = Lives::new();
        let first = survey(&sessions, &mut lives).await?;
        let mut broken = compare(&first);
        for _ in 0..AGAIN {
            if broken.is_empty() {
                break;
            }
            await_told(&sessions, &mut lives).await?;
            let again = compare(&survey(&sessions, &mut lives).await?);
            broken.retain(|key, _| again.contains_key(key));
        }
        Ok(broken.into_values().collect())
    }

    /// Removes what has no other side: a node that no name leads to, with all below it; a name that leads to nothing; keys whose table is gone. Gives how many nodes were removed, 0 if it
    /// is gone already.
    ///
    /// It is removed by its id, whether it has another side or not, and what a name leads to goes with it: ask for what is broken first.
    ///
    /// # Errors
    /// The partition does not answer, or it is a table that lacks keys: that goes by its name.
    pub async fn remove_broken(&self, tie: &BrokenTie) -> Result<u64, Error> {
        let name = String::from_utf8_lossy(&tie.name);
        let session = self.session().partitions().session(tie.partition);
        let Some(session) = session.filter(|_| tie.mismatch.is_mendable()) else {
            return Err(Error::InvalidName {
                path: name.into(),
                detail: "a table that lacks keys has others, and goes by its name".into(),
            });
        };
        let request = RemoveTie {
            of: tie.mismatch.side(),
            node: tie.node,
        };
        match Pending::start(&session, request).await {
            Err(Error::NotFound { .. }) => Ok(0),
            removed => removed.map_err(|error| error.about(&name)),
        }
    }
}

/// What one partition has of the others.
#[derive(Debug, Default)]
struct Listed {
    partition: u16,
    branches: Vec<Tie>,
    links: Vec<Tie>,
    tables: Vec<Tie>,
    shards: Vec<Tie>,
}

/// The life of each partition that is asked.
type Lives = BTreeMap<u16, u64>;

/// A partition as another one knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Partner {
    /// Which life of it; 0 if it was not met yet.
    incarnation: u64,
    /// Which of all that it ever was to be told are yet to be told, the first and the last; 0 if none.
    first: u64,
    last: u64,
}

/// All that partitions have of one another, asked for one after the other.
async fn survey(sessions: &[Rc<Session>], lives: &mut Lives) -> Result<Vec<Listed>, Error> {
    let mut all = Vec::new();
    for session in sessions {
        let partition = session.number();
        all.push(Listed {
            partition,
            branches: ask_all(session, Of::Branches, lives).await?,
            links: ask_all(session, Of::Links, lives).await?,
            tables: ask_all(session, Of::Tables, lives).await?,
            shards: ask_all(session, Of::Shards, lives).await?,
        });
    }
    Ok(all)
}

async fn ask_all(session: &Rc<Session>, of: Of, lives: &mut Lives) -> Result<Vec<Tie>, Error> {
    let (mut ties, mut from) = (Vec::new(), Some((0, 0)));
    while let Some(first) = from.take() {
        let page = Pending::start(session, AskTies { of, from: first }).await?;
        check_life(session, page.incarnation, lives)?;
        ties.extend(page.ties);
        from = page.next;
    }
    Ok(ties)
}

/// What was seen of one life of a partition is not compared with what another one has.
fn check_life(session: &Session, incarnation: u64, lives: &mut Lives) -> Result<(), Error> {
    match *lives.entry(session.number()).or_insert(incarnation) == incarnation {
        true => Ok(()),
        false => Err(unavailable(
            session,
            "it has begun anew while partitions were compared",
        )),
    }
}

fn unavailable(session: &Session, detail: &str) -> Error {
    Error::Unavailable {
        peer: (*session.peer()).into(),
        may_have_run: false,
        detail: detail.into(),
    }
}

/// Waits until all partitions know each other as they are, and have told each other all that they have to tell now.
async fn await_told(sessions: &[Rc<Session>], lives: &mut Lives) -> Result<(), Error> {
    let runtime = sessions[0].runtime().clone();
    let deadline = runtime.now() + TELLING;
    let mut waiting = partners(sessions, lives).await?;
    loop {
        // What was told just now is yet to be seen.
        runtime.sleep(PAUSE).await;
        let now = partners(sessions, lives).await?;
        waiting.retain(|&(from, to), then| {
            let now = now.get(&(from, to));
            !now.is_some_and(|now| lives.get(&to) == Some(&now.incarnation) && now.has_told(then))
        });
        let Some(&(from, _)) = waiting.keys().next() else {
            return Ok(());
        };
        if runtime.now() >= deadline {
            let untold = waiting
                .keys()
                .map(|(from, to)| format!("partition {from} has not told partition {to}"));
            let detail = format!("{} what it has to", untold.collect::<Vec<_>>().join(", "));
            let session = sessions.iter().find(|session| session.number() == from);
            return Err(unavailable(session.unwrap_or(&sessions[0]), &detail));
        }
    }
}

impl Partner {
    /// Whether all was told that was to be told then.
    fn has_told(&self, then: &Partner) -> bool {
        self.last == 0 || self.first > then.last
    }
}

/// By who knows, and of whom.
async fn partners(
    sessions: &[Rc<Session>],
    lives: &mut Lives,
) -> Result<BTreeMap<(u16, u16), Partner>, Error> {
    let mut all = BTreeMap::new();
    for session in sessions {
        let request = AskTies {
            of: Of::Nothing,
            from: (0, 0),
        };
        let page = Pending::start(session, request).await?;
        check_life(session, page.incarnation, lives)?;
        let from = session.number();
        all.extend(page.partners.into_iter().map(|(to, known)| ((from, to), known)));
    }
    Ok(all)
}

/// By what is wrong, the partition and its node, and the other partition.
type Broken = BTreeMap<(Mismatch, u16, u64, u16), BrokenTie>;

/// What does not match in what partitions have said one after the other.
fn compare(all: &[Listed]) -> Broken {
    let mut known = Known::default();
    all.iter().for_each(|listed| known.add(listed));
    let mut broken = Broken::new();
    for listed in all {
        for (mismatch, ties) in [
            (Mismatch::Orphan, &listed.branches),
            (Mismatch::Dangling, &listed.links),
            (Mismatch::LacksKeys, &listed.tables),
            (Mismatch::OrphanKeys, &listed.shards),
        ] {
            let ties = ties
                .iter()
                .filter(|tie| !known.matches(mismatch, listed.partition, tie));
            broken.extend(ties.map(|tie| listed.broken(mismatch, tie)));
        }
    }
    broken
}

/// What there is, by partition and id.
#[derive(Debug, Default)]
struct Known {
    branches: HashSet<(u16, u64)>,
    /// By the branch: which partition has the link.
    links: HashMap<(u16, u64), u16>,
    shards: HashSet<(u16, u64)>,
    /// By the table and the partition of the shard: the shard, or 0.
    tables: HashMap<(u16, u64, u16), u64>,
}

impl Known {
    fn add(&mut self, listed: &Listed) {
        let partition = listed.partition;
        let nodes = |ties: &[Tie]| ties.iter().map(|tie| (partition, tie.node)).collect::<Vec<_>>();
        self.branches.extend(nodes(&listed.branches));
        self.shards.extend(nodes(&listed.shards));
        let links = listed.links.iter();
        self.links
            .extend(links.map(|tie| ((tie.partition, tie.other), partition)));
        let tables = listed.tables.iter();
        self.tables
            .extend(tables.map(|tie| ((partition, tie.node, tie.partition), tie.other)));
    }

    /// Whether a partition's tie, that would be broken in this way, has its other side.
    fn matches(&self, mismatch: Mismatch, partition: u16, tie: &Tie) -> bool {
        match mismatch {
            Mismatch::Orphan => {
                tie.changing || self.links.get(&(partition, tie.node)) == Some(&tie.partition)
            }
            Mismatch::Dangling => self.branches.contains(&(tie.partition, tie.other)),
            Mismatch::LacksKeys => tie.changing || self.shards.contains(&(tie.partition, tie.other)),
            // A table that is being made may not know it yet.
            Mismatch::OrphanKeys => {
                let shard = self.tables.get(&(tie.partition, tie.other, partition));
                shard.is_some_and(|&shard| shard == 0 || shard == tie.node)
            }
        }
    }
}

impl Listed {
    fn broken(&self, mismatch: Mismatch, tie: &Tie) -> ((Mismatch, u16, u64, u16), BrokenTie) {
        let broken = BrokenTie {
            mismatch,
            partition: self.partition,
            node: tie.node,
            kind: tie.kind,
            name: tie.name.clone(),
            other: tie.partition,
        };
        ((mismatch, self.partition, tie.node, tie.partition), broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tie(node: u64, partition: u16, other: u64) -> Tie {
        Tie {
            node,
            kind: Node::Directory,
            name: b"n".to_vec(),
            partition,
            other,
            changing: false,
        }
    }

    /// Partition 0 has a name whose node is at partition 1, and a table with keys there.
    fn sound() -> [Listed; 2] {
        let zero = Listed {
            links: vec![tie(10, 1, 20)],
            tables: vec![tie(11, 1, 21)],
            ..Listed::default()
        };
        let one = Listed {
            partition: 1,
            branches: vec![tie(20, 0, 0)],
            shards: vec![tie(21, 0, 11)],
            ..Listed::default()
        };
        [zero, one]
    }

    fn found(all: &[Listed]) -> Vec<(Mismatch, u16, u64)> {
        let broken = compare(all).into_values();
        broken
            .map(|tie| (tie.mismatch, tie.partition, tie.node))
            .collect()
    }

    #[test]
    fn what_matches_is_not_broken() {
        assert_eq!(found(&sound()), []);
    }

    #[test]
    fn a_node_without_its_entry_is_an_orphan() {
        let mut all = sound();
        all[0].links.clear();
        assert_eq!(found(&all), [(Mismatch::Orphan, 1, 20)]);
        all[1].branches[0].changing = true;
        assert_eq!(found(&all), []);
    }

    #[test]
    fn an_entry_at_another_partition_than_the_node_says_is_not_its_own() {
        let mut all = sound();
        all[1].branches[0].partition = 2;
        assert_eq!(found(&all), [(Mismatch::Orphan, 1, 20)]);
    }

    #[test]
    fn an_entry_without_its_node_dangles() {
        let mut all = sound();
        all[1].branches.clear();
        assert_eq!(found(&all), [(Mismatch::Dangling, 0, 10)]);
    }

    #[test]
    fn a_node_that_moves_is_where_its_entry_leads() {
        let mut all = sound();
        all[1].branches[0].partition = 1;
        all[1].branches[0].changing = true;
        assert_eq!(found(&all), []);
    }

    #[test]
    fn tables_and_their_keys_belong_together() {
        let mut all = sound();
        all[0].tables.clear();
        assert_eq!(found(&all), [(Mismatch::OrphanKeys, 1, 21)]);
        let mut all = sound();
        all[1].shards.clear();
        assert_eq!(found(&all), [(Mismatch::LacksKeys, 0, 11)]);
        // Others keys than those that it knows of.
        let mut all = sound();
        all[0].tables[0].other = 22;
        assert_eq!(
            found(&all),
            [(Mismatch::OrphanKeys, 1, 21), (Mismatch::LacksKeys, 0, 11)]
        );
    }

    #[test]
    fn a_table_that_is_being_made_does_not_know_its_keys_yet() {
        let mut all = sound();
        (all[0].tables[0].other, all[0].tables[0].changing) = (0, true);
        assert_eq!(found(&all), []);
    }
}
