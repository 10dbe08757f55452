//! `%m` and `%M`: memory in formats, as conversions of the numbers it is made of.
//!
//! `%.11m` of an address becomes `%8b%2b%1b` of three numbers read there, `%.2M` becomes `%02x%02x` of two
//! bytes. So a kernel probe reads the memory at the moment it prints, and sends what it read.

use super::Resolver;
use crate::builtins;
use crate::diagnostic::codes;
use crate::format::{Conversion, ConversionKind, Extent, Flag, Format, Piece};
use crate::hir::{Arithmetic, Expr, ExprKind, Load, Scalar, each_part};
use crate::source::Span;

/// The most bytes one conversion prints.
const MOST: u32 = 256;

impl Resolver<'_> {
    /// Replaces conversions of memory, and the addresses that are their arguments.
    pub(super) fn expand_memory(
        &mut self,
        format: Format,
        arguments: Vec<Expr>,
        span: Span,
    ) -> Option<(Format, Vec<Expr>)> {
        let mut pieces = vec![];
        let mut expanded = vec![];
        let mut rest = arguments.into_iter();
        for piece in format.pieces {
            let conversion = match piece {
                Piece::Conversion(c) => c,
                Piece::Text(_) => {
                    pieces.push(piece);
                    continue;
                }
            };
            let hexadecimal = conversion.kind == ConversionKind::MemoryHex;
            if !hexadecimal && conversion.kind != ConversionKind::Memory {
                let extents = [conversion.width, conversion.precision];
                let stars = extents.iter().filter(|&&e| e == Some(Extent::Argument)).count();
                expanded.extend(rest.by_ref().take(stars + 1));
                pieces.push(Piece::Conversion(conversion));
                continue;
            }
            let bytes = match (conversion.width, conversion.precision) {
                (None, None) => 1,
                (None, Some(Extent::Fixed(bytes @ 1..=MOST))) => bytes,
                _ => {
                    self.diagnostics
                        .error(codes::FORMAT, span, "memory is printed in a known number of bytes")
                        .label(format!("`%m` and `%M` take a precision from 1 to {MOST}, no width"))
                        .help("write the number of bytes as in `%.16M`");
                    return None;
                }
            };
            let address = rest.next()?;
            if !can_repeat(&address) {
                self.diagnostics
                    .error(codes::FORMAT, address.span, "this address cannot be computed twice")
                    .help("assign it to a variable, and print what that points to");
                return None;
            }
            let of_process = conversion.flag == Some(Flag::Alternate);
            let mut at = 0;
            while at < bytes {
                let size = match bytes - at {
                    _ if hexadecimal => 1,
                    8.. => 8,
                    4.. => 4,
                    2.. => 2,
                    _ => 1,
                };
                pieces.push(Piece::Conversion(if hexadecimal {
                    Conversion {
                        flag: Some(Flag::Zero),
                        width: Some(Extent::Fixed(2)),
                        precision: None,
                        kind: ConversionKind::Hex,
                    }
                } else {
                    Conversion {
                        flag: None,
                        width: Some(Extent::Fixed(size)),
                        precision: None,
                        kind: ConversionKind::Binary,
                    }
                }));
                expanded.push(self.part_of_memory(&address, at, size, of_process));
                at += size;
            }
        }
        Some((Format { pieces }, expanded))
    }

    /// A number in memory, without its sign.
    fn part_of_memory(
        &mut self,
        address: &Expr,
        offset: u32,
        bytes: u32,
        of_process: bool,
    ) -> Expr {
        let span = address.span;
        let reader = match bytes {
            8 => "user_uint64_error",
            4 => "user_uint32_error",
            2 => "user_uint16_error",
            _ => "user_uint8_error",
        };
        if of_process && let Some(builtin) = builtins::with_arity(reader, 1) {
            let right = Box::new(self.expr(span, ExprKind::Number(i64::from(offset))));
            let left = Box::new(address.clone());
            let sum = ExprKind::Arithmetic {
                operator: Arithmetic::Add,
                operator_span: span,
                left,
                right,
            };
            let arguments = vec![self.expr(span, sum)];
            return self.expr(span, ExprKind::Call { builtin, arguments });
        }
        let load = Load {
            address: address.clone(),
            offset: offset as i32,
            value: Scalar { bytes: bytes as u8, signed: false },
            bits: None,
            trusted: false,
            or_zero: false,
        };
        self.expr(span, ExprKind::Load(Box::new(load)))
    }
}

/// Whether an expression changes nothing and can be computed again.
fn can_repeat(e: &Expr) -> bool {
    let mut only_values = true;
    each_part(e, &mut |part| {
        only_values &= match &part.kind {
            ExprKind::Assign { .. } | ExprKind::Increment { .. } | ExprKind::Invoke { .. } => false,
            ExprKind::Call { builtin, .. } => {
                matches!(builtin.kernel, builtins::Kernel::Inline(_))
            }
            _ => true,
        };
    });
    only_values
}
