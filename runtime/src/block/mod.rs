//! What user blocks run on: their context, and the functions they call.

mod arrays;
mod crowded_map;
mod date;
mod decode;
mod display;
mod floating;
mod foreach;
mod format;
mod frames;
pub mod functions;
mod histogram;
mod kernel_array;
mod memory;
mod order;
mod outlet;
mod recording;
mod regex;
mod save;
mod services;
mod source_lines;
mod stack;
mod stats;
mod text;
mod values;
mod warnings;

use std::ffi::CStr;
use std::rc::Rc;

use ntap_compiler::bytes;
use ntap_compiler::layout::{ArrayId, Layout, Storage};
use ntap_compiler::limits::Limits;
use ntap_compiler::lower::{ErrorSite, Tables};
use ntap_compiler::runtime_functions::context;

pub use arrays::Arrays;
pub use display::{Shown, ShownGlobal};
pub use frames::Frame;
pub use kernel_array::KernelArray;
pub use recording::{MessageKind, Part, Printed, PrintedHistogram, Recording};
pub use save::SavedGlobal;
pub use stats::Stats;
pub use values::{Key, Value, Word};
pub use warnings::{Warnings, WarningsShown};

use crate::kernel::LiveKernel;
use crate::symbols::UserSymbols;
use foreach::Loop;

/// The context of a user block. The first words are read by compiled code, by the offsets in
/// `ntap_compiler::runtime_functions::context`.
#[repr(C)]
pub struct BlockContext {
    error: i64,
    record: *const u8,
    literals: *const *const u8,
    cells: *mut i64,
    shared: *mut u8,
    seen: *mut i64,
    /// What the runtime functions work on.
    pub state: State,
}

/// What the runtime functions work on.
pub struct State {
    /// Output of the script that has not been written yet.
    pub output: Vec<u8>,
    /// Which warnings are shown.
    pub warnings: Warnings,
    /// What the running block prints, in parts; only for output formats that show values.
    pub recording: Option<Recording>,
    /// Whether `exit()` was called.
    pub exiting: bool,
    /// What `target()` gives.
    pub target: i64,
    /// What is said about the probe point of the running block, by the numbers of `hir::HitText`.
    pub hit_texts: Rc<[String]>,
    /// The arrays.
    pub arrays: Arrays,
    /// `$value`: the text that the running block exchanges with another program.
    pub exchanged: Vec<u8>,
    /// What `module_name()` gives.
    pub session_name: String,
    layout: Rc<Layout>,
    tables: Rc<Tables>,
    kernel: Rc<LiveKernel>,
    /// Names of addresses of processes.
    pub symbols: UserSymbols,
    raised: Option<RaisedError>,
    /// Strings that live until the block ends.
    texts: Vec<Rc<CStr>>,
    loops: Vec<Option<Loop>>,
    regexes: regex::Regexes,
    services: services::Services,
    /// What `tokenize` goes on with; one for the whole script, as blocks run one at a time.
    tokens: text::Tokens,
    /// How many statements the running block may still run.
    actions: u64,
    limits: Limits,
    /// How many calls of functions surround the running code.
    depth: u32,
    /// Where the stack of the running block starts.
    stack_base: usize,
    /// Owners of what the first words point to.
    _literals: (Vec<std::ffi::CString>, Vec<*const u8>),
    _cells: Vec<i64>,
    _seen: Vec<i64>,
}

/// A string literal, cut to the longest string there may be.
fn literal(text: &str, limits: &Limits) -> std::ffi::CString {
    let bytes = bytes::of(text);
    values::c_string(&bytes[..bytes.len().min(limits.string_bytes as usize - 1)])
}

/// An error a block has raised.
#[derive(Clone, Debug)]
pub struct RaisedError {
    /// What went wrong.
    pub message: String,
    /// Where.
    pub site: ErrorSite,
}

impl BlockContext {
    /// A context for the blocks of one script. `shared` is the address of the mapped `.bss`; null when
    /// there is none.
    pub fn new(
        layout: Rc<Layout>,
        tables: Rc<Tables>,
        kernel: Rc<LiveKernel>,
        shared: *mut u8,
        limits: Limits,
    ) -> Box<BlockContext> {
        let literals = tables.literals.iter().enumerate().map(|(at, text)| {
            let whole = tables.whole.contains(&(at as u32));
            if whole { values::c_string(text.as_bytes()) } else { literal(text, &limits) }
        });
        let literals: Vec<_> = literals.collect();
        let pointers: Vec<*const u8> = literals.iter().map(|l| l.as_ptr().cast()).collect();
        let mut cells = layout.cells.clone();
        let mut seen = vec![0; layout.shared.len()];
        let arrays = Arrays::new(&layout);
        let regexes = regex::Regexes::new(&tables.regexes);
        Box::new(BlockContext {
            error: 0,
            record: std::ptr::null(),
            literals: pointers.as_ptr(),
            cells: cells.as_mut_ptr(),
            shared,
            seen: seen.as_mut_ptr(),
            state: State {
                output: vec![],
                warnings: Warnings::default(),
                recording: None,
                exiting: false,
                target: 0,
                hit_texts: Rc::new([]),
                arrays,
                exchanged: vec![],
                session_name: String::new(),
                layout,
                tables,
                kernel,
                symbols: UserSymbols::default(),
                raised: None,
                texts: vec![],
                loops: vec![],
                regexes,
                services: services::Services::default(),
                tokens: text::Tokens::default(),
                actions: 0,
                limits,
                depth: 0,
                stack_base: 0,
                _literals: (literals, pointers),
                _cells: cells,
                _seen: seen,
            },
        })
    }

