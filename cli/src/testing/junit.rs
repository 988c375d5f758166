//! Outcomes as JUnit XML, which build servers read.

use super::Outcome;
use std::fmt::Write;

/// What became of the tests of a pipeline; `None`: it has mistakes, and none could run.
pub type Outcomes<'a> = Option<Vec<Outcome<'a>>>;

/// The whole document: a suite for each pipeline, by its file. One with mistakes has an error.
pub fn junit(pipelines: &[(String, Outcomes)]) -> String {
    let all = || pipelines.iter().filter_map(|(_, outcomes)| outcomes.as_ref()).flatten();
    let failed = |outcome: &&Outcome| !outcome.passed();
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let errors = pipelines.iter().filter(|(_, outcomes)| outcomes.is_none()).count();
    let (tests, failures) = (all().count() + errors, all().filter(failed).count());
    let _ =
        writeln!(out, "<testsuites name=\"rhumb test\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">");
    for (file, outcomes) in pipelines {
        let Some(outcomes) = outcomes else {
            refused(&escaped(file), &mut out);
            continue;
        };
        let failures = outcomes.iter().filter(failed).count();
        let (tests, file) = (outcomes.len(), escaped(file));
        let _ = writeln!(out, "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">");
        outcomes.iter().for_each(|outcome| case(&file, outcome, &mut out));
        out += "  </testsuite>\n";
    }
    out + "</testsuites>\n"
}

fn refused(file: &str, out: &mut String) {
    let _ = write!(
        out,
        "  <testsuite name=\"{file}\" tests=\"1\" failures=\"0\" errors=\"1\">\n    <testcase name=\"the pipeline\" \
         classname=\"{file}\" file=\"{file}\">\n      <error message=\"it has mistakes, and no test could run: see rhumb \
         check\"/>\n    </testcase>\n  </testsuite>\n"
    );
}

fn case(file: &str, outcome: &Outcome, out: &mut String) {
    let (name, line) = (escaped(&outcome.test.name), outcome.test.at.line());
    let _ = write!(out, "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\"");
    if outcome.passed() {
        *out += "/>\n";
        return;
    }
    let tables: Vec<&str> = outcome.failures.iter().map(|failure| failure.table).collect();
    let (message, text) = (escaped(&tables.join(", ")), escaped(&outcome.to_string()));
    let _ = write!(out, ">\n      <failure message=\"not as expected: {message}\">{text}</failure>\n    </testcase>\n");
}

/// Characters that XML has no form for become `?`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' | '\t' => out.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('?'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipeline_with_mistakes_is_an_error() {
        let document = junit(&[("a.toml".to_owned(), None), ("b.toml".to_owned(), Some(Vec::new()))]);
        assert!(document.contains("<testsuites name=\"rhumb test\" tests=\"1\" failures=\"0\" errors=\"1\">"));
        assert!(document.contains("<testsuite name=\"a.toml\" tests=\"1\" failures=\"0\" errors=\"1\">"));
        assert_eq!(document.matches("<error ").count(), 1);
    }

    #[test]
    fn no_text_breaks_the_document() {
        assert_eq!(escaped("a <b> & \"c\"\u{1}\n"), "a &lt;b&gt; &amp; &quot;c&quot;?\n");
    }
}
