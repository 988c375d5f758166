//! Asks the processor to fetch cache lines before they are needed.
#![allow(unsafe_code, reason = "the prefetch instruction has no safe form")]

/// A hint without effect on results; does nothing where the processor has no such instruction here.
#[inline(always)]
pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
    fetch(slice.as_ptr().wrapping_add(index).cast());
}

/// Where the lines of each kind of cell word are, so that no branch has to ask for the kind.
pub(crate) struct Targets {
    start: [*const u8; 8],
    stride: [usize; 8],
}

impl Targets {
    /// Until told otherwise, all kinds fetch the line of `at_hand`.
    pub fn new<T>(at_hand: &[T]) -> Targets {
        Targets { start: [at_hand.as_ptr().cast(); 8], stride: [0; 8] }
    }

    /// Payloads of this tag count `stride` bytes each from the start of the slice.
    pub fn with<T>(mut self, tag: u32, slice: &[T], stride: usize) -> Targets {
        self.start[tag as usize & 7] = slice.as_ptr().cast();
        self.stride[tag as usize & 7] = stride;
        self
    }

    #[inline(always)]
    pub fn prefetch(&self, tag: u32, payload: u32) {
        let kind = tag as usize & 7;
        fetch(self.start[kind].wrapping_add(payload as usize * self.stride[kind]));
    }
}

#[inline(always)]
fn fetch(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and cannot fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
