//! Settings in layers: defaults, then the config file, then the environment, then flags; the last one wins.
//!
//! Every setting is declared once, in [`SETTINGS`]: its key in the file, from which the name of its environment variable
//! follows (`bench.repetitions` is `CRAKE_BENCH_REPETITIONS`), its kind, and its default. A key that is not declared is
//! refused with the nearest one that is.

pub mod print;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crake_store::ConnectOptions;
use thiserror::Error;

use crate::endpoint;
use crate::size::Size;

/// A declared setting.
#[derive(Debug)]
pub struct Setting {
    /// Its key in the file, with a dot between table and name.
    pub key: &'static str,
    /// What its text must be.
    pub kind: Kind,
    /// Its value when nobody gives one.
    pub default: &'static str,
    /// What it is for, in one line.
    pub help: &'static str,
}

/// What the text of a setting must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `crake://host:port`, as the store takes it.
    Url,
    /// A whole number from 1 on.
    Count,
    /// A number of bytes with or without a unit, from 1 on.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Addresses to listen at, separated by commas.
    Listen,
    /// Addresses of servers, separated by commas; empty is none.
    Peers,
    /// A directory; empty is none.
    Directory,
}

/// The cluster that a command talks to.
pub static URL: Setting = Setting {
    key: "url",
    kind: Kind::Url,
    default: "crake://localhost:9060",
    help: "the cluster that commands talk to",
};

/// What a server does while it has nothing to do.
pub static WAITING: Setting = Setting {
    key: "waiting",
    kind: Kind::Choice(&["adaptive", "busy", "sleep"]),
    default: "adaptive",
    help: "idle servers spin for 50 us and then sleep (adaptive), never sleep (busy), or never spin (sleep)",
};

/// Where a namenode listens. Loopback, for whoever reaches a cluster may do everything in it.
pub static NAMENODE_LISTEN: Setting = Setting {
    key: "namenode.listen",
    kind: Kind::Listen,
    default: "127.0.0.1:9060",
    help: "where a namenode listens",
};

/// Where a datanode listens.
pub static DATANODE_LISTEN: Setting = Setting {
    key: "datanode.listen",
    kind: Kind::Listen,
    default: "127.0.0.1:50020",
    help: "where a datanode listens",
};

/// How much memory a datanode gives.
pub static DATANODE_DRAM: Setting = Setting {
    key: "datanode.dram",
    kind: Kind::Size,
    default: "1GiB",
    help: "memory that a datanode gives to its cluster, in whole MiB",
};

/// How much memory a namenode has for answers that clients find by themselves.
pub static NAMENODE_ANSWERS: Setting = Setting {
    key: "namenode.answers",
    kind: Kind::Size,
    default: "16MiB",
    help: "memory for answers that this user's programs on this machine find without asking the namenode; 0: none",
};

/// Where a namenode keeps what must outlive it.
pub static NAMENODE_LOG: Setting = Setting {
    key: "namenode.log",
    kind: Kind::Directory,
    default: "",
    help: "directory of a namenode's log, from which it has everything again when it starts; empty: none",
};

/// How many partitions a namenode process has.
pub static NAMENODE_CORES: Setting = Setting {
    key: "namenode.cores",
    kind: Kind::Count,
    default: "1",
    help: "partitions of the namespace in a namenode process, each with a core of its own",
};

/// Where all processes of a namespace are.
pub static NAMENODE_PEERS: Setting = Setting {
    key: "namenode.peers",
    kind: Kind::Peers,
    default: "",
    help: "where all namenode processes of a namespace are, in the same order at each; empty: there is one",
};

/// What an answered change survives.
pub static NAMENODE_DURABILITY: Setting = Setting {
    key: "namenode.durability",
    kind: Kind::Choice(&["none", "async", "sync"]),
    default: "async",
    help: "with a log, what was answered survives nothing (none), the end of the namenode (async), or of its machine (sync)",
};

/// How long a log may get before a snapshot takes the place of a part of it.
pub static NAMENODE_LOG_SEGMENT: Setting = Setting {
    key: "namenode.log_segment",
    kind: Kind::Size,
    default: "64MiB",
    help: "bytes of a part of the log, at least 4 MiB; with each that is full a snapshot is made, and the part removed",
};

