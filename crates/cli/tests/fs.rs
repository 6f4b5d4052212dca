//! `crake fs` against a real cluster in a process of its own.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use support::{Process, Server, clean, contents, eventually, noise, rows, stderr, text};
use tempfile::{TempDir, tempdir};

/// A folder with what usual folders have, and with what they rarely have.
fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    let write = |path: &str, len: usize| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, noise(len, len as u64)).unwrap();
    };
    write("empty", 0);
    write("one", 1);
    write("small/inner/4096", 4096);
    write("small/4097", 4097);
    write("large/1MiB+1", (1 << 20) + 1);
    write("large/9MiB", 9 << 20);
    write("odd/ leading and trailing ", 10);
    write("odd/new\nline", 11);
    write("odd/-r", 12);
    write("odd/ünï→☃", 13);
    write(&format!("odd/{}", "x".repeat(255)), 14);
    write("odd/..two", 15);
    fs::create_dir_all(folder.path().join("nothing/in/here")).unwrap();
    folder
}

fn local_temporaries(folder: &Path) -> usize {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with(".crake-"))
        .count()
}

#[test]
fn a_tree_comes_back_as_it_went() {
    let (cluster, source, target) = (Server::up(2), folder(), tempdir().unwrap());
    cluster.ok(&["fs", "put", "-r", text(source.path()), "/tree"]);
    let back = target.path().join("back");
    cluster.ok(&["fs", "get", "-r", "/tree", text(&back)]);
    assert_eq!(contents(&back), contents(source.path()));
    // Again, over what is there on both sides.
    let inside = format!("{}/.", text(source.path()));
    cluster.ok(&["fs", "put", "-r", &inside, "/tree"]);
    cluster.ok(&["fs", "get", "-r", "/", text(&back)]);
    assert_eq!(contents(&back.join("tree")), contents(source.path()));
}

#[test]
fn trees_take_the_names_that_cp_gives_them() {
    let (cluster, target) = (Server::up(1), tempdir().unwrap());
    let source = target.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "x").unwrap();
    cluster.ok(&["fs", "put", "-r", text(&source), "/new"]);
    cluster.ok(&["fs", "put", "-r", text(&source), "/new"]);
    cluster.ok(&["fs", "put", text(&source.join("file")), "/new/"]);
    assert_eq!(
        cluster.ok(&["fs", "ls", "-R", "/new"]),
        "/new:\nfile\nsource\n\n/new/source:\nfile\n"
    );
    assert!(
        cluster
            .fails(&["fs", "put", text(&source), "/new"])
            .contains("-r")
    );
    assert!(
        cluster
            .fails(&["fs", "get", "/new", text(target.path())])
            .contains("-r")
    );
    assert!(
        cluster
            .fails(&["fs", "put", text(&source.join("file")), "/none/"])
            .contains("no such directory")
    );
    assert!(
        cluster
            .fails(&["fs", "put", text(&source.join("file")), "/none/file"])
            .contains("not found")
    );
    cluster.ok(&["fs", "get", "-r", "/new", text(target.path())]);
    assert_eq!(fs::read(target.path().join("new/source/file")).unwrap(), b"x");
}

#[test]
fn a_thousand_small_files_come_back() {
    let (cluster, folder) = (Server::up(1), tempdir().unwrap());
    let source = folder.path().join("source");
    for directory in 0..10 {
        fs::create_dir_all(source.join(directory.to_string())).unwrap();
        for file in 0..100 {
            let path = source.join(format!("{directory}/{file}"));
            fs::write(path, noise(file * 7, (directory * 100 + file) as u64)).unwrap();
        }
    }
    let put = cluster.rows(&["fs", "put", "-r", text(&source), "/many"]);
    let summary = put.last().unwrap();
    assert_eq!(
        (put.len(), &summary["files"], &summary["failed"]),
        (1001, &1000.into(), &0.into())
    );
    cluster.ok(&["fs", "get", "-r", "/many", text(&folder.path().join("back"))]);
    assert_eq!(contents(&folder.path().join("back")), contents(&source));
    let du = cluster.rows(&["fs", "du", "-s", "/many"]);
    assert_eq!(du[0]["bytes"], 10 * (0..100).map(|file| file * 7).sum::<u64>());
    assert_eq!(
        (&du[0]["files"], &du[0]["directories"]),
        (&1000.into(), &11.into())
    );
}

