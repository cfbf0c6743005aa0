//! Who may know whom: the arrows of ARCHITECTURE.md, read from the manifests.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each part may depend on, of our own parts.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("ham4db-domain", &[]),
    ("ham4db-api", &["domain"]),
    ("ham4db-mysql", &["domain"]),
    ("ham4db-store", &["domain"]),
    ("ham4db-consensus", &["domain", "store"]),
    ("ham4db-actors", &["domain", "mysql", "store", "consensus"]),
    ("ham4db", &["domain", "api", "mysql", "store", "consensus", "actors"]),
    // Only tests stand on it.
    ("ham4db-testkit", &[]),
    ("ham4db-fleetsim", &[]),
];

/// What does I/O, waits, logs, or draws random numbers: none of it is for the domain.
const NOT_PURE: &[&str] = &[
    "actix",
    "actix-web",
    "async-trait",
    "futures-util",
    "log",
    "mysql",
    "r2d2",
    "rusqlite",
    "rustls",
    "tokio",
    "ureq",
    "uuid",
];

/// Only the parts named may use these.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("actix-web", &["ham4db"]),
    ("clap", &["ham4db", "ham4db-fleetsim"]),
    ("actix", &["ham4db", "ham4db-actors"]),
    ("rusqlite", &["ham4db-store"]),
    ("r2d2", &["ham4db-store"]),
    ("refinery", &["ham4db-store"]),
    ("tokio-rustls", &["ham4db-mysql"]),
];

struct Manifest {
    name: String,
    dependencies: BTreeSet<String>,
}

/// Reads a manifest's name and its dependencies, without those of its tests.
fn read(path: &Path) -> Manifest {
    let text = fs::read_to_string(path).unwrap();
    let (mut section, mut name) = (String::new(), String::new());
    let mut dependencies = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            header.trim_end_matches(']').clone_into(&mut section);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        match section.as_str() {
            "package" if key.trim() == "name" => {
                value.trim().trim_matches('"').clone_into(&mut name);
            }
            "dependencies" | "build-dependencies" => {
                let dependency = key.trim().trim_end_matches(".workspace");
                dependencies.insert(dependency.to_owned());
            }
            _ => {}
        }
    }
    Manifest { name, dependencies }
}

fn manifests() -> BTreeMap<String, Manifest> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let tests = fs::read_dir(root.join("tests")).unwrap().map(|entry| entry.unwrap().path());
    crates
        .chain(tests)
        .chain([root.clone(), root.join("actors")])
        .map(|folder| folder.join("Cargo.toml"))
        .filter(|path| path.is_file())
        .map(|path| read(&path))
        .map(|manifest| (manifest.name.clone(), manifest))
        .collect()
}

#[test]
fn every_part_knows_only_the_parts_below_it() {
    let manifests = manifests();
    assert!(manifests.len() >= 8, "manifests found: {:?}", manifests.keys());
    for manifest in manifests.values() {
        let allowed = MAY_KNOW.iter().find(|(name, _)| *name == manifest.name);
        let (_, allowed) = allowed.unwrap_or_else(|| {
            panic!(
                "{} is new: give it a row in this test and a place in ARCHITECTURE.md",
                manifest.name
            )
        });
        for dependency in &manifest.dependencies {
            let Some(part) = dependency.strip_prefix("ham4db-") else { continue };
            assert!(allowed.contains(&part), "{} must not know {dependency}", manifest.name);
        }
    }
}

#[test]
fn the_domain_is_pure() {
    let domain = &manifests()["ham4db-domain"];
    for dependency in NOT_PURE {
        assert!(!domain.dependencies.contains(*dependency), "{dependency} in the domain");
    }
}

#[test]
fn libraries_are_used_where_they_belong() {
    for manifest in manifests().values() {
        for (library, users) in KEPT_TO {
            let uses = manifest.dependencies.contains(*library);
            assert!(
                !uses || users.contains(&manifest.name.as_str()),
                "{} uses {library}, which is kept to {users:?}",
                manifest.name
            );
        }
    }
}