/// How this user's programs write to a datanode on their machine.
pub static DATANODE_LOCAL_WRITE: Setting = Setting {
    key: "datanode.local_write",
    kind: Kind::Choice(&["ring", "map"]),
    default: "ring",
    help: "this user's programs on this machine send what they write (ring), or map the blocks and write there by themselves (map)",
};

/// Where a datanode keeps its blocks.
pub static DATANODE_PERSIST: Setting = Setting {
    key: "datanode.persist",
    kind: Kind::Directory,
    default: "",
    help: "directory of files that a datanode's blocks lie in, to be there again when it starts again; empty: they are gone when it ends",
};

/// Whether servers offer shared memory.
pub static SHM: Setting = Setting {
    key: "shm",
    kind: Kind::Choice(&["on", "off"]),
    default: "on",
    help: "whether servers, wherever they listen, also offer shared memory to this user's programs on this machine",
};

/// How many datanodes `crake up` has.
pub static UP_DATANODES: Setting = Setting {
    key: "up.datanodes",
    kind: Kind::Count,
    default: "1",
    help: "datanodes of `crake up`",
};

/// How many good repetitions a benchmark wants.
pub static BENCH_REPETITIONS: Setting = Setting {
    key: "bench.repetitions",
    kind: Kind::Count,
    default: "7",
    help: "good repetitions that a benchmark wants before it reports",
};

/// All settings, ordered by key.
pub static SETTINGS: &[&Setting] = &[
    &BENCH_REPETITIONS,
    &DATANODE_DRAM,
    &DATANODE_LISTEN,
    &DATANODE_LOCAL_WRITE,
    &DATANODE_PERSIST,
    &NAMENODE_ANSWERS,
    &NAMENODE_CORES,
    &NAMENODE_DURABILITY,
    &NAMENODE_LISTEN,
    &NAMENODE_LOG,
    &NAMENODE_LOG_SEGMENT,
    &NAMENODE_PEERS,
    &SHM,
    &UP_DATANODES,
    &URL,
    &WAITING,
];

/// A flag of the command line that gives a setting its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As the user wrote it: `--listen`.
    pub name: String,
    /// Of the setting.
    pub key: String,
    /// Its text.
    pub value: String,
}

impl Flag {
    /// The flag `name` of `setting`, if it was given.
    pub fn new(name: &str, setting: &Setting, value: Option<&String>) -> Option<Flag> {
        value.map(|value| Flag {
            name: name.into(),
            key: setting.key.into(),
            value: value.clone(),
        })
    }

    /// The `KEY=VALUE` of a `--set` flag.
    pub fn assignment(text: &str) -> Result<Flag, ConfigError> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| ConfigError::NotAnAssignment(text.into()))?;
        Ok(Flag {
            name: "--set".into(),
            key: key.trim().into(),
            value: value.trim().into(),
        })
    }
}

/// Who gave a setting its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody; it is the default.
    Default,
    /// The config file at this path.
    File(PathBuf),
    /// The environment variable of this name.
    Environment(String),
    /// This flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Why the settings are not usable. All of these are the caller's mistakes.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The config file cannot be read.
    #[error("config file {}: {error}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The config file is not TOML.
    #[error("config file {}: {error}", path.display())]
    NotToml {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        error: Box<toml::de::Error>,
    },
    /// No setting has this key.
    #[error("{origin}: there is no setting `{key}`{}", suggestion(key))]
    UnknownKey {
        /// The key as it was given.
        key: String,
        /// Who gave it.
        origin: Origin,
    },
    /// The value is not of the setting's kind.
    #[error("{origin}: `{key}` cannot be `{value}`: {why}")]
    BadValue {
        /// Which setting.
        key: &'static str,
        /// Its text as it was given.
        value: String,
        /// Who gave it.
        origin: Origin,
        /// What it must be.
        why: String,
    },
    /// `--set` without `=`.
    #[error("--set takes KEY=VALUE, not `{0}`")]
    NotAnAssignment(String),
}

/// Every setting with its value and origin.
#[derive(Debug)]
pub struct Config {
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl Config {
    /// Lays `file`, `environment` and `flags` over the defaults, in this order.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = Flag>,
    ) -> Result<Config, ConfigError> {
        let defaults = SETTINGS
            .iter()
            .map(|s| (s.key, (s.default.into(), Origin::Default)));
        let mut config = Config {
            values: defaults.collect(),
        };
        if let Some(path) = file {
            config.lay_file(path)?;
        }
        config.lay_environment(environment)?;
        for Flag { name, key, value } in flags {
            config.lay(&key, value, Origin::Flag(name))?;
        }
        Ok(config)
    }

