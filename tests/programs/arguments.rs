// A program whose functions take structures, for tests/program_names.rs.

use std::hint::black_box;

pub struct Pair {
    pub a: u32,
    pub b: u32,
}

pub struct Large {
    pub a: u64,
    pub b: u64,
    pub c: u64,
}

static mut COUNTER: u64 = 41;

mod inner {
    use super::*;

    #[inline(never)]
    pub fn pair(pair: Pair, next: u32) -> u32 {
        black_box(pair.a) + pair.b * black_box(next)
    }

    #[inline(never)]
    pub fn large(large: Large, next: u32) -> u64 {
        black_box(large.a) + large.b + large.c + black_box(next) as u64
    }

    #[inline(never)]
    pub fn text(text: &str, next: u32, large: &Large) -> u64 {
        text.len() as u64 + black_box(next) as u64 + black_box(large.b)
    }
}

fn main() {
    unsafe { COUNTER += 1 };
    let large = || black_box(Large { a: 1, b: 2, c: 3 });
    let mut total = inner::pair(black_box(Pair { a: 3, b: 4 }), black_box(5)) as u64;
    total += inner::large(large(), black_box(9));
    total += inner::text(black_box("text"), black_box(10), &large());
    println!("program: {total} {}", unsafe { COUNTER });
}
