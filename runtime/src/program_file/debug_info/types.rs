//! Types of the debug information as types of the kernel's format, so that `$p->member` means the same for both.
//!
//! C++ classes are structures, references pointers; what a class inherits are members without a name. Types that
//! have nothing of the kind are numbers of their size.

use std::collections::HashMap;

use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, Unit, UnitOffset, UnitSectionOffset,
};
use ntap_compiler::btf::{Btf, Builder, Kind, NewInteger, NewMember, TypeId};
use ntap_compiler::hir::Scalar;

use super::Slice;
use super::place::Class;

/// No more types than this are made of one program.
const MOST_TYPES: usize = 200_000;
/// How deep types are followed at once.
const DEPTH: u32 = 200;

/// Pointers to types, and types with qualifiers, of the kernel's: what was made of which type.
pub(super) type Derived = HashMap<(Kind, TypeId), TypeId>;

/// The types made so far.
pub(super) struct Types<'b> {
    builder: Builder,
    known: HashMap<usize, TypeId>,
    /// The kernel's types, where those read are the same.
    kernel: Option<&'b Btf>,
    derived: Derived,
    shapes: HashMap<TypeId, Shape>,
    depth: u32,
}

/// What a structure consists of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// So many numbers and pointers, and nothing else.
    Words(u8),
    /// What is given to functions by its address, as the compiler says.
    ByReference,
    /// Anything.
    Other,
}

/// What of a type decides how its values are handled.
#[derive(Clone, Copy)]
enum Shape {
    Integer { bytes: u64, signed: bool },
    Float,
    Pointer,
    Aggregate { bytes: u64, floats: bool, is: Parts },
    Array { bytes: u64, floats: bool },
    Same(TypeId),
    Other,
}

type Entry<'a, 'd> = DebuggingInformationEntry<'a, 'a, Slice<'d>>;

