//! `docs/configuration.md` is made of the table of keys. `UPDATE_DOCS=1 cargo test --lib config` writes it anew.

use super::*;

/// What stands before the tables.
const HEAD: &str = include_str!("configuration-head.md");

/// Titles of the groups, in the order of the document.
const GROUPS: &[(&str, &str)] = &[
    ("discovery", "Which servers are watched"),
    ("servers", "How they are reached"),
    ("hostnames", "What they are called"),
    ("classification", "Where they stand"),
    ("analysis", "What counts as a problem"),
    ("recovery", "What is recovered, and how"),
    ("hooks", "Hooks"),
    ("http", "HTTP"),
    ("backend", "Backend database"),
    ("audit", "Records"),
    ("logging", "Logging"),
    ("raft", "Several nodes"),
    ("publishing", "Telling others"),
    ("pseudo_gtid", "Pseudo-GTID"),
    ("agents", "Agents"),
    ("none", "Without any effect"),
];

fn document() -> String {
    let defaults = Config::default();
    let mut page = HEAD.to_owned();
    for (group, title) in GROUPS {
        page.extend([
            "\n### ",
            title,
            "\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n",
        ]);
        for setting in settings().filter(|setting| setting.group == *group) {
            page += &row(setting, &defaults);
        }
    }
    page
}

fn row(setting: &Setting, defaults: &Config) -> String {
    let mut key = format!("`{}`", setting.name);
    for synonym in setting.synonyms {
        let scale =
            if synonym.scale == 1 { String::new() } else { format!(" × {}", synonym.scale) };
        key.extend(["<br>or `", synonym.name, "`", &scale]);
    }
    let default = setting.value_shown(defaults);
    let effect = match setting.effect {
        Effect::AtStart if setting.access.is_some() => " Counts at the next start.",
        Effect::AtStart | Effect::OnReload => "",
    };
    let status = match setting.status {
        Status::Acted => String::new(),
        Status::NotYet => " **Not acted on yet.**".to_owned(),
        Status::Unavailable(why) => format!(" **Not available:** {why}."),
        Status::Ignored(_) if setting.access.is_none() => String::new(),
        Status::Ignored(why) => format!(" *Ignored:* {why}."),
        Status::Retired => " *Retired by the ancestors.*".to_owned(),
    };
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    format!(
        "| {key} | {} | {} | {}{effect}{} |\n",
        cell(&default),
        cell(&setting.allowed()),
        cell(setting.meaning),
        cell(&status)
    )
}

impl Setting {
    fn value_shown(&self, defaults: &Config) -> String {
        self.shown(defaults).map_or_else(String::new, |value| format!("`{value}`"))
    }
}

#[test]
fn every_group_of_keys_is_documented() {
    for setting in settings() {
        assert!(GROUPS.iter().any(|(group, _)| *group == setting.group), "{}", setting.name);
    }
}

#[test]
fn the_document_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = stored.lines().zip(document().lines()).find(|(old, new)| old != new).is_some();
    let same = !differs && stored.lines().count() == document().lines().count();
    assert!(same, "docs/configuration.md is out of date: UPDATE_DOCS=1 cargo test --lib config");
}

#[test]
fn the_examples_of_the_document_are_without_fault() {
    let blocks = HEAD.split("```json").skip(1);
    let examples: Vec<_> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 3);
    for example in examples {
        let files = Files::new(&[example]);
        let sources = files.sources().with_environment(|_| Some("x".to_owned()));
        let (_, notices) =
            Config::load(&sources).unwrap_or_else(|found| panic!("{example}: {found}"));
        assert_eq!(notices, [], "{example}");
    }
}