    /// Prepares for a block that may run so many statements; `record` is the payload it continues, if it does.
    pub fn begin(&mut self, record: Option<&[u8]>, actions: u64) {
        self.error = 0;
        self.record = record.map_or(std::ptr::null(), <[u8]>::as_ptr);
        self.state.actions = actions;
        self.state.depth = 0;
        for &cell in &self.state.layout.counters {
            let value = self.cell(Storage::Shared(cell));
            // SAFETY: there is a word for each shared cell.
            unsafe { *self.seen.add(cell as usize) = value };
        }
        let here = 0u8;
        self.state.stack_base = std::ptr::from_ref(&here) as usize;
    }

    /// Cleans up after a block; gives the error it raised.
    pub fn finish(&mut self) -> Option<RaisedError> {
        self.record = std::ptr::null();
        if let Some(recording) = &mut self.state.recording {
            recording.histograms.clear();
        }
        self.state.texts.clear();
        self.state.loops.clear();
        self.state.arrays.forget_snapshots();
        self.state.raised.take()
    }

    /// The error a kernel handler raised at a site of the error table, with the text it made, if any.
    pub fn error_of_site(
        &self,
        site: u64,
        address: Option<u64>,
        text: &[u8],
    ) -> Option<RaisedError> {
        let site = self.state.tables.errors.get(usize::try_from(site).ok()?)?;
        let text = text.split(|&b| b == 0).next().unwrap_or_default();
        let message = match (&site.kind, address) {
            (kind, Some(address)) if kind.has_address() => format!("{kind} at {address:#x}"),
            (ntap_compiler::lower::ErrorKind::Script, _) if !text.is_empty() => {
                String::from_utf8_lossy(text).into_owned()
            }
            (kind, _) => kind.to_string(),
        };
        Some(RaisedError { message, site: site.clone() })
    }

    /// The value of a numeric global.
    pub fn cell(&self, storage: Storage) -> i64 {
        match storage {
            // SAFETY: the layout has as many cells as were allocated.
            Storage::Cell(at) => unsafe { *self.cells.add(at as usize) },
            Storage::Shared(at) => {
                let offset = self.state.layout.shared_offset(at) as usize;
                // SAFETY: `.bss` is mapped whole, and its cells are aligned.
                unsafe { self.shared.add(offset).cast::<i64>().read_volatile() }
            }
            Storage::Array(_) => 0,
        }
    }

    /// Raises the error of a site.
    fn raise(&mut self, site: i64, message: Option<String>) {
        let sites = &self.state.tables.errors;
        if let Some(site) = usize::try_from(site).ok().and_then(|at| sites.get(at)) {
            let message = message.unwrap_or_else(|| site.kind.to_string());
            self.error = context::RAISED;
            self.state.raised = Some(RaisedError { message, site: site.clone() });
        }
    }
}

impl State {
    /// Says something on standard error, or notes it where that belongs to the output.
    fn message(&mut self, kind: MessageKind, text: String) {
        match &mut self.recording {
            Some(recording) => {
                recording.parts.push(Part::Message { at: self.output.len(), kind, text });
            }
            None if kind == MessageKind::Warning && !self.warnings.shows(&text) => {}
            None => crate::session::write_message(&mut self.output, &kind.line(&text)),
        }
    }

    /// Keeps a string until the block ends; gives its address.
    fn keep(&mut self, text: Rc<CStr>) -> i64 {
        let address = text.as_ptr() as i64;
        self.texts.push(text);
        address
    }

    /// Keeps a new string until the block ends, cut to the longest that scripts can have; gives its
    /// address.
    fn keep_bytes(&mut self, bytes: &[u8]) -> i64 {
        let most = self.limits.string_bytes as usize - 1;
        let text = values::c_string(&bytes[..bytes.len().min(most)]);
        self.keep(text.into())
    }

    fn array_name(&self, id: ArrayId) -> &str {
        &self.layout.arrays[id].name
    }
}