impl<'b> Types<'b> {
    pub(super) fn new(base: &Btf) -> Types<'b> {
        Types {
            builder: Builder::new(base),
            known: HashMap::new(),
            kernel: None,
            derived: HashMap::new(),
            shapes: HashMap::new(),
            depth: 0,
        }
    }

    /// For the kernel's debug information: what `kernel`, with whose types those of `base` begin, has under the same
    /// name is taken from there; `derived` are among those of `base`.
    pub(super) fn of_kernel(kernel: &'b Btf, base: &Btf, derived: Derived) -> Types<'b> {
        Types { kernel: Some(kernel), derived, ..Types::new(base) }
    }

    /// What was derived of the kernel's types, with what is derived here: from now on nothing is.
    pub(super) fn take_derived(&mut self) -> Derived {
        std::mem::take(&mut self.derived)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.builder.finish()
    }

    /// The integer or pointer a value of a type is; `None` for others.
    pub(super) fn scalar(&self, ty: TypeId) -> Option<Scalar> {
        match self.shape(ty) {
            Shape::Integer { bytes: bytes @ (1 | 2 | 4 | 8), signed } => {
                Some(Scalar { bytes: bytes as u8, signed })
            }
            Shape::Pointer => Some(Scalar { bytes: 8, signed: false }),
            _ => None,
        }
    }

    /// Whether values of a type are structures or arrays.
    pub(super) fn is_in_memory(&self, ty: TypeId) -> bool {
        matches!(self.shape(ty), Shape::Aggregate { .. } | Shape::Array { .. })
    }

    /// How values of a type are given to functions.
    pub(super) fn class(&self, ty: TypeId, is_rust: bool) -> Class {
        match self.shape(ty) {
            Shape::Aggregate { is: Parts::ByReference, .. } => Class::ByReference,
            // One or two words are given as they are, what is larger by its address.
            Shape::Aggregate { bytes, floats, is } if is_rust => match (bytes, is) {
                (0, _) => Class::Integers(0),
                (17.., _) => Class::ByReference,
                (_, Parts::Words(words @ (1 | 2))) if !floats => Class::Integers(words),
                _ => Class::Unknown,
            },
            Shape::Integer { bytes: 0..=8, .. } | Shape::Pointer => Class::Integers(1),
            Shape::Integer { bytes: 16, .. } => Class::Integers(2),
            Shape::Float => Class::Float,
            Shape::Aggregate { bytes: 17.., .. } => Class::Memory,
            Shape::Aggregate { bytes, floats: false, .. } => {
                Class::Integers(bytes.div_ceil(8) as u8)
            }
            _ => Class::Unknown,
        }
    }

    /// Whether a function returns such a value where its caller says.
    pub(super) fn is_returned_in_memory(&self, ty: TypeId, is_rust: bool) -> bool {
        match self.shape(ty) {
            Shape::Aggregate { is: Parts::ByReference, .. } => !is_rust,
            Shape::Aggregate { bytes, .. } => bytes > 16,
            _ => false,
        }
    }

    /// How many numbers and pointers a member is.
    fn parts(&self, ty: TypeId) -> Parts {
        match self.shape(ty) {
            Shape::Integer { bytes: 0, .. } => Parts::Words(0),
            Shape::Integer { bytes: 1..=8, .. } | Shape::Pointer | Shape::Float => Parts::Words(1),
            Shape::Aggregate { bytes: 0, .. } => Parts::Words(0),
            Shape::Aggregate { is, .. } => is,
            _ => Parts::Other,
        }
    }

    fn shape(&self, mut ty: TypeId) -> Shape {
        for _ in 0..DEPTH {
            match self.shapes.get(&ty) {
                Some(Shape::Same(target)) => ty = *target,
                Some(shape) => return *shape,
                None => return self.kernel.map_or(Shape::Other, |kernel| shape_of(kernel, ty)),
            }
        }
        Shape::Other
    }

    /// The type a `DW_AT_type` names.
    pub(super) fn of<'d>(
        &mut self,
        dwarf: &Dwarf<Slice<'d>>,
        unit: &Unit<Slice<'d>>,
        reference: AttributeValue<Slice<'d>>,
    ) -> TypeId {
        match reference {
            AttributeValue::UnitRef(offset) => self.at(dwarf, unit, offset),
            // In another unit.
            AttributeValue::DebugInfoRef(offset) => {
                let section = UnitSectionOffset::DebugInfoOffset(offset);
                if let Some(offset) = section.to_unit_offset(unit) {
                    return self.at(dwarf, unit, offset);
                }
                let mut headers = dwarf.units();
                while let Ok(Some(header)) = headers.next() {
                    let Ok(other) = dwarf.unit(header) else { continue };
                    if let Some(offset) = section.to_unit_offset(&other) {
                        return self.at(dwarf, &other, offset);
                    }
                }
                TypeId::VOID
            }
            _ => TypeId::VOID,
        }
    }

    fn at<'d>(
        &mut self,
        dwarf: &Dwarf<Slice<'d>>,
        unit: &Unit<Slice<'d>>,
        offset: UnitOffset,
    ) -> TypeId {
        let UnitSectionOffset::DebugInfoOffset(key) = offset.to_unit_section_offset(unit) else {
            return TypeId::VOID;
        };
        if let Some(&known) = self.known.get(&key.0) {
            return known;
        }
        if self.builder.len() >= MOST_TYPES || self.depth >= DEPTH {
            return TypeId::VOID;
        }
        let Ok(entry) = unit.entry(offset) else { return TypeId::VOID };
        if entry.tag() == gimli::DW_TAG_unspecified_type {
            return TypeId::VOID;
        }
        if let Some(id) = self.of_same_name(dwarf, unit, &entry) {
            self.known.insert(key.0, id);
            return id;
        }
        if let (Some(_), Some(kind)) = (self.kernel, derived_kind(entry.tag())) {
            self.depth += 1;
            let reference = entry.attr_value(gimli::DW_AT_type).ok().flatten();
            let target = reference.map_or(TypeId::VOID, |target| self.of(dwarf, unit, target));
            self.depth -= 1;
            let id = self.derived(kind, target);
            self.known.insert(key.0, id);
            return id;
        }
        let id = self.builder.reserve();
        self.known.insert(key.0, id);
        self.depth += 1;
        let shape = self.make(dwarf, unit, &entry, id).unwrap_or(Shape::Other);
        self.depth -= 1;
        self.shapes.insert(id, shape);
        id
    }

    /// The kernel's type that an entry describes.
    fn of_same_name<'d>(
        &self,
        dwarf: &Dwarf<Slice<'d>>,
        unit: &Unit<Slice<'d>>,
        entry: &Entry<'_, 'd>,
    ) -> Option<TypeId> {
        let kernel = self.kernel?;
        let kinds: &[Kind] = match entry.tag() {
            gimli::DW_TAG_base_type => &[Kind::Integer],
            gimli::DW_TAG_structure_type => &[Kind::Struct],
            gimli::DW_TAG_union_type => &[Kind::Union],
            gimli::DW_TAG_enumeration_type => &[Kind::Enum, Kind::Enum64],
            gimli::DW_TAG_typedef => &[Kind::Typedef],
            _ => return None,
        };
        let name = entry.attr_value(gimli::DW_AT_name).ok()??;
        let name = dwarf.attr_string(unit, name).ok()?.to_string_lossy();
        let id = kinds.iter().find_map(|&kind| kernel.find(&name, kind))?;
        // Files have structures of their own under the same name.
        let bytes = number(entry, gimli::DW_AT_byte_size).ok()?;
        (bytes.is_none() || kernel.size(id) == bytes).then_some(id)
    }

    /// A pointer to a type of the kernel's, or the type with a qualifier.
    fn derived(&mut self, kind: Kind, target: TypeId) -> TypeId {
        let shape = if kind == Kind::Pointer { Shape::Pointer } else { Shape::Same(target) };
        let id = match self.derived.get(&(kind, target)) {
            Some(&known) => known,
            None => {
                let id = self.builder.reserve();
                self.builder.derived(id, kind, "", target);
                self.derived.insert((kind, target), id);
                id
            }
        };
        self.shapes.insert(id, shape);
        id
    }

    fn make<'d>(
        &mut self,
        dwarf: &Dwarf<Slice<'d>>,
        unit: &Unit<Slice<'d>>,
        entry: &Entry<'_, 'd>,
        id: TypeId,
    ) -> gimli::Result<Shape> {
        let name = match entry.attr_value(gimli::DW_AT_name)? {
            Some(name) => dwarf.attr_string(unit, name)?.to_string_lossy().into_owned(),
            None => String::new(),
        };
        let bytes = number(entry, gimli::DW_AT_byte_size)?.unwrap_or(0);
        let target = |types: &mut Types| -> gimli::Result<TypeId> {
            let reference = entry.attr_value(gimli::DW_AT_type)?;
            Ok(reference.map_or(TypeId::VOID, |reference| types.of(dwarf, unit, reference)))
        };
        Ok(match entry.tag() {
            gimli::DW_TAG_base_type => {
                let encoding = match entry.attr_value(gimli::DW_AT_encoding)? {
                    Some(AttributeValue::Encoding(encoding)) => encoding,
                    _ => gimli::DW_ATE_unsigned,
                };
                self.base(id, &name, bytes, encoding)
            }
            gimli::DW_TAG_pointer_type
            | gimli::DW_TAG_reference_type
            | gimli::DW_TAG_rvalue_reference_type => {
                // Known before what it points to, which may lead back here.
                self.shapes.insert(id, Shape::Pointer);
                let target = target(self)?;
                self.builder.derived(id, Kind::Pointer, "", target);
                Shape::Pointer
            }
            tag @ (gimli::DW_TAG_typedef
            | gimli::DW_TAG_const_type
            | gimli::DW_TAG_volatile_type
            | gimli::DW_TAG_restrict_type
            | gimli::DW_TAG_atomic_type) => {
                let target = target(self)?;
                let (kind, name) = match derived_kind(tag) {
                    Some(kind) => (kind, ""),
                    None => (Kind::Typedef, name.as_str()),
                };
                self.builder.derived(id, kind, name, target);
                Shape::Same(target)
            }
            gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type | gimli::DW_TAG_union_type => {
                let kind = match entry.tag() {
                    gimli::DW_TAG_union_type => Kind::Union,
                    _ => Kind::Struct,
                };
                if entry.attr_value(gimli::DW_AT_declaration)?.is_some() {
                    self.builder.declaration(id, kind, &name);
                    return Ok(Shape::Other);
                }
                let (members, floats, parts) = self.members(dwarf, unit, entry)?;
                self.builder.aggregate(id, kind, &name, bytes as u32, &members);
                let by_reference =
                    AttributeValue::CallingConvention(gimli::DW_CC_pass_by_reference);
                let convention = entry.attr_value(gimli::DW_AT_calling_convention)?;
                let is = match kind {
                    _ if convention == Some(by_reference) => Parts::ByReference,
                    Kind::Union => Parts::Other,
                    _ => parts,
                };
                Shape::Aggregate { bytes, floats, is }
            }
            gimli::DW_TAG_enumeration_type => {
                let values = enumerators(dwarf, unit, entry)?;
                let signed = values.iter().any(|(_, value)| *value < 0);
                self.builder.enumeration(id, &name, bytes as u32, signed, &values);
                Shape::Integer { bytes, signed }
            }
            gimli::DW_TAG_array_type => {
                let target = target(self)?;
                let (length, element) = self.dimensions(unit, entry, target)?;
                self.builder.array(id, element, length);
                self.array_shape(element, length)
            }
            gimli::DW_TAG_subroutine_type => {
                self.builder.function(id);
                Shape::Other
            }
            _ => Shape::Other,
        })
    }

    /// The first dimension of an array, and what its elements are: arrays where it has more.
    fn dimensions(
        &mut self,
        unit: &Unit<Slice<'_>>,
        entry: &Entry<'_, '_>,
        target: TypeId,
    ) -> gimli::Result<(u32, TypeId)> {
        let lengths = array_lengths(unit, entry)?;
        let Some((&first, inner)) = lengths.split_first() else { return Ok((0, target)) };
        let mut element = target;
        for &length in inner.iter().rev() {
            let id = self.builder.reserve();
            self.builder.array(id, element, length);
            let shape = self.array_shape(element, length);
            self.shapes.insert(id, shape);
            element = id;
        }
        Ok((first, element))
    }

    fn array_shape(&self, element: TypeId, length: u32) -> Shape {
        let (each, floats) = match self.shape(element) {
            Shape::Integer { bytes, .. } => (bytes, false),
            Shape::Pointer => (8, false),
            Shape::Aggregate { bytes, floats, .. } | Shape::Array { bytes, floats } => {
                (bytes, floats)
            }
            Shape::Float | Shape::Same(_) | Shape::Other => (0, true),
        };
        Shape::Array { bytes: each * u64::from(length), floats }
    }

    fn base(&mut self, id: TypeId, name: &str, bytes: u64, encoding: gimli::DwAte) -> Shape {
        if matches!(
            encoding,
            gimli::DW_ATE_float | gimli::DW_ATE_complex_float | gimli::DW_ATE_decimal_float
        ) {
            self.builder.float(id, name, bytes as u32);
            return Shape::Float;
        }
        let signed = matches!(encoding, gimli::DW_ATE_signed | gimli::DW_ATE_signed_char);
        let character = matches!(
            encoding,
            gimli::DW_ATE_signed_char | gimli::DW_ATE_unsigned_char | gimli::DW_ATE_UTF
        );
        let boolean = encoding == gimli::DW_ATE_boolean;
        let integer = NewInteger { bytes: bytes.min(16) as u8, signed, character, boolean };
        self.builder.integer(id, name, integer);
        Shape::Integer { bytes, signed }
    }

    /// The members of a structure, whether any is a floating point number, and what they are together.
    fn members<'d>(
        &mut self,
        dwarf: &Dwarf<Slice<'d>>,
        unit: &Unit<Slice<'d>>,
        entry: &Entry<'_, 'd>,
    ) -> gimli::Result<(Vec<NewMember>, bool, Parts)> {
        let mut members = vec![];
        let mut parts = Parts::Words(0);
        let mut floats = false;
        let mut tree = unit.entries_tree(Some(entry.offset()))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            let inherited = entry.tag() == gimli::DW_TAG_inheritance;
            if entry.tag() == gimli::DW_TAG_variant_part {
                parts = Parts::Other;
            }
            if entry.tag() != gimli::DW_TAG_member && !inherited
                // A static member is a variable.
                || entry.attr_value(gimli::DW_AT_external)?.is_some()
            {
                continue;
            }
            let Some(reference) = entry.attr_value(gimli::DW_AT_type)? else { continue };
            let ty = self.of(dwarf, unit, reference);
            let name = match entry.attr_value(gimli::DW_AT_name)? {
                Some(name) if !inherited => {
                    dwarf.attr_string(unit, name)?.to_string_lossy().into_owned()
                }
                _ => String::new(),
            };
            let bit_size = number(entry, gimli::DW_AT_bit_size)?.unwrap_or(0);
            let bytes = number(entry, gimli::DW_AT_data_member_location)?.unwrap_or(0);
            let bit_offset = match number(entry, gimli::DW_AT_data_bit_offset)? {
                Some(bits) => bits,
                // Before DWARF 4 bits were counted from the other end of the integer.
                None => match number(entry, gimli::DW_AT_bit_offset)? {
                    Some(from_top) => {
                        let unit = number(entry, gimli::DW_AT_byte_size)?.unwrap_or(4) * 8;
                        (bytes * 8 + unit).saturating_sub(from_top + bit_size)
                    }
                    None => bytes * 8,
                },
            };
            floats |= matches!(
                self.shape(ty),
                Shape::Float
                    | Shape::Other
                    | Shape::Aggregate { floats: true, .. }
                    | Shape::Array { floats: true, .. }
            );
            parts = match (parts, self.parts(ty)) {
                (Parts::Words(before), Parts::Words(more)) if bit_size == 0 => {
                    Parts::Words(before.saturating_add(more))
                }
                _ => Parts::Other,
            };
            members.push(NewMember { name, ty, bit_offset, bit_size: bit_size as u32 });
        }
        Ok((members, floats, parts))
    }
}

