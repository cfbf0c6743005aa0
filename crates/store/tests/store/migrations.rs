//! Tables from nothing, from before, and from elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use ham4db_domain::registry::Registry;
use ham4db_store::{Store, StoreError};

use crate::engines::{Backend, EngineKind};
use crate::registry::commit;
use crate::values::alias;

const HISTORY: &str = "SELECT CONCAT(version, ' ', name, ' ', applied_on) FROM refinery_schema_history ORDER BY version";

pub fn the_tables_are_made_from_nothing_and_not_touched_the_second_time(backend: &Backend) {
    let mut registry = Registry::default();
    commit(&backend.open(), &mut registry, &alias("p:3306", "shop"), 1);
    let before = backend.texts(HISTORY);
    assert_eq!(before.len(), migrations("sqlite").len(), "{before:?}");
    for _ in 0..2 {
        assert_eq!(backend.open().load_registry().unwrap(), (registry.clone(), 1));
        assert_eq!(backend.texts(HISTORY), before);
    }
}

pub fn a_backend_of_a_newer_version_is_refused_and_left_alone(backend: &Backend) {
    drop(backend.open());
    backend.run(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
         VALUES (99, 'from_the_future', '2031-01-01T00:00:00Z', '1')",
    );
    let before = backend.texts(HISTORY);
    let refused = Store::open(&backend.settings).err().expect("a newer schema was accepted");
    assert!(matches!(refused, StoreError::Migration { .. }), "{refused:?}");
    let said = refused.to_string();
    assert!(said.contains("newer ham4db") && said.contains("from_the_future"), "{said}");
    assert_eq!(backend.texts(HISTORY), before);
}

pub fn a_migration_that_is_not_what_it_was_is_refused(backend: &Backend) {
    drop(backend.open());
    backend.run("UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1");
    let refused = Store::open(&backend.settings).err().expect("another schema was accepted");
    assert!(matches!(refused, StoreError::Migration { .. }), "{refused:?}");
    assert!(refused.to_string().contains("another ham4db"), "{refused}");
}

/// A statement that changes tables commits by itself there, the note that it has run comes after it.
#[test]
fn a_migration_cut_off_before_it_was_noted_is_run_again() {
    for kind in [EngineKind::MySql, EngineKind::MariaDb] {
        let backend = Backend::extra(kind);
        let mut registry = Registry::default();
        commit(&backend.open(), &mut registry, &alias("p:3306", "shop"), 1);
        for version in (1..=migrations("mysql").len()).rev() {
            backend.run(&format!("DELETE FROM refinery_schema_history WHERE version >= {version}"));
            assert_eq!(backend.open().load_registry().unwrap().0, registry, "{kind:?} {version}");
        }
    }
}

#[test]
fn both_engines_have_the_same_numbers_and_names() {
    let names = |engine| migrations(engine).into_keys().collect::<Vec<_>>();
    assert_eq!(names("sqlite"), names("mysql"));
    assert_ne!(names("sqlite"), [""; 0]);
}

/// Of several statements in one file, only the first one's error would be seen.
#[test]
fn a_migration_of_mysql_is_one_statement_that_can_be_run_again() {
    for (name, text) in migrations("mysql") {
        let statement: String = text
            .lines()
            .map(|line| line.split_once("--").map_or(line, |(statement, _)| statement))
            .collect();
        assert_eq!(statement.trim_end().find(';'), Some(statement.trim_end().len() - 1), "{name}");
        assert!(statement.contains("IF NOT EXISTS"), "{name}");
    }
}

/// File names and texts.
fn migrations(engine: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(engine);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(file).unwrap())
        })
        .collect()
}
