//! Sorting, by one function for all lists: each copy of the library's costs the module up to 14 KB.
//! Knows no room.

use alloc::vec;
use alloc::vec::Vec;
use core::mem::{swap, take};

/// Sorts numbers, most often places in another list. What is not before the other keeps its order.
pub fn by(list: &mut Vec<u32>, before: &dyn Fn(u32, u32) -> bool) {
    let mut from = take(list);
    let mut to = vec![0; from.len()];
    let mut width = 1;
    while width < from.len() {
        for (pair, merged) in from.chunks(2 * width).zip(to.chunks_mut(2 * width)) {
            let (left, right) = pair.split_at_checked(width).unwrap_or((pair, &[]));
            merge(left, right, merged, before);
        }
        swap(&mut from, &mut to);
        width *= 2;
    }
    *list = from;
}

/// Sorts values by their own order. Each type costs a copy of this.
pub fn values<T: Copy + Ord>(list: &mut Vec<T>) {
    let mut order = numbers(list.len());
    by(&mut order, &|a, b| list.get(a as usize) < list.get(b as usize));
    let mut sorted = Vec::with_capacity(list.len());
    for at in order {
        sorted.extend_from_slice(list.get(at as usize..=at as usize).unwrap_or_default());
    }
    *list = sorted;
}

/// The places in a list of so many, to be sorted by what is there.
pub fn numbers(count: usize) -> Vec<u32> {
    let mut numbers = Vec::with_capacity(count);
    for number in 0..count as u32 {
        numbers.push(number);
    }
    numbers
}

fn merge<'a>(
    mut left: &'a [u32],
    mut right: &'a [u32],
    to: &mut [u32],
    before: &dyn Fn(u32, u32) -> bool,
) {
    for slot in to {
        let side = match (left.first(), right.first()) {
            (Some(first), Some(other)) if !before(*other, *first) => &mut left,
            (Some(_), None) => &mut left,
            _ => &mut right,
        };
        if let Some((first, rest)) = side.split_first() {
            (*slot, *side) = (*first, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &[u8]) {
        let mut order: Vec<u32> = (0..keys.len() as u32).collect();
        by(&mut order, &|a, b| keys[a as usize] < keys[b as usize]);
        let mut expect: Vec<u32> = (0..keys.len() as u32).collect();
        expect.sort_by_key(|at| keys[*at as usize]);
        assert_eq!(order, expect, "{keys:?}");
        let (mut sorted, mut expect) = (keys.to_vec(), keys.to_vec());
        values(&mut sorted);
        expect.sort();
        assert_eq!(sorted, expect);
    }

    #[test]
    fn sorts_lists_of_any_length_and_keeps_equals_in_order() {
        let mut keys = Vec::new();
        for at in 0..70u32 {
            check(&keys);
            keys.push((at * 37 % 11) as u8);
        }
    }
}
