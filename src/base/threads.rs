//! Threads of tokio, which end with what they belong to.

use std::{io, ops::Deref};

use tokio::runtime::{Builder, Handle, Runtime};

/// Threads for futures. What runs on them is broken off when this is dropped: a name that is being looked up, say, would
/// be waited for.
#[derive(Debug)]
pub struct Threads {
    handle: Handle,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    /// Starts so many of this name.
    ///
    /// # Errors
    /// When the system has none.
    pub fn start(name: &str, count: usize) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(count).thread_name(name).enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Deref for Threads {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