    /// The text of a setting.
    pub fn text(&self, setting: &Setting) -> &str {
        &self.values[setting.key].0
    }

    /// The number of a setting whose kind is [`Kind::Count`].
    pub fn count(&self, setting: &Setting) -> u64 {
        assert_eq!(setting.kind, Kind::Count, "{} is no count", setting.key);
        self.text(setting)
            .parse()
            .expect("it was checked when it was laid down")
    }

    /// The bytes of a setting whose kind is [`Kind::Size`].
    pub fn size(&self, setting: &Setting) -> Size {
        assert_eq!(setting.kind, Kind::Size, "{} is no size", setting.key);
        self.text(setting)
            .parse()
            .expect("it was checked when it was laid down")
    }

    /// Who gave a setting its value.
    pub fn origin(&self, setting: &Setting) -> &Origin {
        &self.values[setting.key].1
    }

    fn lay_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.into(),
            error,
        })?;
        let table: toml::Table = text.parse().map_err(|error| ConfigError::NotToml {
            path: path.into(),
            error: Box::new(error),
        })?;
        self.lay_table("", &table, path)
    }

    fn lay_table(&mut self, prefix: &str, table: &toml::Table, path: &Path) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                toml::Value::Table(inner) if is_table(&key) => {
                    self.lay_table(&format!("{key}."), inner, path)?
                }
                toml::Value::String(text) => self.lay(&key, text.clone(), Origin::File(path.into()))?,
                other => self.lay(&key, other.to_string(), Origin::File(path.into()))?,
            }
        }
        Ok(())
    }

    /// Takes the variables that belong to settings. Others that begin with `CRAKE_` may be somebody else's (a cluster
    /// manager announces a service named "crake" in `CRAKE_SERVICE_HOST`), so only what looks like a slip is refused.
    fn lay_environment(
        &mut self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (name, value) in environment {
            let Some(rest) = name.strip_prefix("CRAKE_") else {
                continue;
            };
            if let Some(setting) = SETTINGS.iter().find(|s| variable(s.key) == name) {
                self.lay(setting.key, value, Origin::Environment(name))?;
            } else if !["CONFIG", "JOB", "JOB_DIR", "LOG"].contains(&rest) && is_slip(&name) {
                let key = rest.to_ascii_lowercase();
                return Err(ConfigError::UnknownKey {
                    key,
                    origin: Origin::Environment(name),
                });
            }
        }
        Ok(())
    }

    fn lay(&mut self, key: &str, value: String, origin: Origin) -> Result<(), ConfigError> {
        let Some(setting) = SETTINGS.iter().find(|s| s.key == key) else {
            return Err(ConfigError::UnknownKey {
                key: key.into(),
                origin,
            });
        };
        if let Err(why) = check(setting.kind, &value) {
            return Err(ConfigError::BadValue {
                key: setting.key,
                value,
                origin,
                why,
            });
        }
        self.values.insert(setting.key, (value, origin));
        Ok(())
    }
}

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    format!("CRAKE_{}", key.replace('.', "_").to_ascii_uppercase())
}

