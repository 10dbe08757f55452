//! Calls of the runtime, and the words they take.

use cranelift_codegen::ir::{Block, InstBuilder, Value};

use super::UserCode;
use crate::backend::names;
use crate::hir::Print;
use crate::histogram::Histogram;
use crate::layout::{ArrayId, ArrayValue, HistogramLayout, StatsLayout};
use crate::lower::{ErrorSite, Half, Operand, PrintSite, Text};
use crate::runtime_functions::{RuntimeFunction, context};
use crate::source::Span;
use crate::types::Type;

impl UserCode<'_, '_> {
    /// Calls a runtime function; leaves the block when it fails.
    pub(super) fn call(&mut self, function: RuntimeFunction, arguments: &[Value]) -> Value {
        let mut all = vec![self.context];
        all.extend_from_slice(arguments);
        let result = self.emitter.call(names::RUNTIME, function as u32, &all);
        if function.fallible() {
            self.test_error();
        }
        result
    }

    /// Counts the statements that are not counted yet.
    pub(super) fn count(&mut self, site: ErrorSite) {
        let site = self.site(site);
        let statements = std::mem::take(&mut self.uncounted);
        let statements = self.constant(statements);
        self.call(RuntimeFunction::Count, &[statements, site]);
    }

    /// Where errors lead.
    pub(super) fn on_error(&self) -> Block {
        self.handlers.last().copied().unwrap_or(self.exit)
    }

    /// Goes to where errors lead if one was raised.
    pub(super) fn test_error(&mut self) {
        let go_on = self.emitter.block();
        let on_error = self.on_error();
        let error = self.emitter.load(self.context, context::ERROR);
        self.emitter.builder.ins().brif(error, on_error, &[], go_on, &[]);
        self.emitter.switch_to(go_on);
    }

    pub(super) fn constant(&mut self, value: u32) -> Value {
        self.emitter.constant(i64::from(value))
    }

    pub(super) fn site(&mut self, site: ErrorSite) -> Value {
        let index = self.tables.error(site);
        self.constant(index)
    }

    /// How errors cite the histogram of an array.
    pub(super) fn histogram_name(&self, array: ArrayId) -> String {
        let name = match self.layout.arrays[array].value {
            ArrayValue::Stats(StatsLayout {
                histogram: Some(HistogramLayout { shape: Histogram::Linear { .. }, .. }),
                ..
            }) => "@hist_linear",
            ArrayValue::Stats(_) | ArrayValue::Long | ArrayValue::Text(_) => "@hist_log",
        };
        format!("identifier '{name}'")
    }

    /// The address of a string.
    pub(super) fn address(&mut self, text: &Text) -> Value {
        match text {
            Text::Memory { address, .. } => *address,
            Text::Literal(text) => {
                let index = self.tables.literal(text);
                let literals = self.emitter.load(self.context, context::LITERALS);
                self.emitter.load(literals, index * 8)
            }
        }
    }

    pub(super) fn word(&mut self, operand: &Operand) -> Value {
        match operand {
            Operand::Long(value) => *value,
            Operand::Text(text) => self.address(text),
            Operand::Nothing => self.emitter.constant(0),
        }
    }

    /// The address of an array of words; 0 when there are none.
    pub(super) fn words(&mut self, operands: &[Operand]) -> Value {
        if operands.is_empty() {
            return self.emitter.constant(0);
        }
        let slot = self.emitter.slot(8 * operands.len() as u32);
        for (at, operand) in operands.iter().enumerate() {
            let word = self.word(operand);
            let to = self.emitter.slot_address(slot, 8 * at as u32);
            self.emitter.store(word, to, 0);
        }
        self.emitter.slot_address(slot, 0)
    }

    pub(super) fn operand(&self, word: Value, ty: Type) -> Operand {
        match ty {
            Type::Long | Type::Stats => Operand::Long(word),
            Type::Text(width) => Operand::Text(Text::Memory { address: word, width }),
        }
    }

    /// The type of an array's value, as operands have it.
    pub(super) fn value_type(&self, array: ArrayId) -> Type {
        match self.layout.arrays[array].value {
            crate::layout::ArrayValue::Text(width) => Type::Text(width),
            crate::layout::ArrayValue::Long | crate::layout::ArrayValue::Stats(_) => Type::Long,
        }
    }

    pub(super) fn array_site(&mut self, array: ArrayId, span: Span) -> Value {
        let array = &self.layout.arrays[array];
        let limit = array.sized.then_some(array.capacity);
        let site = self.overflow_site(&array.name, limit, span);
        self.site(site)
    }

    pub(super) fn print_site(&mut self, print: &Print, arguments: &[Operand]) -> Value {
        let texts = arguments.iter().map(|a| matches!(a, Operand::Text(_))).collect();
        let site = PrintSite {
            format: print.format.clone(),
            delimiter: print.delimiter.clone(),
            newline: print.newline,
            texts,
        };
        self.tables.prints.push(site);
        self.constant(self.tables.prints.len() as u32 - 1)
    }
}
