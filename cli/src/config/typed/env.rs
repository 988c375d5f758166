//! `${NAME}` in texts.

use super::Env;

/// A `${` that could not be replaced.
#[derive(Debug, PartialEq, Eq)]
pub struct Unset {
    /// Which `${` of the text, from 0.
    pub nth: usize,
    pub what: String,
}

/// Replaces `${NAME}` and `${NAME:-default}` by the environment's values; `$${` gives `${`.
/// The flag says whether anything was replaced.
pub fn expand(text: &str, env: Env) -> (String, bool, Vec<Unset>) {
    let (mut out, mut replaced, mut unset) = (String::with_capacity(text.len()), false, Vec::new());
    let mut rest = text;
    let mut nth = 0;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &from[2..];
        } else {
            out.push_str(before);
            let Some(end) = from.find('}') else {
                unset.push(Unset {
                    nth,
                    what: "\"${\" without \"}\"; write ${NAME}, or $${ for the characters themselves".to_owned(),
                });
                return (out, replaced, unset);
            };
            match value(&from[2..end], env) {
                Ok(value) => out.push_str(&value),
                Err(what) => unset.push(Unset { nth, what }),
            }
            replaced = true;
            rest = &from[end + 1..];
        }
        nth += 1;
    }
    out.push_str(rest);
    (out, replaced, unset)
}

fn value(inner: &str, env: Env) -> Result<String, String> {
    let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
    let valid =
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if name.is_empty() || !valid {
        return Err(format!(
            "\"{name}\" cannot be the name of an environment variable; names are letters, digits and _"
        ));
    }
    env(name)
        .or_else(|| default.map(str::to_owned))
        .ok_or_else(|| format!("environment variable {name} is not set; set it, or write ${{{name}:-default}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let env = |name: &str| (name == "CITY").then(|| "Oslo".to_owned());
        let (out, _, unset) = expand(text, &env);
        assert_eq!((out.as_str(), unset.len()), (expected, 0), "{text}");
    }

    #[test]
    fn names_are_replaced_defaults_used_and_doubled_dollars_kept() {
        check("plain $ {text}", "plain $ {text}");
        check("to ${CITY}!", "to Oslo!");
        check("${CITY:-Bergen}${TOWN:-Voss}${TOWN:-}", "OsloVoss");
        check("$${CITY} ${CITY}", "${CITY} Oslo");
    }

    #[test]
    fn every_unset_name_of_a_text_is_told() {
        let (_, _, unset) = expand("${A} $${B} ${C} ${1}${", &|_| None);
        assert_eq!(unset.iter().map(|u| u.nth).collect::<Vec<_>>(), [0, 2, 3, 4]);
    }
}
