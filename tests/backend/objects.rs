//! The object writer against the readers of the world: aya-obj and libbpf (through bpftool).

use std::path::PathBuf;
use std::process::Command;

use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, Signature, SourceLoc, UserExternalName, types::*,
};
use ntap_compiler::backend::bpf::{self, BpfCode, BpfOptions};
use ntap_compiler::backend::names;
use ntap_compiler::facts::CpuVersion;
use ntap_compiler::object::{
    self, CoreField, Location, MapDefinition, ObjectError, ObjectInput, Program, Subprogram,
    Variable,
};

use crate::clif::{self, Build, CONTEXT, trusted};
use crate::kernel;

const SYS_ENTER: &str = "raw_tp/sys_enter";

/// Two programs for one event, a function called by one, a `bpf_loop` callback, a tracepoint with
/// a BTF context, maps of several kinds, variables, a CO-RE field.
fn example() -> ObjectInput {
    let map = |name: &str, kind, key_size, value_size, max_entries| MapDefinition {
        name: name.to_string(),
        kind,
        key_size,
        value_size,
        max_entries,
        flags: 0,
    };
    let program = |name: &str, section: &str, function| Program {
        name: name.to_string(),
        section: section.to_string(),
        code: compile(function),
    };
    let location = |line, text: &str| Location {
        file: "example.nt".to_string(),
        line,
        column: 3,
        text: text.to_string(),
    };
    let mut mmapable = map("shared", kernel::MAP_ARRAY, 4, 8, 1);
    mmapable.flags = 1 << 10;
    ObjectInput {
        maps: vec![
            map("counts", kernel::MAP_HASH, 4, 64, 1024),
            map("events", 27, 0, 0, 4096),
            map("scratch", 6, 4, 600, 1),
            mmapable,
        ],
        variables: vec![
            Variable { name: "exiting".to_string(), size: 8, constant: None },
            Variable { name: "total".to_string(), size: 20, constant: None },
            Variable { name: "last".to_string(), size: 8, constant: None },
        ],
        programs: vec![
            program("count", SYS_ENTER, counting()),
            program("sum", SYS_ENTER, looping()),
            program("typed", "tp_btf/sys_enter", reading_core_field()),
        ],
        subprograms: vec![
            Subprogram { name: "square".to_string(), code: compile(square()), global: None },
            Subprogram { name: "add_square".to_string(), code: compile(callback()), global: None },
        ],
        core_fields: vec![CoreField {
            structure: "task_struct".to_string(),
            size: 4,
            members: vec![("tgid".to_string(), 4, 0)],
            access: "0:0".to_string(),
            kind: 0,
        }],
        locations: vec![
            Location::default(),
            location(2, "  counts[0]++"),
            location(3, "  total += square(n)"),
        ],
    }
}

fn compile(mut function: Function) -> BpfCode {
    bpf::optimize(&mut function).expect("valid CLIF");
    let options = BpfOptions { cpu: CpuVersion::V3, check: true };
    bpf::compile(&function, &options).expect("supported CLIF")
}

fn at(build: &mut Build<'_>, location: u32) {
    build.set_srcloc(SourceLoc::new(location));
}

/// `counts[0]++`, and a record in the ring buffer.
fn counting() -> Function {
    clif::function(1, |b, parameters| {
        at(b, 1);
        let p = b.lookup(0);
        let out = b.create_block();
        b.guard(p, out);
        let one = b.constant(1);
        b.ins().atomic_rmw(I64, trusted(), cranelift_codegen::ir::AtomicRmwOp::Add, p, one);
        at(b, 2);
        let (events, size, flags) = (b.map(1), b.constant(16), b.constant(0));
        let record = b.helper(131, &[events, size, flags]);
        b.guard(record, out);
        let id = b.ins().load(I64, CONTEXT, parameters[0], 8);
        b.ins().store(trusted(), id, record, 0);
        b.ins().store(trusted(), flags, record, 8);
        b.helper(132, &[record, flags]);
        b.goto(out);
        b.return_zero();
    })
}

/// `last = square(n)`, then a `bpf_loop` of ten rounds.
fn looping() -> Function {
    clif::function(1, |b, parameters| {
        at(b, 2);
        let n = b.ins().load(I64, CONTEXT, parameters[0], 8);
        let square = b.call(names::SUBPROGRAM, 0, &[n]);
        let last = b.symbol(names::DATA, 2, 0);
        b.ins().store(trusted(), square, last, 0);
        let mut signature = Signature::new(cranelift_codegen::isa::CallConv::SystemV);
        signature.params = vec![AbiParam::new(I64); 2];
        signature.returns = vec![AbiParam::new(I64)];
        let signature = b.import_signature(signature);
        let name = UserExternalName::new(names::SUBPROGRAM, 1);
        let name = b.func.declare_imported_user_function(name);
        let callback = b.import_function(cranelift_codegen::ir::ExtFuncData {
            name: cranelift_codegen::ir::ExternalName::user(name),
            signature,
            colocated: false,
            patchable: false,
        });
        let callback = b.ins().func_addr(I64, callback);
        let (rounds, zero) = (b.constant(10), b.constant(0));
        b.helper(181, &[rounds, callback, zero, zero]);
        b.return_zero();
    })
}

