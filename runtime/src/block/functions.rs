//! The runtime functions that compiled user blocks call; one for each row of
//! `ntap_compiler::runtime_functions`.
//!
//! All take the context, then 64-bit words. Strings come in as addresses of NUL-terminated bytes that
//! live until the block ends (literals, captured values, results of other functions), and go out the
//! same way. Nothing here may panic: there is only machine code to unwind into.

use std::time::{SystemTime, UNIX_EPOCH};

use cranelift_codegen::entity::EntityRef;
use ntap_compiler::bytes;
use ntap_compiler::hir::Aggregate;
use ntap_compiler::histogram::Histogram;
use ntap_compiler::layout::{ArrayId, ArrayValue};
use ntap_compiler::runtime_functions::{
    RuntimeFunction, UNREADABLE_TEXT, context, decode_aggregate, decode_sort,
};
use ntap_compiler::types::Type;

use super::arrays::StoreError;
use super::foreach::Loop;
use super::format::{self, Argument};
use super::recording::{MessageKind, Part, Printed, PrintedHistogram};
use super::values::{Key, Pattern, Value, Word, c_string, key, text_at, word};
use super::{BlockContext, date, decode, floating, histogram, memory, outlet, services, text};
use crate::sys::SysError;

/// Bytes of stack the calls of a block may take; the main thread has 8 MiB.
const MAX_STACK_BYTES: usize = 4 << 20;

pub(super) type Context<'a> = &'a mut BlockContext;

