//! What operators are defined by, as far as their state and tables depend on it: kept in the manifest, so that a pipeline
//! that was changed between two runs is told apart from one that goes on.

use std::collections::BTreeMap;
use std::fmt;

/// Settings of one operator, by name, as text.
pub type Definition = BTreeMap<String, String>;

/// By operator; those without state or table of their own making have none.
pub type Definitions = BTreeMap<String, Definition>;

/// An operator whose state in the data folder was made under other settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    operator: String,
    /// Name, what it was, what it is.
    settings: Vec<(String, Option<String>, Option<String>)>,
}

/// Operators that were there, are there, and are not what they were. New ones and those that are gone have not changed.
pub fn changed(were: &Definitions, are: &Definitions) -> Vec<Changed> {
    let change = |(operator, is): (&String, &Definition)| {
        let was = were.get(operator).filter(|was| *was != is)?;
        let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        let of = |name: &String| (name.clone(), was.get(name).cloned(), is.get(name).cloned());
        let settings = names.into_iter().map(of).filter(|(_, was, is)| was != is).collect();
        Some(Changed { operator: operator.clone(), settings })
    };
    are.iter().filter_map(change).collect()
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        let settings = self.settings.iter();
        let settings: Vec<String> =
            settings.map(|(name, was, is)| format!("{name} was {}, is {}", text(was), text(is))).collect();
        write!(f, "{}: {}", self.operator, settings.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definitions(of: &[(&str, &[(&str, &str)])]) -> Definitions {
        let settings = |all: &[(&str, &str)]| all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        of.iter().map(|(operator, all)| ((*operator).to_owned(), settings(all))).collect()
    }

    #[test]
    fn only_operators_that_stay_can_have_changed() {
        let were = definitions(&[("a", &[("every", "1m")]), ("gone", &[("every", "1m")]), ("same", &[("key", "x")])]);
        let are = definitions(&[("a", &[("gap", "5m")]), ("new", &[("every", "1m")]), ("same", &[("key", "x")])]);
        let told: Vec<String> = changed(&were, &are).iter().map(Changed::to_string).collect();
        assert_eq!(told, ["a: every was 1m, is not set; gap was not set, is 5m"]);
        assert_eq!(changed(&Definitions::new(), &are), []);
    }
}
