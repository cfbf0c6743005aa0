//! What can be wrong with a file, its directory and its disk.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use ham4db_domain::registry::Registry;
use ham4db_store::{Store, StoreError, StoreSettings};
use tempfile::TempDir;

use crate::registry::commit;
use crate::values::{alias, member};

fn open(file: &Path) -> Result<Store, StoreError> {
    Store::open(&StoreSettings::Sqlite { file: file.to_owned() })
}

/// The words of a refusal; they have to name the file.
#[track_caller]
fn refusal(file: &Path) -> String {
    let refused = open(file).err().expect("the file was opened");
    assert!(matches!(refused, StoreError::Open { .. }), "{refused:?}");
    let said = refused.to_string();
    assert!(said.contains(&file.display().to_string()), "{said}");
    said
}

#[test]
fn a_directory_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let said = refusal(&folder.path().join("missing").join("ham4db.sqlite3"));
    assert!(said.contains("Check that the directory exists"), "{said}");
}

#[test]
fn a_directory_in_place_of_the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ham4db.sqlite3");
    std::fs::create_dir(&file).unwrap();
    refusal(&file);
}

#[test]
fn a_file_of_something_else_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ham4db.sqlite3");
    let letter = "Dear reader, ".repeat(100);
    std::fs::write(&file, &letter).unwrap();
    let said = refusal(&file);
    assert!(said.contains("no SQLite database") && said.contains("SQLite3DataFile"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), letter);
}

#[test]
fn a_relative_name_is_told_in_full() {
    let said = refusal_of_relative("a-folder-that-is-not-there/ham4db.sqlite3");
    let here = std::env::current_dir().unwrap();
    assert!(said.contains(&here.display().to_string()), "{said}");
}

fn refusal_of_relative(file: &str) -> String {
    open(Path::new(file)).err().expect("the file was opened").to_string()
}

/// Says why a claim was not tried, past the capture of the test harness.
fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let line = format!("SKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A small disk of its own in a folder.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// `None`, with the reason printed, where a test may not mount.
    fn mounted(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        match done {
            Ok(done) if done.status.success() => Some(Self { folder }),
            Ok(done) => {
                let said = String::from_utf8_lossy(&done.stderr).into_owned();
                skipped(&format!("this account may not mount a small disk: {said}"));
                None
            }
            Err(error) => {
                skipped(&format!("mount cannot be run: {error}"));
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn make_read_only(&self) {
        let status =
            Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status().unwrap();
        assert!(status.success());
    }

    /// Writes a file until there is no room for another byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn clear(&self) {
        std::fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A mount that stays is seen by the folder that cannot be removed.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[test]
fn a_read_only_directory_is_named_with_what_to_do() {
    let Some(disk) = Disk::mounted("1m") else { return };
    let file = disk.path().join("ham4db.sqlite3");
    drop(open(&file).unwrap());
    disk.make_read_only();
    for file in [file, disk.path().join("new.sqlite3")] {
        let said = refusal(&file);
        assert!(said.contains("change the permissions"), "{said}");
    }
}

/// Directory permissions; root is not bound by them and has the read-only disk above.
#[test]
fn a_directory_that_this_account_may_not_write_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o555)).unwrap();
    if std::fs::write(folder.path().join("probe"), "").is_ok() {
        skipped(
            "this account may write everywhere; a_read_only_directory_is_named_with_what_to_do stands for it",
        );
        return;
    }
    let said = refusal(&folder.path().join("ham4db.sqlite3"));
    assert!(said.contains("change the permissions"), "{said}");
}

#[test]
fn a_full_disk_at_the_start_is_named_with_what_to_do() {
    let Some(disk) = Disk::mounted("256k") else { return };
    disk.fill();
    let said = refusal(&disk.path().join("ham4db.sqlite3"));
    assert!(said.contains("make room"), "{said}");
    disk.clear();
    open(&disk.path().join("ham4db.sqlite3")).unwrap().check().unwrap();
}

#[test]
fn a_disk_that_fills_up_spoils_nothing_and_is_named() {
    let Some(disk) = Disk::mounted("1m") else { return };
    let file = disk.path().join("ham4db.sqlite3");
    let store = open(&file).unwrap();
    let mut registry = Registry::default();
    commit(&store, &mut registry, &alias("1", "shop"), 1);
    disk.fill();
    let fleet: Vec<_> = (0..400).map(|number| member(number, 0)).collect();
    let full = store.save_members(&fleet).unwrap_err();
    assert!(matches!(full, StoreError::Statement { .. }), "{full:?}");
    let said = full.to_string();
    assert!(said.contains(&file.display().to_string()) && said.contains("Make room"), "{said}");
    assert_eq!(store.load_registry().unwrap(), (registry.clone(), 1));
    assert_eq!(store.load_members().unwrap(), []);
    disk.clear();
    commit(&store, &mut registry, &alias("2", "shop"), 2);
    store.save_members(&fleet[..20]).unwrap();
    drop(store);
    let store = open(&file).unwrap();
    assert_eq!(store.load_registry().unwrap(), (registry, 2));
    assert_eq!(store.load_members().unwrap().len(), 20);
}
