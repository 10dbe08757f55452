//! User blocks: CLIF that calls the runtime.
//!
//! A string is the address of NUL-terminated bytes; it lives until the block ends, so variables and
//! temporaries are just addresses.

mod call;
mod cell;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, Block, Function, InstBuilder, Signature, SourceLoc, UserFuncName, Value, types::I64,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use super::{
    Emitter, ErrorKind, ErrorSite, Half, LocalPlace, Lower, Operand, Room, Tables, Text,
    expression::condition_code,
};
use crate::backend::names;
use crate::builtins::{Builtin, Kind, User};
use crate::hir::{
    Aggregate, Body, Comparison, EventId, ExprKind, FunctionId, Load, Print, Script, Sort, Stmt,
    StmtKind, each_expression, each_statement,
};
use crate::layout::{ArrayId, Layout, Storage};
use crate::runtime_functions::{NO_LIMIT, RuntimeFunction, context, encode_aggregate, encode_sort};
use crate::source::Span;
use crate::types::{MAX_STRING, Type, Types};

/// A user block under construction.
pub struct UserCode<'a, 'f> {
    emitter: Emitter<'f>,
    tables: &'a mut Tables,
    layout: &'a Layout,
    context: Value,
    exit: Block,
    /// Where errors lead, innermost `try` last.
    handlers: Vec<Block>,
    /// Whether the code is that of a function, whose calls are counted.
    is_function: bool,
    /// Whether statements are counted: code without loops and calls ends by itself.
    counts: bool,
    /// Statements of the current straight piece of code that are not counted yet.
    uncounted: u32,
}

/// What the front end of CLIF must know of the machine; the same for all 64-bit ones.
pub(super) fn frontend_config() -> TargetFrontendConfig {
    TargetFrontendConfig {
        default_call_conv: CallConv::SystemV,
        pointer_width: target_lexicon::PointerWidth::U64,
        page_size_align_log2: 12,
    }
}

/// A signature of so many 64-bit words and a 64-bit result.
pub(super) fn signature(words: usize) -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params = vec![AbiParam::new(I64); words];
    signature.returns.push(AbiParam::new(I64));
    signature
}

/// Functions are called here, not put in place: what they nest is counted when they run.
const UNLIMITED: usize = usize::MAX;

/// Lowers a user block.
pub(super) fn block(
    script: &Script,
    types: &Types,
    layout: &Layout,
    tables: &mut Tables,
    body: &Body,
) -> Function {
    let counts = may_repeat(&body.statements);
    write(0, layout, tables, |mut code, _| {
        code.counts = counts;
        Lower::new(code, script, types, layout, UNLIMITED).body(body).half
    })
}

/// Lowers a function that user blocks call: the context, then its arguments.
pub(super) fn function(
    script: &Script,
    types: &Types,
    layout: &Layout,
    tables: &mut Tables,
    id: FunctionId,
) -> Function {
    let function = &script.functions[id];
    write(function.arity, layout, tables, |mut code, words| {
        code.counts = true;
        code.is_function = true;
        let mut lower = Lower::new(code, script, types, layout, UNLIMITED);
        let place = lower.half.temporary(types.results[id]);
        let first = &function.overloads[0];
        let arguments: Vec<Operand> = words
            .iter()
            .zip(&first.parameters)
            .map(|(&word, &p)| lower.half.operand(word, types.locals[first.body.id][p]))
            .collect();
        let near = format!("identifier '{}'", function.name);
        let too_deep = ErrorSite { kind: ErrorKind::TooDeep, span: function.span, near };
        let site = lower.half.site(too_deep);
        lower.half.call(RuntimeFunction::Enter, &[site]);
        let end = lower.half.emitter.block();
        let bodies: Vec<_> =
            function.overloads.iter().map(|o| (o.parameters.as_slice(), &o.body)).collect();
        lower.overloads(id, &bodies, &arguments, place, end, function.span);
        lower.half.emitter.switch_to(end);
        lower.half.finish(Some(place));
        lower.half
    })
}

