//! An array in a kernel map: its bytes as keys and values.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use aya::maps::MapData;
use ntap_compiler::layout::{Array, ArrayValue, KernelMap, control};
use ntap_compiler::types::Type;

use super::arrays::{Element, Elements};
use super::stats::{Stats, read_word};
use super::values::{Key, Value, Word, c_string};
use crate::load::GlobalsMapping;
use crate::sys::{self, SysError};

/// `BPF_ANY`: make or replace an element.
const ANY: u64 = 0;

/// A kernel map with the layout of the array it holds.
pub struct KernelArray {
    pub(super) map: MapData,
    pub(super) layout: KernelMap,
    /// The most elements.
    pub(super) capacity: u32,
    keys: Vec<Type>,
    value: ArrayValue,
    /// The CPUs that have values of their own.
    cpus: usize,
    pub(super) globals: Rc<GlobalsMapping>,
    /// The second map, and where in `.bss` is which one kernel code uses.
    pub(super) bank: Option<(MapData, usize)>,
    /// The map that was taken from kernel code for the running block: 0 or 1.
    taken: Option<u64>,
    /// How many elements of the map were gone when it was last read.
    pub(super) gone: Cell<u32>,
    /// The program that adds to an element, and where in `.bss` is what it is told and tells
    /// ([`Layout::exchange`](ntap_compiler::layout::Layout::exchange)).
    adder: Option<(OwnedFd, usize)>,
}

impl KernelArray {
    /// The array of a layout in its map.
    pub fn new(
        map: MapData,
        array: &Array,
        layout: KernelMap,
        cpus: usize,
        globals: Rc<GlobalsMapping>,
        bank: Option<(MapData, usize)>,
    ) -> KernelArray {
        let cpus = if layout.per_cpu { cpus } else { 1 };
        KernelArray {
            map,
            layout,
            capacity: array.capacity,
            keys: array.keys.clone(),
            value: array.value,
            cpus,
            globals,
            bank,
            taken: None,
            gone: Cell::new(0),
            adder: None,
        }
    }

    /// Has numbers added to by a program, with the place in `.bss` of the exchange with it.
    pub fn add_by(&mut self, program: OwnedFd, exchange: usize) {
        self.adder = Some((program, exchange));
    }

