//! Mistakes: what is wrong, where it stands, and what to write instead.

use super::flood::{and_more, capped};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Lines longer than this are not quoted under a mistake: a minified file would fill the screen.
const QUOTED_CHARS_MAX: usize = 160;

/// A file's name, as it was given, and its content.
#[derive(Debug, Default)]
pub struct Text {
    pub name: String,
    pub content: String,
}

/// A place in a text.
#[derive(Debug, Clone)]
pub struct Location {
    text: Arc<Text>,
    span: Range<usize>,
    quoted: bool,
}

impl Location {
    pub fn new(text: &Arc<Text>, span: Range<usize>) -> Location {
        let floor = |at: usize| text.content.floor_char_boundary(at);
        Location { text: text.clone(), span: floor(span.start)..floor(span.end), quoted: true }
    }

    /// Line and column from 1, the column in characters, as readers of other formats report them.
    pub fn of_line(text: &Arc<Text>, line: usize, column: usize) -> Location {
        let before: usize = text.content.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let characters = text.content[before..].chars().take(column.saturating_sub(1));
        let start = before + characters.map(char::len_utf8).sum::<usize>();
        Location::new(text, start..start + 1)
    }

    /// The same place, whose line is never shown: a secret stands in it.
    pub fn unquoted(mut self) -> Location {
        self.quoted = false;
        self
    }

    /// A place in the content of a text that stands here, as bytes of the content. Where the file has it otherwise, with
    /// escapes or values of the environment, it is the whole text.
    pub fn inside(&self, content: &str, part: Range<usize>) -> Location {
        let typed = &self.text.content[self.span.clone()];
        let quotes =
            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| typed.starts_with(quotes)).unwrap_or_default();
        let inner = typed.strip_prefix(quotes).and_then(|rest| rest.strip_suffix(quotes)).unwrap_or(typed);
        // The line break after three quotes is not of the text.
        let below = inner.strip_prefix("\r\n").or_else(|| inner.strip_prefix('\n')).filter(|_| quotes.len() == 3);
        let first = inner.len() - below.unwrap_or(inner).len();
        let same = [0, first].into_iter().find(|from| &inner[*from..] == content);
        let Some(from) = same else { return self.clone() };
        let start = self.span.start + quotes.len() + from;
        let span = start + part.start..(start + part.end).max(start + part.start + 1);
        Location { quoted: self.quoted, ..Location::new(&self.text, span) }
    }

    /// As the file was named.
    pub fn file(&self) -> &str {
        &self.text.name
    }

    /// From 1.
    pub fn line(&self) -> usize {
        1 + self.before().matches('\n').count()
    }

    /// From 1, in characters.
    pub fn column(&self) -> usize {
        1 + self.text.content[self.line_start()..self.span.start].chars().count()
    }

    /// What stands there.
    pub fn text(&self) -> &str {
        &self.text.content[self.span.clone()]
    }

    /// In bytes from the beginning of the text.
    pub(super) fn start(&self) -> usize {
        self.span.start
    }

    pub(super) fn starts_before(&self, other: &Location) -> bool {
        self.span.start < other.span.start
    }

    fn before(&self) -> &str {
        &self.text.content[..self.span.start]
    }

    fn line_start(&self) -> usize {
        self.before().rfind('\n').map_or(0, |at| at + 1)
    }

    /// The line with a caret under the place; nothing where there is nothing to see.
    fn quote(&self) -> Option<String> {
        let line = self.text.content[self.line_start()..].lines().next().filter(|l| !l.trim().is_empty())?;
        if !self.quoted || line.chars().count() > QUOTED_CHARS_MAX {
            return None;
        }
        let (number, column) = (self.line().to_string(), self.column());
        let margin = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret stands under its character however wide a tab is.
        let indent: String = line.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let width = self.text.content[self.span.clone()].lines().next().map_or(0, |marked| marked.chars().count());
        let caret = "^".repeat(width.clamp(1, (line.chars().count() + 1).saturating_sub(column).max(1)));
        Some(format!("  {number} | {line}\n  {margin} | {indent}{caret}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// How something was taken that could be meant in another way.
    Note,
    /// The pipeline runs; it may not do what was meant.
    Warning,
    /// The pipeline does not start.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Mistake {
    pub severity: Severity,
    pub at: Location,
    /// What it is wrong with, such as `source trackers`.
    pub component: String,
    /// What is wrong, and what to write instead.
    pub what: String,
    /// Mistakes of one kind in one file are told by the first few.
    kind: String,
    /// So many of its kind come after this one and are not told.
    pub more: usize,
}

impl Mistake {
    /// `file:line:column: component: what`, on one line.
    pub fn headline(&self) -> String {
        let Mistake { severity, at, component, what, .. } = self;
        let severity = match severity {
            Severity::Note => "note: ",
            Severity::Warning => "warning: ",
            Severity::Error => "",
        };
        format!("{}:{}:{}: {severity}{component}: {what}", at.file(), at.line(), at.column())
    }
}

/// The headline, under it the line with a caret, and how many more there are of its kind.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.headline())?;
        self.at.quote().map_or(Ok(()), |quote| write!(f, "\n{quote}"))?;
        f.write_str(&and_more(self.more))
    }
}

