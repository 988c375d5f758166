//! The one place where threads of the data path start.

use crossbeam_channel::Sender;
use std::thread::JoinHandle;

/// Starts a named thread. `ended` hears its name when it is over, also by a panic.
#[allow(clippy::disallowed_methods, reason = "the one place that starts threads")]
pub fn spawn<T: Send + 'static>(
    name: String,
    ended: Sender<String>,
    run: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    struct Tell(String, Sender<String>);
    impl Drop for Tell {
        fn drop(&mut self) {
            // Nobody listens any more only when the run is over anyway.
            let _ = self.1.send(std::mem::take(&mut self.0));
        }
    }
    std::thread::Builder::new().name(name.clone()).spawn(move || {
        let _tell = Tell(name, ended);
        run()
    })
}
