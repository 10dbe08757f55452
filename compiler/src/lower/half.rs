//! What the two halves of a script do differently.

use cranelift_codegen::ir::{Block, Value};

use super::tables::{ErrorKind, ErrorSite};
use super::{Emitter, LocalPlace, Room, Tables};
use crate::builtins::Builtin;
use crate::hir::{Aggregate, Comparison, EventId, ExprId, FunctionId, Load, Print, Sort};
use crate::layout::{ArrayId, Storage};
use crate::source::Span;
use crate::types::Type;

/// The value of an expression.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A number.
    Long(Value),
    /// A string.
    Text(Text),
    /// None: the call was made for its effect.
    Nothing,
}

/// A string.
#[derive(Clone, Debug)]
pub enum Text {
    /// Known when the script is compiled.
    Literal(String),
    /// NUL-terminated bytes at an address. In kernel code they are padded with zeros to `width`, a
    /// multiple of 8.
    Memory {
        /// Where.
        address: Value,
        /// How many bytes may be read there.
        width: u32,
    },
}

impl Operand {
    /// The number; the type checker has made sure that it is one.
    pub fn long(&self) -> Value {
        match self {
            Operand::Long(value) => *value,
            Operand::Text(_) | Operand::Nothing => panic!("a number was expected: {self:?}"),
        }
    }

    /// The string; the type checker has made sure that it is one.
    pub fn text(&self) -> &Text {
        match self {
            Operand::Text(text) => text,
            Operand::Long(_) | Operand::Nothing => panic!("a string was expected: {self:?}"),
        }
    }
}

