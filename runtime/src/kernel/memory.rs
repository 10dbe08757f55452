//! Reading kernel memory for user blocks.
//!
//! Only programs in the kernel can read its memory. One of a few instructions is loaded when a user
//! block first wants to; a raw tracepoint program that is attached to nothing, but run here, now, with
//! an address and a length (BPF_PROG_TEST_RUN, kernel 5.10). What it has read it leaves in a map.

use std::os::fd::{AsFd, OwnedFd};

use crate::sys::{
    MapSpec, ProgramSpec, SysError, create_map, load_program, lookup_element, test_run,
};

/// The most bytes of one read.
pub const MOST_BYTES: usize = 512;

/// `BPF_PROG_TYPE_RAW_TRACEPOINT` and `BPF_MAP_TYPE_ARRAY`.
const RAW_TRACEPOINT: u32 = 17;
const ARRAY: u32 = 2;

/// The map's value: what the helper returned, then what was read.
const VALUE_BYTES: usize = 8 + MOST_BYTES;

/// What is wanted: the program compares the third argument with these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Bytes = 0,
    Text = 1,
    CurrentTask = 2,
}

/// A loaded program with its map.
#[derive(Debug)]
pub(super) struct Reader {
    program: OwnedFd,
    map: OwnedFd,
}

impl Reader {
    pub(super) fn new() -> Result<Reader, SysError> {
        let map = create_map(&MapSpec {
            name: "ntap_reader",
            map_type: ARRAY,
            key_size: 4,
            value_size: VALUE_BYTES as u32,
            max_entries: 1,
            ..MapSpec::default()
        })?;
        let instructions = program(&map);
        let program = load_program(&ProgramSpec {
            name: "ntap_reader",
            program_type: RAW_TRACEPOINT,
            instructions: &instructions,
            ..ProgramSpec::default()
        })
        .map_err(|refused| refused.error)?;
        Ok(Reader { program, map })
    }

    /// The bytes at an address; `None` when not all of them can be read.
    pub(super) fn bytes(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let (status, mut bytes) = self.run(Wanted::Bytes, address, length)?;
        bytes.truncate(length);
        (status == 0).then_some(bytes)
    }

    /// The string at an address, without its terminator and cut to so many bytes with it.
    pub(super) fn text(&self, address: u64, most: usize) -> Option<Vec<u8>> {
        let (length, mut bytes) = self.run(Wanted::Text, address, most)?;
        bytes.truncate(usize::try_from(length).ok()?.saturating_sub(1));
        Some(bytes)
    }

    /// The address of the structure of the task this is.
    pub(super) fn current_task(&self) -> Option<u64> {
        Some(self.run(Wanted::CurrentTask, 0, 8)?.0 as u64)
    }

    fn run(&self, wanted: Wanted, address: u64, length: usize) -> Option<(i64, Vec<u8>)> {
        let length = length.clamp(1, MOST_BYTES) as u64;
        test_run(self.program.as_fd(), &[address, length, wanted as u64]).ok()?;
        let mut value = [0; VALUE_BYTES];
        // SAFETY: the map has keys of 4 bytes and values of that many.
        let found = unsafe { lookup_element(self.map.as_fd(), &[0; 4], &mut value) };
        let (status, bytes) = value.split_first_chunk().filter(|_| found.is_ok_and(|f| f))?;
        Some((i64::from_le_bytes(*status), bytes.to_vec()))
    }
}

/// ```text
/// r6 = r1                         the arguments: address, length, what is wanted
/// r7 = lookup(map, &0); if r7 == 0 goto out
/// if args[2] == CurrentTask goto task
/// r1 = r7 + 8; r2 = args[1]; r3 = args[0]; if r2 > MOST_BYTES goto out
/// if args[2] == Text goto text
/// r0 = probe_read_kernel(r1, r2, r3); goto store
/// text:  r0 = probe_read_kernel_str(r1, r2, r3); goto store
/// task:  r0 = get_current_task()
/// store: *r7 = r0
/// out:   r0 = 0; exit
/// ```
fn program(map: &OwnedFd) -> Vec<u8> {
    use std::os::fd::AsRawFd;
    let most = MOST_BYTES as i32;
    let instructions: [(u8, u8, u8, i16, i32); 25] = [
        // Code, destination, source, offset, number.
        (MOVE, 6, 1, 0, 0),
        (STORE_WORD_NUMBER, 10, 0, -4, 0),
        (MOVE, 2, 10, 0, 0),
        (ADD_NUMBER, 2, 0, 0, -4),
        (LOAD_NUMBER_64, 1, 1, 0, map.as_raw_fd()),
        (0, 0, 0, 0, 0),
        (CALL, 0, 0, 0, MAP_LOOKUP),
        (JUMP_IF_EQUAL, 0, 0, 15, 0),
        (MOVE, 7, 0, 0, 0),
        (LOAD, 8, 6, 16, 0),
        (JUMP_IF_EQUAL, 8, 0, 10, Wanted::CurrentTask as i32),
        (MOVE, 1, 7, 0, 0),
        (ADD_NUMBER, 1, 0, 0, 8),
        (LOAD, 2, 6, 8, 0),
        (LOAD, 3, 6, 0, 0),
        (JUMP_IF_GREATER, 2, 0, 7, most),
        (JUMP_IF_EQUAL, 8, 0, 2, Wanted::Text as i32),
        (CALL, 0, 0, 0, PROBE_READ_KERNEL),
        (JUMP, 0, 0, 3, 0),
        (CALL, 0, 0, 0, PROBE_READ_KERNEL_STR),
        (JUMP, 0, 0, 1, 0),
        (CALL, 0, 0, 0, GET_CURRENT_TASK),
        (STORE, 7, 0, 0, 0),
        (MOVE_NUMBER, 0, 0, 0, 0),
        (EXIT, 0, 0, 0, 0),
    ];
    let encode = |(code, to, from, offset, number): (u8, u8, u8, i16, i32)| {
        let (offset, number) = (offset.to_le_bytes(), number.to_le_bytes());
        [code, from << 4 | to, offset[0], offset[1], number[0], number[1], number[2], number[3]]
    };
    instructions.into_iter().flat_map(encode).collect()
}

const MOVE: u8 = 0xbf;
const MOVE_NUMBER: u8 = 0xb7;
const ADD_NUMBER: u8 = 0x07;
const LOAD: u8 = 0x79;
const LOAD_NUMBER_64: u8 = 0x18;
const STORE: u8 = 0x7b;
const STORE_WORD_NUMBER: u8 = 0x62;
const JUMP: u8 = 0x05;
const JUMP_IF_EQUAL: u8 = 0x15;
const JUMP_IF_GREATER: u8 = 0x25;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

const MAP_LOOKUP: i32 = 1;
const GET_CURRENT_TASK: i32 = 35;
const PROBE_READ_KERNEL: i32 = 113;
const PROBE_READ_KERNEL_STR: i32 = 115;
