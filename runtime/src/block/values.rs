//! Keys and values of arrays in ntap's memory.

use std::ffi::{CStr, CString};
use std::rc::Rc;

use ntap_compiler::types::Type;

use super::stats::Stats;

/// A number or string.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Word {
    /// A number.
    Long(i64),
    /// A string; compared by its bytes.
    Text(Rc<CStr>),
}

/// The keys of an element.
pub type Key = Rc<[Word]>;

/// Some of the keys of an element, each with its position.
pub type Pattern = Vec<(usize, Word)>;

/// Whether the keys of a pattern are those of an element.
pub fn matches(key: &Key, pattern: &[(usize, Word)]) -> bool {
    pattern.iter().all(|(at, word)| key.get(*at) == Some(word))
}

/// What an element holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number or string.
    Word(Word),
    /// An aggregate.
    Stats(Stats),
}

impl Value {
    /// The number; 0 for anything else.
    pub fn long(&self) -> i64 {
        match self {
            Value::Word(Word::Long(n)) => *n,
            Value::Word(Word::Text(_)) | Value::Stats(_) => 0,
        }
    }
}

/// Bytes up to the first NUL, or all of them, as a C string.
pub fn c_string(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

/// The string at an address compiled code gave us.
///
/// # Safety
///
/// The address must be of NUL-terminated bytes that stay until the block ends, or null.
pub unsafe fn text_at<'a>(address: i64) -> &'a CStr {
    if address == 0 {
        return c"";
    }
    // SAFETY: the caller's guarantee.
    unsafe { CStr::from_ptr(address as *const libc::c_char) }
}

/// A word of compiled code as a value of a type.
///
/// # Safety
///
/// As [`text_at`] when the type is a string.
pub unsafe fn word(raw: i64, ty: Type) -> Word {
    match ty {
        Type::Long | Type::Stats => Word::Long(raw),
        // SAFETY: the caller's guarantee.
        Type::Text(_) => Word::Text(unsafe { text_at(raw) }.into()),
    }
}

/// The keys that compiled code gave as an array of words.
///
/// # Safety
///
/// `keys` must be the address of as many words as there are types, strings as in [`text_at`]; it is not
/// read when there are none.
pub unsafe fn key(keys: i64, types: &[Type]) -> Key {
    let words = keys as *const i64;
    (0..types.len())
        // SAFETY: the caller's guarantee.
        .map(|at| unsafe { word(*words.add(at), types[at]) })
        .collect()
}