/// One half of a script: how its code reaches globals, strings, output and errors.
pub trait Half<'f> {
    /// The function under construction.
    fn emitter(&mut self) -> &mut Emitter<'f>;
    /// The tables.
    fn tables(&mut self) -> &mut Tables;

    /// Ends the function: what falls through leaves it, with the result.
    fn finish(&mut self, result: Option<LocalPlace>);
    /// Leaves the handler; the current block ends.
    fn leave(&mut self);
    /// Lets no handler start any more.
    fn halt(&mut self);
    /// Raises an error; the current block ends.
    fn fail(&mut self, site: ErrorSite);
    /// From here on errors lead to `handler`, until [`Half::end_try`].
    fn begin_try(&mut self) -> Block;
    /// Errors lead where they led before.
    fn end_try(&mut self);
    /// At the start of the handler of errors: the error that led here is no longer raised. Gives its
    /// message when it is wanted.
    fn caught(&mut self, handler: Block, wanted: bool) -> Option<Operand>;
    /// Calls a function compiled on its own; `None` when the half has functions in place.
    fn call_function(
        &mut self,
        id: FunctionId,
        arguments: &[Operand],
        result: Type,
    ) -> Option<Operand>;
    /// Marks the code that follows as belonging to a place in the script.
    fn locate(&mut self, span: Span);
    /// Counts a round of a loop, and raises an error after too many.
    fn count_round(&mut self, site: ErrorSite);
    /// A statement begins.
    fn count_statement(&mut self, span: Span);
    /// Code that runs on another condition begins behind this: what was counted is settled. The place
    /// and token are those an error cites.
    fn settle_count(&mut self, span: Span, near: &str);

    /// A local is about to change in a loop: what is known of its value is of no use, unless the loop's
    /// condition asks for it.
    fn forget(&mut self, place: LocalPlace, in_condition: bool);
    /// A loop begins, with so many statements in its body.
    fn begin_loop(&mut self, statements: usize);
    /// The code of the innermost loop ends.
    fn end_loop(&mut self);

    /// A constant divisor, which kernel code hides from the optimizer.
    fn divisor(&mut self, value: i64) -> Value;

    /// A new local variable, 0 or empty.
    fn declare_local(&mut self, ty: Type) -> LocalPlace;
    /// The value of a local.
    fn read_local(&mut self, place: LocalPlace) -> Operand;
    /// Sets a local.
    fn write_local(&mut self, place: LocalPlace, value: &Operand);

    /// Calls a builtin.
    fn builtin(&mut self, builtin: &'static Builtin, arguments: &[Operand], span: Span) -> Operand;
    /// A context variable.
    fn context(&mut self, index: usize) -> Value;

    /// The same as a number that can be calculated with.
    fn context_number(&mut self, index: usize) -> Value {
        self.context(index)
    }
    /// A load from kernel memory.
    fn load(&mut self, load: &Load, address: Value, span: Span) -> Value;
    /// A captured value of the record being handled.
    fn captured(&mut self, event: EventId, field: usize) -> Operand;

    /// The value of a numeric global.
    fn read_cell(&mut self, storage: Storage) -> Value;
    /// Sets a numeric global.
    fn write_cell(&mut self, storage: Storage, value: Value);
    /// Adds to a numeric global; gives the old value.
    fn add_cell(&mut self, storage: Storage, delta: Value) -> Value;

    /// The value of an element, 0 or empty when there is none.
    fn array_get(&mut self, array: ArrayId, keys: &[Operand], span: Span) -> Operand;
    /// Sets an element.
    fn array_set(&mut self, array: ArrayId, keys: &[Operand], value: &Operand, span: Span);
    /// Adds to an element; gives the old value.
    fn array_add(&mut self, array: ArrayId, keys: &[Operand], delta: Value, span: Span) -> Value;
    /// Whether an element exists, 0 or 1.
    fn array_contains(&mut self, array: ArrayId, keys: &[Operand]) -> Value;
    /// Whether an element exists whose keys in `mask` are these, 0 or 1.
    fn array_contains_matching(&mut self, array: ArrayId, keys: &[Operand], mask: i64) -> Value;
    /// Deletes the elements whose keys in `mask` are these.
    fn array_delete_matching(&mut self, array: ArrayId, keys: &[Operand], mask: i64);
    /// Deletes an element.
    fn array_delete(&mut self, array: ArrayId, keys: &[Operand]);
    /// Deletes all elements.
    fn array_clear(&mut self, array: ArrayId);
    /// Adds a value to an aggregate.
    fn record(&mut self, array: ArrayId, keys: &[Operand], value: Value, span: Span);
    /// A property of an aggregate.
    fn extract(
        &mut self,
        array: ArrayId,
        keys: &[Operand],
        aggregate: Aggregate,
        span: Span,
    ) -> Value;

    /// The text of the histogram of an aggregate.
    fn histogram(&mut self, array: ArrayId, keys: &[Operand], span: Span) -> Text;
    /// The count in a bucket of the histogram of an aggregate.
    fn bucket(&mut self, array: ArrayId, keys: &[Operand], index: Value, span: Span) -> Value;
    /// Whether a text contains a match of a regular expression, 0 or 1.
    fn matches(&mut self, text: &Text, regex: &str) -> Value;

    /// Starts a loop over the elements of an array whose keys in the mask of `slice` are those of the slice;
    /// gives its handle. The limit counts the others as well.
    fn foreach_begin(
        &mut self,
        array: ArrayId,
        sort: Option<Sort>,
        limit: Option<Value>,
        slice: (&[Operand], i64),
    ) -> Value;
    /// Goes on to the next element; branches to `end` when there is none.
    fn foreach_next(&mut self, handle: Value, end: Block);
    /// A key of the current element.
    fn foreach_key(&mut self, handle: Value, index: usize, ty: Type) -> Operand;
    /// The value of the current element.
    fn foreach_value(&mut self, handle: Value, ty: Type) -> Operand;

    /// Prints.
    fn print(&mut self, print: &Print, arguments: &[Operand]);
    /// The text that would be printed.
    fn sprint(&mut self, print: &Print, arguments: &[Operand]) -> Operand;
    /// Room for so many captured numbers, where they are too many for registers and the stack.
    fn begin_parking(&mut self, _count: usize) -> Option<Room> {
        None
    }
    /// Leaves a number in that room: nothing is given for it then.
    fn park(&mut self, _room: Room, _at: usize, value: Operand) -> Operand {
        value
    }
    /// Sends a record.
    fn emit(&mut self, event: EventId, captures: &[Operand], parked: Option<Room>);

    /// A string of the script.
    fn literal(&mut self, _id: ExprId, text: &str) -> Text {
        Text::Literal(text.to_string())
    }
    /// Compares two strings: 0 or 1.
    fn compare_texts(&mut self, operator: Comparison, left: &Text, right: &Text) -> Value;
    /// Joins two strings.
    fn concatenate(&mut self, left: &Text, right: &Text) -> Operand;
    /// A string that stays what it is when variables are assigned to while the statement runs.
    fn hold(&mut self, text: &Text) -> Operand;
    /// A temporary that takes one of two values, and lasts as long as the statement.
    fn temporary(&mut self, ty: Type) -> LocalPlace;

    /// The site of an error of an array access.
    fn overflow_site(&mut self, name: &str, limit: Option<u32>, span: Span) -> ErrorSite {
        ErrorSite {
            kind: ErrorKind::ArrayOverflow { limit },
            span,
            near: format!("identifier '{name}'"),
        }
    }
}
