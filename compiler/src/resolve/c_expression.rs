//! What `@const` takes: a C expression of constants, `O_CREAT | O_EXCL`, `sizeof(struct sock)`.

use super::cast::named_type;
use crate::btf::Btf;
use crate::c_constants;
use crate::c_integer::c_integer;
use crate::facts::{Architecture, Facts};
use crate::library::Library;

/// What the names in an expression mean.
pub(super) struct Constants<'a> {
    pub(super) btf: Option<&'a Btf>,
    pub(super) library: &'a Library,
    pub(super) facts: &'a dyn Facts,
}

impl Constants<'_> {
    /// A constant of an enum, or one that C code has as a macro.
    fn value(&self, name: &str) -> Option<i64> {
        let enumerator = self.btf.and_then(|btf| btf.enumerator(name)).map(|(_, value)| value);
        enumerator
            .or_else(|| c_constants::value(self.library, name))
            .or_else(|| self.configured(name))
    }

    /// A macro that depends on how the kernel is configured, or on its architecture.
    fn configured(&self, name: &str) -> Option<i64> {
        let option = |name| self.facts.kernel_config(name);
        let number = |name| option(name)?.trim_matches('"').parse::<i64>().ok();
        let page_bits = || match self.facts.architecture() {
            Architecture::X86_64 => Some(12),
            Architecture::Aarch64 => number("CONFIG_PAGE_SHIFT").or(Some(12)),
        };
        match name {
            "HZ" => number("CONFIG_HZ"),
            "NR_CPUS" => number("CONFIG_NR_CPUS"),
            "PAGE_SHIFT" => page_bits(),
            "PAGE_SIZE" => Some(1 << page_bits()?),
            "PAGE_MASK" => Some(-(1 << page_bits()?)),
            // As `autoconf.h` defines them.
            _ if name.starts_with("CONFIG_") => match option(name)?.as_str() {
                "y" => Some(1),
                _ => number(name),
            },
            _ => None,
        }
    }

    fn size(&self, name: &str) -> Option<i64> {
        if name.trim_end().ends_with('*') {
            return Some(8);
        }
        if let Some((_, size)) = c_integer(name) {
            return Some(size);
        }
        let btf = self.btf?;
        named_type(btf, name).and_then(|ty| btf.size(ty)).and_then(|size| i64::try_from(size).ok())
    }
}

/// The value of an expression; else the first name in it that is not known, or the text where it is not
/// understood.
pub(super) fn evaluate<'t>(text: &'t str, constants: &Constants<'_>) -> Result<i64, &'t str> {
    let mut reader = Reader { rest: text, constants, depth: 0 };
    let value = reader.binary(0)?;
    reader.skip();
    if reader.rest.is_empty() { Ok(value) } else { Err(reader.rest) }
}

/// C's operators of two operands, by increasing precedence.
const LEVELS: &[&[&str]] = &[&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "%"]];

/// More parentheses and signs than this are no constant of any header.
const MOST_NESTED: u32 = 100;

struct Reader<'t, 'c> {
    rest: &'t str,
    constants: &'c Constants<'c>,
    depth: u32,
}

impl<'t> Reader<'t, '_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn binary(&mut self, level: usize) -> Result<i64, &'t str> {
        let Some(operators) = LEVELS.get(level) else { return self.operand() };
        let mut left = self.binary(level + 1)?;
        loop {
            let before = self.rest;
            let Some(operator) = operators.iter().find(|operator| self.take(operator)) else {
                return Ok(left);
            };
            let right = self.binary(level + 1)?;
            left = match *operator {
                "|" => left | right,
                "^" => left ^ right,
                "&" => left & right,
                "<<" => left.wrapping_shl(right as u32),
                ">>" => left.wrapping_shr(right as u32),
                "+" => left.wrapping_add(right),
                "-" => left.wrapping_sub(right),
                "*" => left.wrapping_mul(right),
                _ if right == 0 => return Err(before),
                "/" => left.wrapping_div(right),
                _ => left.wrapping_rem(right),
            };
        }
    }

    fn operand(&mut self) -> Result<i64, &'t str> {
        self.depth += 1;
        if self.depth > MOST_NESTED {
            return Err(self.rest);
        }
        let value = self.nested();
        self.depth -= 1;
        value
    }

    fn nested(&mut self) -> Result<i64, &'t str> {
        self.skip();
        let before = self.rest;
        if self.take("-") {
            return self.operand().map(i64::wrapping_neg);
        }
        if self.take("~") {
            return self.operand().map(|value| !value);
        }
        if self.take("(") {
            let value = self.binary(0)?;
            return if self.take(")") { Ok(value) } else { Err(before) };
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(before);
        }
        self.rest = rest;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            let digits = word.trim_end_matches(['u', 'U', 'l', 'L']);
            return crate::syntax::number(digits).map_err(|_| word);
        }
        if word == "sizeof" && self.take("(") {
            let Some((name, rest)) = self.rest.split_once(')') else { return Err(before) };
            self.rest = rest;
            return self.constants.size(name).ok_or(name);
        }
        self.constants.value(word).ok_or(word)
    }
}
