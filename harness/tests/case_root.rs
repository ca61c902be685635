//! The case root depends on the working directory, which is the process's:
//! hence one test in a file of its own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use belljar_harness::case::{Overrides, find, list, load};

#[test]
fn the_case_root_is_the_outermost_folder_with_defaults_up_to_the_working_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    };
    let names = |path: &str| -> Vec<String> {
        let listed = list(Path::new(path)).expect("a list");
        listed.into_iter().map(|listed| listed.name).collect()
    };
    write("belljar.toml", "nonsense = 1\n");
    write("work/cases/deep/a.sh", "true\n");
    write("work/cases/b.sh", "true\n");
    env::set_current_dir(folder.path().join("work")).expect("a working directory");

    // What stands above the working directory does not count.
    assert_eq!(names("cases"), ["b", "deep::a"]);
    assert_eq!(names("cases/deep"), ["a"]);
    assert_eq!(names("."), ["cases::b", "cases::deep::a"]);

    write("work/cases/deep/belljar.toml", "");
    assert_eq!(names("cases/deep/a.sh"), ["a"]);
    write("work/cases/belljar.toml", "memory = \"64M\"\n");
    assert_eq!(names("cases/deep/a.sh"), ["deep::a"]);
    assert_eq!(names("cases/deep"), ["deep::a"]);
    assert_eq!(names("cases/../cases/deep/"), ["deep::a"]);

    // Paths are shown as one would type them, wherever they came from.
    let absolute = folder.path().join("work/cases");
    for path in [PathBuf::from("cases"), absolute] {
        let cases = load(&[path], &Overrides::default()).expect("cases");
        assert_eq!(cases[1].file, Path::new("cases/deep/a.sh"));
        assert_eq!(cases[1].spec.limits.memory.value, Some(64 << 20));
    }

    // A lookup is by the full name, and only below the path given.
    let path = Path::new("cases/deep");
    assert!(find(path, "deep::a", &Overrides::default()).is_some_and(|case| case.is_ok()));
    assert!(find(path, "a", &Overrides::default()).is_none());
    assert!(find(path, "b", &Overrides::default()).is_none());

    // Under one root, cases of one file name in two folders have two names.
    write("work/cases/other/a.sh", "true\n");
    let paths = [PathBuf::from("cases/deep"), PathBuf::from("cases/other")];
    assert_eq!(load(&paths, &Overrides::default()).expect("cases").len(), 2);

    // A fixture that a case further up names is no case either.
    write("work/cases/b.sh", "# /// case\n# files.\"/h\" = \"other/helper.sh\"\n# ///\n");
    write("work/cases/other/helper.sh", "true\n");
    assert_eq!(names("cases/other"), ["other::a"]);

    // The working directory itself may be the root; a diagnostic names its file.
    write("work/belljar.toml", "memroy = 1\n");
    assert_eq!(names("cases/deep"), ["cases::deep::a"]);
    let errors = load(&[PathBuf::from("cases")], &Overrides::default()).expect_err("refused");
    assert_eq!(errors.0.len(), 1);
    assert_eq!(errors.0[0].path(), Path::new("belljar.toml"));
    env::set_current_dir("/").expect("away from the folder that goes");
}
