//! What changed between two lists of zones.

/// A zone that was left or entered, by ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Exit(u32),
    Enter(u32),
}

/// Calls `on` for every zone that is in one list only: exits first, then enters, each ascending.
/// Both lists are ascending without repeats, as [`crate::Zones::containing`] gives them. Cost: two passes.
pub fn changes(before: &[u32], after: &[u32], mut on: impl FnMut(Change)) {
    if before == after {
        return;
    }
    only_in_first(before, after, |zone| on(Change::Exit(zone)));
    only_in_first(after, before, |zone| on(Change::Enter(zone)));
}

fn only_in_first(first: &[u32], second: &[u32], mut on: impl FnMut(u32)) {
    let mut rest = second;
    for &zone in first {
        while let [head, tail @ ..] = rest
            && *head < zone
        {
            rest = tail;
        }
        if rest.first() != Some(&zone) {
            on(zone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn check(before: &[u32], after: &[u32], expected: &[Change]) {
        let mut got = Vec::new();
        changes(before, after, |change| got.push(change));
        assert_eq!(got, expected);
    }

    #[test]
    fn exits_come_before_enters_each_ascending() {
        use Change::{Enter, Exit};
        check(&[], &[], &[]);
        check(&[1, 2], &[1, 2], &[]);
        check(&[], &[3], &[Enter(3)]);
        check(&[1, 4, 9], &[0, 4, 12], &[Exit(1), Exit(9), Enter(0), Enter(12)]);
        check(&[7], &[], &[Exit(7)]);
    }

    proptest! {
        #[test]
        fn applying_the_changes_gives_the_second_list(before: BTreeSet<u8>, after: BTreeSet<u8>) {
            let list = |set: &BTreeSet<u8>| set.iter().map(|z| u32::from(*z)).collect::<Vec<_>>();
            let mut state: BTreeSet<u32> = list(&before).into_iter().collect();
            changes(&list(&before), &list(&after), |change| {
                assert!(match change { Change::Exit(z) => state.remove(&z), Change::Enter(z) => state.insert(z) });
            });
            prop_assert_eq!(state.into_iter().collect::<Vec<_>>(), list(&after));
        }
    }
}