/// The address of a runtime function.
pub fn address(function: RuntimeFunction) -> *const u8 {
    use RuntimeFunction as F;
    match function {
        F::Raise => raise as *const u8,
        F::Caught => caught as *const u8,
        F::Enter => enter as *const u8,
        F::Leave => leave as *const u8,
        F::Count => count as *const u8,
        F::Exit => exit as *const u8,
        F::Error => error as *const u8,
        F::Log => log as *const u8,
        F::Warn => warn as *const u8,
        F::ArrayGet => array_get as *const u8,
        F::ArraySet => array_set as *const u8,
        F::ArrayAdd => array_add as *const u8,
        F::ArrayContains => array_contains as *const u8,
        F::ArrayContainsMatching => array_contains_matching as *const u8,
        F::ArrayDeleteMatching => array_delete_matching as *const u8,
        F::ArrayDelete => array_delete as *const u8,
        F::ArrayClear => array_clear as *const u8,
        F::StatsRecord => stats_record as *const u8,
        F::StatsExtract => stats_extract as *const u8,
        F::HistogramText => histogram_text as *const u8,
        F::HistogramBucket => histogram_bucket as *const u8,
        F::ForeachBegin => foreach_begin as *const u8,
        F::ForeachNext => foreach_next as *const u8,
        F::ForeachKey => foreach_key as *const u8,
        F::ForeachValue => foreach_value as *const u8,
        F::TextCompare => text_compare as *const u8,
        F::TextConcatenate => text_concatenate as *const u8,
        F::Print => print as *const u8,
        F::Sprint => sprint as *const u8,
        F::OwnInteger => memory::own_integer as *const u8,
        F::OwnIntegerOrZero => memory::own_integer_or_zero as *const u8,
        F::OwnText => memory::own_text as *const u8,
        F::OwnTextOtherwise => memory::own_text_otherwise as *const u8,
        F::NoRegister => memory::no_register as *const u8,
        F::KernelNumber => memory::number as *const u8,
        F::KernelInteger => memory::integer as *const u8,
        F::KernelText => memory::text as *const u8,
        F::KernelTextOtherwise => memory::text_otherwise as *const u8,
        F::CurrentTask => memory::current_task as *const u8,
        F::Pid => pid as *const u8,
        F::Tid => tid as *const u8,
        F::Uid => uid as *const u8,
        F::Gid => gid as *const u8,
        F::Cpu => cpu as *const u8,
        F::Execname => execname as *const u8,
        F::HitText => hit_text as *const u8,
        F::Target => target as *const u8,
        F::OwnPid => own_pid as *const u8,
        F::FloatingPoint => floating::calculate as *const u8,
        F::FloatSquareRoot => floating::square_root as *const u8,
        F::FloatOfLong => floating::of_long as *const u8,
        F::FloatOfSingle => floating::of_single as *const u8,
        F::FloatToLong => floating::to_long as *const u8,
        F::FloatOfText => floating::of_text as *const u8,
        F::FloatText => floating::text as *const u8,
        F::RealTimeNs => real_time_ns as *const u8,
        F::MonotonicNs => monotonic_ns as *const u8,
        F::Ctime => ctime as *const u8,
        F::TzCtime => tz_ctime as *const u8,
        F::SymbolName => symbol_name as *const u8,
        F::SymbolData => symbol_data as *const u8,
        F::NoText => super::stack::no_text as *const u8,
        F::Nothing => super::stack::nothing as *const u8,
        F::Caller => super::stack::caller as *const u8,
        F::ModuleName => super::stack::module_name as *const u8,
        F::PrintStack => super::stack::print_stack as *const u8,
        F::PrintSymbols => super::stack::print_symbols as *const u8,
        F::StackText => super::stack::stack_text as *const u8,
        F::UserStack => super::stack::user_stack as *const u8,
        F::UserCallers => super::stack::user_callers as *const u8,
        F::UserStackAddress => super::stack::user_stack_address as *const u8,
        F::PrintUserStack => super::stack::print_user_stack as *const u8,
        F::PrintUserStackBrief => super::stack::print_user_stack_brief as *const u8,
        F::PrintUserSymbols => super::stack::print_user_symbols as *const u8,
        F::UserStackText => super::stack::user_stack_text as *const u8,
        F::UserSymbolName => super::stack::user_symbol_name as *const u8,
        F::UserSymbolData => super::stack::user_symbol_data as *const u8,
        F::SourceFile => super::source_lines::kernel_file as *const u8,
        F::SourceLine => super::source_lines::kernel_line as *const u8,
        F::SourcePlace => super::source_lines::kernel_place as *const u8,
        F::UserSourceFile => super::source_lines::file as *const u8,
        F::UserSourceLine => super::source_lines::line as *const u8,
        F::UserSourcePlace => super::source_lines::place as *const u8,
        F::PrintStackPlaces => super::source_lines::print_stack as *const u8,
        F::StackPlaces => super::source_lines::stack_text as *const u8,
        F::PrintUserStackPlaces => super::source_lines::print_user_stack as *const u8,
        F::UserStackPlaces => super::source_lines::user_stack_text as *const u8,
        F::UserModuleName => super::stack::user_module_name as *const u8,
        F::RegexMatch => regex_match as *const u8,
        F::RegexMatched => regex_matched as *const u8,
        F::RegexGroups => regex_groups as *const u8,
        F::TextPart => text_part as *const u8,
        F::TextContains => text_contains as *const u8,
        F::TextPosition => text_position as *const u8,
        F::TextToLong => text_to_long as *const u8,
        F::TextReplace => text_replace as *const u8,
        F::TextByte => text_byte as *const u8,
        F::TextEscape => text_escape as *const u8,
        F::TextToken => text_token as *const u8,
        F::TextLength => text_length as *const u8,
        F::NameOf => decode::entry::name_of as *const u8,
        F::CallName => decode::entry::call_name as *const u8,
        F::FlagsOf => decode::entry::flags_of as *const u8,
        F::BufferQuoted => decode::entry::buffer_quoted as *const u8,
        F::ResultText => decode::entry::result_text as *const u8,
        F::SocketAddress => decode::entry::socket_address as *const u8,
        F::SocketIp => decode::entry::socket_ip as *const u8,
        F::SignalSet => decode::entry::signal_set as *const u8,
        F::TextNextToken => text_next_token as *const u8,
        F::TextPartOr => text_part_or as *const u8,
        F::TextQuotedOr => text_quoted_or as *const u8,
        F::Abort => services::abort as *const u8,
        F::System => services::system as *const u8,
        F::TraceMarker => services::trace_marker as *const u8,
        F::Speculate => services::speculate as *const u8,
        F::EndSpeculation => services::end_speculation as *const u8,
        F::Indent => services::indent as *const u8,
        F::IndentDepth => services::indent_depth as *const u8,
        F::SendSignal => services::raise as *const u8,
        F::KernelLog => services::kernel_log as *const u8,
        F::PrintsToTerminal => services::prints_to_terminal as *const u8,
        F::SessionName => outlet::session_name as *const u8,
        F::ExchangedText => outlet::exchanged as *const u8,
        F::ExchangeText => outlet::exchange as *const u8,
        F::ExchangeMoreText => outlet::exchange_more as *const u8,
        F::Random => services::random as *const u8,
        F::ZoneOffset => zone_offset as *const u8,
        F::LoadAverage => load_average as *const u8,
        F::ZoneName => zone_name as *const u8,
    }
}