/// `total += i * i`, where `total` starts 8 bytes into its variable.
fn callback() -> Function {
    clif::function(2, |b, parameters| {
        at(b, 2);
        let square = b.call(names::SUBPROGRAM, 0, &[parameters[0]]);
        let total = b.symbol(names::DATA, 1, 8);
        let value = b.ins().load(I64, trusted(), total, 0);
        let value = b.ins().iadd(value, square);
        b.ins().store(trusted(), value, total, 0);
        b.return_zero();
    })
}

/// A function without locations.
fn square() -> Function {
    clif::function(1, |b, parameters| {
        let square = b.ins().imul(parameters[0], parameters[0]);
        b.ins().return_(&[square]);
    })
}

/// Reads `task->tgid` through a CO-RE offset.
fn reading_core_field() -> Function {
    clif::function(1, |b, _| {
        at(b, 1);
        let task = b.helper(35, &[]);
        let offset = b.symbol(names::CORE_FIELD, 0, 0);
        let address = b.ins().iadd(task, offset);
        let slot = b.new_slot(8);
        let zero = b.constant(0);
        b.ins().store(trusted(), zero, slot, 0);
        let size = b.constant(4);
        b.helper(113, &[slot, size, address]);
        let tgid = b.ins().load(I64, trusted(), slot, 0);
        let exiting = b.symbol(names::DATA, 0, 0);
        b.ins().store(trusted(), tgid, exiting, 0);
        b.return_zero();
    })
}

#[test]
fn aya_reads_the_object() {
    let bytes = object::write(&example()).expect("an object");
    let parsed = aya_obj::Object::parse(&bytes).expect("aya-obj takes it");
    let mut maps: Vec<&str> = parsed.maps.keys().map(String::as_str).collect();
    maps.sort_unstable();
    assert_eq!(maps, [".bss", "counts", "events", "scratch", "shared"]);
    let scratch = &parsed.maps["scratch"];
    assert_eq!((scratch.key_size(), scratch.value_size(), scratch.max_entries()), (4, 600, 1));
    assert_eq!(parsed.maps["shared"].map_flags(), 1 << 10);
    assert_eq!(parsed.maps[".bss"].value_size(), 40);
    let mut programs: Vec<&str> = parsed.programs.keys().map(String::as_str).collect();
    programs.sort_unstable();
    assert_eq!(programs, ["count", "sum", "typed"]);
    assert!(parsed.has_btf_relocations());
    for function in parsed.functions.values() {
        assert_eq!(function.func_info.func_info.len(), 1, "{}", function.name);
        let line = function.line_info.line_info.first().expect("a line for each function");
        let start = function.func_info.func_info[0].insn_off;
        assert_eq!(line.insn_off, start, "{}", function.name);
    }
}

#[test]
fn libbpf_loads_the_object() {
    if !kernel::is_available() {
        return;
    }
    if Command::new("bpftool").arg("version").output().is_err() {
        println!("skipped: there is no bpftool");
        return;
    }
    let name = format!("ntap-backend-{}", std::process::id());
    let path = std::env::temp_dir().join(format!("{name}.o"));
    std::fs::write(&path, object::write(&example()).expect("an object")).expect("a file");
    let pins = PathBuf::from("/sys/fs/bpf").join(&name);
    let load = bpftool(&["prog", "loadall", &path.to_string_lossy(), &pins.to_string_lossy()]);
    let listing = load.as_ref().ok().map(|_| {
        let pin = pins.join("count");
        bpftool(&["prog", "dump", "xlated", "pinned", &pin.to_string_lossy(), "linum"])
    });
    let _ = std::fs::remove_file(&path);
    let _ = std::fs::remove_dir_all(&pins);
    load.unwrap_or_else(|error| panic!("libbpf refuses the object:\n{error}"));
    let listing = listing.expect("it was loaded").expect("a listing");
    assert!(listing.contains("counts[0]++ [file:example.nt line_num:2 line_col:3]"), "{listing}");
}

fn bpftool(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("bpftool").args(arguments).output().map_err(|it| it.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(text) } else { Err(errors) }
}

#[test]
fn an_object_of_nothing_is_readable() {
    let bytes = object::write(&ObjectInput::default()).expect("an object");
    let parsed = aya_obj::Object::parse(&bytes).expect("aya-obj takes it");
    assert!(parsed.maps.is_empty() && parsed.programs.is_empty());
}

#[test]
fn dangling_references_are_errors() {
    let mut input = example();
    input.maps.clear();
    let error = object::write(&input).expect_err("`count` refers to a map");
    let expected = ObjectError::DanglingReference {
        function: "count".to_string(),
        reference: "Map(0)".to_string(),
    };
    assert_eq!(error, expected);
}

#[test]
fn the_description_names_everything() {
    let description = object::describe(&example()).expect("an object");
    let expected = "\
object: 3976 bytes, license GPL
programs:
  raw_tp/sys_enter count: 25 instructions, 8 bytes of stack
  raw_tp/sys_enter sum: 13 instructions, 0 bytes of stack
  tp_btf/sys_enter typed: 14 instructions, 8 bytes of stack
functions:
  square/1: 3 instructions, 0 bytes of stack
  add_square/2: 10 instructions, 0 bytes of stack
maps:
  counts: hash, key 4, value 64, entries 1024
  events: ringbuf, key 0, value 0, entries 4096
  scratch: percpu_array, key 4, value 600, entries 1
  shared: array, key 4, value 8, entries 1, flags 0x400
variables:
  exiting: 8 bytes
  total: 20 bytes
  last: 8 bytes
BTF: 47 types, 1370 bytes
";
    assert_eq!(description, expected);
}
