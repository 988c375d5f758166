//! Asks the processor to fetch cache lines before they are needed.
#![allow(unsafe_code, reason = "the prefetch instruction has no safe form")]

/// A hint without effect on results; does nothing where the processor has no such instruction here.
#[inline(always)]
pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
    fetch(slice.as_ptr().wrapping_add(index).cast());
}

/// The first and the last line of an element.
#[inline(always)]
pub fn prefetch_element<T>(slice: &[T], index: usize) {
    let start: *const u8 = slice.as_ptr().wrapping_add(index).cast();
    fetch(start);
    fetch(start.wrapping_add(size_of::<T>().saturating_sub(1)));
}

/// All lines of an object.
#[inline(always)]
pub(crate) fn prefetch_whole<T>(of: &T) {
    let start: *const u8 = std::ptr::from_ref(of).cast();
    (0..size_of::<T>()).step_by(LINE).for_each(|at| fetch(start.wrapping_add(at)));
}

/// All lines of a stretch.
#[inline(always)]
pub(crate) fn prefetch_all<T>(of: &[T]) {
    let start: *const u8 = of.as_ptr().cast();
    (0..size_of_val(of)).step_by(LINE).for_each(|at| fetch(start.wrapping_add(at)));
}

const LINE: usize = 64;

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
