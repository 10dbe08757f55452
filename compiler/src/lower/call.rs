//! Functions: their overloads one after another, and in kernel code their calls, in place.

use super::{ErrorKind, ErrorSite, Half, Leaving, Lower, Operand};
use crate::hir::{Body, Expr, FunctionId, LocalId};
use crate::source::Span;

/// The most calls in a kernel handler, where each is a copy of the function. A handler of more is too long for
/// the kernel, and goes on in userspace.
pub(crate) const MOST_CALLS: usize = 256;

impl<'f, H: Half<'f>> Lower<'_, 'f, H> {
    /// The call of a function.
    pub(super) fn invoke(&mut self, id: FunctionId, arguments: &[Expr], span: Span) -> Operand {
        let arguments = self.expressions(arguments);
        let result = self.types.results[id];
        if let Some(value) = self.half.call_function(id, &arguments, result) {
            return value;
        }
        let function = &self.script.functions[id];
        let place = self.half.temporary(result);
        let empty = self.empty(result);
        self.half.write_local(place, &empty);
        self.calls += 1;
        if self.depth == self.nesting || self.calls > MOST_CALLS {
            self.half.fail(ErrorSite {
                kind: ErrorKind::TooDeep,
                span: function.span,
                near: format!("identifier '{}'", function.name),
            });
            let after = self.half.emitter().block();
            self.half.emitter().switch_to(after);
            return self.half.read_local(place);
        }
        let kept_locals = std::mem::take(&mut self.locals);
        let kept_loops = std::mem::take(&mut self.loops);
        let kept_leaving = self.leaving;
        self.depth += 1;
        let layout = self.layout;
        let bodies: Vec<(&[LocalId], &Body)> = match layout.kernel_functions.get(&id) {
            Some(bodies) => {
                let overloads = function.overloads.iter().map(|o| o.parameters.as_slice());
                overloads.zip(bodies).collect()
            }
            None => function.overloads.iter().map(|o| (o.parameters.as_slice(), &o.body)).collect(),
        };
        let end = self.half.emitter().block();
        self.overloads(id, &bodies, &arguments, place, end, span);
        self.half.emitter().switch_to(end);
        self.depth -= 1;
        self.leaving = kept_leaving;
        self.loops = kept_loops;
        self.locals = kept_locals;
        self.half.read_local(place)
    }

    /// The overloads of a function in order, from the current block to `end`.
    pub(super) fn overloads(
        &mut self,
        id: FunctionId,
        bodies: &[(&[LocalId], &Body)],
        arguments: &[Operand],
        result: super::LocalPlace,
        end: super::Block,
        span: Span,
    ) {
        for (parameters, body) in bodies {
            let next = self.half.emitter().block();
            self.declare_locals(body, parameters);
            for (&parameter, argument) in parameters.iter().zip(arguments) {
                self.write_local(parameter, argument);
            }
            self.leaving = Leaving::Function { end, result, next };
            self.statements(&body.statements);
            self.half.emitter().jump(end);
            self.half.emitter().switch_to(next);
        }
        // Behind the last overload: its `next` leads here.
        self.half.fail(ErrorSite {
            kind: ErrorKind::FunctionsExhausted,
            span,
            near: format!("identifier '{}'", self.script.functions[id].name),
        });
    }
}
