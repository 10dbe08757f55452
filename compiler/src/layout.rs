//! Where things are in memory that both halves share: the agreement between kernel code, user blocks
//! and the runtime. All integers are in the byte order of the machine.
//!
//! `.bss` (one array map, mapped into ntap):
//!
//! ```text
//! 0                  control block, control::SIZE bytes
//! control::SIZE      one counters block for each probe, counters::SIZE bytes
//! then               one 8-byte cell for each shared numeric global
//! ```
//!
//! A record in the ring buffer, every field 8-byte aligned:
//!
//! ```text
//! 0   u32  event index, or record::ERROR, record::EXIT
//! 4   u32  probe index
//! 8   payload: captured numbers (8 bytes) and strings (their width, NUL-terminated);
//!     for an error: u64 index in the error table, u64 address that could not be read, and when the handler raises errors with texts made
//!     at run time, such a text
//! ```
//!
//! Before a record whose handler wants the stack of a process, the stack is sent in records of its own, which
//! belong together by a number (`copied_stack`): the registers first, then the stack piece by piece.

mod offsets;

pub use offsets::{control, copied_stack, counters, record, times};

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cranelift_codegen::entity::{PrimaryMap, entity_impl};

use crate::builtins::User;
use crate::hir::{
    Aggregate, Body, Constant, EventId, ExprKind, FunctionId, GlobalId, ProbeId, Script,
    each_expression,
};
use crate::histogram::Histogram;
use crate::regex::Automaton;
use crate::runtime_functions::RuntimeFunction;
use crate::source::Span;
use crate::syscalls::{self, Routes};
use crate::types::Type;

/// Capacity of arrays that do not state one: MAXMAPENTRIES.
pub const DEFAULT_CAPACITY: u32 = 2048;

/// The same of arrays of aggregates with percentiles, whose elements take 15 KB on each CPU: these take the memory
/// that the others do with a histogram.
pub const DEFAULT_CAPACITY_WITH_PERCENTILES: u32 = 128;

/// An array, a string global or an aggregate global (the last two have no keys).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArrayId(u32);
entity_impl!(ArrayId, "array");

/// A global that is shown at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Displayed {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub storage: Storage,
    /// Whether its values are addresses.
    pub pointer: bool,
}

/// How many cells a probe of ends of processes has to note which have ended: a power of two.
pub const ENDED_CELLS: i64 = 256;

/// Where everything of a script is.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Where each global lives.
    pub storage: PrimaryMap<GlobalId, Storage>,
    /// The arrays.
    pub arrays: PrimaryMap<ArrayId, Array>,
    /// Initial values of the numeric globals that only user blocks use.
    pub cells: Vec<i64>,
    /// Initial values of the numeric globals in `.bss`.
    pub shared: Vec<i64>,
    /// The cells of `.bss` to which kernel code adds. A user block sees the values they
    /// had when it began, and changes them by adding the difference: what arrives meanwhile is kept.
    pub counters: BTreeSet<u32>,
    /// Those of `counters` that kernel code sets, too, and else only raises: when one is less than the block has seen,
    /// a handler has set it since, and what the block sets came before.
    pub reset_counters: BTreeSet<u32>,
    /// The shared cell through which user blocks and programs exchange what is added to elements: what the number
    /// was before, and in the cells behind it the key.
    pub exchange: Option<u32>,
    /// The first of the [`ENDED_CELLS`] shared cells in which a probe of ends of processes notes which have ended, where
    /// the kernel does not say which thread is the last.
    pub ended: BTreeMap<ProbeId, u32>,
    /// The records kernel code sends.
    pub events: PrimaryMap<EventId, Event>,
    /// The globals that are shown at the end, for the script fills them and never reads them.
    pub displayed: Vec<Displayed>,
    /// How many probes there are.
    pub probes: u32,
    /// Index of the map with the kernel handlers' scratch memory, behind those of the arrays.
    pub scratch_map: u32,
    /// Whether errors of handlers are counted, by probe and cause, and nothing else: `--suppress-handler-errors`.
    pub suppresses_errors: bool,
    /// Index of the map where handlers note what they took, an element for each probe, and behind these one for each
    /// point of probes that have several: `-t`.
    pub times_map: Option<u32>,
    /// Index of the map of perf events that handlers read.
    pub counters_map: Option<u32>,
    /// Where in the map of times the points of probes begin that have several.
    pub times_of_points: BTreeMap<ProbeId, Range<u32>>,
    /// How the probes of system calls share programs.
    pub routes: Routes,
    /// The handlers of system calls that are one program.
    pub shared_programs: syscalls::Shared,
    /// Index of the first map of tail calls, behind those of the arrays.
    pub routes_map: u32,
    /// The arrays of which a timer takes what kernel code has counted, for it deletes or sets elements.
    pub taken: BTreeMap<ProbeId, Vec<ArrayId>>,
    /// The bodies of functions as kernel code runs them, one for each overload.
    pub kernel_functions: BTreeMap<FunctionId, Vec<Body>>,
    /// The regular expressions that kernel code matches, with their tables. These follow each other in a
    /// constant of the object.
    pub automata: Vec<(String, Automaton)>,
    /// The probes that are attached only while their arming conditions hold.
    pub arming: Vec<Arming>,
}

