//! The module table of docs/ARCHITECTURE.md holds: a module uses only what its row allows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The rows of the table: each module with the modules that it may use.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/ARCHITECTURE.md")).unwrap();
    let section = page
        .split("\n## Modules, and what each may use\n")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("the page has the section of the table");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let [_, module, _job, uses, _] = cells[..] else {
            panic!("a row of three cells: {row}");
        };
        let names = |cell: &str| {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        let module: Vec<String> = names(module);
        (module[0].clone(), names(uses).into_iter().collect())
    })
    .collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The top-level modules that `code` names behind `crate::`, one by one or in braces.
fn uses(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        assert!(
            !rest.starts_with('{'),
            "one `use crate::module` a line: {rest:.40}"
        );
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        found.insert(rest[..end.unwrap_or(rest.len())].to_owned());
    }
    found
}

#[test]
fn the_modules_use_only_what_the_architecture_allows() {
    let table = table();
    let source = Path::new(ROOT).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut seen = BTreeSet::new();
    for file in files {
        let relative = file.strip_prefix(&source).unwrap();
        let first = relative.iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let allowed = table
            .get(module)
            .unwrap_or_else(|| panic!("docs/ARCHITECTURE.md has no row for `{module}`"));
        seen.insert(module.to_owned());
        let text = fs::read_to_string(&file).unwrap();
        let code: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for used in uses(&code.join("\n")) {
            assert!(
                used == module || allowed.contains(&used),
                "{} uses `{used}`, which the row of `{module}` in docs/ARCHITECTURE.md does not allow",
                relative.display()
            );
        }
    }
    let rows: BTreeSet<String> = table.keys().cloned().collect();
    assert_eq!(rows, seen, "rows and modules are the same");
}

/// The table has an order: each row uses only rows above it, so there is no circle.
#[test]
fn no_row_of_the_table_is_part_of_a_circle() {
    let mut table = table();
    while !table.is_empty() {
        let done: BTreeSet<String> = table
            .iter()
            .filter(|(_, uses)| uses.iter().all(|used| !table.contains_key(used)))
            .map(|(module, _)| module.clone())
            .collect();
        assert!(
            !done.is_empty(),
            "these depend on each other: {:?}",
            table.keys()
        );
        table.retain(|module, _| !done.contains(module));
    }
}
