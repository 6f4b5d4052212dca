//! One run: a cluster, its clients, the faults, and the audit at the end.

use std::rc::Rc;
use std::time::Duration;

use crake_datapath::{Task, Time};

use crate::audit::audit;
use crate::client::Client;
use crate::world::World;

/// Virtual time in which all operations must have ended once the faults are over.
const END_WITHIN: Duration = Duration::from_secs(120);
/// Virtual time that faults may take.
const FAULTS_FOR: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// A hash of all that happened; equal for equal runs.
    pub trace: u64,
    /// Virtual time that it took.
    pub duration: Duration,
    /// What must never happen and did.
    pub violations: Vec<String>,
}

/// Runs the cluster of a seed to its end.
pub fn run(seed: u64) -> Outcome {
    let world = World::new(seed);
    let clients: Vec<Rc<Client>> = (0..world.plan.clients)
        .map(|number| Client::new(&world, number))
        .collect();
    for client in &clients {
        client.start(&world);
    }
    let is_over = || clients.iter().all(|client| client.is_done());
    disturb(&world, &clients, is_over);
    world.calm();
    let deadline = world.network.now() + END_WITHIN;
    if world.network.run_until_done(deadline, is_over) {
        finish(&world, &clients);
    } else {
        report_hanging(&world, &clients);
    }
    let (trace, duration) = (world.network.trace(), world.network.now() - Time(0));
    let violations = world.violations();
    for client in &clients {
        if let Some(runtime) = client.runtime() {
            runtime.shutdown();
        }
    }
    world.stop_servers();
    Outcome {
        trace,
        duration,
        violations,
    }
}

/// Lets faults happen until the clients are done or there were enough.
fn disturb(world: &Rc<World>, clients: &[Rc<Client>], is_over: impl Fn() -> bool) {
    let end = Time(0) + FAULTS_FOR;
    let (shortest, longest) = world.plan.fault_gap;
    while !is_over() && world.network.now() < end && world.violations().is_empty() {
        let next = world.network.now() + world.random.duration(shortest, longest);
        world.network.run_until_done(next, &is_over);
        world.network.run_until(next.min(world.network.now()));
        if world.random.chance(80) {
            world.random.pick(clients).crash(world);
        } else {
            world.fault();
        }
    }
}

/// Audits, then looks at what the client processes still hold.
fn finish(world: &Rc<World>, clients: &[Rc<Client>]) {
    let runtime = world.network.runtime(world.client_node(world.plan.clients));
    let task = runtime.spawn(audit(world.clone(), clients.to_vec(), runtime.clone()));
    let deadline = world.network.now() + END_WITHIN;
    if !world.network.run_until_done(deadline, || task.is_finished()) {
        world.violate("the audit did not end".to_owned());
        return;
    }
    settle(world, task);
    if let Err(what) = world.with_namenode(|namenode| namenode.check()) {
        world.violate(format!("the namespace is not sound: {what}"));
    }
    check_leaks(world, clients);
}

/// Time for what still runs in the background.
fn settle(world: &World, audit: Task<()>) {
    drop(audit);
    let idle_close = Duration::from_secs(90);
    world.network.run_until(world.network.now() + idle_close);
}

/// Clients that have ended hold no buffer, no operation that nobody waits for, no task.
fn check_leaks(world: &World, clients: &[Rc<Client>]) {
    for client in clients {
        let Some(runtime) = client.runtime() else { continue };
        let usage = runtime.usage();
        if usage.tasks + usage.operations + usage.ports + usage.buffers > 0 {
            world.violate(format!("client {} is done and holds {usage:?}", client.number));
        }
    }
}

fn report_hanging(world: &World, clients: &[Rc<Client>]) {
    for client in clients.iter().filter(|client| !client.is_done()) {
        world.violate(format!(
            "client {} does not get on: {}",
            client.number,
            client.doing()
        ));
    }
}
