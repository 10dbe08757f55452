//! Kernel code by its address: `kernel.function(ADDRESS)`, `kernel.statement(ADDRESS).absolute`.

use super::{Found, Typed, Wanted, plain_name, points};
use crate::diagnostic::{Diagnostics, codes};
use crate::families::Request;
use crate::hir::{Attach, FunctionPoints, FunctionTarget, Identity, Point};
use crate::source::Span;

/// A function with an address in it.
struct Inside {
    function: Found,
    /// The address asked about.
    address: u64,
}

/// The function that an address is in.
pub(super) fn function(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((number, span)) = request.number_of("function") else { return vec![] };
    let Some(inside) = find(request, number, span, diagnostics) else { return vec![] };
    let module = request.text_of("module").map(|(name, _)| name);
    let returns = request.position("return").is_some();
    let wanted = Wanted { module, returns, ..Wanted::default_at(span) };
    points(request, &wanted, vec![inside.function])
}

/// An instruction.
pub(super) fn statement(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((number, span)) = request.number_of("statement") else { return vec![] };
    let Some(inside) = find(request, number, span, diagnostics) else { return vec![] };
    let function = inside.function;
    // Parameters are known where the calling convention puts them.
    let mut context = vec![];
    if inside.address == function.address
        && let Some(typed) = Typed::new(request, std::slice::from_ref(&function))
    {
        context = typed.context(&function, request.facts.architecture()).0;
    }
    let name = request.spelling();
    let identity = Identity { function: function.name.clone(), ..Identity::default() };
    let target = FunctionTarget {
        name: function.name,
        point: name.clone(),
        address: inside.address,
        module: function.module,
    };
    let functions = FunctionPoints::inside(target);
    vec![Point { context, identity, ..Point::new(name, Attach::Function(functions)) }]
}

/// Finds the function; reports why there is none.
fn find(
    request: &Request<'_>,
    number: i64,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Option<Inside> {
    let wanted_module = request.text_of("module").map(|(name, _)| name);
    let types = request.facts.btf().ok();
    let is_typed = |name: &str| types.is_some_and(|types| types.function(name).is_some());
    let mut begin = None;
    let mut before: Option<Found> = None;
    let listed = request.facts.each_function(&mut |function| {
        if function.module != wanted_module {
            return;
        }
        let begin = *begin.get_or_insert(function.address);
        let address = address_of(number, wanted_module.map(|_| begin));
        let Some(name) = plain_name(function.name) else { return };
        if function.address > address {
            return;
        }
        match &mut before {
            Some(known) if known.address > function.address => {}
            // Of several names of one function the first, unless only another is known with its parameters.
            Some(known) if known.address == function.address => {
                if is_typed(name) && !is_typed(&known.name) {
                    known.name = name.to_string();
                }
            }
            _ => {
                before = Some(Found {
                    name: name.to_string(),
                    address: function.address,
                    module: function.module.map(str::to_string),
                });
            }
        }
    });
    if let Err(missing) = listed {
        diagnostics
            .error(
                codes::UNKNOWN_FUNCTION_POINT,
                span,
                format!("cannot look for functions: {}", missing.reason),
            )
            .label("needs the kernel's symbols");
        return None;
    }
    match (before, begin) {
        (Some(function), Some(begin)) => {
            Some(Inside { function, address: address_of(number, wanted_module.map(|_| begin)) })
        }
        (_, None) if wanted_module.is_some() => {
            let module = wanted_module.unwrap_or_default();
            diagnostics
                .error(codes::UNKNOWN_FUNCTION_POINT, span, format!("no module `{module}`"))
                .label("the module is not loaded")
                .help(format!("load it first (`modprobe {module}`)"));
            None
        }
        _ => {
            diagnostics
                .error(
                    codes::UNKNOWN_FUNCTION_POINT,
                    span,
                    format!("no kernel function is at {number:#x}"),
                )
                .label("no code of the kernel begins there or before")
                .help("addresses are those of /proc/kallsyms; they change with each boot");
            None
        }
    }
}

fn address_of(number: i64, begin: Option<u64>) -> u64 {
    begin.unwrap_or(0).wrapping_add(number as u64)
}
