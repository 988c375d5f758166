//! An S3-compatible server of its own for each test: moto's, on a free port of the loopback.
#![allow(dead_code, reason = "each test takes what it needs")]

use crate::needed;
use crate::support::Site;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Server {
    child: Child,
    asked: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub endpoint: String,
}

impl Server {
    /// `None`: there is no Python with moto, which has been told.
    #[track_caller]
    pub fn start() -> Option<Server> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/s3/server.py");
        let mut command = Command::new(needed::python("moto and deltalake")?);
        let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python");
        let mut answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut port = String::new();
        answers.read_line(&mut port).expect("a port");
        let asked = child.stdin.take();
        let endpoint = format!("http://127.0.0.1:{}", port.trim().parse::<u16>().expect("moto starts"));
        Some(Server { child, asked, answers, endpoint })
    }

    /// Does what `server.py` says of these words.
    pub fn ask(&mut self, words: &str) -> String {
        writeln!(self.asked.as_mut().expect("it runs"), "{words}").expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an answer");
        answer.trim().to_owned()
    }

    /// Keys that begin so.
    pub fn keys(&mut self, begin: &str) -> Vec<String> {
        serde_json::from_str(&self.ask(&format!("list {begin}"))).expect("a list")
    }

    /// A site whose commands find the server.
    pub fn site(&self) -> Site {
        Site::new().with_variables(&[
            ("AWS_ENDPOINT", &self.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.asked.take());
        let _ = self.child.wait();
    }
}
