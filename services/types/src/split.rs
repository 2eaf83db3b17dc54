//! What a plan to split a task must be like, whoever looks at it: the executor that takes it from a
//! resident, and the queue that keeps it.

use std::collections::BTreeSet;

/// Children of one plan.
pub const PARTS: std::ops::RangeInclusive<usize> = 2..=5;
/// Least characters of a child's instruction, and of a proposal's.
pub const INSTRUCTION_MIN: usize = 8;
/// Least characters of the reason of a plan or a proposal.
pub const WHY_MIN: usize = 10;

/// What is wrong with a plan whatever its parts say: their shares, and the places before each, from 0.
pub fn fault(shares: &[u32], after: &[BTreeSet<usize>]) -> Option<&'static str> {
    if !PARTS.contains(&shares.len()) || shares.len() != after.len() {
        return Some("must be 2 to 5 parts");
    }
    if shares.contains(&0) || shares.iter().map(|share| u64::from(*share)).sum::<u64>() != 100 {
        return Some("must have shares from 1 that are 100 together");
    }
    if after.iter().flatten().any(|place| *place >= after.len()) {
        return Some("must name only places of the plan in after");
    }
    let mut done = BTreeSet::new();
    while let Some(next) = (0..after.len()).find(|at| {
        let free = after.get(*at).is_some_and(|on| on.is_subset(&done));
        free && !done.contains(at)
    }) {
        done.insert(next);
    }
    (done.len() < after.len()).then_some("must not go round in a circle with after")
}

/// The words of an instruction in lower case: two that are alike ask for the same.
pub fn alike(instruction: &str) -> String {
    let words = instruction.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// The places of instructions that are like an earlier one, or like one of `ancestors`.
pub fn repeated<'a>(
    instructions: impl IntoIterator<Item = &'a str>,
    ancestors: impl IntoIterator<Item = &'a str>,
) -> Vec<usize> {
    let mut seen: BTreeSet<String> = ancestors.into_iter().map(alike).collect();
    let places = instructions.into_iter().enumerate();
    places.filter(|(_, text)| !seen.insert(alike(text))).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_that_cannot_become_children_have_a_fault() {
        let on = |places: &[usize]| places.iter().copied().collect::<BTreeSet<_>>();
        let free = |count: usize| vec![BTreeSet::new(); count];
        assert_eq!(fault(&[50, 50], &free(2)), None);
        let chain = [on(&[]), on(&[0]), on(&[1]), on(&[0, 2]), on(&[3])];
        assert_eq!(fault(&[20; 5], &chain), None);
        for (shares, after) in [
            (vec![100], free(1)),
            (vec![10; 6], free(6)),
            (vec![50, 49], free(2)),
            (vec![100, 0], free(2)),
            (vec![u32::MAX, 101], free(2)),
            (vec![50, 50], vec![on(&[1]), on(&[0])]),
            (vec![50, 50], vec![on(&[0]), on(&[])]),
            (vec![50, 50], vec![on(&[2]), on(&[])]),
        ] {
            assert!(fault(&shares, &after).is_some(), "{shares:?} {after:?}");
        }
    }

    #[test]
    fn instructions_are_alike_by_their_words() {
        let asked =
            ["write about  Birds and about cats", "Write about birds", "write ABOUT birds!"];
        assert_eq!(repeated(asked, ["Write about birds, and about cats."]), [0, 2]);
    }
}