/// Whether statements may run more than once: in loops, or in functions that call each other.
fn may_repeat(statements: &[Stmt]) -> bool {
    let mut found = false;
    each_statement(statements, &mut |s| {
        found |= matches!(s.kind, StmtKind::Loop { .. } | StmtKind::Foreach(_));
    });
    each_expression(statements, &mut |e| found |= matches!(e.kind, ExprKind::Invoke { .. }));
    found
}

/// A function of the context and so many words, whose code `body` writes.
fn write(
    words: usize,
    layout: &Layout,
    tables: &mut Tables,
    body: impl for<'a, 'f> FnOnce(UserCode<'a, 'f>, &[Value]) -> UserCode<'a, 'f>,
) -> Function {
    let name = UserFuncName::user(names::BLOCK, 0);
    let mut function = Function::with_name_signature(name, signature(words + 1));
    let mut builder_context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut builder_context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let parameters = builder.block_params(entry).to_vec();
    let exit = builder.create_block();
    let code = UserCode {
        emitter: Emitter::new(builder),
        tables,
        layout,
        context: parameters[0],
        exit,
        handlers: vec![],
        is_function: false,
        counts: false,
        uncounted: 0,
    };
    let mut builder = body(code, &parameters[1..]).emitter.builder;
    builder.seal_all_blocks();
    builder.finalize(frontend_config());
    function
}

