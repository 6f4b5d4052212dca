//! Which .proto files are meant, and where what they import is looked for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use crake_wire_gen::{Config, Protos};
use prost_reflect::MessageDescriptor;

use crate::exit::Usage;

/// Where imports are looked for.
#[derive(Args, Debug)]
pub struct Includes {
    /// Folder that files and their imports are looked for in; may be repeated. Without one, the current folder; the
    /// folders of the files themselves come last
    #[arg(short = 'I', long = "include", value_name = "DIR")]
    folders: Vec<PathBuf>,
}

impl Includes {
    /// These files, and where their imports are.
    pub fn config(&self, files: &[PathBuf]) -> Config {
        let current = self.folders.is_empty().then(|| PathBuf::from("."));
        let own = files.iter().filter_map(|file| Some(folder_of(file.parent()?)));
        let mut folders: Vec<PathBuf> = Vec::new();
        for folder in self.folders.iter().cloned().chain(current).chain(own) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        let config = folders.into_iter().fold(Config::new(), Config::include);
        files.iter().fold(config, Config::file)
    }

    /// The files of one version: one file, or all in a folder, which then is where their imports are.
    pub fn version(&self, path: &Path) -> Result<Protos> {
        let metadata = fs::metadata(path).with_context(|| path.display().to_string())?;
        let (folder, files) = if metadata.is_dir() {
            (path.to_owned(), below(path)?)
        } else {
            (folder_of(path.parent().unwrap_or(path)), vec![path.to_owned()])
        };
        if files.is_empty() {
            return Err(Usage(format!("{} has no .proto file", path.display())).into());
        }
        let config = self
            .folders
            .iter()
            .fold(Config::new().include(folder), Config::include);
        Ok(files.into_iter().fold(config, Config::file).load()?)
    }
}

/// A message type of .proto files.
#[derive(Args, Debug)]
pub struct TypeArguments {
    /// The .proto file that declares the message; may be repeated
    #[arg(long, required = true, value_name = "FILE")]
    proto: Vec<PathBuf>,
    #[command(flatten)]
    includes: Includes,
    /// The message, with its package: crake.namenode.Block
    #[arg(long = "type", value_name = "MESSAGE")]
    name: String,
}

impl TypeArguments {
    /// What declares the messages.
    pub fn descriptor(&self) -> Result<MessageDescriptor> {
        let protos = self.includes.config(&self.proto).load()?;
        Ok(protos.message(&self.name)?)
    }
}

/// The folder of a file that was named without one is the current one.
fn folder_of(parent: &Path) -> PathBuf {
    let is_current = parent == Path::new("");
    if is_current { ".".into() } else { parent.into() }
}

/// All .proto files in a folder and in those within it, in the order of their paths. Links are not followed into folders, so it ends.
fn below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let entry = entry.with_context(|| folder.display().to_string())?;
            let path = entry.path();
            let kind = entry.file_type().with_context(|| path.display().to_string())?;
            if kind.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "proto") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
