//! Whether the partitions of a namespace agree about what each has of the others: for tests and the simulator.

use super::branches::Link;
use super::lending::check_loans;
use super::namespace::Namespace;
use super::shards::Origin;

/// Looks at all partitions of a namespace, by their numbers, when nothing is under way between them: that each has met the others as they are and
/// has nothing to tell them, that each link leads to a branch and each branch has its link, that each table has the
/// shards that it knows of and each shard its table, and that no slot has two owners. One alone agrees
/// with itself.
///
/// # Errors
/// The first contradiction.
pub fn check_agreement(partitions: &[&Namespace]) -> Result<(), String> {
    for (one, number) in partitions.iter().zip(0..) {
        let checked = check_acquaintances(one, partitions)
            .and_then(|()| check_links(one, number, partitions))
            .and_then(|()| check_branches(one, number, partitions))
            .and_then(|()| check_shards(one, number, partitions));
        checked.map_err(|what| format!("partition {number} {what}"))?;
    }
    check_lender(partitions)?;
    check_loans(partitions)
}

fn check_acquaintances(one: &Namespace, partitions: &[&Namespace]) -> Result<(), String> {
    let numbered = partitions.iter().zip(0..);
    for (other, number) in numbered.filter(|&(_, number)| number != one.config.partition) {
        if one.errands.incarnation(number) != other.config.incarnation {
            return Err(format!("has not met partition {number} as it is"));
        }
        if let Some(errand) = one.errands_to(number).1.next() {
            return Err(format!("has yet to tell partition {number}: {errand:?}"));
        }
    }
    Ok(())
}

fn check_links(one: &Namespace, number: u16, partitions: &[&Namespace]) -> Result<(), String> {
    for (index, link) in one.branches.all_links() {
        let name = String::from_utf8_lossy(one.nodes.name(index));
        let home = partitions.get(usize::from(link.partition));
        let branch = home.and_then(|home| Some((home, home.nodes.records.find(link.branch)?)));
        let Some((home, branch)) = branch else {
            return Err(format!("has `{name}` as {link:?}, which is not there"));
        };
        let mut branches = home.branches.all_branches();
        if !branches.any(|known| known == (branch, Some(number))) {
            return Err(format!("has `{name}` as {link:?}, which is no branch of it"));
        }
        if home.kind(branch) != one.kind(index) {
            return Err(format!("has `{name}` as {link:?}, which is of another kind"));
        }
    }
    Ok(())
}

fn check_branches(one: &Namespace, number: u16, partitions: &[&Namespace]) -> Result<(), String> {
    for (index, of) in one.branches.all_branches() {
        let name = String::from_utf8_lossy(one.nodes.name(index));
        let link = Link {
            partition: number,
            branch: one.nodes.id(index),
        };
        let directory = of.and_then(|of| partitions.get(usize::from(of)));
        if !directory.is_some_and(|directory| directory.branches.has_link(link)) {
            return Err(format!(
                "has the branch `{name}` of partition {of:?}, which has no link to it"
            ));
        }
    }
    Ok(())
}

fn check_shards(one: &Namespace, number: u16, partitions: &[&Namespace]) -> Result<(), String> {
    for (index, shards) in one.shards.all_tables() {
        let origin = Origin {
            home: number,
            table: one.nodes.id(index),
        };
        for (other, at) in partitions.iter().zip(0..).filter(|&(_, at)| at != number) {
            if other.find_shard(origin).as_ref() != shards.get(usize::from(at)) {
                return Err(format!(
                    "has {origin:?} with shards at {shards:?}, and partition {at} not"
                ));
            }
        }
    }
    for (index, origin) in one.shards.all_shards() {
        let shard = one.nodes.id(index);
        let home = partitions.get(usize::from(origin.home));
        let table = home.and_then(|home| Some((home, home.nodes.records.find(origin.table)?)));
        let is_known = table.is_some_and(|(home, table)| {
            let shards = home.shards.of_table(table).unwrap_or_default();
            shards.get(usize::from(number)) == Some(&shard)
        });
        if !is_known {
            return Err(format!(
                "has the shard {shard:?} of {origin:?}, which does not know it"
            ));
        }
    }
    Ok(())
}

/// Partition 0 and each other one know each other, so that what is lent can be compared.
fn check_lender(partitions: &[&Namespace]) -> Result<(), String> {
    let Some((lender, borrowers)) = partitions.split_first() else {
        return Ok(());
    };
    for (borrower, number) in borrowers.iter().zip(1..) {
        let is_known = lender.lending.knows(number, borrower.lending_incarnation());
        if !is_known || borrower.borrowing.lender != lender.lending_incarnation() {
            return Err(format!(
                "partition {number} and the one that lends to it do not know each other"
            ));
        }
    }
    Ok(())
}
