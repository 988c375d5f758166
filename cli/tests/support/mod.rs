//! The real binary in a folder of its own, as a person would run it there.
#![allow(dead_code, reason = "each test takes what it needs")]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Whoever waits so long waits for something that will not come.
const LONG: Duration = Duration::from_secs(120);

/// Two zones over the middle of the simulated town that share a strip.
pub const ZONES: &str = r#"{"type": "FeatureCollection", "features": [
{"type": "Feature", "id": "middle", "properties": {"name": "Middle"}, "geometry": {"type": "Polygon", "coordinates":
  [[[-97.80, 30.22], [-97.69, 30.22], [-97.69, 30.31], [-97.80, 30.31], [-97.80, 30.22]]]}},
{"type": "Feature", "id": "west", "properties": {"name": "West"}, "geometry": {"type": "Polygon", "coordinates":
  [[[-97.90, 30.20], [-97.76, 30.20], [-97.76, 30.33], [-97.90, 30.33], [-97.90, 30.20]]]}}]}
"#;

/// The operators of the main job over `ZONES`.
pub const MAIN_JOB: &str = r#"
[[operator]]
[operator.validate]
[[operator]]
[operator.geofence]
zones = "zones.geojson"
[[operator]]
[operator.window]
name = "zones"
every = "1s"
key = ["zone_id"]
aggregates = { frames = "count", speed_avg = "avg(speed_mps)" }
"#;

/// A folder to run `rhumb` in.
pub struct Site {
    folder: tempfile::TempDir,
    /// Of the environment of what is run there.
    variables: Vec<(String, String)>,
}

impl Site {
    pub fn new() -> Site {
        Site { folder: tempfile::tempdir().expect("a folder"), variables: Vec::new() }
    }

    pub fn with_variables(self, variables: &[(&str, &str)]) -> Site {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Site { variables, ..self }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("a file");
    }

    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).env_remove("RUST_LOG");
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Runs to its end.
    pub fn rhumb(&self, arguments: &[&str]) -> Told {
        Told::of(self.command(env!("CARGO_BIN_EXE_rhumb")).args(arguments).output().expect("rhumb runs"))
    }

    /// Runs to its end, which must be a good one.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> Told {
        let told = self.rhumb(arguments);
        assert_eq!(told.exit, 0, "rhumb {arguments:?}: {}", told.stderr);
        told
    }

    /// A run that goes on while the test does.
    pub fn start(&self, arguments: &[&str]) -> Started {
        self.hear(self.command(env!("CARGO_BIN_EXE_rhumb")).args(arguments))
    }

    /// The same by a shell's script, whose `$0` is `rhumb` and whose `$@` are the arguments.
    pub fn start_by(&self, script: &str, arguments: &[&str]) -> Started {
        self.hear(self.command("sh").args(["-c", script, env!("CARGO_BIN_EXE_rhumb")]).args(arguments))
    }

    #[allow(clippy::disallowed_methods, reason = "hears a child while the test goes on")]
    fn hear(&self, command: &mut Command) -> Started {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("rhumb starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Started { child, lines, told: String::new() }
    }

    /// What a query gives as CSV, without the header.
    #[track_caller]
    pub fn ask(&self, pipeline: &str, sql: &str) -> Vec<String> {
        let told = self.done(&["query", pipeline, sql, "--format", "csv"]);
        told.stdout.lines().skip(1).map(str::to_owned).collect()
    }

    /// What a query for one number gives.
    #[track_caller]
    pub fn count(&self, pipeline: &str, sql: &str) -> u64 {
        let rows = self.ask(pipeline, sql);
        assert_eq!(rows.len(), 1, "one row: {rows:?}");
        rows[0].parse().expect("a number")
    }

    pub fn json(&self, name: &str) -> Value {
        read_json(&self.path(name))
    }
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

/// A folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).expect("a copy")),
        }
    }
}

/// The top of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Told {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Told {
    pub fn of(output: Output) -> Told {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let exit = output.status.code().unwrap_or_else(|| panic!("ended by a signal: {}", output.status));
        Told { exit, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// A run that goes on. Ends with the test.
pub struct Started {
    child: Child,
    lines: Receiver<String>,
    told: String,
}

impl Started {
    /// The next line on standard error that holds the words.
    #[track_caller]
    pub fn wait_for(&mut self, words: &str) -> String {
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => {
                    self.told += &format!("{line}\n");
                    if line.contains(words) {
                        return line;
                    }
                }
                Err(why) => panic!("{words:?} was not said ({why}):\n{}", self.told),
            }
        }
    }

    /// The address that a UDP source listens on.
    #[track_caller]
    pub fn listening(&mut self) -> String {
        let line = self.wait_for("listening for datagrams");
        let address = line.split_once("listen=\"").and_then(|(_, rest)| rest.split_once('"'));
        address.unwrap_or_else(|| panic!("no address in {line}")).0.to_owned()
    }

    /// Of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("-INT");
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "it runs");
    }

    /// As a crash ends it (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was started");
    }

    /// Waits for its end: the exit code and all of standard error.
    #[track_caller]
    pub fn end(mut self) -> (i32, String) {
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => self.told += &format!("{line}\n"),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it did not end:\n{}", self.told),
            }
        }
        let status = self.child.wait().expect("it was started");
        (status.code().unwrap_or(-1), std::mem::take(&mut self.told))
    }

    #[track_caller]
    pub fn interrupt_and_end(self) -> (i32, String) {
        self.interrupt();
        self.end()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It has mostly ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Microseconds since 1970.
pub fn now_us() -> u128 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    since.as_micros()
}

/// Waits for something that can be looked at.
#[track_caller]
#[allow(clippy::disallowed_methods, reason = "looks again a little later")]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    const LOOK_EVERY: Duration = Duration::from_millis(10);
    let looks = LONG.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        if is_so() {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("{what}: not after {LONG:?}");
}