/// Everything found so far.
#[derive(Debug, Default)]
pub struct Mistakes {
    found: Vec<Mistake>,
}

impl Mistakes {
    pub fn error(&mut self, at: &Location, component: &str, what: impl Into<String>) {
        self.push(Severity::Error, at, component, what);
    }

    /// As `error`, unless it has been said of this place: rows share the names of their columns.
    pub fn error_once(&mut self, at: &Location, component: &str, what: impl Into<String>) {
        let what = what.into();
        let same = |m: &Mistake| m.what == what && m.at.span == at.span && m.at.file() == at.file();
        if !self.found.iter().any(same) {
            self.error(at, component, what);
        }
    }

    pub fn warning(&mut self, at: &Location, component: &str, what: impl Into<String>) {
        self.push(Severity::Warning, at, component, what);
    }

    pub fn push(&mut self, severity: Severity, at: &Location, component: &str, what: impl Into<String>) {
        let what = what.into();
        let kind = what.clone();
        self.push_of_kind(severity, at, component, what, kind);
    }

    /// Mistakes whose words differ but that are of one kind.
    pub fn push_of_kind(
        &mut self,
        severity: Severity,
        at: &Location,
        component: &str,
        what: impl Into<String>,
        kind: impl Into<String>,
    ) {
        let (component, what, kind) = (component.to_owned(), what.into(), kind.into());
        self.found.push(Mistake { severity, at: at.clone(), component, what, kind, more: 0 });
    }

    pub fn join(&mut self, others: Mistakes) {
        self.found.extend(others.found);
    }

    pub fn errors(&self) -> usize {
        self.found.iter().filter(|m| m.severity == Severity::Error).count()
    }

    pub fn any_error(&self) -> bool {
        self.errors() > 0
    }

    pub fn keep(&mut self, keep: impl Fn(&Mistake) -> bool) {
        self.found.retain(keep);
    }

    /// By place; those of the file itself before those of files that it names. Of many of a kind the first few.
    pub fn sorted(mut self, file: &str) -> Vec<Mistake> {
        self.found.sort_by(|a, b| {
            let key = |m: &Mistake| (m.at.file() != file, m.at.file().to_owned(), m.at.span.start);
            key(a).cmp(&key(b))
        });
        let kind = |m: &Mistake| (m.severity, m.at.file().to_owned(), m.kind.clone());
        let kept = capped(self.found, kind).into_iter();
        kept.map(|(mistake, more)| Mistake { more, ..mistake }).collect()
    }
}

/// Ends a sentence about an unknown word: the nearest of the known ones, or all of them.
pub fn instead<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, &known) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => format!("there {} {}", if known.len() == 1 { "is only" } else { "are" }, listed(&known)),
    }
}

/// The known word that was probably meant.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let far = |k: &&str| strsim::damerau_levenshtein(&word, k);
    let allowed = word.chars().count().div_ceil(3);
    let typo = known.iter().copied().filter(|k| far(k) <= allowed).min_by_key(far);
    // "speed" for "speed_mps": a word that was cut short, if only one begins like this.
    let mut longer = known.iter().copied().filter(|k| word.len() >= 3 && k.starts_with(&word));
    typo.or_else(|| longer.next().filter(|_| longer.next().is_none()))
}

/// `a, b and c`.
pub fn listed<T: fmt::Display>(words: &[T]) -> String {
    match words {
        [] => "none".to_owned(),
        [only] => only.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(T::to_string).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, span: Range<usize>, expected: &str) {
        let text = Arc::new(Text { name: "a.toml".to_owned(), content: content.to_owned() });
        let at = Location::new(&text, span);
        let mut mistakes = Mistakes::default();
        mistakes.error(&at, "engine", "wrong");
        assert_eq!(mistakes.sorted("a.toml")[0].to_string(), expected);
    }

    #[test]
    fn columns_count_characters_from_one() {
        check("é = \"ß\" x\n", 10..11, "a.toml:1:9: engine: wrong\n  1 | é = \"ß\" x\n    |         ^");
    }

    #[test]
    fn a_place_past_the_end_is_the_end() {
        check("a = 1\nb", 99..100, "a.toml:2:2: engine: wrong\n  2 | b\n    |  ^");
        check("", 0..0, "a.toml:1:1: engine: wrong");
    }

    #[test]
    fn tabs_keep_the_caret_under_its_word() {
        check("\tx = 1", 1..2, "a.toml:1:2: engine: wrong\n  1 | \tx = 1\n    | \t^");
    }

    #[test]
    fn suggestion_is_a_near_word_or_all_words() {
        assert_eq!(instead("lisen", ["listen", "codec"]), "did you mean \"listen\"?");
        assert_eq!(instead("speed", ["speed_mps", "lat"]), "did you mean \"speed_mps\"?");
        assert_eq!(instead("colour", ["listen", "codec"]), "there are listen and codec");
        assert_eq!(instead("x", ["listen"]), "there is only listen");
    }
}
