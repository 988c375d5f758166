//! Runs that are killed at any moment, and what is in the lake then.

mod acknowledged;
mod killed;
#[path = "../support/mod.rs"]
mod support;

use support::{Site, Started};

/// Starts a pipeline with a UDP source, and says its port.
#[track_caller]
fn start(site: &Site, toml: &str) -> (Started, u64) {
    let mut run = site.start(&["run", toml, "--summary", &toml.replace("toml", "json")]);
    let address = run.listening();
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    (run, port.expect("an address with a port"))
}
