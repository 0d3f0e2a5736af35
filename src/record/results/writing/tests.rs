use super::*;

#[test]
fn a_file_that_is_taken_away_is_told_of_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut growing = Growing::create(folder.path(), "rows.csv", b"a\n").unwrap();
    fs::remove_file(&growing.path).unwrap();
    assert!(growing.append(b"1\n"), "the file itself takes it");
    assert!(growing.cut().unwrap().why.contains("taken away"));
    assert!(!growing.append(b"2\n") && growing.cut().is_none());
}

#[test]
fn a_file_ends_with_the_last_piece_that_could_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut growing = Growing::create(folder.path(), "rows.csv", b"a,b\n").unwrap();
    assert!(growing.append(b"1,2\n") && growing.cut().is_none());
    // A file that is open for reading takes nothing, like a disk that is full.
    let Ok(grown) = &mut growing.grown else { panic!("it is open") };
    let writable = std::mem::replace(&mut grown.file, File::open(&growing.path).unwrap());
    assert!(!growing.append(b"3,4\n"));
    drop(writable);
    let cut = growing.cut().unwrap();
    assert!(cut.path.ends_with("rows.csv") && cut.why.contains("os error"), "{cut:?}");
    assert!(growing.cut().is_none(), "it is said once");
    assert!(!growing.append_rows([["5", "6"]]), "a gap would be hidden");
    assert_eq!(fs::read_to_string(&growing.path).unwrap(), "a,b\n1,2\n");
}

#[test]
fn a_file_that_cannot_be_begun_is_an_error_before_a_run_and_a_cut_within_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("taken")).unwrap();
    let error = Growing::create(folder.path(), "taken", b"").unwrap_err();
    assert!(error.to_string().contains("taken"), "{error}");
    assert!(Growing::begin(folder.path(), "taken", b"").cut().is_some());
}
