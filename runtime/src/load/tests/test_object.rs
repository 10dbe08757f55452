//! An object with three programs, a ring buffer and `.bss`, with type, function and line information.
//!
//! `count` counts one system call of one process and reports each, `tick` counts its runs, `bad` is
//! refused by the verifier.

use object::write::{Object, Relocation, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope, elf,
};

/// Offsets in `.bss`.
pub(super) const CALLS: usize = 0;
pub(super) const MATCHED_SYSCALL: usize = 8;
pub(super) const MATCHED_PROCESS: usize = 16;
pub(super) const TICKS: usize = 24;

const BSS_BYTES: u64 = 32;
const RING_BUFFER: u32 = 27;

/// One instruction: code, destination, source, offset, immediate.
type Instruction = (u8, u8, u8, i16, i32);

/// The second half of a 64-bit load.
const WIDE: Instruction = (0, 0, 0, 0, 0);
const EXIT: Instruction = (0x95, 0, 0, 0, 0);

/// Works as raw, typed and tracefs tracepoint: the number of the call is 8 bytes into all contexts.
const COUNT: [Instruction; 21] = [
    (0x79, 7, 1, 8, 0), // r7 = *(u64 *)(r1 + 8)
    (0x18, 6, 0, 0, 0),
    WIDE, // r6 = .bss
    (0x79, 2, 6, MATCHED_SYSCALL as i16, 0),
    (0x5d, 7, 2, 14, 0), // if r7 != r2 goto end
    (0x85, 0, 0, 0, 14), // get_current_pid_tgid
    (0x77, 0, 0, 0, 32), // r0 >>= 32
    (0x79, 2, 6, MATCHED_PROCESS as i16, 0),
    (0x5d, 0, 2, 10, 0),           // if r0 != r2 goto end
    (0xb7, 1, 0, 0, 1),            // r1 = 1
    (0xdb, 6, 1, CALLS as i16, 0), // lock *(u64 *)(r6 + CALLS) += r1
    (0x7b, 10, 7, -8, 0),          // *(u64 *)(r10 - 8) = r7
    (0x18, 1, 0, 0, 0),
    WIDE,                 // r1 = events
    (0xbf, 2, 10, 0, 0),  // r2 = r10
    (0x07, 2, 0, 0, -8),  // r2 += -8
    (0xb7, 3, 0, 0, 8),   // r3 = 8
    (0xb7, 4, 0, 0, 0),   // r4 = 0
    (0x85, 0, 0, 0, 130), // ringbuf_output
    (0xb7, 0, 0, 0, 0),   // end: r0 = 0
    EXIT,
];

const TICK: [Instruction; 6] = [
    (0x18, 6, 0, 0, 0),
    WIDE,                          // r6 = .bss
    (0xb7, 1, 0, 0, 1),            // r1 = 1
    (0xdb, 6, 1, TICKS as i16, 0), // lock *(u64 *)(r6 + TICKS) += r1
    (0xb7, 0, 0, 0, 0),            // r0 = 0
    EXIT,
];

const BAD: [Instruction; 3] = [
    (0xb7, 0, 0, 0, 0), // r0 = 0
    (0x79, 0, 2, 0, 0), // r0 = *(u64 *)(r2 + 0)
    EXIT,
];

fn encode(instructions: &[Instruction]) -> Vec<u8> {
    instructions
        .iter()
        .flat_map(|&(code, destination, source, offset, immediate)| {
            let [low, high] = offset.to_le_bytes();
            let [a, b, c, d] = immediate.to_le_bytes();
            [code, source << 4 | destination, low, high, a, b, c, d]
        })
        .collect()
}