/// A probe that is detached while its arming condition is false.
#[derive(Clone, Debug)]
pub struct Arming {
    /// The probe.
    pub probe: ProbeId,
    /// The block that evaluates the condition. Kernel code sends no such record.
    pub event: EventId,
    /// Where the block leaves the value: not 0 while the condition holds.
    pub armed: GlobalId,
}

/// Where a global lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// A number in ntap's memory: index of its cell.
    Cell(u32),
    /// A number in `.bss`: index of its cell.
    Shared(u32),
    /// Anything else.
    Array(ArrayId),
}

/// The layout of an array.
#[derive(Clone, Debug)]
pub struct Array {
    /// The name scripts use.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// The types of its keys; none for string and aggregate globals.
    pub keys: Vec<Type>,
    /// What an element holds.
    pub value: ArrayValue,
    /// The most elements.
    pub capacity: u32,
    /// Whether the capacity was written in the script.
    pub sized: bool,
    /// Drop the oldest element when full, instead of an error.
    pub wrap: bool,
    /// Initial value of a string global.
    pub initial: Option<String>,
    /// Whether some loop runs over it in order of insertion.
    pub ordered: bool,
    /// Its kernel map, when kernel code uses it.
    pub map: Option<KernelMap>,
}

/// What an element of an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayValue {
    /// A number.
    Long,
    /// A string of this width.
    Text(u32),
    /// An aggregate.
    Stats(StatsLayout),
}

/// The parts of an aggregate that a script uses. Offsets in bytes within the value, each part 8
/// bytes. Minimum and maximum are kept as [`encode_least`] and [`encode_greatest`] say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsLayout {
    /// How many values; always kept, for it tells empty aggregates.
    pub count: u32,
    /// Their sum.
    pub sum: Option<u32>,
    /// The least.
    pub min: Option<u32>,
    /// The greatest.
    pub max: Option<u32>,
    /// What `@variance` is computed from.
    pub variance: Option<VarianceLayout>,
    /// The histogram.
    pub histogram: Option<HistogramLayout>,
    /// The finer histogram that percentiles are read from.
    pub quantiles: Option<HistogramLayout>,
    /// Bytes in all.
    pub bytes: u32,
}

/// The parts of an aggregate that its variance is computed from, by Welford's algorithm on the values
/// shifted to the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VarianceLayout {
    /// Where the mean of the shifted values is.
    pub mean: u32,
    /// Where the sum of the squares of their distances from the mean is.
    pub squares: u32,
    /// By how much they are shifted.
    pub shift: u8,
    /// Where several programs write the aggregate, of which one may interrupt another in the middle of a step: the
    /// first of [`VarianceLayout::STREAMS`] streams of values, each with a count of its own; `mean` and `squares` are
    /// not used then.
    pub streams: Option<u32>,
}

/// A stream of values of an aggregate that several programs write: byte offsets, each part 8 bytes.
pub mod stream {
    /// 1 while a handler is at it.
    pub const CLAIM: u32 = 0;
    /// How many values.
    pub const COUNT: u32 = 8;
    /// The mean of the shifted values.
    pub const MEAN: u32 = 16;
    /// The sum of the squares of their distances from it.
    pub const SQUARES: u32 = 24;
    /// Bytes of a stream.
    pub const SIZE: u32 = 32;
}

impl VarianceLayout {
    /// As many as there are ways to interrupt each other on a CPU: tasks, soft interrupts, interrupts, NMIs.
    pub const STREAMS: u32 = 4;
}