extern "C" fn raise(context: Context<'_>, site: i64) -> i64 {
    context.raise(site, None);
    0
}

extern "C" fn caught(context: Context<'_>) -> i64 {
    context.error = 0;
    let message = context.state.raised.take().map(|e| e.message).unwrap_or_default();
    context.state.keep_bytes(&bytes::of(&message))
}

extern "C" fn enter(context: Context<'_>, site: i64) -> i64 {
    let here = 0u8;
    let used = context.state.stack_base.saturating_sub(std::ptr::from_ref(&here) as usize);
    context.state.depth += 1;
    let most = context.state.limits.nesting.unwrap_or(u32::MAX);
    if used > MAX_STACK_BYTES || context.state.depth > most {
        context.raise(site, None);
    }
    0
}

extern "C" fn leave(context: Context<'_>) -> i64 {
    context.state.depth = context.state.depth.saturating_sub(1);
    0
}

extern "C" fn count(context: Context<'_>, statements: i64, site: i64) -> i64 {
    let left = context.state.actions.checked_sub(statements as u64);
    match left {
        Some(left) if left > 0 && !crate::session::interrupted_twice() => {
            context.state.actions = left;
        }
        Some(_) | None => {
            context.raise(site, None);
            context.error = context::FINAL;
        }
    }
    0
}

extern "C" fn exit(context: Context<'_>) -> i64 {
    context.state.exiting = true;
    0
}

extern "C" fn error(context: Context<'_>, text: i64, site: i64) -> i64 {
    // SAFETY: strings of compiled code, see the module documentation.
    let message = bytes::literal(unsafe { text_at(text) }.to_bytes());
    context.raise(site, Some(message));
    0
}

extern "C" fn log(context: Context<'_>, text: i64) -> i64 {
    // SAFETY: as in `error`.
    let message = bytes::literal(unsafe { text_at(text) }.to_bytes());
    context.state.message(MessageKind::Log, message);
    0
}

extern "C" fn warn(context: Context<'_>, text: i64) -> i64 {
    // SAFETY: as in `error`.
    let message = bytes::literal(unsafe { text_at(text) }.to_bytes());
    context.state.message(MessageKind::Warning, message);
    0
}

fn array_id(word: i64) -> ArrayId {
    ArrayId::new(word as usize)
}

/// The keys of an element of an array.
fn element_key(context: &BlockContext, array: ArrayId, keys: i64) -> Key {
    let types = &context.state.layout.arrays[array].keys;
    // SAFETY: compiled code gives as many words as the array has keys.
    unsafe { key(keys, types) }
}

/// Reports a system call that failed under a runtime function: raised as an error of the block.
fn system_error(context: Context<'_>, array: ArrayId, error: &SysError) {
    let name = context.state.array_name(array).to_string();
    let span = context.state.layout.arrays[array].span;
    context.error = 1;
    context.state.raised = Some(super::RaisedError {
        message: format!("reading array {name}: {error}"),
        site: ntap_compiler::lower::ErrorSite {
            kind: ntap_compiler::lower::ErrorKind::ReadFault,
            span,
            near: format!("identifier '{name}'"),
        },
    });
}

fn store_error(context: Context<'_>, array: ArrayId, site: i64, error: &StoreError) {
    match error {
        StoreError::Full => context.raise(site, None),
        StoreError::Kernel(error) => system_error(context, array, error),
    }
}