pub(super) fn bytes() -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let bss = object.add_section(vec![], b".bss".to_vec(), SectionKind::UninitializedData);
    object.append_section_bss(bss, BSS_BYTES, 8);
    let bss_symbol = object.section_symbol(bss);
    let maps = object.add_section(vec![], b"maps".to_vec(), SectionKind::Data);
    // Type, key size, value size, elements (the plan says how many bytes), flags.
    let events: Vec<u8> =
        [RING_BUFFER, 0, 0, 4096, 0].into_iter().flat_map(u32::to_le_bytes).collect();
    let events_offset = object.append_section_data(maps, &events, 4);
    let events = object.add_symbol(symbol(b"events", events_offset, 20, SymbolKind::Data, maps));
    let mut program =
        |name: &[u8], section: &[u8], code: &[Instruction], uses: &[(u64, SymbolId)]| {
            let section = object.add_section(vec![], section.to_vec(), SectionKind::Text);
            let code = encode(code);
            object.append_section_data(section, &code, 8);
            object.add_symbol(symbol(name, 0, code.len() as u64, SymbolKind::Text, section));
            for &(instruction, symbol) in uses {
                let flags = RelocationFlags::Elf { r_type: elf::R_BPF_64_64 };
                let relocation = Relocation { offset: instruction * 8, symbol, addend: 0, flags };
                object.add_relocation(section, relocation).unwrap();
            }
        };
    program(b"count", b"raw_tp/count", &COUNT, &[(1, bss_symbol), (12, events)]);
    program(b"tick", b"perf_event/tick", &TICK, &[(0, bss_symbol)]);
    program(b"bad", b"raw_tp/bad", &BAD, &[]);
    let (btf, extension) = type_information();
    let section = object.add_section(vec![], b".BTF".to_vec(), SectionKind::Other);
    object.append_section_data(section, &btf, 4);
    let section = object.add_section(vec![], b".BTF.ext".to_vec(), SectionKind::Other);
    object.append_section_data(section, &extension, 4);
    object.write().unwrap()
}

fn symbol(
    name: &[u8],
    value: u64,
    size: u64,
    kind: SymbolKind,
    section: object::write::SectionId,
) -> Symbol {
    Symbol {
        name: name.to_vec(),
        value,
        size,
        kind,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    }
}

/// `.BTF` with an `int (*)(struct context *)` for each program, and `.BTF.ext` for `bad` only.
fn type_information() -> (Vec<u8>, Vec<u8>) {
    let mut strings = vec![0];
    let mut string = |text: &str| {
        let offset = strings.len() as u32;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        offset
    };
    let kind = |kind: u32, length: u32| kind << 24 | length;
    let types = [
        string("int"),
        kind(1, 0),
        4,
        1 << 24 | 32, // 1: int
        string("context"),
        kind(4, 0),
        0, // 2: struct context
        0,
        kind(2, 0),
        2, // 3: struct context *
        0,
        kind(13, 1),
        1,
        string("context"),
        3, // 4: int (struct context *)
        string("bad"),
        kind(12, 1),
        4, // 5: global function
    ];
    let (section, file) = (string("raw_tp/bad"), string("test.nt"));
    let (first, second) = (string("probe x {"), string("x = $bad"));
    let words =
        |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let header = [0xeb9f_u32 | 1 << 16, 24];
    let (types_len, strings_len) = (types.len() as u32 * 4, strings.len() as u32);
    let mut btf = words(&[header[0], header[1], 0, types_len, types_len, strings_len]);
    btf.extend(words(&types));
    btf.extend(&strings);
    // Record size; section, count; records of instruction byte, then type or file, text, line << 10 | column.
    let functions = [8, section, 1, 0, 5];
    let lines = [16, section, 2, 0, file, first, 2 << 10 | 1, 8, file, second, 3 << 10 | 1];
    let (functions_len, lines_len) = (functions.len() as u32 * 4, lines.len() as u32 * 4);
    let mut extension = words(&[
        header[0],
        32,
        0,
        functions_len,
        functions_len,
        lines_len,
        functions_len + lines_len,
        0,
    ]);
    extension.extend(words(&functions));
    extension.extend(words(&lines));
    (btf, extension)
}