impl<'f> Half<'f> for UserCode<'_, 'f> {
    fn emitter(&mut self) -> &mut Emitter<'f> {
        &mut self.emitter
    }

    fn tables(&mut self) -> &mut Tables {
        self.tables
    }

    fn finish(&mut self, result: Option<LocalPlace>) {
        self.emitter.jump(self.exit);
        self.emitter.switch_to(self.exit);
        if self.is_function {
            self.call(RuntimeFunction::Leave, &[]);
        }
        let result = match result {
            Some(place) => {
                let result = self.read_local(place);
                self.word(&result)
            }
            None => self.emitter.constant(0),
        };
        self.emitter.builder.ins().return_(&[result]);
    }

    fn halt(&mut self) {
        unreachable!("user blocks raise their errors at once")
    }

    fn begin_try(&mut self) -> Block {
        let handler = self.emitter.block();
        self.handlers.push(handler);
        handler
    }

    fn end_try(&mut self) {
        self.handlers.pop();
    }

    fn caught(&mut self, _handler: Block, _wanted: bool) -> Option<Operand> {
        // What cannot be caught goes on to the end of the block or function.
        let error = self.emitter.load(self.context, context::ERROR);
        let is_final = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, error, context::FINAL);
        let go_on = self.emitter.block();
        self.emitter.builder.ins().brif(is_final, self.exit, &[], go_on, &[]);
        self.emitter.switch_to(go_on);
        let address = self.call(RuntimeFunction::Caught, &[]);
        Some(Operand::Text(Text::Memory { address, width: MAX_STRING }))
    }

    fn call_function(
        &mut self,
        id: FunctionId,
        arguments: &[Operand],
        result: Type,
    ) -> Option<Operand> {
        let mut words = vec![self.context];
        for argument in arguments {
            words.push(self.word(argument));
        }
        let value = self.emitter.call(names::BLOCK, id.as_u32(), &words);
        self.test_error();
        Some(self.operand(value, result))
    }

    fn leave(&mut self) {
        self.emitter.jump(self.exit);
    }

    fn fail(&mut self, site: ErrorSite) {
        let site = self.site(site);
        self.call(RuntimeFunction::Raise, &[site]);
        // The call has set the error: the test behind it goes where errors lead.
        let on_error = self.on_error();
        self.emitter.jump(on_error);
    }

    fn locate(&mut self, _span: Span) {
        // User blocks cite their places in the error table; their code needs no line table.
        self.emitter.locate(SourceLoc::default());
    }

    fn count_round(&mut self, site: ErrorSite) {
        self.uncounted += 1;
        self.count(site);
    }

    fn count_statement(&mut self, _span: Span) {
        self.uncounted += 1;
    }

    fn settle_count(&mut self, span: Span, near: &str) {
        if self.counts && self.uncounted > 0 {
            let near = near.to_string();
            self.count(ErrorSite { kind: ErrorKind::TooManyActions, span, near });
        }
        self.uncounted = 0;
    }

    fn forget(&mut self, _place: LocalPlace, _in_condition: bool) {}

    fn begin_loop(&mut self, _statements: usize) {}

    fn end_loop(&mut self) {}

    fn divisor(&mut self, value: i64) -> Value {
        self.emitter.constant(value)
    }

    fn declare_local(&mut self, ty: Type) -> LocalPlace {
        let variable = self.emitter.builder.declare_var(I64);
        let initial = match ty {
            Type::Long | Type::Stats => self.emitter.constant(0),
            Type::Text(_) => self.address(&Text::Literal(String::new())),
        };
        self.emitter.builder.def_var(variable, initial);
        LocalPlace::Variable(variable, ty)
    }

    fn read_local(&mut self, place: LocalPlace) -> Operand {
        match place {
            LocalPlace::Variable(variable, ty) => {
                let word = self.emitter.builder.use_var(variable);
                self.operand(word, ty)
            }
            LocalPlace::Memory(..) => unreachable!("user blocks keep locals in variables"),
        }
    }

    fn write_local(&mut self, place: LocalPlace, value: &Operand) {
        let word = self.word(value);
        match place {
            LocalPlace::Variable(variable, _) => self.emitter.builder.def_var(variable, word),
            LocalPlace::Memory(..) => unreachable!("user blocks keep locals in variables"),
        }
    }

    fn builtin(&mut self, builtin: &'static Builtin, arguments: &[Operand], span: Span) -> Operand {
        if builtin.is_internal() {
            for argument in arguments {
                if let Operand::Text(Text::Literal(table)) = argument {
                    let index = self.tables.literal(table);
                    self.tables.whole.insert(index);
                }
            }
        }
        let mut words: Vec<Value> = arguments.iter().map(|a| self.word(a)).collect();
        let result = match builtin.user {
            User::Runtime(function) => self.call(function, &words),
            User::Divided(function, divisor) => {
                let value = self.call(function, &words);
                let divisor = self.emitter.constant(divisor);
                self.emitter.builder.ins().sdiv(value, divisor)
            }
            User::WithNumbers(function, numbers) => {
                words.extend(numbers.iter().map(|&n| self.emitter.constant(n)));
                self.call(function, &words)
            }
            User::WithSite(function) => {
                let near = format!("identifier '{}'", builtin.name);
                let site = self.site(ErrorSite { kind: ErrorKind::Script, span, near });
                words.push(site);
                self.call(function, &words)
            }
            User::WithNumbersAndSite(function, numbers) => {
                words.extend(numbers.iter().map(|&n| self.emitter.constant(n)));
                let near = format!("identifier '{}'", builtin.name);
                let site = self.site(ErrorSite { kind: ErrorKind::Script, span, near });
                words.push(site);
                self.call(function, &words)
            }
            User::Constant(value) => self.emitter.constant(value),
            User::StandsFor(..) => unreachable!("`resolve` leaves no `{}`", builtin.name),
        };
        match builtin.result {
            Kind::Long | Kind::Pointer(_) => Operand::Long(result),
            Kind::Text(width) => Operand::Text(Text::Memory { address: result, width }),
            Kind::Nothing => Operand::Nothing,
        }
    }

    fn context(&mut self, _index: usize) -> Value {
        unreachable!("the probe points of user blocks have no context variables")
    }

    fn load(&mut self, load: &Load, address: Value, span: Span) -> Value {
        let address = self.emitter.builder.ins().iadd_imm_s(address, i64::from(load.offset));
        let near = "operator '->'".to_string();
        let site = if load.or_zero {
            // No error is raised that has no site.
            self.emitter.constant(-1)
        } else {
            self.site(ErrorSite { kind: ErrorKind::ReadFault, span, near })
        };
        let bytes = self.emitter.constant(i64::from(load.value.bytes));
        let value = self.call(RuntimeFunction::KernelNumber, &[address, bytes, site]);
        // The highest bit of the number, or of the field in it, comes to the top and goes back.
        let whole = 8 * load.value.bytes;
        let (low, width) = load.bits.unwrap_or((0, whole));
        let (up, down) = (64 - i64::from(low) - i64::from(width), 64 - i64::from(width));
        let value = self.emitter.builder.ins().ishl_imm_u(value, up);
        if load.value.signed {
            self.emitter.builder.ins().sshr_imm_u(value, down)
        } else {
            self.emitter.builder.ins().ushr_imm_u(value, down)
        }
    }

    fn captured(&mut self, event: EventId, field: usize) -> Operand {
        let field = self.layout.events[event].fields[field];
        let record = self.emitter.load(self.context, context::RECORD);
        match field.ty {
            Type::Long | Type::Stats => Operand::Long(self.emitter.load(record, field.offset)),
            Type::Text(width) => {
                let offset = i64::from(field.offset);
                let address = self.emitter.builder.ins().iadd_imm_s(record, offset);
                Operand::Text(Text::Memory { address, width })
            }
        }
    }

    fn read_cell(&mut self, storage: Storage) -> Value {
        self.cell_value(storage)
    }

    fn write_cell(&mut self, storage: Storage, value: Value) {
        self.set_cell(storage, value);
    }

    fn add_cell(&mut self, storage: Storage, delta: Value) -> Value {
        self.add_to_cell(storage, delta)
    }

    fn array_get(&mut self, array: ArrayId, keys: &[Operand], _span: Span) -> Operand {
        let keys = self.words(keys);
        let index = self.constant(array.as_u32());
        let word = self.call(RuntimeFunction::ArrayGet, &[index, keys]);
        self.operand(word, self.value_type(array))
    }

    fn array_set(&mut self, array: ArrayId, keys: &[Operand], value: &Operand, span: Span) {
        let keys = self.words(keys);
        let value = self.word(value);
        let site = self.array_site(array, span);
        let index = self.constant(array.as_u32());
        self.call(RuntimeFunction::ArraySet, &[index, keys, value, site]);
    }

    fn array_add(&mut self, array: ArrayId, keys: &[Operand], delta: Value, span: Span) -> Value {
        let keys = self.words(keys);
        let site = self.array_site(array, span);
        let index = self.constant(array.as_u32());
        self.call(RuntimeFunction::ArrayAdd, &[index, keys, delta, site])
    }

    fn array_contains(&mut self, array: ArrayId, keys: &[Operand]) -> Value {
        let keys = self.words(keys);
        let index = self.constant(array.as_u32());
        self.call(RuntimeFunction::ArrayContains, &[index, keys])
    }

    fn array_delete(&mut self, array: ArrayId, keys: &[Operand]) {
        let keys = self.words(keys);
        let index = self.constant(array.as_u32());
        self.call(RuntimeFunction::ArrayDelete, &[index, keys]);
    }

    fn array_contains_matching(&mut self, array: ArrayId, keys: &[Operand], mask: i64) -> Value {
        let keys = self.words(keys);
        let index = self.constant(array.as_u32());
        let mask = self.emitter.constant(mask);
        self.call(RuntimeFunction::ArrayContainsMatching, &[index, keys, mask])
    }

    fn array_delete_matching(&mut self, array: ArrayId, keys: &[Operand], mask: i64) {
        let keys = self.words(keys);
        let index = self.constant(array.as_u32());
        let mask = self.emitter.constant(mask);
        self.call(RuntimeFunction::ArrayDeleteMatching, &[index, keys, mask]);
    }

    fn array_clear(&mut self, array: ArrayId) {
        let index = self.constant(array.as_u32());
        self.call(RuntimeFunction::ArrayClear, &[index]);
    }

    fn record(&mut self, array: ArrayId, keys: &[Operand], value: Value, span: Span) {
        let keys = self.words(keys);
        let site = self.array_site(array, span);
        let index = self.constant(array.as_u32());
        self.call(RuntimeFunction::StatsRecord, &[index, keys, value, site]);
    }

    fn extract(
        &mut self,
        array: ArrayId,
        keys: &[Operand],
        aggregate: Aggregate,
        span: Span,
    ) -> Value {
        let keys = self.words(keys);
        let near = format!("identifier '{}'", aggregate.word());
        let site = self.site(ErrorSite { kind: ErrorKind::EmptyAggregate, span, near });
        let index = self.constant(array.as_u32());
        let aggregate = self.emitter.constant(encode_aggregate(aggregate));
        self.call(RuntimeFunction::StatsExtract, &[index, keys, aggregate, site])
    }

    fn histogram(&mut self, array: ArrayId, keys: &[Operand], span: Span) -> Text {
        let keys = self.words(keys);
        let near = self.histogram_name(array);
        let site = self.site(ErrorSite { kind: ErrorKind::EmptyAggregate, span, near });
        let index = self.constant(array.as_u32());
        let address = self.call(RuntimeFunction::HistogramText, &[index, keys, site]);
        Text::Memory { address, width: MAX_STRING }
    }

    fn bucket(&mut self, array: ArrayId, keys: &[Operand], index: Value, span: Span) -> Value {
        let keys = self.words(keys);
        let near = self.histogram_name(array);
        let kind = ErrorKind::EmptyAggregate;
        let empty = self.site(ErrorSite { kind, span, near: near.clone() });
        let outside = self.site(ErrorSite { kind: ErrorKind::HistogramIndex, span, near });
        let array = self.constant(array.as_u32());
        self.call(RuntimeFunction::HistogramBucket, &[array, keys, index, empty, outside])
    }

    fn matches(&mut self, text: &Text, regex: &str) -> Value {
        let text = self.address(text);
        let regex = self.tables.regex(regex);
        let regex = self.constant(regex);
        self.call(RuntimeFunction::RegexMatch, &[regex, text])
    }

    fn foreach_begin(
        &mut self,
        array: ArrayId,
        sort: Option<Sort>,
        limit: Option<Value>,
        (keys, mask): (&[Operand], i64),
    ) -> Value {
        let keys = self.words(keys);
        let mask = self.emitter.constant(mask);
        let index = self.constant(array.as_u32());
        let sort = self.emitter.constant(encode_sort(sort));
        let limit = limit.unwrap_or_else(|| self.emitter.constant(NO_LIMIT));
        self.call(RuntimeFunction::ForeachBegin, &[index, sort, limit, keys, mask])
    }

    fn foreach_next(&mut self, handle: Value, end: Block) {
        let more = self.call(RuntimeFunction::ForeachNext, &[handle]);
        let body = self.emitter.block();
        self.emitter.builder.ins().brif(more, body, &[], end, &[]);
        self.emitter.switch_to(body);
    }

    fn foreach_key(&mut self, handle: Value, index: usize, ty: Type) -> Operand {
        let index = self.emitter.constant(index as i64);
        let word = self.call(RuntimeFunction::ForeachKey, &[handle, index]);
        self.operand(word, ty)
    }

    fn foreach_value(&mut self, handle: Value, ty: Type) -> Operand {
        let word = self.call(RuntimeFunction::ForeachValue, &[handle]);
        self.operand(word, ty)
    }

    fn print(&mut self, print: &Print, arguments: &[Operand]) {
        let words = self.words(arguments);
        let site = self.print_site(print, arguments);
        self.call(RuntimeFunction::Print, &[site, words]);
    }

    fn sprint(&mut self, print: &Print, arguments: &[Operand]) -> Operand {
        let words = self.words(arguments);
        let site = self.print_site(print, arguments);
        let address = self.call(RuntimeFunction::Sprint, &[site, words]);
        Operand::Text(Text::Memory { address, width: MAX_STRING })
    }

    fn emit(&mut self, _: EventId, _: &[Operand], _: Option<Room>) {
        unreachable!("user blocks do what they do at once")
    }

    fn compare_texts(&mut self, operator: Comparison, left: &Text, right: &Text) -> Value {
        let left = self.address(left);
        let right = self.address(right);
        let order = self.call(RuntimeFunction::TextCompare, &[left, right]);
        let code: IntCC = condition_code(operator);
        let is = self.emitter.builder.ins().icmp_imm_s(code, order, 0);
        self.emitter.builder.ins().uextend(I64, is)
    }

    fn concatenate(&mut self, left: &Text, right: &Text) -> Operand {
        let left = self.address(left);
        let right = self.address(right);
        let address = self.call(RuntimeFunction::TextConcatenate, &[left, right]);
        Operand::Text(Text::Memory { address, width: MAX_STRING })
    }

    fn hold(&mut self, text: &Text) -> Operand {
        // Strings are not changed in place here.
        Operand::Text(text.clone())
    }

    fn temporary(&mut self, ty: Type) -> LocalPlace {
        self.declare_local(ty)
    }
}