extern "C" fn array_get(context: Context<'_>, array: i64, keys: i64) -> i64 {
    let array = array_id(array);
    let key = element_key(context, array, keys);
    let found = context.state.arrays.get(array, &key).map(|v| v.cloned());
    match found {
        Ok(Some(Value::Word(word))) => word_out(context, word),
        Ok(Some(Value::Stats(_))) => 0,
        Ok(None) => match context.state.layout.arrays[array].value {
            ArrayValue::Text(_) => word_out(context, Word::Text(c"".into())),
            ArrayValue::Long | ArrayValue::Stats(_) => 0,
        },
        Err(error) => {
            system_error(context, array, &error);
            0
        }
    }
}

fn word_out(context: Context<'_>, word: Word) -> i64 {
    match word {
        Word::Long(n) => n,
        Word::Text(text) => context.state.keep(text),
    }
}

extern "C" fn array_set(context: Context<'_>, array: i64, keys: i64, value: i64, site: i64) -> i64 {
    let array = array_id(array);
    let key = element_key(context, array, keys);
    let ty = match context.state.layout.arrays[array].value {
        ArrayValue::Text(width) => Type::Text(width),
        ArrayValue::Long | ArrayValue::Stats(_) => Type::Long,
    };
    // SAFETY: as in `error`.
    let value = Value::Word(unsafe { word(value, ty) });
    if let Err(error) = context.state.arrays.set(array, key, value) {
        store_error(context, array, site, &error);
    }
    0
}

extern "C" fn array_add(context: Context<'_>, array: i64, keys: i64, delta: i64, site: i64) -> i64 {
    let array = array_id(array);
    let key = element_key(context, array, keys);
    match context.state.arrays.add(array, key, delta) {
        Ok(old) => old,
        Err(error) => {
            store_error(context, array, site, &error);
            0
        }
    }
}

extern "C" fn array_contains(context: Context<'_>, array: i64, keys: i64) -> i64 {
    let array = array_id(array);
    let key = element_key(context, array, keys);
    match context.state.arrays.get(array, &key).map(|v| v.is_some()) {
        Ok(found) => i64::from(found),
        Err(error) => {
            system_error(context, array, &error);
            0
        }
    }
}

/// The keys in `mask` of a search through an array.
fn element_pattern(context: &BlockContext, array: ArrayId, keys: i64, mask: i64) -> Pattern {
    // The words of the other keys are 0, which is no string's address but read as the empty one.
    let key = element_key(context, array, keys);
    (0..key.len()).filter(|at| mask >> at & 1 != 0).map(|at| (at, key[at].clone())).collect()
}

extern "C" fn array_contains_matching(
    context: Context<'_>,
    array: i64,
    keys: i64,
    mask: i64,
) -> i64 {
    let array = array_id(array);
    let pattern = element_pattern(context, array, keys, mask);
    match context.state.arrays.matching(array, &pattern).map(|keys| !keys.is_empty()) {
        Ok(found) => i64::from(found),
        Err(error) => {
            system_error(context, array, &error);
            0
        }
    }
}

extern "C" fn array_delete_matching(context: Context<'_>, array: i64, keys: i64, mask: i64) -> i64 {
    let array = array_id(array);
    let pattern = element_pattern(context, array, keys, mask);
    let arrays = &mut context.state.arrays;
    let deleted = arrays
        .matching(array, &pattern)
        .and_then(|keys| keys.iter().try_for_each(|key| arrays.delete(array, key)));
    if let Err(error) = deleted {
        system_error(context, array, &error);
    }
    0
}

extern "C" fn array_delete(context: Context<'_>, array: i64, keys: i64) -> i64 {
    let array = array_id(array);
    let key = element_key(context, array, keys);
    if let Err(error) = context.state.arrays.delete(array, &key) {
        system_error(context, array, &error);
    }
    0
}

extern "C" fn array_clear(context: Context<'_>, array: i64) -> i64 {
    let array = array_id(array);
    if let Err(error) = context.state.arrays.clear(array) {
        system_error(context, array, &error);
    }
    0
}