/// The least value of an aggregate as it is kept: a smaller value is a greater unsigned number, and that of no value
/// is 0. It is its own inverse.
pub fn encode_least(value: i64) -> i64 {
    value ^ i64::MAX
}

/// The greatest value as it is kept: a greater value is a greater unsigned number, and that of no value is 0. It is
/// its own inverse.
pub fn encode_greatest(value: i64) -> i64 {
    value ^ i64::MIN
}

/// The histogram of an aggregate: one 8-byte count for each bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistogramLayout {
    /// Where the first bucket is.
    pub buckets: u32,
    /// Which bucket counts what.
    pub shape: Histogram,
}

impl StatsLayout {
    /// The layout for these extractors, with the shift of the variance and the histogram they ask for.
    pub fn new<'a>(
        aggregates: impl IntoIterator<Item = &'a Aggregate>,
        shift: Option<u8>,
        histogram: Option<Histogram>,
    ) -> StatsLayout {
        let mut layout = StatsLayout { bytes: 8, ..StatsLayout::default() };
        let mut has_quantiles = false;
        for aggregate in aggregates {
            let part = match aggregate {
                Aggregate::Sum | Aggregate::Avg | Aggregate::Variance => &mut layout.sum,
                Aggregate::Min => &mut layout.min,
                Aggregate::Max => &mut layout.max,
                Aggregate::Count | Aggregate::HistLog | Aggregate::HistLinear => continue,
                Aggregate::Percentile(_) => {
                    has_quantiles = true;
                    continue;
                }
            };
            if part.is_none() {
                *part = Some(layout.bytes);
                layout.bytes += 8;
            }
        }
        if let Some(shift) = shift {
            let mean = layout.bytes;
            layout.variance =
                Some(VarianceLayout { mean, squares: mean + 8, shift, streams: None });
            layout.bytes += 16;
        }
        if let Some(shape) = histogram {
            layout.histogram = Some(HistogramLayout { buckets: layout.bytes, shape });
            layout.bytes += 8 * shape.buckets();
        }
        if has_quantiles {
            let shape = Histogram::LogLinear;
            layout.quantiles = Some(HistogramLayout { buckets: layout.bytes, shape });
            layout.bytes += 8 * shape.buckets();
        }
        layout
    }

    /// Has the variance computed from several streams of values.
    pub fn split_variance(&mut self) {
        if let Some(variance) = &mut self.variance {
            variance.streams = Some(self.bytes);
            self.bytes += VarianceLayout::STREAMS * stream::SIZE;
        }
    }
}

/// The second map of an array that a user block reads and then deletes. Kernel code uses the
/// one that a cell in `.bss` names (0 the first, 1 the second). The block has it use the other one, waits
/// until no handler is left that uses this one, and then reads and empties it in peace: what arrives in
/// between is in the other, and no event is counted twice or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondBank {
    /// Index of the second map in the object.
    pub index: u32,
    /// The shared cell that says which map kernel code uses.
    pub cell: u32,
}

/// The kernel map of an array. Keys are the script's keys one after another, numbers in 8 bytes,
/// strings padded with zeros to their width. Aggregates are in per-CPU maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelMap {
    /// Index of the map in the object.
    pub index: u32,
    /// Bytes of the key; 4 for a global without keys, whose only key is 0.
    pub key_bytes: u32,
    /// Bytes of the value.
    pub value_bytes: u32,
    /// Where in the value the insertion stamp is, when the array is ordered.
    pub stamp: Option<u32>,
    /// Whether each CPU has a value of its own.
    pub per_cpu: bool,
    /// Whether more than one kernel program writes it: then one may interrupt another.
    pub writers: u32,
    /// The second map, when there is one.
    pub bank: Option<SecondBank>,
    /// Whether kernel code does nothing with the elements but add to them. What user blocks add and set is
    /// then kept in ntap's memory and added to what the map holds, so that nobody overwrites what another
    /// has just added.
    pub added_only: bool,
    /// Whether kernel code sets and deletes no element: what it adds and reads may change by differences only.
    pub counted: bool,
    /// Whether user blocks add to elements by a program (`lower/kernel/adder`), for kernel code does so, too.
    pub adder: bool,
    /// How user blocks delete single elements, where kernel code may be changing them.
    pub removal: Option<Removal>,
    /// Whether user blocks set elements by that program, as kernel code raises them: unless a handler has set one since
    /// the block looked, what it has added stays.
    pub raised: bool,
}

