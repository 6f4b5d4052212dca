//! One run: a cluster, its clients, the faults, and the audit at the end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::{Task, Time};
use crake_store::canary::{Canary, plant};

use crate::audit::audit;
use crate::client::Client;
use crate::world::World;

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A bug to plant.
    pub canary: Option<Canary>,
    /// Whether to print faults and operations to stderr.
    pub verbose: bool,
}

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

/// One seed in this many is run twice by [`check`], and must leave the same trace.
const REPEAT_EVERY: u64 = 20;

/// Runs a seed, now and then twice; gives what was wrong.
pub fn check(seed: u64, options: Options) -> Result<(), Vec<String>> {
    let outcome = run(seed, options);
    if !outcome.violations.is_empty() {
        return Err(outcome.violations);
    }
    if seed.is_multiple_of(REPEAT_EVERY) {
        let again = run(seed, options).trace;
        if again != outcome.trace {
            let traces = format!("{:016x} and {again:016x}", outcome.trace);
            return Err(vec![format!("two runs left the traces {traces}")]);
        }
    }
    Ok(())
}

/// The first of these seeds that breaks a rule, and how.
pub fn hunt(seeds: impl IntoIterator<Item = u64>, options: Options) -> Option<(u64, Vec<String>)> {
    let mut outcomes = seeds
        .into_iter()
        .map(|seed| (seed, run(seed, options).violations));
    outcomes.find(|(_, violations)| !violations.is_empty())
}

/// Runs the cluster of a seed to its end. A panic, in whatever part of the cluster, is a violation like any other.
pub fn run(seed: u64, options: Options) -> Outcome {
    let _planted = Planted::new(options.canary);
    catch_unwind(AssertUnwindSafe(|| run_cluster(seed, options))).unwrap_or_else(|panic| Outcome {
        trace: 0,
        duration: Duration::ZERO,
        violations: vec![format!("a panic: {}", words_of(&*panic))],
    })
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "without words".to_owned())
}

/// A canary that is planted for as long as this lives.
struct Planted;

impl Planted {
    fn new(canary: Option<Canary>) -> Planted {
        plant(canary);
        Planted
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        plant(None);
    }
}

fn run_cluster(seed: u64, options: Options) -> Outcome {
    let world = World::new(seed, options.verbose);
    let clients: Vec<Rc<Client>> = (0..world.plan.clients)
        .map(|number| Client::new(&world, number))
        .collect();
    world.clients.borrow_mut().clone_from(&clients);
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
    if let Err(what) = world.check_namenodes() {
        world.violate(what);
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