extern "C" fn stats_record(
    context: Context<'_>,
    array: i64,
    keys: i64,
    value: i64,
    site: i64,
) -> i64 {
    let array = array_id(array);
    let key = element_key(context, array, keys);
    if let Err(error) = context.state.arrays.record(array, key, value) {
        store_error(context, array, site, &error);
    }
    0
}

extern "C" fn stats_extract(
    context: Context<'_>,
    array: i64,
    keys: i64,
    aggregate: i64,
    site: i64,
) -> i64 {
    let array = array_id(array);
    let key = element_key(context, array, keys);
    let Some(aggregate) = decode_aggregate(aggregate) else { return 0 };
    match context.state.arrays.extract(array, &key, aggregate) {
        Ok(Some(value)) => value,
        Ok(None) => {
            context.raise(site, None);
            0
        }
        Err(error) => {
            system_error(context, array, &error);
            0
        }
    }
}

/// The histogram of an element; raises an error when it is empty.
fn histogram_of(
    context: Context<'_>,
    array: i64,
    keys: i64,
    site: i64,
) -> Option<(Histogram, Vec<i64>)> {
    let array = array_id(array);
    let key = element_key(context, array, keys);
    let found = context.state.arrays.histogram(array, &key);
    match found.map(|h| h.map(|(shape, buckets)| (shape, buckets.to_vec()))) {
        Ok(Some(found)) => return Some(found),
        Ok(None) => context.raise(site, None),
        Err(error) => system_error(context, array, &error),
    }
    None
}

extern "C" fn histogram_text(context: Context<'_>, array: i64, keys: i64, site: i64) -> i64 {
    let mut text = vec![];
    if let Some((shape, buckets)) = histogram_of(context, array, keys, site) {
        histogram::write(shape, &buckets, &context.state.limits, &mut text);
    }
    // Longer than strings may be: it is printed, or cut by the function that makes a string of it.
    let address = context.state.keep(c_string(&text).into());
    if context.state.recording.is_some() {
        record_histogram(context, array, keys, site, address);
    }
    address
}

/// Notes of which histogram the text at an address is.
fn record_histogram(context: Context<'_>, array: i64, keys: i64, site: i64, address: i64) {
    let id = array_id(array);
    let Some((shape, buckets)) = histogram_of(context, array, keys, site) else { return };
    let key = element_key(context, id, keys);
    let has_sum = context.state.arrays.stats_layout(id).sum.is_some();
    let sum = context.state.arrays.extract(id, &key, Aggregate::Sum).ok().flatten();
    let sum = sum.filter(|_| has_sum);
    if let Some(recording) = &mut context.state.recording {
        recording.histograms.insert(address, PrintedHistogram { shape, buckets, sum });
    }
}

extern "C" fn histogram_bucket(
    context: Context<'_>,
    array: i64,
    keys: i64,
    bucket: i64,
    empty: i64,
    outside: i64,
) -> i64 {
    let Some((_, buckets)) = histogram_of(context, array, keys, empty) else { return 0 };
    match usize::try_from(bucket).ok().and_then(|at| buckets.get(at)) {
        Some(&count) => count,
        None => {
            context.raise(outside, None);
            0
        }
    }
}

extern "C" fn foreach_begin(
    context: Context<'_>,
    array: i64,
    sort: i64,
    limit: i64,
    keys: i64,
    mask: i64,
) -> i64 {
    let array = array_id(array);
    // Without a slice there are no words.
    let slice = match mask {
        0 => vec![],
        mask => element_pattern(context, array, keys, mask),
    };
    match Loop::new(&mut context.state.arrays, array, decode_sort(sort), limit, &slice) {
        Ok(new) => {
            context.state.loops.push(Some(new));
            context.state.loops.len() as i64 - 1
        }
        Err(error) => {
            system_error(context, array, &error);
            -1
        }
    }
}

fn current_loop(context: &mut BlockContext, handle: i64) -> Option<&mut Loop> {
    context.state.loops.get_mut(usize::try_from(handle).ok()?)?.as_mut()
}

