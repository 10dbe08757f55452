// A program whose functions the compiler puts into others, for tests/inlined_frames.rs.

use std::hint::black_box;

mod shapes {
    pub struct Square(pub u64);

    pub trait Shape {
        fn area(&self) -> u64;
    }

    impl Shape for Square {
        #[inline(always)]
        fn area(&self) -> u64 {
            super::leaf(self.0) // in area
        }
    }

    #[inline(always)]
    pub fn total<S: Shape>(shapes: &[S]) -> u64 {
        let mut sum = 0;
        for shape in shapes {
            sum += shape.area(); // in total
        }
        sum
    }
}

/// Where a probe looks at its callers.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn leaf(side: u64) -> u64 {
    black_box(side) * black_box(side)
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn outer(side: u64) -> u64 {
    let shapes = [shapes::Square(side)];
    black_box(shapes::total(black_box(&shapes))) + 1 // in outer
}

fn main() {
    println!("program: {}", outer(3));
}
