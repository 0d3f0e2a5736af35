use super::*;

#[test]
fn all_files_are_of_one_moment_and_in_the_end_files_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut moment = Moment::new(folder.path());
    let read = |name: &str| fs::read_to_string(folder.path().join(name));
    for turn in 0..5 {
        let bytes = format!("{turn}");
        moment.write(&[("a", bytes.as_bytes()), ("b", bytes.as_bytes())]).unwrap();
        assert_eq!((read("a").unwrap(), read("b").unwrap()), (bytes.clone(), bytes));
    }
    moment.write(&[("a", b"5"), ("b", b"5")]).unwrap();
    moment.end(&[("a", b"5"), ("b", b"5")]).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
    names.sort_by_key(fs::DirEntry::file_name);
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|entry| entry.file_type().unwrap().is_file()));
    assert_eq!(read("b").unwrap(), "5");
}

#[test]
fn a_moment_that_did_not_come_about_leaves_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut moment = Moment::new(folder.path());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
    moment.link(&[("a", b""), ("b", b"")]).unwrap();
    assert_eq!((read("a"), read("b")), (None, None), "killed before the first");
    moment.count = 1;
    moment.turn(&[("a", b"1"), ("b", b"1")]).unwrap();
    // Killed after one file of the next was written.
    moment.count = 2;
    fs::create_dir_all(folder.path().join(".moments/0")).unwrap();
    fs::write(folder.path().join(".moments/0/a"), "2").unwrap();
    assert_eq!((read("a").as_deref(), read("b").as_deref()), (Some("1"), Some("1")));
}