extern "C" fn foreach_next(context: Context<'_>, handle: i64) -> i64 {
    let more = current_loop(context, handle).is_some_and(Loop::advance);
    if !more
        && let Ok(at) = usize::try_from(handle)
        && let Some(done) = context.state.loops.get_mut(at)
    {
        *done = None;
    }
    i64::from(more)
}

extern "C" fn foreach_key(context: Context<'_>, handle: i64, index: i64) -> i64 {
    let word = current_loop(context, handle)
        .and_then(|l| l.key()?.get(usize::try_from(index).ok()?).cloned());
    word.map_or(0, |word| word_out(context, word))
}

extern "C" fn foreach_value(context: Context<'_>, handle: i64) -> i64 {
    let Some((array, key)) =
        current_loop(context, handle).and_then(|l| Some((l.array, l.key()?.clone())))
    else {
        return 0;
    };
    match context.state.arrays.get(array, &key) {
        Ok(Some(Value::Word(word))) => {
            let word = word.clone();
            word_out(context, word)
        }
        Ok(_) | Err(_) => 0,
    }
}

extern "C" fn text_compare(_: Context<'_>, left: i64, right: i64) -> i64 {
    // SAFETY: as in `error`.
    let (left, right) = unsafe { (text_at(left), text_at(right)) };
    left.to_bytes().cmp(right.to_bytes()) as i64
}

extern "C" fn text_concatenate(context: Context<'_>, left: i64, right: i64) -> i64 {
    // SAFETY: as in `error`.
    let (left, right) = unsafe { (text_at(left), text_at(right)) };
    let joined = [left.to_bytes(), right.to_bytes()].concat();
    context.state.keep_bytes(&joined)
}

extern "C" fn text_length(_: Context<'_>, text: i64) -> i64 {
    // SAFETY: as in `error`.
    unsafe { text_at(text) }.to_bytes().len() as i64
}

extern "C" fn regex_match(context: Context<'_>, regex: i64, text: i64) -> i64 {
    // SAFETY: as in `error`.
    let text = unsafe { text_at(text) };
    i64::from(context.state.regexes.matches(regex as usize, text.to_bytes()))
}

extern "C" fn regex_matched(context: Context<'_>, group: i64, site: i64) -> i64 {
    match context.state.regexes.matched(group).map(<[u8]>::to_vec) {
        Ok(text) => context.state.keep_bytes(&text),
        Err(why) => {
            context.raise(site, Some(why));
            0
        }
    }
}

extern "C" fn regex_groups(context: Context<'_>, site: i64) -> i64 {
    match context.state.regexes.count() {
        Ok(count) => count,
        Err(why) => {
            context.raise(site, Some(why));
            0
        }
    }
}

extern "C" fn text_part(context: Context<'_>, text: i64, start: i64, length: i64) -> i64 {
    // SAFETY: as in `error`.
    let text = unsafe { text_at(text) };
    context.state.keep_bytes(text::part(text.to_bytes(), start, length))
}

extern "C" fn text_contains(_: Context<'_>, text: i64, part: i64) -> i64 {
    // SAFETY: as in `error`.
    let (text, part) = unsafe { (text_at(text), text_at(part)) };
    i64::from(text::position(text.to_bytes(), part.to_bytes()) >= 0)
}

extern "C" fn text_position(_: Context<'_>, text: i64, part: i64) -> i64 {
    // SAFETY: as in `error`.
    let (text, part) = unsafe { (text_at(text), text_at(part)) };
    text::position(text.to_bytes(), part.to_bytes())
}

extern "C" fn text_to_long(_: Context<'_>, text: i64, base: i64) -> i64 {
    // SAFETY: as in `error`.
    text::to_long(unsafe { text_at(text) }.to_bytes(), base)
}

extern "C" fn text_replace(context: Context<'_>, text: i64, search: i64, with: i64) -> i64 {
    // SAFETY: as in `error`.
    let (text, search, with) = unsafe { (text_at(text), text_at(search), text_at(with)) };
    let replaced = text::replace(text.to_bytes(), search.to_bytes(), with.to_bytes());
    context.state.keep_bytes(&replaced)
}