    /// The map to work on: the one taken for the running block, else the one kernel code uses.
    fn descriptor(&self) -> BorrowedFd<'_> {
        let Some((second, cell)) = &self.bank else { return self.map.fd().as_fd() };
        let in_use = || self.globals.u64_at(*cell).load(Ordering::SeqCst);
        if self.taken.unwrap_or_else(in_use) == 0 {
            self.map.fd().as_fd()
        } else {
            second.fd().as_fd()
        }
    }

    /// Has kernel code use the other map from now on. The one it used is complete once all handlers that
    /// are running have ended.
    pub fn take(&mut self) {
        if let Some((_, cell)) = &self.bank {
            let cell = self.globals.u64_at(*cell);
            let old = cell.load(Ordering::SeqCst);
            cell.store(1 - old, Ordering::SeqCst);
            self.taken = Some(old);
        }
    }

    /// Whether it was taken from kernel code, for which there has to be a second map.
    pub fn is_taken(&self) -> bool {
        self.taken.is_some()
    }

    /// Whether kernel code does nothing but add to the elements.
    pub fn added_only(&self) -> bool {
        self.layout.added_only
    }

    /// Whether kernel code sets and deletes no element.
    pub fn counted(&self) -> bool {
        self.layout.counted
    }

    /// Works on the map that kernel code uses again.
    pub fn release(&mut self) {
        self.taken = None;
    }

    fn is_scalar(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes of one value, and of what the system calls exchange for an element.
    fn value_bytes(&self) -> (usize, usize) {
        let bytes = self.layout.value_bytes as usize;
        if self.layout.per_cpu {
            let stride = sys::value_stride(bytes);
            return (stride, stride * self.cpus);
        }
        (bytes, bytes)
    }

    /// All elements.
    pub fn read(&self) -> Result<Elements, SysError> {
        let (stride, bytes) = self.value_bytes();
        let mut elements = Elements::new();
        if self.is_scalar() {
            let mut value = vec![0; bytes];
            // SAFETY: arrays have 4-byte keys, and the value has the size the map gives.
            unsafe { sys::lookup_element(self.descriptor(), &0u32.to_ne_bytes(), &mut value)? };
            elements.insert(Key::from([]), self.element(&value, stride));
            return Ok(elements);
        }
        let key_bytes = self.layout.key_bytes as usize;
        let mut gone = 0;
        // SAFETY: the sizes are those the map was made with.
        let entries = unsafe { sys::lookup_batch(self.descriptor(), key_bytes, bytes)? };
        for (key, value) in entries.iter() {
            if self.is_gone(value) {
                gone += 1;
                continue;
            }
            elements.insert(self.decode_key(key), self.element(value, stride));
        }
        self.gone.set(gone);
        Ok(elements)
    }

    /// Whether an element has been deleted by a block, and no handler has changed it since.
    pub(super) fn is_gone(&self, value: &[u8]) -> bool {
        let Some(removal) = self.layout.removal else { return false };
        read_word(value, removal.gone as usize) != 0 && read_word(value, 0) == 0
    }

    /// The number in an element, as it is now; 0 when there is none.
    pub fn number(&self, key: &Key) -> Result<i64, SysError> {
        let mut value = vec![0; self.value_bytes().1];
        // SAFETY: key and value have the sizes the map was made with.
        unsafe { sys::lookup_element(self.descriptor(), &self.encode_key(key), &mut value)? };
        Ok(read_word(&value, 0))
    }

    fn element(&self, bytes: &[u8], stride: usize) -> Element {
        let value = match self.value {
            ArrayValue::Long => Value::Word(Word::Long(read_word(bytes, 0))),
            ArrayValue::Text(width) => {
                let text = c_string(&bytes[..(width as usize).min(bytes.len())]);
                Value::Word(Word::Text(text.into()))
            }
            ArrayValue::Stats(layout) => {
                let mut stats = Stats::default();
                for part in bytes.chunks_exact(stride) {
                    stats.merge(&Stats::decode(part, &layout));
                }
                Value::Stats(stats)
            }
        };
        // Only the CPU that inserted the element has its stamp; the others have 0.
        let stamp = self.layout.stamp.map_or(0, |offset| {
            bytes
                .chunks_exact(stride)
                .map(|p| read_word(p, offset as usize) as u64)
                .max()
                .unwrap_or(0)
        });
        Element { stamp, value }
    }

    fn decode_key(&self, bytes: &[u8]) -> Key {
        let mut offset = 0;
        self.keys
            .iter()
            .map(|ty| {
                let at = offset;
                offset += ty.bytes() as usize;
                match ty {
                    Type::Text(_) => Word::Text(c_string(&bytes[at..offset]).into()),
                    Type::Long | Type::Stats => Word::Long(read_word(bytes, at)),
                }
            })
            .collect()
    }

    fn encode_key(&self, key: &Key) -> Vec<u8> {
        if self.is_scalar() {
            return vec![0; self.layout.key_bytes as usize];
        }
        let mut bytes = Vec::with_capacity(self.layout.key_bytes as usize);
        for (word, ty) in key.iter().zip(&self.keys) {
            encode_word(word, ty.bytes() as usize, &mut bytes);
        }
        bytes
    }

    /// Sets an element that is not an aggregate; gives its stamp, 0 when the map keeps none.
    pub fn store(&self, key: &Key, value: &Value) -> Result<u64, SysError> {
        let Value::Word(word) = value else { return Ok(0) };
        let key = self.encode_key(key);
        let width = match self.value {
            ArrayValue::Text(width) => width as usize,
            ArrayValue::Long | ArrayValue::Stats(_) => 8,
        };
        let (_, bytes) = self.value_bytes();
        let mut value = Vec::with_capacity(bytes);
        encode_word(word, width, &mut value);
        if self.layout.removal.is_some() {
            value.extend_from_slice(&0u64.to_ne_bytes());
        }
        let mut stamp = 0;
        if let Some(offset) = self.layout.stamp {
            let mut old = vec![0; bytes];
            // SAFETY: key and value have the sizes the map was made with.
            let exists = unsafe { sys::lookup_element(self.descriptor(), &key, &mut old)? };
            let has_stamp = exists && !self.is_gone(&old);
            stamp =
                if has_stamp { read_word(&old, offset as usize) as u64 } else { self.next_stamp() };
            value.extend_from_slice(&stamp.to_ne_bytes());
        }
        // SAFETY: as above.
        unsafe { sys::update_element(self.descriptor(), &key, &value, ANY)? };
        Ok(stamp)
    }

    /// Adds to a number in one step, so that nothing is lost of what handlers add at the same time; the element is
    /// made when missing. Gives the number before, and nothing where there is no program for it or where the kernel
    /// does not run programs for us (before 5.10).
    ///
    /// # Errors
    ///
    /// E2BIG when the array is full.
    pub fn add(&self, key: &Key, delta: i64) -> Option<Result<i64, SysError>> {
        self.change(&self.encode_key(key), delta, false)
    }

    /// Whether elements are set by adding the difference, unless a handler has set them since the block looked.
    pub fn raised(&self) -> bool {
        self.layout.raised
    }

    /// Sets an element in which a number was seen; what handlers have added since stays.
    ///
    /// # Errors
    ///
    /// E2BIG when the array is full.
    pub fn set(&self, key: &Key, seen: i64, value: i64) -> Option<Result<i64, SysError>> {
        self.run_adder(&self.encode_key(key), [value.wrapping_sub(seen), 0, seen])
    }

    /// Runs the program that adds to an element, or takes from one that is deleted what was seen in it.
    pub(super) fn change(
        &self,
        key: &[u8],
        number: i64,
        removes: bool,
    ) -> Option<Result<i64, SysError>> {
        self.run_adder(key, [number, removes.into(), i64::MIN])
    }

    /// Runs the program with its arguments: what to add or what was seen, whether to delete, and what has to be there.
    fn run_adder(&self, key: &[u8], arguments: [i64; 3]) -> Option<Result<i64, SysError>> {
        let (program, exchange) = self.adder.as_ref().filter(|_| self.taken.is_none())?;
        self.globals.set_bytes(exchange + 8, key);
        match sys::test_run(program.as_fd(), &arguments.map(|word| word as u64)).ok()?.returned {
            0 => Some(Ok(self.globals.u64_at(*exchange).load(Ordering::Relaxed) as i64)),
            _ => {
                let full = std::io::Error::from_raw_os_error(libc::E2BIG);
                Some(Err(SysError::new("write map element", "", full)))
            }
        }
    }

    /// Deletes an element. `seen` is the number that the running block has seen in it, of an array of numbers: what
    /// handlers have added since stays.
    pub fn delete(&self, key: &Key, seen: Option<i64>) -> Result<(), SysError> {
        if self.is_scalar() {
            return self.zero();
        }
        let encoded = self.encode_key(key);
        if self.layout.removal.is_some() {
            let seen = seen.map_or_else(|| self.number(key), Ok)?;
            if let Some(removed) = self.change(&encoded, seen, true) {
                return removed.map(|_| ());
            }
        }
        // SAFETY: the key has the size the map was made with.
        unsafe { sys::delete_element(self.descriptor(), &encoded).map(|_| ()) }
    }

    /// Deletes these elements.
    pub fn clear(&self, elements: &Elements) -> Result<(), SysError> {
        if self.is_scalar() {
            return self.zero();
        }
        if self.taken.is_none() {
            // Handlers may be deleting the same elements: one by one, so that an absent one stops nothing.
            return elements
                .iter()
                .try_for_each(|(key, element)| self.delete(key, Some(element.value.long())));
        }
        let key_bytes = self.layout.key_bytes as usize;
        let keys: Vec<u8> = if self.layout.removal.is_some() {
            // Those that are gone take room, too.
            let bytes = self.value_bytes().1;
            // SAFETY: the sizes are those the map was made with.
            unsafe { sys::lookup_batch(self.descriptor(), key_bytes, bytes)? }.keys
        } else {
            elements.keys().flat_map(|key| self.encode_key(key)).collect()
        };
        if keys.is_empty() {
            return Ok(());
        }
        // SAFETY: the keys have the size the map was made with.
        unsafe { sys::delete_batch(self.descriptor(), key_bytes, &keys) }
    }

    fn zero(&self) -> Result<(), SysError> {
        let (_, bytes) = self.value_bytes();
        // SAFETY: arrays have 4-byte keys, and the value has the size the map takes.
        unsafe { sys::update_element(self.descriptor(), &0u32.to_ne_bytes(), &vec![0; bytes], ANY) }
    }

    /// The stamp for a new element, from the counter that kernel code takes them from.
    pub fn next_stamp(&self) -> u64 {
        self.globals.u64_at(control::STAMP as usize).fetch_add(1, Ordering::Relaxed)
    }
}

/// Appends a word: 8 bytes, or a string padded with zeros to its width and always terminated.
fn encode_word(word: &Word, width: usize, out: &mut Vec<u8>) {
    match word {
        Word::Long(n) => out.extend_from_slice(&n.to_ne_bytes()),
        Word::Text(text) => {
            let bytes = text.to_bytes();
            let end = out.len() + width;
            out.extend_from_slice(&bytes[..bytes.len().min(width.saturating_sub(1))]);
            out.resize(end, 0);
        }
    }
}
