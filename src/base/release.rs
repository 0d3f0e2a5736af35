//! Where releases of the program are: what follows from `repository` in Cargo.toml.

/// The address of the repository; empty while there is none.
pub const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The address of a file that the release of this version has attached; `None` where `repository` is empty.
pub fn attached(repository: &str, file: &str) -> Option<String> {
    let address = repository.trim_end_matches('/');
    let version = env!("CARGO_PKG_VERSION");
    (!address.is_empty()).then(|| format!("{address}/releases/download/v{version}/{file}"))
}