extern "C" fn text_byte(_: Context<'_>, text: i64, position: i64) -> i64 {
    // SAFETY: as in `error`.
    let text = unsafe { text_at(text) }.to_bytes();
    usize::try_from(position).ok().and_then(|at| text.get(at)).map_or(0, |&byte| i64::from(byte))
}

extern "C" fn text_escape(context: Context<'_>, text: i64, length: i64, quoted: i64) -> i64 {
    // SAFETY: as in `error`.
    let text = unsafe { text_at(text) };
    let most = context.state.limits.string_bytes as usize - 1;
    let length = match usize::try_from(length) {
        Ok(length @ 1..) => length.min(most),
        Ok(0) | Err(_) => most,
    };
    context.state.keep_bytes(&text::escape(text.to_bytes(), length, quoted != 0))
}

extern "C" fn text_token(context: Context<'_>, text: i64, delimiters: i64) -> i64 {
    // SAFETY: as in `error`.
    let (text, delimiters) = unsafe { (text_at(text), text_at(delimiters)) };
    let token = context.state.tokens.next(text.to_bytes(), delimiters.to_bytes());
    context.state.keep_bytes(&token)
}

/// Writes what a print site prints to `out`.
fn write_print(context: &BlockContext, site: i64, arguments: i64, out: &mut Vec<u8>) {
    let Some(site) = context.state.tables.prints.get(site as usize) else { return };
    let words = arguments as *const i64;
    let arguments: Vec<Argument<'_>> = site
        .texts
        .iter()
        .enumerate()
        .map(|(at, &is_text)| {
            // SAFETY: compiled code gives as many words as the site has values.
            let word = unsafe { *words.add(at) };
            if is_text {
                // SAFETY: as in `error`.
                Argument::Text(unsafe { text_at(word) }.to_bytes())
            } else {
                Argument::Long(word)
            }
        })
        .collect();
    format::print(site, &arguments, out);
}

extern "C" fn print(context: Context<'_>, site: i64, arguments: i64) -> i64 {
    let mut output = std::mem::take(&mut context.state.output);
    let start = output.len();
    write_print(context, site, arguments, &mut output);
    context.state.output = output;
    if context.state.recording.is_some() {
        record_print(context, site, arguments, start);
    }
    0
}

/// Notes what a print site printed, from a place in the output on.
fn record_print(context: Context<'_>, site: i64, arguments: i64, start: usize) {
    let state = &mut context.state;
    let end = state.output.len();
    let (Some(site), Some(recording)) =
        (state.tables.prints.get(site as usize), &mut state.recording)
    else {
        return;
    };
    let words = arguments as *const i64;
    let value = |(at, &is_text): (usize, &bool)| {
        // SAFETY: compiled code gives as many words as the site has values.
        let raw = unsafe { *words.add(at) };
        match recording.histograms.get(&raw) {
            Some(histogram) if is_text => Printed::Histogram(histogram.clone()),
            // SAFETY: as in `error`.
            _ if is_text => Printed::Word(Word::Text(unsafe { text_at(raw) }.into())),
            _ => Printed::Word(Word::Long(raw)),
        }
    };
    let values = site.texts.iter().enumerate().map(value).collect();
    let format = site.format.as_ref().map(ToString::to_string);
    recording.parts.push(Part::Print { start, end, format, values });
}

extern "C" fn sprint(context: Context<'_>, site: i64, arguments: i64) -> i64 {
    let mut text = vec![];
    write_print(context, site, arguments, &mut text);
    context.state.keep_bytes(&text)
}

extern "C" fn pid(_: Context<'_>) -> i64 {
    i64::from(std::process::id())
}

extern "C" fn tid(_: Context<'_>) -> i64 {
    // SAFETY: takes nothing and cannot fail.
    i64::from(unsafe { libc::gettid() })
}

extern "C" fn uid(_: Context<'_>) -> i64 {
    // SAFETY: takes nothing and cannot fail.
    i64::from(unsafe { libc::getuid() })
}

