//! Fixed messages.

use std::collections::BTreeMap;

use prost_reflect::DescriptorPool;
use prost_types::{DescriptorProto, FileDescriptorSet};

use super::Fixed;
use super::check::FileCheck;
use super::source::Source;
use crate::Error;
use crate::fixed::{Layout, Refused, is_fixed, layout};

/// The fixed messages of all files by their full names, `.crake.mesh.Point`. Where one cannot be fixed, the error is of its
/// own file, whoever imports that.
pub(super) fn layouts(
    files: &FileDescriptorSet,
    pool: &DescriptorPool,
) -> Result<BTreeMap<String, Layout>, Error> {
    pool.all_messages()
        .filter(is_fixed)
        .map(|message| {
            let layout = layout(&message).map_err(|refused| error(files, &refused))?;
            Ok((format!(".{}", message.full_name()), layout))
        })
        .collect()
}

fn error(files: &FileDescriptorSet, refused: &Refused) -> Error {
    match files.file.iter().find(|file| file.name() == refused.file.name()) {
        Some(file) => Source::new(file).error(&refused.path, refused.why),
        None => Error::at(refused.file.name(), None, refused.why),
    }
}

impl FileCheck<'_, '_> {
    pub(super) fn fixed(
        &self,
        path: &[i32],
        full_name: &str,
        rust_name: &str,
        declared: &DescriptorProto,
        layout: &Layout,
    ) -> Result<Fixed, Error> {
        let mut fields = self.fields(path, full_name, declared)?;
        fields.sort_by_key(|field| field.number);
        Ok(Fixed {
            name: rust_name.to_owned(),
            proto_name: declared.name().to_owned(),
            docs: self.source.docs(path),
            fields: layout.starts.iter().copied().zip(fields).collect(),
            bytes: layout.bytes,
            is_inlined: self.is_inlined(full_name),
        })
    }
}
