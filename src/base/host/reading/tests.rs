use super::*;

#[test]
fn what_never_ends_and_what_never_begins_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    for odd in [&pipe, Path::new("/dev/zero"), folder.path()] {
        let error = read_regular(odd, 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}: {error}", odd.display());
    }
    let endless = read(Path::new("/dev/zero"), 10).unwrap_err();
    assert_eq!(endless.kind(), ErrorKind::FileTooLarge);
}

#[test]
fn nothing_outside_of_the_folder_is_read() {
    let all = tempfile::tempdir().unwrap();
    let folder = all.path().join("files");
    std::fs::create_dir_all(folder.join("..data")).unwrap();
    std::fs::write(all.path().join("outside"), "secret").unwrap();
    std::fs::write(folder.join("..data/key.pem"), "inside").unwrap();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, folder.join(name)).unwrap();
    // As Kubernetes mounts secrets.
    link("..data/key.pem", "key.pem");
    link("../outside", "up");
    link(all.path().join("outside").to_str().unwrap(), "away");
    link("/", "root");
    link("/proc/self", "self");
    for inside in ["key.pem", "./..data/key.pem", "..data/../key.pem"] {
        assert_eq!(read_below(&folder, Path::new(inside), 10).unwrap(), b"inside", "{inside}");
    }
    let absolute = folder.join("key.pem");
    for out in ["../outside", "up", "away", "root/etc/passwd", "self/environ", "/etc/passwd"] {
        assert!(read_below(&folder, Path::new(out), 10).is_err(), "{out}");
    }
    assert!(read_below(&folder, &absolute, 10).is_err());
    let error = read_below(&folder, Path::new("..data"), 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = read_below(&folder, Path::new("key.pem"), 5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
}

#[test]
fn the_longest_is_read_and_one_byte_more_is_not() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [7; 10]).unwrap();
    assert_eq!(read_regular(file.path(), 10).unwrap(), [7; 10]);
    assert_eq!(read(file.path(), 9).unwrap_err().kind(), ErrorKind::FileTooLarge);
}
