//! Which types have values a script can hold.

use super::{Btf, Kind, TypeId};

/// The integer a value of some type is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalarType {
    /// 1, 2, 4 or 8.
    pub bytes: u8,
    /// Whether it has a sign.
    pub signed: bool,
}

impl Btf {
    /// How values of a type are held: integers, enums and pointers; `None` for everything else.
    pub fn scalar(&self, id: TypeId) -> Option<ScalarType> {
        let id = self.strip(id);
        let signed = match self.kind(id)? {
            Kind::Integer => self.integer(id)?.signed,
            Kind::Enum | Kind::Enum64 => self.is_signed_enum(id).unwrap_or(false),
            Kind::Pointer => false,
            _ => return None,
        };
        let bytes = self.size(id)?;
        matches!(bytes, 1 | 2 | 4 | 8).then_some(ScalarType { bytes: bytes as u8, signed })
    }

    /// Whether a type is a pointer to a struct or union.
    pub fn is_struct_pointer(&self, id: TypeId) -> bool {
        self.pointee(self.strip(id)).is_some_and(|target| {
            matches!(self.kind(self.strip(target)), Some(Kind::Struct | Kind::Union))
        })
    }

    /// Whether a type is a pointer that programs at tracepoints may not load from their context on every kernel: up
    /// to Linux 6.12 at least, the verifier knows pointers to structures, to integers and to `void`, but not to
    /// `const void`, to pointers, functions, or structures that are declared only.
    pub fn is_opaque_pointer(&self, id: TypeId) -> bool {
        let Some(target) = self.pointee(self.strip(id)) else { return false };
        let known = [Kind::Struct, Kind::Union, Kind::Integer];
        target.0 != 0 && !self.kind(self.strip(target)).is_some_and(|kind| known.contains(&kind))
    }
}
