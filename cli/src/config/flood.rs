//! Floods: of many things of one kind the first few are told, and how many more there are.

use std::collections::HashMap;
use std::hash::Hash;

/// So many of a kind are all told.
pub const ALL_TOLD_MAX: usize = 5;
/// Of more than that, so many are.
const FIRST_TOLD: usize = 3;

/// Keeps the first few of each kind, each with how many more of its kind come after the last of them: 0 for all but
/// that one. The order stays.
pub fn capped<T, K: Hash + Eq>(all: Vec<T>, kind: impl Fn(&T) -> K) -> Vec<(T, usize)> {
    let mut of_kind: HashMap<K, (usize, usize)> = HashMap::new();
    all.iter().for_each(|one| of_kind.entry(kind(one)).or_default().0 += 1);
    let mut kept = Vec::new();
    for one in all {
        let (count, seen) = of_kind.get_mut(&kind(&one)).expect("all have been counted");
        *seen += 1;
        let told = if *count <= ALL_TOLD_MAX { *count } else { FIRST_TOLD };
        if *seen <= told {
            let more = if *seen == told { *count - told } else { 0 };
            kept.push((one, more));
        }
    }
    kept
}

/// What follows the last of a kind that is told; empty if that is all.
pub fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!("\n  and {more} more like it") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_of_a_kind_are_all_told_and_of_many_the_first() {
        assert_eq!(capped(vec!["a", "b", "a"], |word| *word), [("a", 0), ("b", 0), ("a", 0)]);
        let many = [vec!["b"], vec!["a"; 200], vec!["b"]].concat();
        assert_eq!(capped(many, |word| *word), [("b", 0), ("a", 0), ("a", 0), ("a", 197), ("b", 0)]);
        assert_eq!(capped(vec![1; ALL_TOLD_MAX], |_| ()).len(), ALL_TOLD_MAX);
        assert_eq!(and_more(197), "\n  and 197 more like it");
    }
}
