//! What a look at a file finds. Looks are made by hand: no test waits.

use super::*;
use std::fs;
use std::path::PathBuf;

/// A file of words, none of which may be "wrong".
struct Words {
    path: PathBuf,
}

impl Reference for Words {
    fn noun(&self) -> &'static str {
        "words"
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn is_watched(&self) -> bool {
        true
    }

    fn is_named_by_state(&self) -> bool {
        false
    }

    fn planned(&self) -> &[u8] {
        b"one"
    }

    fn planned_content(&self, _: u32) -> Content {
        Arc::new("one".to_owned())
    }

    fn fetch(&self) -> Result<Vec<u8>, String> {
        fs::read(&self.path).map_err(|_| "it cannot be read".to_owned())
    }

    fn read(&self, bytes: &[u8], _: u32) -> Result<Content, Vec<String>> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let wrong: Vec<String> =
            (0..).zip(text.split(' ')).filter(|(_, word)| *word == "wrong").map(|(n, _)| format!("word {n}")).collect();
        if wrong.is_empty() { Ok(Arc::new(text)) } else { Err(wrong) }
    }

    fn difference(&self, before: &Content, after: &Content) -> String {
        let text = |content: &Content| content.downcast_ref::<String>().expect("words").clone();
        format!("{} to {}", text(before), text(after))
    }
}

struct Looked {
    folder: tempfile::TempDir,
    input: Input,
}

impl Looked {
    fn new() -> Looked {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.txt");
        fs::write(&path, "one").unwrap();
        let words = Words { path };
        let record = Record::new(1, words.path(), words.planned());
        let content = words.planned_content(1);
        Looked { folder, input: Input::new("words".into(), Arc::new(words), content, record) }
    }

    /// As editors do: another file that takes the name.
    fn replace(&self, text: &str) {
        let other = self.folder.path().join("other");
        fs::write(&other, text).unwrap();
        fs::rename(other, self.folder.path().join("words.txt")).unwrap();
    }

    /// What the next look finds, in words.
    fn look(&mut self) -> String {
        match self.input.look() {
            None => "nothing".to_owned(),
            Some(Event::New(new)) => {
                let said = new.said.split_once("words.txt: ").unwrap().1.to_owned();
                assert_eq!(new.record.hash, hash_of(&new.bytes));
                assert_eq!(new.record.version, new.change.version);
                said
            }
            Some(Event::Refused { why, .. }) => format!("refused: {why}"),
            Some(Event::AsInForce { .. }) => "as in force".to_owned(),
        }
    }

    /// Of the looks until nothing more can come.
    fn looks(&mut self) -> Vec<String> {
        let all: Vec<String> = (0..4).map(|_| self.look()).collect();
        all.into_iter().filter(|found| found != "nothing").collect()
    }
}

#[test]
fn file_that_stays_as_it_is_is_no_news() {
    let mut looked = Looked::new();
    assert!(looked.looks().is_empty());
    looked.replace("one");
    assert!(looked.looks().is_empty(), "another file that holds the same");
}

#[test]
fn file_that_is_still_being_written_is_let_be() {
    let mut looked = Looked::new();
    looked.looks();
    for text in ["two", "two th", "two three"] {
        looked.replace(text);
        assert_eq!(looked.look(), "nothing", "{text}");
    }
    assert_eq!(looked.looks(), ["version 2, one to two three"]);
    fs::write(looked.folder.path().join("words.txt"), "in place").unwrap();
    assert_eq!(looked.looks(), ["version 3, two three to in place"]);
}

#[test]
fn what_cannot_be_used_is_refused_once_and_the_next_version_follows_the_last_good_one() {
    let mut looked = Looked::new();
    looked.looks();
    looked.replace("wrong two wrong");
    assert_eq!(looked.looks(), ["refused: word 0; word 2"]);
    looked.replace("wrong two wrong");
    assert!(looked.looks().is_empty(), "the same mistakes again");
    looked.replace("wrong");
    assert_eq!(looked.looks(), ["refused: word 0"]);
    looked.replace("one");
    assert_eq!(looked.looks(), ["as in force"]);
    fs::remove_file(looked.folder.path().join("words.txt")).unwrap();
    assert_eq!(looked.looks(), ["refused: it cannot be read"]);
    looked.replace("two");
    assert_eq!(looked.looks(), ["version 2, one to two"]);
    looked.replace("one");
    assert_eq!(looked.looks(), ["version 3, two to one"], "an earlier content is a new version");
}