#[test]
fn standard_input_and_output_are_files_too() {
    let cluster = Server::up(2);
    let bytes = noise(5_000_001, 5);
    let mut put = Process::start(
        cluster
            .command(&["fs", "put", "-", "/piped"])
            .stdin(Stdio::piped()),
    );
    put.child().stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(put.wait().success());
    assert_eq!(cluster.crake(&["fs", "cat", "/piped"]).stdout, bytes);
    assert_eq!(cluster.crake(&["fs", "get", "/piped", "-"]).stdout, bytes);
    let twice = cluster.crake(&["fs", "cat", "/piped", "/nothing", "/piped"]);
    assert_eq!(
        (twice.status.code(), twice.stdout),
        (Some(1), [&bytes[..], &bytes].concat())
    );
    assert!(cluster.crake(&["fs", "put", "-", "/"]).status.code() == Some(2));
}

#[test]
fn one_missing_source_does_not_stop_the_others() {
    let (cluster, folder) = (Server::up(1), folder());
    let at = |name: &str| text(&folder.path().join(name)).to_owned();
    let said = cluster.fails(&["fs", "put", &at("one"), &at("missing"), &at("small/4097"), "/"]);
    assert!(said.contains("missing: No such file"), "{said}");
    assert_eq!(cluster.ok(&["fs", "ls"]), "4097\none\n");
    let back = tempdir().unwrap();
    let said = cluster.fails(&["fs", "get", "/one", "/gone", "/4097", text(back.path())]);
    assert_eq!(said, "crake: /gone: not found\n");
    assert_eq!(contents(back.path()).len(), 2);
    assert!(
        cluster
            .fails(&["fs", "put", &at("one"), &at("empty"), "/none"])
            .contains("several sources")
    );
    let said = cluster.fails(&["fs", "rm", "/one", "/gone", "/4097"]);
    assert_eq!(said, "crake: /gone: not found\n");
    assert_eq!(cluster.ok(&["fs", "ls"]), "");
}

#[test]
fn links_pipes_and_names_that_are_no_text_are_told_and_left_out() {
    let (cluster, folder) = (Server::up(1), tempdir().unwrap());
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "x").unwrap();
    symlink("file", source.join("link")).unwrap();
    symlink(".", source.join("loop")).unwrap();
    mkfifoat(CWD, source.join("pipe"), Mode::from_raw_mode(0o600)).unwrap();
    let said = stderr(&cluster.crake(&["fs", "put", "-r", text(&source), "/a"]));
    for (name, why) in [
        ("link", "symbolic link"),
        ("loop", "symbolic link"),
        ("pipe", "a pipe"),
    ] {
        let told = said
            .lines()
            .any(|line| line.contains(&format!("source/{name}: left out: ")) && line.contains(why));
        assert!(told, "{name}: {said}");
    }
    assert_eq!(cluster.ok(&["fs", "ls", "/a"]), "file\n");
    let said = cluster.fails(&["fs", "put", "-rL", text(&source), "/b"]);
    assert!(
        said.contains("loop: left out: the link leads to a directory above it"),
        "{said}"
    );
    assert_eq!(cluster.ok(&["fs", "ls", "/b"]), "file\nlink\n");
    fs::write(source.join(OsStr::from_bytes(b"\xff")), "x").unwrap();
    let said = cluster.fails(&["fs", "put", "-r", text(&source), "/c"]);
    assert!(said.contains("its name is not UTF-8"), "{said}");
    assert_eq!(cluster.ok(&["fs", "ls", "/c"]), "file\n");
}