extern "C" fn gid(_: Context<'_>) -> i64 {
    // SAFETY: takes nothing and cannot fail.
    i64::from(unsafe { libc::getgid() })
}

extern "C" fn cpu(_: Context<'_>) -> i64 {
    // SAFETY: takes nothing; fails only on kernels without the call, with -1.
    i64::from(unsafe { libc::sched_getcpu() })
}

extern "C" fn execname(context: Context<'_>) -> i64 {
    let name = std::fs::read("/proc/self/comm").unwrap_or_default();
    context.state.keep_bytes(name.trim_ascii_end())
}

extern "C" fn hit_text(context: Context<'_>, what: i64) -> i64 {
    let text = context.state.hit_texts.get(what as usize).cloned().unwrap_or_default();
    context.state.keep_bytes(text.as_bytes())
}

extern "C" fn target(context: Context<'_>) -> i64 {
    context.state.target
}

extern "C" fn own_pid(_: Context<'_>) -> i64 {
    i64::from(std::process::id())
}

extern "C" fn real_time_ns(_: Context<'_>) -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}

extern "C" fn monotonic_ns(_: Context<'_>) -> i64 {
    crate::session::monotonic_ns()
}

extern "C" fn ctime(context: Context<'_>, seconds: i64) -> i64 {
    context.state.keep_bytes(date::ctime(seconds).as_bytes())
}

extern "C" fn zone_offset(_: Context<'_>) -> i64 {
    date::zone().0
}

/// 0 where /proc is not there.
extern "C" fn load_average(_: Context<'_>, index: i64) -> i64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let average = usize::try_from(index).ok().and_then(|at| text.split(' ').nth(at)?.parse().ok());
    average.map_or(0, |average: f64| (average * 100.0).round() as i64)
}

extern "C" fn zone_name(context: Context<'_>) -> i64 {
    context.state.keep_bytes(date::zone().1.as_bytes())
}

extern "C" fn text_next_token(context: Context<'_>, delimiters: i64) -> i64 {
    // SAFETY: as in `error`.
    let delimiters = unsafe { text_at(delimiters) };
    let token = context.state.tokens.next(b"", delimiters.to_bytes());
    context.state.keep_bytes(&token)
}

extern "C" fn text_part_or(context: Context<'_>, bytes: i64, length: i64, other: i64) -> i64 {
    // SAFETY: as in `error`.
    let bytes = unsafe { text_at(bytes) }.to_bytes();
    if bytes == UNREADABLE_TEXT.as_bytes() {
        return other;
    }
    context.state.keep_bytes(text::part(bytes, 0, length))
}

extern "C" fn text_quoted_or(context: Context<'_>, text: i64, address: i64) -> i64 {
    // SAFETY: as in `error`.
    let text = unsafe { text_at(text) }.to_bytes();
    if text == UNREADABLE_TEXT.as_bytes() {
        return context.state.keep_bytes(format!("{address:#x}").as_bytes());
    }
    let most = context.state.limits.string_bytes as usize - 1;
    context.state.keep_bytes(&text::escape(text, most, true))
}

extern "C" fn tz_ctime(context: Context<'_>, seconds: i64) -> i64 {
    context.state.keep_bytes(date::local_ctime(seconds).as_bytes())
}

extern "C" fn symbol_name(context: Context<'_>, address: i64) -> i64 {
    let text = match context.state.kernel.kallsyms().lookup(address as u64) {
        Some(symbol) => symbol.name.to_string(),
        None => format!("0x{address:x}"),
    };
    context.state.keep_bytes(text.as_bytes())
}

extern "C" fn symbol_data(context: Context<'_>, address: i64) -> i64 {
    let text = match context.state.kernel.kallsyms().lookup(address as u64) {
        Some(symbol) => format!(
            "{}+{:#x}/{:#x} [{}]",
            symbol.name,
            (address as u64).wrapping_sub(symbol.start),
            symbol.size,
            symbol.module.unwrap_or("kernel"),
        ),
        None => format!("0x{address:x}"),
    };
    context.state.keep_bytes(text.as_bytes())
}
