//! Numbers with a point, whose bits scripts keep in a `long`.

use std::ffi::CStr;

use ntap_compiler::builtins::floating_operation as operation;

use super::functions::Context;

fn float(bits: i64) -> f64 {
    f64::from_bits(bits as u64)
}

fn bits(value: f64) -> i64 {
    value.to_bits() as i64
}

/// An arithmetic operation or a comparison.
pub extern "C" fn calculate(_: Context<'_>, left: i64, right: i64, what: i64) -> i64 {
    let (left, right) = (float(left), float(right));
    match what {
        operation::ADD => bits(left + right),
        operation::SUBTRACT => bits(left - right),
        operation::MULTIPLY => bits(left * right),
        operation::DIVIDE => bits(left / right),
        operation::REMAINDER => bits(remainder(left, right)),
        operation::EQUAL => i64::from(left == right),
        operation::AT_MOST => i64::from(left <= right),
        _ => i64::from(left < right),
    }
}

/// The IEEE 754 remainder: the quotient is rounded to the nearest whole number, of two to the even one.
fn remainder(left: f64, right: f64) -> f64 {
    if right.is_infinite() && left.is_finite() {
        return left;
    }
    // `%` is exact; the rest decides whether the quotient was rounded down rightly.
    let doubled = left % (2.0 * right);
    let (size, sign) = (doubled.abs(), if doubled.is_sign_negative() { -1.0 } else { 1.0 });
    let right = right.abs();
    let rest = if size >= 1.5 * right {
        size - 2.0 * right
    } else if size > 0.5 * right {
        size - right
    } else {
        size
    };
    rest * sign
}

pub extern "C" fn square_root(_: Context<'_>, value: i64) -> i64 {
    bits(float(value).sqrt())
}

pub extern "C" fn of_long(_: Context<'_>, value: i64) -> i64 {
    bits(value as f64)
}

pub extern "C" fn of_single(_: Context<'_>, value: i64) -> i64 {
    bits(f64::from(f32::from_bits(value as u32)))
}

pub extern "C" fn to_long(_: Context<'_>, value: i64, rounding: i64, _exact: i64) -> i64 {
    let value = float(value);
    let rounded = match rounding {
        1 => value.trunc(),
        2 => value.floor(),
        3 => value.ceil(),
        4 => value.round(),
        _ => value.round_ties_even(),
    };
    rounded as i64
}

pub extern "C" fn of_text(_: Context<'_>, text: i64) -> i64 {
    // SAFETY: compiled code hands over strings that live until the block ends.
    let text = unsafe { CStr::from_ptr(text as *const _) }.to_string_lossy();
    bits(beginning(text.trim_start()))
}

/// The longest number that a text begins with.
fn beginning(text: &str) -> f64 {
    let end = text
        .char_indices()
        .find(|&(_, c)| !c.is_ascii_digit() && !"+-.eE".contains(c))
        .map_or(text.len(), |(at, _)| at);
    (0..=end).rev().find_map(|end| text[..end].parse().ok()).unwrap_or(0.0)
}

pub extern "C" fn text(context: Context<'_>, value: i64, precision: i64) -> i64 {
    let precision = precision.clamp(0, 64) as usize;
    context.state.keep_bytes(format!("{:.precision$}", float(value)).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{beginning, remainder};

    #[test]
    fn remainders_are_those_of_the_nearest_quotient() {
        assert_eq!(remainder(7.0, 4.0), -1.0);
        assert_eq!(remainder(5.0, 4.0), 1.0);
        assert_eq!(remainder(6.0, 4.0), -2.0);
        assert_eq!(remainder(2.0, 4.0), 2.0);
        assert_eq!(remainder(-7.0, 4.0), 1.0);
        assert_eq!(remainder(10.0, 4.0), 2.0);
    }

    #[test]
    fn a_number_is_read_as_far_as_it_goes() {
        assert_eq!(beginning("2.5e1 apples"), 25.0);
        assert_eq!(beginning("1.5.7"), 1.5);
        assert_eq!(beginning("-3e"), -3.0);
        assert_eq!(beginning("nothing"), 0.0);
    }
}
