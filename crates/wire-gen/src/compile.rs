//! The way from files to text: parse, check, emit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::schema::{self, well_known};
use crate::{Error, Protos, emit, resolve};

/// Compiles .proto files of one package, found below `includes`, and gives the Rust text.
///
/// # Errors
///
/// When a file cannot be read or parsed, when it uses what the format does not carry, or when the files are of more
/// than one package ([`Config`] compiles those).
pub fn compile(files: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<String, Error> {
    let mut config = Config::new();
    config
        .files
        .extend(files.iter().map(|file| file.as_ref().to_owned()));
    config
        .includes
        .extend(includes.iter().map(|include| include.as_ref().to_owned()));
    let mut modules = config.compile()?;
    match modules.pop() {
        Some(module) if modules.is_empty() => Ok(module.text),
        Some(_) => Err(Error::new(
            "the files are of more than one package: use Config, which makes a module of each",
        )),
        None => Err(Error::new("no .proto file was given")),
    }
}

/// What to compile, and how packages are found from each other.
#[derive(Debug, Clone, Default)]
pub struct Config {
    files: Vec<PathBuf>,
    includes: Vec<PathBuf>,
    packages: BTreeMap<String, String>,
    inlined: BTreeSet<String>,
    gathers: bool,
    stubs: bool,
}

/// The Rust text of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The package, `crake.namenode` for example.
    pub package: String,
    /// The items, to be included in a module of the user's choice.
    pub text: String,
}

impl Config {
    /// Nothing to compile yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// Adds a folder that files and their imports are looked for in.
    #[must_use]
    pub fn include(mut self, path: impl Into<PathBuf>) -> Self {
        self.includes.push(path.into());
        self
    }

    /// Says under which Rust path the items of `package` are found by other packages, `crate::protocol::common` for
    /// example. Package `google.protobuf` is found at `::crake_wire::well_known` unless this says something else.
    #[must_use]
    pub fn package_path(mut self, package: impl Into<String>, path: impl Into<String>) -> Self {
        self.packages.insert(package.into(), path.into());
        self
    }

    /// Makes `bytes` and `string` fields of all messages `crake_wire::Payload` and `crake_wire::Text`, which need not be copied
    /// into the message, instead of slices, which are. For messages that carry bulk data.
    #[must_use]
    pub fn gathered(mut self) -> Self {
        self.gathers = true;
        self
    }

    /// Gives each service, beside the numbers of its methods, a trait to implement for who serves it and a struct with a function
    /// for each method for who calls it. They stand on the crate `crake-rpc`.
    #[must_use]
    pub fn services(mut self) -> Self {
        self.stubs = true;
        self
    }

    /// Has a message put together wherever it is sent from, by its full name: `crake.namenode.LookupReply`. For the few
    /// that are sent most: what fills them need not lie in memory first, and the code is there once for each place.
    #[must_use]
    pub fn inlined(mut self, message: impl Into<String>) -> Self {
        self.inlined.insert(message.into());
        self
    }

    /// Compiles to one module for each package of the files given, in the order of the packages' names.
    ///
    /// # Errors
    ///
    /// As [`compile`], but for the number of packages.
    pub fn compile(&self) -> Result<Vec<Module>, Error> {
        self.modules(&self.parse()?)
    }

    /// For a `build.rs`: writes `$OUT_DIR/PACKAGE.rs` for each package, and tells cargo to run again when one of the
    /// files changes.
    ///
    /// # Errors
    ///
    /// As [`compile`](Config::compile), and when the folder cannot be written.
    pub fn compile_to_out_dir(&self) -> Result<(), Error> {
        let folder = env::var_os("OUT_DIR")
            .ok_or_else(|| Error::new("OUT_DIR is not set: call this from a build.rs"))?;
        let parsed = self.parse()?;
        for path in parsed.files().filter_map(|file| file.path()) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        for module in self.modules(&parsed)? {
            let path = Path::new(&folder).join(format!("{}.rs", module.package));
            fs::write(&path, module.text)
                .map_err(|error| Error::new(format!("cannot write {}: {error}", path.display())))?;
        }
        Ok(())
    }

    /// What the files declare, for those that work with descriptors ([`dynamic`](crate::dynamic), [`breaking`](crate::breaking())).
    /// Rust's names do not matter there, so nothing is refused but what the parser refuses.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or parsed.
    pub fn load(&self) -> Result<Protos, Error> {
        Ok(Protos::new(&self.parse()?))
    }

    fn parse(&self) -> Result<protox::Compiler, Error> {
        let mut compiler = resolve::compiler(&self.includes);
        compiler
            .include_imports(true)
            .include_source_info(true)
            .open_files(&self.files)?;
        Ok(compiler)
    }

    fn modules(&self, parsed: &protox::Compiler) -> Result<Vec<Module>, Error> {
        let given: Vec<&str> = parsed
            .files()
            .filter(|file| !file.is_import())
            .map(|file| file.name())
            .collect();
        let mut packages = self.packages.clone();
        packages
            .entry(well_known::PACKAGE.to_owned())
            .or_insert_with(|| well_known::RUST_PATH.to_owned());
        let settings = schema::Settings {
            paths: &packages,
            inlined: &self.inlined,
            gathers: self.gathers,
            stubs: self.stubs,
        };
        let schemas = schema::check(
            &parsed.file_descriptor_set(),
            &parsed.descriptor_pool(),
            &given,
            settings,
        )?;
        Ok(schemas
            .into_iter()
            .map(|schema| Module {
                text: emit::module(&schema),
                package: schema.package,
            })
            .collect())
    }
}
