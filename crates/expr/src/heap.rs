//! What something holds on the heap, so that caches count what the process really holds.
//!
//! A count is what the allocator gives, not what was asked for: it hands out blocks of certain sizes alone ([`allocated`]). What several
//! share is counted wherever it stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::Contribution;
use crate::value::{Path, Value};

/// What an `Arc` keeps beside its content: two counters.
const COUNTERS: usize = 2 * size_of::<usize>();

/// Something that may hold memory beside its own size.
pub trait Heap {
    /// The bytes of the blocks that it holds, its own size aside.
    fn heap_bytes(&self) -> usize;
}

/// Implements [`Heap`] for a type as what these fields hold. The others hold nothing, or share what somebody else counts. Types without any
/// such field stand in one list.
#[macro_export]
macro_rules! heap {
    ($type:ty: $($field:ident),+) => {
        impl $crate::heap::Heap for $type {
            fn heap_bytes(&self) -> usize {
                0 $(+ $crate::heap::Heap::heap_bytes(&self.$field))+
            }
        }
    };
    ($($type:ty),+) => {
        $(impl $crate::heap::Heap for $type {
            fn heap_bytes(&self) -> usize {
                0
            }
        })+
    };
}

/// The size of the block that is handed out for so many bytes: a multiple of 16 up to 64, above that one of four sizes in each doubling.
#[must_use]
pub const fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=64 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of((1 << (bytes - 1).ilog2()) / 4),
    }
}

impl Heap for Value {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Timestamp(_) => 0,
            Self::Text(text) => text.heap_bytes(),
            Self::List(items) | Self::Set(items) => items.heap_bytes(),
            Self::Object(members) => members.heap_bytes(),
        }
    }
}

impl Heap for Path {
    fn heap_bytes(&self) -> usize {
        allocated(COUNTERS + self.as_str().len())
    }
}

heap!(Contribution: values, rank, group);

impl Heap for Arc<str> {
    fn heap_bytes(&self) -> usize {
        allocated(COUNTERS + self.len())
    }
}

impl<T: Heap> Heap for Arc<[T]> {
    fn heap_bytes(&self) -> usize {
        allocated(COUNTERS + size_of_val::<[T]>(self)) + of_all(self)
    }
}

impl<T: Heap> Heap for Arc<T> {
    fn heap_bytes(&self) -> usize {
        allocated(COUNTERS + size_of::<T>()) + (**self).heap_bytes()
    }
}

impl<T: Heap> Heap for Box<T> {
    fn heap_bytes(&self) -> usize {
        allocated(size_of::<T>()) + (**self).heap_bytes()
    }
}

impl<T: Heap> Heap for Vec<T> {
    fn heap_bytes(&self) -> usize {
        allocated(self.capacity() * size_of::<T>()) + of_all(self)
    }
}

impl<T: Heap, const N: usize> Heap for smallvec::SmallVec<[T; N]>
where
    [T; N]: smallvec::Array<Item = T>,
{
    fn heap_bytes(&self) -> usize {
        let own = if self.spilled() { allocated(self.capacity() * size_of::<T>()) } else { 0 };
        own + of_all(self)
    }
}

impl<K: Heap, V: Heap> Heap for BTreeMap<K, V> {
    fn heap_bytes(&self) -> usize {
        // Leaves have room for eleven, and hold about eight once there are several; what joins them is a tenth beside that.
        const ROOM: usize = 11;
        const HELD: usize = 8;
        let leaf = allocated(ROOM * (size_of::<K>() + size_of::<V>()) + COUNTERS);
        let leaves = if self.len() <= ROOM { usize::from(!self.is_empty()) } else { self.len().div_ceil(HELD) };
        let joints = if leaves > 1 { leaves * leaf / 10 } else { 0 };
        leaves * leaf + joints + self.iter().map(|(key, value)| key.heap_bytes() + value.heap_bytes()).sum::<usize>()
    }
}

impl<T: Heap> Heap for Option<T> {
    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, Heap::heap_bytes)
    }
}

impl<T: Heap, E: Heap> Heap for Result<T, E> {
    fn heap_bytes(&self) -> usize {
        match self {
            Ok(value) => value.heap_bytes(),
            Err(error) => error.heap_bytes(),
        }
    }
}

impl<A: Heap, B: Heap> Heap for (A, B) {
    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes() + self.1.heap_bytes()
    }
}

impl<T: Heap, const N: usize> Heap for [T; N] {
    fn heap_bytes(&self) -> usize {
        of_all(self)
    }
}

heap!(u16, u64);

fn of_all<T: Heap>(items: &[T]) -> usize {
    items.iter().map(Heap::heap_bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_certain_sizes() {
        let cases = [
            (0, 0),
            (1, 16),
            (16, 16),
            (17, 32),
            (64, 64),
            (65, 80),
            (80, 80),
            (113, 128),
            (129, 160),
            (257, 320),
            (4_000, 4_096),
        ];
        for (bytes, block) in cases {
            assert_eq!(allocated(bytes), block, "{bytes}");
        }
    }

    #[test]
    fn what_is_held_counts_with_its_counters_and_room() {
        let text = |bytes: usize| Value::text(&"x".repeat(bytes));
        assert_eq!(Value::Bool(true).heap_bytes(), 0);
        assert_eq!(text(4).heap_bytes(), 32, "two counters of eight bytes and the text");
        let list = Value::List([text(4), Value::Null].into());
        assert_eq!(list.heap_bytes(), allocated(16 + 2 * size_of::<Value>()) + 32);
        let mut items = Vec::with_capacity(10);
        items.push(text(4));
        assert_eq!(items.heap_bytes(), allocated(10 * size_of::<Value>()) + 32, "room counts as it is reserved");
        assert_eq!(BTreeMap::<Value, u64>::new().heap_bytes(), 0);
        assert_eq!(BTreeMap::from([(Value::Null, 1_u64)]).heap_bytes(), allocated(11 * (size_of::<Value>() + 8) + 16));
        assert_eq!(Some(text(4)).heap_bytes() + None::<Value>.heap_bytes(), 32);
    }
}
