//! The heap over the module's own linear memory, as Rust's allocator and as the host's.

use super::heap::{Heap, Words};
use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::UnsafeCell;
use core::ptr::null_mut;

const PAGE: u32 = 64 << 10;
/// Growing costs the host a call: not page by page.
const PAGES_MIN: u32 = 4;

struct Linear;

unsafe extern "C" {
    /// Where the linker's own data ends; only its address means something.
    static __heap_base: u8;
}

impl Words for Linear {
    #[inline(always)]
    fn get(&self, at: u32) -> u32 {
        // SAFETY: the heap asks only for aligned words between `base` and `len`, which are its own.
        unsafe { *(at as *const u32) }
    }

    #[inline(always)]
    fn set(&mut self, at: u32, word: u32) {
        // SAFETY: as above; the words that it writes are no caller's.
        unsafe { *(at as *mut u32) = word };
    }

    fn base(&self) -> u32 {
        &raw const __heap_base as u32
    }

    fn len(&self) -> u32 {
        memory_size::<0>() as u32 * PAGE
    }

    fn grow(&mut self, bytes: u32) -> bool {
        let pages = bytes.div_ceil(PAGE);
        let grown = |pages: u32| memory_grow::<0>(pages as usize) != usize::MAX;
        pages < PAGES_MIN && grown(PAGES_MIN) || grown(pages)
    }
}

struct Allocator(UnsafeCell<Heap<Linear>>);

// SAFETY: the module has one thread, and neither the heap nor `Linear` calls back.
unsafe impl Sync for Allocator {}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(UnsafeCell::new(Heap::new(Linear)));

impl Allocator {
    #[inline(never)]
    fn take(&self, size: usize, align: usize) -> *mut u8 {
        // SAFETY: one thread, and no reference to the heap outlives a call.
        let heap = unsafe { &mut *self.0.get() };
        heap.alloc(size, align).map_or(null_mut(), |address| address as *mut u8)
    }

    #[inline(never)]
    fn give(&self, block: *mut u8) {
        // SAFETY: as above.
        unsafe { &mut *self.0.get() }.free(block as u32);
    }

    #[inline(never)]
    fn resize(&self, block: *mut u8, old: usize, align: usize, new: usize) -> *mut u8 {
        // SAFETY: as above.
        if unsafe { &mut *self.0.get() }.resize(block as u32, new) {
            return block;
        }
        let moved = self.take(new, align);
        if !moved.is_null() {
            // SAFETY: both blocks are at least that long and distinct: one is still in use.
            unsafe { moved.copy_from_nonoverlapping(block, old.min(new)) };
            self.give(block);
        }
        moved
    }
}

// SAFETY: the heap gives blocks of the size and alignment asked for that share no byte (tested
// natively in `heap`), and answers null when memory is at its maximum.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size(), layout.align())
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        self.give(block);
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.resize(block, layout.size(), layout.align(), size)
    }
}

/// The canonical ABI's allocator: how the host gets room for what it passes in. What it allocates
/// is owned by the engine from then on, as `Vec`s of exact capacity.
#[unsafe(no_mangle)]
extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    let block = match (old_size, size) {
        (_, 0) => align as *mut u8,
        (0, _) => ALLOCATOR.take(size, align),
        _ => ALLOCATOR.resize(old, old_size, align, size),
    };
    if block.is_null() {
        core::arch::wasm32::unreachable();
    }
    block
}

/// A mistake of our own ends the request: nothing is shown, nothing is committed.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
