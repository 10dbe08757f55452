//! What a tracepoint's record in the trace buffer holds: the fields of its `format` file in tracefs.
//!
//! A program of its own kind is attached to the record (`BPF_PROG_TYPE_TRACEPOINT`). Its context is the record, not
//! the arguments, from which the kernel has computed the fields: `sched_switch` has `prev_comm` only here. The
//! events of system calls (`syscalls:sys_enter_openat`) have nothing else.
//!
//! A line of the file is a field, the first four of which all records have and programs cannot read:
//!
//! ```text
//! field:char prev_comm[16]; offset:8; size:16; signed:0;
//! ```

use crate::btf::{Btf, Kind, TypeId};
use crate::c_integer::{c_integer, sized};
use crate::facts::Facts;
use crate::hir::{Attach, ContextSource, ContextVariable, Identity, Point, Scalar};

/// Where what is the same in all records ends. The first 8 bytes are the address of the registers when a program
/// sees them.
const COMMON_BYTES: u32 = 8;

/// The point of a tracepoint's record, with its fields as variables; `None` where tracefs has none.
pub(crate) fn record(facts: &dyn Facts, system: &str, name: &str) -> Option<Point> {
    let format = facts.tracepoint_format(system, name)?;
    let none = Btf::none();
    let btf = facts.btf().unwrap_or(&none);
    let attach = Attach::Record { system: system.to_string(), name: name.to_string() };
    let texts = vec![("$$name", name.to_string()), ("$$system", system.to_string())];
    Some(Point {
        context: fields(&format).iter().filter_map(|field| field.variable(btf)).collect(),
        identity: Identity { function: String::new(), texts },
        ..Point::new(format!("kernel.trace(\"{system}:{name}\")"), attach)
    })
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field<'t> {
    /// The type as C writes it, of an array that of an element.
    ty: &'t str,
    name: &'t str,
    shape: Shape,
    offset: u32,
    size: u32,
    signed: bool,
}

/// How a field holds its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    One,
    Array,
    /// It says where in the record an array is: counted from its begin, or from behind the field.
    Elsewhere {
        relative: bool,
    },
}

/// The fields that a program can read.
fn fields(format: &str) -> Vec<Field<'_>> {
    format.lines().filter_map(field).filter(|field| field.offset >= COMMON_BYTES).collect()
}

fn field(line: &str) -> Option<Field<'_>> {
    let mut parts = line.trim().split(';').map(str::trim);
    let declaration = parts.next()?.strip_prefix("field:")?;
    let mut number = |name: &str| parts.next()?.strip_prefix(name)?.parse::<u32>().ok();
    let (offset, size, signed) = (number("offset:")?, number("size:")?, number("signed:")? != 0);
    let elsewhere = [("__data_loc ", false), ("__rel_loc ", true)]
        .iter()
        .find_map(|(prefix, relative)| Some((declaration.strip_prefix(prefix)?, *relative)));
    let (declaration, shape) = match elsewhere {
        Some((declaration, relative)) => (declaration, Shape::Elsewhere { relative }),
        None => (declaration, Shape::One),
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // `char name[16]`, `char[] name`, `unsigned long args[6]`.
    let (declaration, length) = match declaration.strip_suffix(']') {
        Some(array) => (array.rsplit_once('[')?.0, true),
        None => (declaration, false),
    };
    let begin = declaration.rfind(|c| !is_word(c))? + 1;
    let (ty, name) = (declaration[..begin].trim(), &declaration[begin..]);
    let (ty, array) = match ty.strip_suffix(']') {
        Some(array) => (array.rsplit_once('[')?.0.trim(), true),
        None => (ty, length),
    };
    let shape = match shape {
        Shape::One if array => Shape::Array,
        shape => shape,
    };
    (!name.is_empty()).then_some(Field { ty, name, shape, offset, size, signed })
}