/// How a user block deletes an element of an array of numbers that kernel code asks for, too. A handler that has found
/// the element may add to it until it ends, so the element stays in the map: the program that user blocks add by takes
/// the number away that the block has seen, and notes that the element is gone. A handler that changes an element that
/// is gone brings it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Where in the value is whether the element is gone: 0 when it is not. One that is gone and not 0 is there: a
    /// handler is about to bring it back.
    pub gone: u32,
    /// Whether kernel code adds to elements, so that what is more than the block has seen is new.
    pub kernel_adds: bool,
}

impl KernelMap {
    /// The most elements of the map of an array of this capacity: those that are gone take room, too.
    pub fn entries(&self, capacity: u32) -> u32 {
        if self.removal.is_some() { capacity.saturating_mul(2) } else { capacity }
    }
}

/// A kind of record and the code that handles it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The probe that sends it.
    pub probe: ProbeId,
    /// What the payload holds.
    pub fields: Vec<Field>,
    /// Bytes of a record, header included.
    pub bytes: u32,
    /// The continuation in userspace.
    pub body: Body,
    /// The statement it continues.
    pub span: Span,
}

/// A captured value in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its offset in the payload.
    pub offset: u32,
    /// Its type.
    pub ty: Type,
}

impl Layout {
    /// Whether code of the script calls a function of the runtime of some kind.
    pub fn calls(&self, script: &Script, kind: fn(RuntimeFunction) -> bool) -> bool {
        let mut calls = false;
        let events = self.events.values().map(|event| &event.body);
        let probes = script.probes.values().map(|probe| &probe.body);
        let overloads = script.functions.values().flat_map(|f| &f.overloads).map(|o| &o.body);
        for body in events.chain(probes).chain(overloads) {
            each_expression(&body.statements, &mut |e| {
                if let ExprKind::Call { builtin, .. } = &e.kind
                    && let User::Runtime(function) = builtin.user
                {
                    calls |= kind(function);
                }
            });
        }
        calls
    }

    /// Offset in `.bss` of the counters of a probe.
    pub fn counters_offset(&self, probe: ProbeId) -> u32 {
        control::SIZE + probe.as_u32() * counters::SIZE
    }

    /// Offset in `.bss` of a shared cell.
    pub fn shared_offset(&self, cell: u32) -> u32 {
        control::SIZE + self.probes * counters::SIZE + cell * 8
    }

    /// The table of a regular expression, its offset among them.
    pub fn automaton(&self, index: usize) -> (&Automaton, u32) {
        let before = self.automata[..index].iter().map(|(_, a)| a.bytes().len() as u32);
        (&self.automata[index].1, before.sum())
    }

    /// The element of the scratch map that is a probe's. Handlers of which one calls the other run one
    /// after another and share theirs.
    pub fn scratch_slot(&self, probe: ProbeId) -> u32 {
        let before = self.routes.probes.range(..probe);
        let callers = before.filter(|(_, route)| !route.is_root).count() as u32;
        match self.routes.probes.get(&probe) {
            Some(route) if !route.is_root => self.scratch_slot(route.root),
            _ => probe.as_u32() - callers,
        }
    }

    /// How many elements the scratch map has.
    pub fn scratch_slots(&self) -> u32 {
        let called = self.routes.probes.values().filter(|route| !route.is_root).count() as u32;
        self.probes - called
    }

    /// Has kernel handlers of the script measure themselves.
    pub fn measure(&mut self, script: &Script) {
        self.times_map = Some(self.scratch_map);
        self.scratch_map += 1;
        let mut next = self.probes;
        for (id, probe) in script.probes.iter() {
            let points = probe.places() as u32;
            if points > 1 {
                self.times_of_points.insert(id, next..next + points);
                next += points;
            }
        }
    }

    /// The elements of the map of times that are a probe's.
    pub fn times_of(&self, probe: ProbeId) -> Range<u32> {
        let own = probe.as_u32()..probe.as_u32() + 1;
        self.times_of_points.get(&probe).cloned().unwrap_or(own)
    }

    /// How many elements the map of times has.
    pub fn times_elements(&self) -> u32 {
        self.times_of_points.values().map(|points| points.end).max().unwrap_or(self.probes)
    }
}

/// The initial value of a numeric global.
pub fn initial_number(initial: Option<&Constant>) -> i64 {
    match initial {
        Some(Constant::Number(n)) => *n,
        Some(Constant::Text(_)) | None => 0,
    }
}
