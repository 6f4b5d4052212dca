//! What a namespace takes in memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crake_server::namenode::command::{Create, Kind, Now, SessionId};
use crake_server::namenode::{Command, Config, Namespace, Reply};

/// Counts what a thread holds, so that tests beside this one do not count.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn add(bytes: isize) {
    // At the end of a thread there is nothing to count in any more.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + u64::from(bytes > 0)));
}

// SAFETY: it is the system's allocator, and counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn apply<T>(namespace: &mut Namespace, command: &Command<'_>, take: impl FnOnce(Reply<'_>) -> T) -> T {
    take(namespace.apply(Now::default(), SessionId(1), command).unwrap())
}

fn create_sealed(namespace: &mut Namespace, path: &str) {
    let create = Command::Create(Create {
        path,
        kind: Kind::File,
        parents: true,
        ..Create::default()
    });
    let (node, lease) = apply(namespace, &create, |reply| match reply {
        Reply::Opened { node, lease, .. } => (node.id, lease),
        other => panic!("{other:?}"),
    });
    apply(
        namespace,
        &Command::Publish {
            node,
            lease,
            size: 0,
            seal: true,
        },
        |_| (),
    );
}

/// With 1 M files in 1,000 directories in optimized builds, and as many per file elsewhere.
#[test]
fn a_million_empty_files_fit_in_300_mb() {
    let (directories, files) = if cfg!(debug_assertions) {
        (100, 100_000)
    } else {
        (1000, 1_000_000)
    };
    let before = HELD.get();
    let mut namespace = Namespace::new(Config::default());
    for file in 0..files {
        create_sealed(
            &mut namespace,
            &format!("/directory-{:04}/file-{file:08}", file % directories),
        );
    }
    let bytes = HELD.get() - before;
    println!("{} bytes per file", bytes / files);
    assert!(bytes < 300 * files, "{bytes} bytes for {files} files");
}

/// The commands that are repeated most hold no memory and take none.
#[test]
fn lookups_gets_and_pages_do_not_allocate() {
    let mut namespace = Namespace::new(Config::default());
    for file in 0..1000 {
        create_sealed(&mut namespace, &format!("/d/file-{file}"));
    }
    let base = crake_server::namenode::command::NodeId::ROOT;
    let commands = [
        Command::Lookup {
            base,
            path: "/d/file-7",
            blocks: true,
        },
        Command::List {
            base,
            path: "/d",
            prefix: b"file",
            after: b"file-3",
            limit: 0,
            blocks: false,
        },
        Command::Lookup {
            base,
            path: "/d/none",
            blocks: false,
        },
    ];
    let run = |namespace: &mut Namespace| {
        for command in &commands {
            let _ = namespace.apply(Now::default(), SessionId(1), command);
        }
        HELD.get()
    };
    let warm = run(&mut namespace);
    let allocations = ALLOCATIONS.get();
    assert_eq!(run(&mut namespace), warm);
    assert_eq!(ALLOCATIONS.get(), allocations);
}