#[test]
fn json_lines_say_what_the_text_says() {
    let (cluster, folder) = (Server::up(2), folder());
    let put = cluster.rows(&["fs", "put", "-r", text(folder.path()), "/t"]);
    assert_eq!(put.len(), 12 + 1);
    let large = put.iter().find(|row| row["to"] == "/t/large/9MiB").unwrap();
    assert_eq!(large["bytes"], 9 << 20);
    let list = cluster.rows(&["fs", "ls", "-R", "/t"]);
    assert_eq!(list.len(), contents(folder.path()).len());
    assert!(
        list.iter()
            .any(|row| row["path"] == "/t/odd/new\nline" && row["size"] == 11)
    );
    let tree = cluster.rows(&["fs", "tree", "/t"]);
    assert_eq!(tree.len(), list.len() + 1);
    let stat = cluster.rows(&["fs", "stat", "/t/large/9MiB", "/t"]);
    let blocks = stat[0]["blocks"].as_array().unwrap();
    let capacity: u64 = blocks.iter().map(|block| block["bytes"].as_u64().unwrap()).sum();
    assert!(capacity >= 9 << 20 && stat[0]["allotted"] == capacity, "{stat:?}");
    assert!(
        blocks
            .iter()
            .all(|block| block["datanodes"][0].as_str().unwrap().starts_with("datanode"))
    );
    assert_eq!(stat[1]["kind"], "directory");
    let failed = cluster.crake(&["fs", "get", "--json", "/gone", text(folder.path())]);
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(rows(&String::from_utf8(failed.stdout).unwrap())[0]["failed"], 1);
}

#[test]
fn mv_rm_and_mkdir_are_those_of_files() {
    let (cluster, folder) = (Server::up(1), folder());
    let one = folder.path().join("one");
    cluster.ok(&["fs", "mkdir", "-p", "/a/b", "/a/b", "/c"]);
    assert!(cluster.fails(&["fs", "mkdir", "/a"]).contains("already exists"));
    assert!(cluster.fails(&["fs", "mkdir", "/no/where"]).contains("not found"));
    cluster.ok(&["fs", "put", text(&one), "/x"]);
    cluster.ok(&["fs", "put", text(&folder.path().join("empty")), "/y"]);
    cluster.ok(&["fs", "mv", "/x", "/y"]);
    assert_eq!(
        cluster.crake(&["fs", "cat", "/y"]).stdout,
        fs::read(&one).unwrap()
    );
    cluster.ok(&["fs", "mv", "/y", "/c", "/a"]);
    assert_eq!(
        cluster.ok(&["fs", "tree", "-L", "1", "/a"]),
        "/a\n├── b\n├── c\n└── y\n\n2 directories, 1 file\n"
    );
    assert!(
        cluster
            .fails(&["fs", "mv", "/a", "/a/b"])
            .contains("below itself")
    );
    cluster.ok(&["fs", "put", text(&one), "/z"]);
    assert!(
        cluster
            .fails(&["fs", "mv", "-n", "/z", "/a/y"])
            .contains("already exists")
    );
    assert!(cluster.fails(&["fs", "rm", "/a"]).contains("-r"));
    cluster.ok(&["fs", "rm", "-r", "/a"]);
    cluster.ok(&["fs", "rm", "-f", "/a", "/z"]);
    assert_eq!(cluster.ok(&["fs", "ls", "/"]), "");
    assert!(cluster.fails(&["fs", "rm", "-r", "/"]).contains("root"));
}

