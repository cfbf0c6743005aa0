//! What a server can refuse, and what is said then.

use ham4db_store::{MySqlSettings, Store, StoreError, StoreSettings};
use mysql::prelude::Queryable;

use crate::engines::{Backend, EngineKind, connect};

/// The words of a refusal to open.
#[track_caller]
fn refusal(settings: MySqlSettings) -> String {
    let refused = Store::open(&StoreSettings::MySql(settings)).err().expect("it was opened");
    assert!(matches!(refused, StoreError::Open { .. }), "{refused:?}");
    refused.to_string()
}

#[track_caller]
fn says(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "{words:?} is missing in: {said}");
    }
}

/// Tries something on both families; the schema is there already.
fn on_both(claim: impl Fn(&Backend, MySqlSettings)) {
    for kind in [EngineKind::MySql, EngineKind::MariaDb] {
        let backend = Backend::extra(kind);
        drop(backend.open());
        let server = backend.server().unwrap();
        claim(&backend, server);
    }
}

/// An account with password `right` and a privilege, or none.
fn account(backend: &Backend, name: &str, grant: Option<&str>) {
    backend.run(&format!("CREATE USER {name}@'127.%' IDENTIFIED BY 'right'"));
    if let Some(grant) = grant {
        backend.run(&format!("GRANT {grant} TO {name}@'127.%'"));
    }
}

#[test]
fn a_wrong_password_names_server_account_and_keys_but_no_password() {
    on_both(|backend, server| {
        account(backend, "locked_out", None);
        let place = format!("127.0.0.1:{}", server.port);
        let said = refusal(MySqlSettings {
            user: "locked_out".to_owned(),
            password: "wr0ng".to_owned(),
            ..server
        });
        let keys = ["MySQLOrchestratorUser", "MySQLOrchestratorPassword"];
        says(&said, &[&place, "account locked_out", keys[0], keys[1]]);
        assert!(!said.contains("wr0ng") && !said.contains("MySqlError"), "{said}");
    });
}

#[test]
fn an_account_that_may_not_use_the_schema_is_told_what_to_grant() {
    on_both(|backend, server| {
        account(backend, "without_grants", None);
        let said = refusal(MySqlSettings {
            user: "without_grants".to_owned(),
            password: "right".to_owned(),
            ..server.clone()
        });
        says(&said, &["Grant ALL", &server.database, "without_grants"]);
    });
}

#[test]
fn a_schema_that_is_missing_and_may_not_be_made_is_told_what_to_grant() {
    on_both(|backend, server| {
        account(backend, "elsewhere", Some(&format!("ALL ON {}.*", server.database)));
        let said = refusal(MySqlSettings {
            user: "elsewhere".to_owned(),
            password: "right".to_owned(),
            database: "not_made_yet".to_owned(),
            ..server
        });
        says(&said, &["Grant ALL", "not_made_yet", "elsewhere"]);
    });
}

#[test]
fn an_account_that_may_only_use_its_schema_is_enough() {
    on_both(|backend, server| {
        account(backend, "modest", Some(&format!("ALL ON {}.*", server.database)));
        let settings =
            MySqlSettings { user: "modest".to_owned(), password: "right".to_owned(), ..server };
        Store::open(&StoreSettings::MySql(settings)).unwrap().check().unwrap();
    });
}

#[test]
fn an_account_that_may_only_read_is_told_so() {
    on_both(|backend, server| {
        account(backend, "reader", Some(&format!("SELECT ON {}.*", server.database)));
        let settings =
            MySqlSettings { user: "reader".to_owned(), password: "right".to_owned(), ..server };
        let refused = Store::open(&StoreSettings::MySql(settings)).err().expect("it was opened");
        says(&refused.to_string(), &["denied", "reader"]);
    });
}

#[test]
fn a_schema_with_a_strange_name_is_made_and_used() {
    on_both(|_, server| {
        let settings = MySqlSettings { database: "ham`4'db \"x\"".to_owned(), ..server };
        let open = || Store::open(&StoreSettings::MySql(settings.clone())).unwrap();
        open().check().unwrap();
        open().check().unwrap();
        connect(&settings).query_drop("DROP DATABASE `ham``4'db \"x\"`").unwrap();
    });
}

#[test]
fn a_port_where_nothing_listens_is_named() {
    let port = ham4db_testkit::free_port().unwrap();
    let said = refusal(crate::engines::on_port(port, "ham4db"));
    says(&said, &[&format!("127.0.0.1:{port}"), "MySQLOrchestratorHost", "MySQLOrchestratorPort"]);
}

#[test]
fn a_host_without_an_address_is_named() {
    let host = "no-such-host.invalid".to_owned();
    let said = refusal(MySqlSettings { host, ..crate::engines::on_port(3306, "ham4db") });
    says(&said, &["no-such-host.invalid:3306", "MySQLOrchestratorHost"]);
}

#[test]
fn settings_do_not_show_the_password() {
    let password = "s3cret".to_owned();
    let settings = MySqlSettings { password, ..crate::engines::on_port(3306, "ham4db") };
    let shown = format!("{settings:?} {:?}", StoreSettings::MySql(settings.clone()));
    assert!(shown.contains("127.0.0.1:3306/ham4db") && !shown.contains("s3cret"), "{shown}");
}