/// What pointers and types with qualifiers are.
fn derived_kind(tag: gimli::DwTag) -> Option<Kind> {
    Some(match tag {
        gimli::DW_TAG_pointer_type
        | gimli::DW_TAG_reference_type
        | gimli::DW_TAG_rvalue_reference_type => Kind::Pointer,
        gimli::DW_TAG_const_type => Kind::Const,
        gimli::DW_TAG_restrict_type => Kind::Restrict,
        gimli::DW_TAG_volatile_type | gimli::DW_TAG_atomic_type => Kind::Volatile,
        _ => return None,
    })
}

/// How values of a type of the kernel's are handled.
fn shape_of(kernel: &Btf, ty: TypeId) -> Shape {
    let ty = kernel.strip(ty);
    let bytes = kernel.size(ty).unwrap_or(0);
    match kernel.kind(ty) {
        Some(Kind::Integer) => {
            Shape::Integer { bytes, signed: kernel.integer(ty).is_some_and(|is| is.signed) }
        }
        Some(Kind::Enum | Kind::Enum64) => {
            Shape::Integer { bytes, signed: kernel.is_signed_enum(ty) == Some(true) }
        }
        Some(Kind::Pointer) => Shape::Pointer,
        Some(Kind::Struct | Kind::Union) => {
            Shape::Aggregate { bytes, floats: false, is: Parts::Other }
        }
        Some(Kind::Array) => Shape::Array { bytes, floats: false },
        _ => Shape::Other,
    }
}