fn check(kind: Kind, value: &str) -> Result<(), String> {
    match kind {
        Kind::Url => value
            .parse::<ConnectOptions>()
            .map(drop)
            .map_err(|error| error.to_string()),
        Kind::Count if value.parse::<u64>().map_or(true, |count| count == 0) => {
            Err("it must be a whole number from 1 on".into())
        }
        Kind::Size => match value.parse::<Size>() {
            Ok(Size(0)) => Err("it must be at least 1 byte".into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
        Kind::Choice(words) if !words.contains(&value) => {
            Err(format!("it must be one of {}", words.join(", ")))
        }
        Kind::Peers if value.is_empty() => Ok(()),
        Kind::Listen | Kind::Peers => endpoint::parse_all(value).map(drop),
        Kind::Count | Kind::Choice(_) | Kind::Directory => Ok(()),
    }
}

/// Whether `key` is a table that holds settings.
fn is_table(key: &str) -> bool {
    SETTINGS
        .iter()
        .any(|s| s.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

fn is_slip(name: &str) -> bool {
    SETTINGS
        .iter()
        .any(|s| strsim::osa_distance(&variable(s.key), name) <= 2)
}

fn suggestion(key: &str) -> String {
    let nearest = SETTINGS.iter().min_by_key(|s| strsim::osa_distance(s.key, key));
    nearest.map_or(String::new(), |s| format!("; the nearest is `{}`", s.key))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|&(name, value)| (name.into(), value.into()))
            .collect()
    }

    fn set(assignments: &[&str]) -> Vec<Flag> {
        assignments
            .iter()
            .map(|text| Flag::assignment(text).unwrap())
            .collect()
    }

    #[test]
    fn settings_are_ordered_and_their_defaults_hold() {
        assert!(SETTINGS.is_sorted_by_key(|s| s.key));
        for setting in SETTINGS {
            assert_eq!(check(setting.kind, setting.default), Ok(()), "{}", setting.key);
        }
    }

    #[test]
    fn each_layer_covers_the_one_below() {
        let file = file("url = 'crake://file:1'\n[bench]\nrepetitions = 9\n");
        let path = Some(file.path());
        let environment = variables(&[("CRAKE_URL", "crake://environment:1")]);

        let config = Config::load(None, [], []).unwrap();
        assert_eq!(
            (config.text(&URL), config.origin(&URL)),
            ("crake://localhost:9060", &Origin::Default)
        );
        let config = Config::load(path, [], []).unwrap();
        assert_eq!(
            (config.text(&URL), config.count(&BENCH_REPETITIONS)),
            ("crake://file:1", 9)
        );
        let config = Config::load(path, environment.clone(), []).unwrap();
        assert_eq!(config.text(&URL), "crake://environment:1");
        assert_eq!(config.origin(&URL), &Origin::Environment("CRAKE_URL".into()));
        let config = Config::load(path, environment, set(&["url=crake://flag:1"])).unwrap();
        assert_eq!(
            (config.text(&URL), config.origin(&URL)),
            ("crake://flag:1", &Origin::Flag("--set".into()))
        );
        assert_eq!(
            config.origin(&BENCH_REPETITIONS),
            &Origin::File(file.path().into())
        );
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        for (text, key) in [
            ("ulr = 'crake://a:1'", "ulr"),
            ("[bench]\nrepetition = 3", "bench.repetition"),
            ("[url]\nx = 1", "url"),
        ] {
            let file = file(text);
            let error = Config::load(Some(file.path()), [], []).unwrap_err();
            assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
            assert!(
                error.to_string().contains(&file.path().display().to_string()),
                "{error}"
            );
        }
        let error = Config::load(None, [], set(&["bench.repititions=3"])).unwrap_err();
        assert!(
            error.to_string().contains("the nearest is `bench.repetitions`"),
            "{error}"
        );
    }

    #[test]
    fn a_slip_in_the_environment_is_refused_and_a_stranger_passed_over() {
        let error = Config::load(None, variables(&[("CRAKE_ULR", "crake://a:1")]), []).unwrap_err();
        assert!(error.to_string().contains("the nearest is `url`"), "{error}");
        let strangers = [
            ("CRAKE_SERVICE_HOST", "10.0.0.1"),
            ("CRAKE_CONFIG", "x"),
            ("CRAKE_LOG", "debug"),
            ("PATH", "/bin"),
        ];
        assert!(Config::load(None, variables(&strangers), []).is_ok());
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused_and_says_who_gave_it() {
        for (key, value) in [
            ("url", "localhost"),
            ("waiting", "never"),
            ("shm", "yes"),
            ("datanode.local_write", "copy"),
            ("datanode.dram", "lots"),
            ("namenode.listen", "here"),
            ("bench.repetitions", "0"),
            ("bench.repetitions", "many"),
        ] {
            let error = Config::load(None, [], set(&[&format!("{key}={value}")])).unwrap_err();
            assert!(matches!(error, ConfigError::BadValue { .. }), "{error}");
            assert!(error.to_string().contains("--set"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_no_toml_is_an_error() {
        let missing = Config::load(Some(Path::new("/nonexistent/crake.toml")), [], []);
        assert!(matches!(missing, Err(ConfigError::Unreadable { .. })));
        let broken = file("url = ");
        assert!(matches!(
            Config::load(Some(broken.path()), [], []),
            Err(ConfigError::NotToml { .. })
        ));
        assert!(matches!(
            Flag::assignment("url"),
            Err(ConfigError::NotAnAssignment(_))
        ));
    }
}
