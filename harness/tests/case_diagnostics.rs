//! The text that a person reads for every kind of invalid case: each
//! `case-diagnostics/NAME.sh` is refused with what stands in `NAME.txt`, and each
//! `case-sealed/NAME.sh`, a valid case, where cases are sealed.
//! `BLESS=1 cargo test --test case_diagnostics` writes the texts anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use belljar_harness::case::{Overrides, list, load};

const FOLDER: &str = "tests/case-diagnostics";
const SEALED: &str = "tests/case-sealed";

/// The text without what depends on where this project stands.
fn portable(text: &str) -> String {
    text.replace(env!("CARGO_MANIFEST_DIR"), "[..]")
}

/// Compares the text of every case of a folder.
fn compare(folder: &str, overrides: &Overrides) {
    let bless = std::env::var_os("BLESS").is_some();
    let cases = list(Path::new(folder)).expect("cases");
    let mut wrong = Vec::new();
    for case in &cases {
        let said = case.load(overrides).map(|_| ()).map_err(|error| error.to_string());
        let said = portable(&said.expect_err(&case.name)) + "\n";
        let expected = case.file.with_extension("txt");
        if bless {
            fs::write(&expected, &said).expect("written");
        }
        if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{} should say:\n{said}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let texts = fs::read_dir(folder).expect("a folder").filter_map(|entry| {
        let path = entry.expect("an entry").path();
        path.extension().is_some_and(|extension| extension == "txt").then_some(path)
    });
    let expected: BTreeSet<_> = cases.iter().map(|case| case.file.with_extension("txt")).collect();
    assert_eq!(texts.collect::<BTreeSet<_>>(), expected, "a text without its case");
}

#[test]
fn every_invalid_case_is_refused_with_its_text() {
    compare(FOLDER, &Overrides::default());
}

#[test]
fn every_weakening_is_refused_where_cases_are_sealed() {
    compare(SEALED, &Overrides { sealed: true, ..Overrides::default() });
    if let Err(errors) = load(&[SEALED.into()], &Overrides::default()) {
        panic!("unsealed, these are valid cases:\n{errors}");
    }
}

#[test]
fn loading_reports_every_invalid_file_at_once() {
    let errors = load(&[FOLDER.into()], &Overrides::default()).expect_err("invalid cases");
    let said: BTreeSet<_> = errors.0.iter().map(|error| error.path().to_owned()).collect();
    let cases = list(Path::new(FOLDER)).expect("cases");
    assert_eq!(said.len(), cases.len());
    let text = errors.to_string();
    for error in &errors.0 {
        assert!(text.contains(&error.to_string()));
    }
}