impl Field<'_> {
    /// The variable of that name. One of an array is the address of its first element.
    fn variable(&self, btf: &Btf) -> Option<ContextVariable> {
        let offset = self.offset;
        let address = Scalar { bytes: 8, signed: false };
        let element = self.element(btf);
        let (source, value, ty) = match self.shape {
            Shape::One
                if matches!(self.size, 1 | 2 | 4 | 8) && offset.is_multiple_of(self.size) =>
            {
                let value = Scalar { bytes: self.size as u8, signed: self.signed };
                let is_number = |&id: &TypeId| btf.scalar(id).is_some();
                let ty = element.filter(is_number).or_else(|| number(btf, value));
                (ContextSource::Field { offset }, value, ty)
            }
            Shape::One | Shape::Array => {
                let ty = element.and_then(|element| pointer_to(btf, element));
                (ContextSource::FieldAddress { offset }, address, ty)
            }
            Shape::Elsewhere { relative } => {
                let ty = element.and_then(|element| pointer_to(btf, element));
                (ContextSource::FieldElsewhere { offset, relative }, address, ty)
            }
        };
        let ty = ty.or_else(|| number(btf, value)).map_or(0, |id| id.0);
        Some(ContextVariable { name: self.name.to_string(), ty, source, value, trusted: false })
    }

    /// The kernel's type of the field, of an array that of an element.
    fn element(&self, btf: &Btf) -> Option<TypeId> {
        let plain = self.ty.strip_prefix("const ").unwrap_or(self.ty).trim();
        if let Some(target) = plain.strip_suffix('*') {
            let target = target.trim().trim_end_matches("const").trim();
            return match target {
                "void" => pointer_to(btf, TypeId::VOID),
                _ => pointer_to(btf, named(btf, target)?),
            };
        }
        named(btf, plain)
    }
}

/// The type of a name, which for integers is not the one C code uses.
fn named(btf: &Btf, name: &str) -> Option<TypeId> {
    let spelled = c_integer(name).map_or(name, |(spelled, _)| spelled);
    let integer = btf.find(spelled, Kind::Integer);
    integer.or_else(|| btf.find(name, Kind::Typedef)).or_else(|| {
        let (kind, name) = name.split_once(' ')?;
        match kind {
            "struct" => btf.find(name, Kind::Struct),
            "union" => btf.find(name, Kind::Union),
            "enum" => btf.find(name, Kind::Enum).or_else(|| btf.find(name, Kind::Enum64)),
            _ => None,
        }
    })
}

/// The integer type of a size.
fn number(btf: &Btf, value: Scalar) -> Option<TypeId> {
    btf.find(sized(value.bytes, value.signed), Kind::Integer)
}

/// The type of pointers to a type, as far as the kernel has one.
fn pointer_to(btf: &Btf, target: TypeId) -> Option<TypeId> {
    btf.ids(Kind::Pointer).find(|&id| btf.pointee(id) == Some(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_formats() {
        let rows = [
            ("char prev_comm[16];\toffset:8;\tsize:16", ("char", "prev_comm", Shape::Array)),
            ("pid_t prev_pid;\toffset:24;\tsize:4", ("pid_t", "prev_pid", Shape::One)),
            ("const char * name;\toffset:8;\tsize:8", ("const char *", "name", Shape::One)),
            ("struct sock *sk;\toffset:8;\tsize:8", ("struct sock *", "sk", Shape::One)),
            (
                "__data_loc char[] filename;\toffset:8;\tsize:4",
                ("char", "filename", Shape::Elsewhere { relative: false }),
            ),
            (
                "__rel_loc u64[] words;\toffset:12;\tsize:4",
                ("u64", "words", Shape::Elsewhere { relative: true }),
            ),
            (
                "unsigned long caller[8];\toffset:8;\tsize:64",
                ("unsigned long", "caller", Shape::Array),
            ),
        ];
        for (line, (ty, name, shape)) in rows {
            let line = format!("\tfield:{line};\tsigned:0;");
            let found = field(&line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((found.ty, found.name, found.shape), (ty, name, shape), "{line}");
        }
    }

    #[test]
    fn what_all_records_have_is_left_out() {
        let format = "name: x\nID: 3\nformat:\n\
                      \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
                      \tfield:int pid;\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: \"%d\", REC->pid";
        let found: Vec<_> = fields(format).into_iter().map(|field| field.name).collect();
        assert_eq!(found, ["pid"]);
    }

    #[test]
    fn other_lines_are_no_fields() {
        for line in ["", "field:", "field:;", "field:int;offset:8;size:4", "\tfield:int x;offset:y"]
        {
            assert_eq!(field(line), None, "{line}");
        }
    }
}