#[test]
fn wrong_usage_is_exit_code_2_without_a_cluster() {
    for arguments in [
        &["fs"][..],
        &["fs", "put", "one"],
        &["fs", "get", "one"],
        &["fs", "ls", ""],
        &["fs", "ls", "--sideways"],
        &["fs", "mv", "/a"],
        &["fs", "tree", "-L", "0"],
        &["fs", "ls", "--url", "ftp://x"],
        &["kv", "put", "/t", "key"],
        &["kv", "put", "--if-absent", "--if-version", "1", "/t", "k", "v"],
        &["up", "--dram", "lots"],
        &["up", "--listen", "here"],
        &["up", "--waiting", "never"],
        &["demo", "--limit", "x"],
    ] {
        let output = support::command(arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_disk_that_fills_costs_one_file_and_leaves_nothing_of_it() {
    let (cluster, folder) = (Server::up(1), folder());
    cluster.ok(&["fs", "put", "-r", text(folder.path()), "/t"]);
    let back = tempdir().unwrap();
    // A limit on the size of a file is the full disk that needs no root: with the signal ignored, writing fails.
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" fs get -r /t \"$1\" --url \"$2\"";
    let mut command = Command::new("sh");
    clean(&mut command).args([
        "-c",
        script,
        env!("CARGO_BIN_EXE_crake"),
        text(back.path()),
        cluster.url(),
    ]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains("large/9MiB: writing") && said.lines().count() == 1,
        "{said}"
    );
    let mut expected = contents(folder.path());
    expected.remove(Path::new("large/9MiB"));
    assert_eq!(contents(&back.path().join("t")), expected);
}

#[test]
fn a_file_is_replaced_only_when_it_is_whole_and_keeps_its_permissions() {
    let (cluster, folder) = (Server::up(1), folder());
    cluster.ok(&["fs", "put", text(&folder.path().join("small/4097")), "/f"]);
    let target = tempdir().unwrap();
    let file = target.path().join("f");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("f", target.path().join("link")).unwrap();
    cluster.fails(&["fs", "get", "/gone", text(&file)]);
    assert_eq!(fs::read(&file).unwrap(), b"old");
    cluster.ok(&["fs", "get", "/f", text(&target.path().join("link"))]);
    assert_eq!(fs::read(&file).unwrap(), noise(4097, 4097));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(target.path().join("link").is_symlink());
    cluster.ok(&["fs", "get", "/f", "/dev/null"]);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn an_interrupted_get_leaves_no_partial_file() {
    let (cluster, folder) = (Server::up(1), tempdir().unwrap());
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    fs::write(&source, noise(60 << 20, 1)).unwrap();
    fs::create_dir(&target).unwrap();
    cluster.ok(&["fs", "put", text(&source), "/big"]);
    let mut get = Process::start(&mut cluster.command(&["fs", "get", "/big", text(&target)]));
    eventually("a partial file", || local_temporaries(&target) == 1);
    // From here on it cannot get any further.
    cluster.process.signal(Signal::STOP);
    get.signal(Signal::INT);
    let status = get.wait();
    cluster.process.signal(Signal::CONT);
    assert_eq!(status.code(), Some(130));
    assert_eq!(contents(&target).len(), 0);
}

#[test]
fn an_interrupted_put_leaves_no_partial_file() {
    let cluster = Server::up(1);
    let mut put = Process::start(
        cluster
            .command(&["fs", "put", "-", "/half"])
            .stdin(Stdio::piped()),
    );
    let mut stdin = put.child().stdin.take().unwrap();
    stdin.write_all(&noise(3 << 20, 1)).unwrap();
    eventually("a file that is being written", || {
        cluster
            .rows(&["fs", "ls"])
            .iter()
            .any(|row| row["path"] == "/half" && row["open"] == true)
    });
    put.signal(Signal::INT);
    assert_eq!(put.wait().code(), Some(130));
    assert_eq!(cluster.ok(&["fs", "ls"]), "");
    drop(stdin);
}

#[test]
fn a_second_signal_ends_what_the_first_one_cannot() {
    let (cluster, folder) = (Server::up(1), folder());
    cluster.ok(&["fs", "put", text(&folder.path().join("one")), "/one"]);
    let pipe = folder.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o600)).unwrap();
    // Opening a pipe that nobody reads blocks the thread.
    let mut get = Process::start(&mut cluster.command(&["fs", "get", "/one", text(&pipe)]));
    std::thread::sleep(std::time::Duration::from_millis(300));
    get.signal(Signal::INT);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(
        get.child().try_wait().unwrap().is_none(),
        "the first signal is not enough here"
    );
    get.signal(Signal::INT);
    assert_eq!(get.wait().code(), Some(130));
}

#[test]
fn a_multifile_is_filled_sealed_and_read_as_one() {
    let (cluster, folder) = (Server::up(2), tempdir().unwrap());
    cluster.ok(&["fs", "mkdir", "-p", "--multifile", "/jobs/out"]);
    let mut whole = Vec::new();
    let mut sources = Vec::new();
    for (name, len) in [("part-2", 3 << 20), ("part-1", 100_000), ("part-0", 0)] {
        let path = folder.path().join(name);
        fs::write(&path, noise(len, len as u64)).unwrap();
        sources.push(text(&path).to_owned());
    }
    whole.extend(noise(100_000, 100_000));
    whole.extend(noise(3 << 20, 3 << 20));
    let mut put = vec!["fs", "put"];
    put.extend(sources.iter().map(String::as_str));
    put.push("/jobs/out");
    cluster.ok(&put);
    assert_eq!(cluster.ok(&["fs", "ls", "/jobs/out"]), "part-0\npart-1\npart-2\n");
    assert!(
        cluster
            .ok(&["fs", "stat", "/jobs/out"])
            .contains("more parts may come")
    );
    assert_eq!(
        cluster.ok(&["fs", "du", "-s", "/jobs/out"]),
        format!("{}\t/jobs/out\n", whole.len())
    );
    let local = folder.path().join("whole");
    cluster.ok(&["fs", "get", "/jobs/out", text(&local)]);
    assert!(fs::read(&local).unwrap() == whole);
    let sealed = cluster.rows(&["fs", "seal", "/jobs/out"]);
    assert_eq!(sealed[0]["parts"], 3);
    let printed = cluster.crake(&["fs", "cat", "-f", "/jobs/out"]);
    assert!(printed.status.success() && printed.stdout == whole);
    let refused = cluster.crake(&["fs", "put", &sources[0], "/jobs/out/part-9"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("/jobs/out/part-9: the multifile is sealed and gets no more parts"));
    let wrong = cluster.crake(&["fs", "seal", "/jobs"]);
    assert!(stderr(&wrong).contains("a directory, not a multifile"));
}

#[test]
fn a_file_is_printed_as_it_is_written() {
    let cluster = Server::up(1);
    let mut put = cluster
        .command(&["fs", "put", "-", "/log"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = put.stdin.take().unwrap();
    stdin.write_all(&noise(3 << 20, 1)).unwrap();
    eventually("the file is there", || {
        cluster.crake(&["fs", "stat", "/log"]).status.success()
    });
    let cat = cluster
        .command(&["fs", "cat", "-f", "/log"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    stdin.write_all(&noise(3 << 20, 2)).unwrap();
    drop(stdin);
    assert!(put.wait().unwrap().success());
    let printed = cat.wait_with_output().unwrap();
    assert!(printed.status.success());
    let whole = [noise(3 << 20, 1), noise(3 << 20, 2)].concat();
    assert!(printed.stdout == whole, "{} bytes", printed.stdout.len());
}

#[test]
fn what_happens_in_a_directory_is_printed_as_it_happens() {
    let cluster = Server::up(1);
    cluster.ok(&["fs", "mkdir", "/d"]);
    let watch = cluster
        .command(&["--json", "fs", "watch", "/d"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Until it has begun, nothing is told: then what happens in /d is.
    let mut number = 0;
    let quick = cluster
        .command(&["fs", "watch", "/d", "-n", "1", "-t", "30"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut quick = Some(quick);
    eventually("an event is told", || {
        number += 1;
        cluster.ok(&["fs", "mkdir", &format!("/d/{number}")]);
        match quick.as_mut().unwrap().try_wait().unwrap() {
            Some(status) => status.success(),
            None => false,
        }
    });
    let told = quick.take().unwrap().wait_with_output().unwrap();
    let line = String::from_utf8(told.stdout).unwrap();
    assert!(
        line.starts_with("created ") && line.lines().count() == 1,
        "{line}"
    );
    cluster.ok(&["fs", "mkdir", "/d/last"]);
    cluster.ok(&["fs", "rm", "-r", "/d"]);
    let all = watch.wait_with_output().unwrap();
    assert!(all.status.success());
    let events = rows(&String::from_utf8(all.stdout).unwrap());
    let last = &events[events.len() - 2..];
    assert_eq!(
        (last[0]["happened"].as_str(), last[0]["name"].as_str()),
        (Some("created"), Some("last"))
    );
    assert_eq!(
        (last[1]["happened"].as_str(), last[1]["name"].as_str()),
        (Some("deleted"), Some(""))
    );
    let silent = cluster.crake(&["fs", "watch", "/", "-t", "1"]);
    assert!(stderr(&silent).contains("/: nothing happened for 1 s"));
}
