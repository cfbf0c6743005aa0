//! The store on each engine: the same claims for SQLite, and for real servers of MySQL 9.7 and MariaDB 10.11.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod durability;
mod engines;
mod migrations;
mod observations;
mod refusals;
mod registry;
mod server;
mod sqlite_file;
mod values;
mod waits;

use engines::{Backend, EngineKind};

/// Makes one test of each claim and engine.
macro_rules! on_every_engine {
    ($($place:ident::$claim:ident),+ $(,)?) => {
        /// How many tests use one server.
        const CLAIMS: usize = [$(stringify!($claim)),+].len();

        mod sqlite {
            use super::*;
            $(#[test] fn $claim() { $place::$claim(&Backend::new(EngineKind::Sqlite)) })+
        }
        mod mysql_9_7 {
            use super::*;
            $(#[test] fn $claim() { $place::$claim(&Backend::new(EngineKind::MySql)) })+
        }
        mod mariadb_10_11 {
            use super::*;
            $(#[test] fn $claim() { $place::$claim(&Backend::new(EngineKind::MariaDb)) })+
        }
    };
}

on_every_engine! {
    migrations::the_tables_are_made_from_nothing_and_not_touched_the_second_time,
    migrations::a_backend_of_a_newer_version_is_refused_and_left_alone,
    migrations::a_migration_that_is_not_what_it_was_is_refused,
    registry::what_any_command_leaves_is_read_back,
    registry::numbers_of_recoveries_are_not_given_twice_after_a_purge,
    registry::names_are_told_apart_byte_by_byte,
    registry::every_character_is_read_back,
    registry::a_long_name_is_kept_whole_or_refused_whole,
    registry::a_row_of_an_unknown_kind_is_named_and_not_left_out,
    registry::a_term_is_never_given_twice,
    observations::the_latest_state_of_every_server_is_read_back,
    observations::batches_written_at_once_lose_nothing,
    observations::a_server_that_cannot_be_read_is_left_out_alone,
    observations::a_forgotten_server_is_gone,
    refusals::they_come_newest_first_of_one_server_and_no_more_than_asked,
    refusals::old_ones_are_purged_and_no_others,
    durability::what_was_written_is_there_after_a_drop_without_a_close,
    durability::a_killed_process_loses_no_committed_command,
    durability::of_two_processes_one_alone_writes_the_log,
    waits::a_blocked_backend_gives_an_error_in_time_and_works_again_afterwards,
}