/// An attribute that is a number.
fn number(entry: &Entry<'_, '_>, name: gimli::DwAt) -> gimli::Result<Option<u64>> {
    Ok(entry.attr_value(name)?.and_then(|value| value.udata_value()))
}

fn enumerators(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    entry: &Entry<'_, '_>,
) -> gimli::Result<Vec<(String, i64)>> {
    let mut values = vec![];
    let mut tree = unit.entries_tree(Some(entry.offset()))?;
    let mut children = tree.root()?.children();
    while let Some(child) = children.next()? {
        let entry = child.entry();
        let name = entry.attr_value(gimli::DW_AT_name)?;
        let value = entry.attr_value(gimli::DW_AT_const_value)?;
        if let (Some(name), Some(value)) = (name, value)
            && let Some(value) = value.sdata_value().or(value.udata_value().map(|v| v as i64))
        {
            values.push((dwarf.attr_string(unit, name)?.to_string_lossy().into_owned(), value));
        }
    }
    Ok(values)
}

/// The lengths of an array's dimensions, the outermost first.
fn array_lengths(unit: &Unit<Slice<'_>>, entry: &Entry<'_, '_>) -> gimli::Result<Vec<u32>> {
    let mut lengths = vec![];
    let mut tree = unit.entries_tree(Some(entry.offset()))?;
    let mut children = tree.root()?.children();
    while let Some(child) = children.next()? {
        let entry = child.entry();
        if entry.tag() == gimli::DW_TAG_subrange_type {
            let count = match number(entry, gimli::DW_AT_count)? {
                Some(count) => count,
                None => number(entry, gimli::DW_AT_upper_bound)?.map_or(0, |last| last + 1),
            };
            lengths.push(u32::try_from(count).unwrap_or(0));
        }
    }
    Ok(lengths)
}
