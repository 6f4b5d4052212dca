//! The Rust text that comes of a .proto file is looked at here, because the library does not parse Rust.
#![no_main]

use std::collections::HashSet;

use syn::{File, ImplItem, Item};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for module in bodies::compiler::run(input) {
        let file: File =
            syn::parse_str(&module.text).unwrap_or_else(|error| panic!("{error}:\n{}", module.text));
        assert_names_differ(&file, &module.text);
    }
});

/// No two items have one name, and no two variants, fields, constants or methods of one.
fn assert_names_differ(file: &File, text: &str) {
    let (mut types, mut values) = (HashSet::new(), HashSet::new());
    for item in &file.items {
        let is_new = match item {
            Item::Struct(item) => {
                types.insert(item.ident.to_string())
                    && differ(item.fields.iter().filter_map(|field| field.ident.as_ref()))
            }
            Item::Enum(item) => {
                types.insert(item.ident.to_string())
                    && differ(item.variants.iter().map(|variant| &variant.ident))
            }
            Item::Trait(item) => types.insert(item.ident.to_string()),
            Item::Mod(item) => types.insert(item.ident.to_string()),
            Item::Const(item) => item.ident == "_" || values.insert(item.ident.to_string()),
            Item::Impl(item) if item.trait_.is_none() => differ(item.items.iter().filter_map(named)),
            _ => true,
        };
        assert!(is_new, "a name is there twice in {text}");
    }
}

fn named(item: &ImplItem) -> Option<&syn::Ident> {
    match item {
        ImplItem::Const(item) => Some(&item.ident),
        ImplItem::Fn(item) => Some(&item.sig.ident),
        _ => None,
    }
}

fn differ<'i>(mut names: impl Iterator<Item = &'i syn::Ident>) -> bool {
    let mut seen = HashSet::new();
    names.all(|name| seen.insert(name))
}
