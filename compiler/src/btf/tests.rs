//! Tests on a small kernel made by hand, and on what an attacker would make of it.

use super::*;

/// Writes BTF records.
#[derive(Default)]
struct Writer {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

impl Writer {
    fn new() -> Writer {
        Writer { strings: vec![0], ..Writer::default() }
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let offset = self.strings.len() as u32;
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        offset
    }

    /// A record: name, kind, length, flag, third word, and the words behind it.
    fn record(
        &mut self,
        name: &str,
        kind: Kind,
        flag: bool,
        length: u32,
        word: u32,
        tail: &[u32],
    ) -> TypeId {
        let info = u32::from(flag) << 31 | (kind as u32) << 24 | length;
        let name = self.name(name);
        for word in [name, info, word].iter().chain(tail) {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
        self.count += 1;
        TypeId(self.count)
    }

    fn integer(&mut self, name: &str, bytes: u32, encoding: u32) -> TypeId {
        self.record(name, Kind::Integer, false, 0, bytes, &[(encoding << 24) | (bytes * 8)])
    }

    fn reference(&mut self, name: &str, kind: Kind, to: TypeId) -> TypeId {
        self.record(name, kind, false, 0, to.0, &[])
    }

    fn array(&mut self, element: TypeId, index: TypeId, len: u32) -> TypeId {
        self.record("", Kind::Array, false, 0, 0, &[element.0, index.0, len])
    }

    /// Members: name, type, bit offset, bit size.
    fn aggregate(
        &mut self,
        name: &str,
        kind: Kind,
        bytes: u32,
        members: &[(&str, TypeId, u32, u32)],
    ) -> TypeId {
        let tail: Vec<u32> = members
            .iter()
            .flat_map(|&(name, ty, offset, size)| [self.name(name), ty.0, size << 24 | offset])
            .collect();
        self.record(name, kind, true, members.len() as u32, bytes, &tail)
    }

    fn prototype(&mut self, returned: TypeId, parameters: &[(&str, TypeId)]) -> TypeId {
        let tail: Vec<u32> =
            parameters.iter().flat_map(|&(name, ty)| [self.name(name), ty.0]).collect();
        self.record("", Kind::FunctionPrototype, false, parameters.len() as u32, returned.0, &tail)
    }

    fn bytes(&self) -> Vec<u8> {
        let words =
            [24, 0, self.types.len() as u32, self.types.len() as u32, self.strings.len() as u32];
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        bytes.extend(words.iter().flat_map(|word: &u32| word.to_le_bytes()));
        bytes.extend_from_slice(&self.types);
        bytes.extend_from_slice(&self.strings);
        bytes
    }

    fn btf(&self) -> Btf {
        Btf::parse(self.bytes()).unwrap()
    }
}

/// Types like those of `kfree_skb`.
fn small_kernel() -> Writer {
    let mut w = Writer::new();
    let int = w.integer("int", 4, 1);
    let uint = w.integer("unsigned int", 4, 0);
    let character = w.integer("char", 1, 0);
    let boolean = w.integer("_Bool", 1, 4);
    let pid = w.reference("pid_t", Kind::Typedef, int);
    let constant_pid = w.reference("", Kind::Const, pid);
    let comm = w.array(character, uint, 16);
    let matrix = w.array(comm, uint, 3);
    let task = TypeId(w.count + 3);
    let inner = w.aggregate("", Kind::Union, 8, &[("deep", int, 0, 0), ("deeper", uint, 32, 0)]);
    let task_pointer = w.reference("", Kind::Pointer, task);
    let task_written = w.aggregate(
        "task_struct",
        Kind::Struct,
        64,
        &[
            ("pid", constant_pid, 0, 0),
            ("comm", comm, 32, 0),
            ("", inner, 160, 0),
            ("flag", uint, 224, 3),
            ("parent", task_pointer, 256, 0),
            ("yes", boolean, 320, 0),
        ],
    );
    assert_eq!(task, task_written);
    let (low, high) = (w.name("REASON_NONE"), w.name("REASON_LOW"));
    w.record("reason", Kind::Enum, true, 2, 4, &[low, 0, high, -2i32 as u32]);
    let big = w.name("BIG");
    w.record("wide", Kind::Enum64, false, 1, 8, &[big, 1, 1]);
    w.reference("forward_only", Kind::Forward, TypeId::VOID);
    let constant_char = w.reference("", Kind::Const, character);
    let text = w.reference("", Kind::Pointer, constant_char);
    let void_pointer = w.reference("", Kind::Pointer, TypeId::VOID);
    let bare = w.prototype(TypeId::VOID, &[("", void_pointer), ("", task_pointer), ("", text)]);
    let bare_pointer = w.reference("", Kind::Pointer, bare);
    w.reference("btf_trace_wake", Kind::Typedef, bare_pointer);
    w.reference("btf_trace_nameless", Kind::Typedef, bare_pointer);
    let named =
        w.prototype(int, &[("__data", void_pointer), ("task", task_pointer), ("text", text)]);
    w.reference("__traceiter_wake", Kind::Function, named);
    let callback = w.reference("", Kind::Pointer, named);
    w.aggregate(
        "operations",
        Kind::Struct,
        8,
        &[("call", callback, 0, 0), ("grid", matrix, 64, 0)],
    );
    w.reference("", Kind::Const, task_pointer);
    w
}

#[test]
fn finds_names_by_kind() {
    let btf = small_kernel().btf();
    assert!(btf.find("task_struct", Kind::Struct).is_some());
    for (name, kind) in [
        ("task_struct", Kind::Union),
        ("task_struc", Kind::Struct),
        ("task_structs", Kind::Struct),
        ("", Kind::Pointer),
        ("int\0unsigned int", Kind::Integer),
    ] {
        assert_eq!(btf.find(name, kind), None, "{name}");
    }
    assert_eq!(btf.names(Kind::Struct).collect::<Vec<_>>(), ["task_struct", "operations"]);
    assert_eq!(btf.function("__traceiter_wake").map(|id| btf.name(id)), Some("__traceiter_wake"));
}

#[test]
fn fields_and_their_types() {
    let btf = small_kernel().btf();
    let task = btf.find("task_struct", Kind::Struct).unwrap();
    let rows = [
        ("pid", 0, 0, "const pid_t", Some(4)),
        ("comm", 32, 0, "char[16]", Some(16)),
        ("deep", 160, 0, "int", Some(4)),
        ("deeper", 192, 0, "unsigned int", Some(4)),
        ("flag", 224, 3, "unsigned int", Some(4)),
        ("parent", 256, 0, "struct task_struct *", Some(8)),
        ("yes", 320, 0, "_Bool", Some(1)),
    ];
    for (name, bit_offset, bit_size, description, size) in rows {
        let field = btf.field(task, name).unwrap();
        assert_eq!((field.bit_offset, field.bit_size), (bit_offset, bit_size), "{name}");
        assert_eq!(btf.describe(field.ty), description);
        assert_eq!(btf.size(field.ty), size, "{name}");
    }
    assert_eq!(btf.field(task, "nothing"), None);
    assert_eq!(btf.field_names(task), ["pid", "comm", "deep", "deeper", "flag", "parent", "yes"]);
    let parent = btf.field(task, "parent").unwrap().ty;
    assert_eq!(btf.pointee(parent), Some(task));
    assert_eq!(btf.pointee(task), None);
    let flag = btf.integer(btf.field(task, "yes").unwrap().ty).unwrap();
    assert_eq!((flag.bytes, flag.signed, flag.encoding), (1, false, IntegerEncoding::Boolean));
    let comm = btf.array(btf.field(task, "comm").unwrap().ty).unwrap();
    assert_eq!((btf.name(comm.element), comm.len), ("char", 16));
}

#[test]
fn descriptions_are_c() {
    let btf = small_kernel().btf();
    let operations = btf.find("operations", Kind::Struct).unwrap();
    let describe = |name| btf.describe(btf.field(operations, name).unwrap().ty);
    assert_eq!(describe("call"), "int (*)(void *, struct task_struct *, const char *)");
    assert_eq!(describe("grid"), "char[3][16]");
    assert_eq!(btf.describe(TypeId(btf.type_count() as u32)), "struct task_struct *const");
    assert_eq!(btf.describe(TypeId::VOID), "void");
    assert_eq!(btf.describe(TypeId(9999)), "type 9999");
    let forward = btf.find("forward_only", Kind::Forward).unwrap();
    assert_eq!((btf.describe(forward).as_str(), btf.size(forward)), ("struct forward_only", None));
}

#[test]
fn enums() {
    let btf = small_kernel().btf();
    let reason = btf.find("reason", Kind::Enum).unwrap();
    let values: Vec<(&str, i64)> = btf.enum_values(reason).map(|v| (v.name, v.value)).collect();
    assert_eq!(values, [("REASON_NONE", 0), ("REASON_LOW", -2)]);
    assert_eq!(btf.is_signed_enum(reason), Some(true));
    assert_eq!(btf.enumerator("REASON_LOW"), Some((reason, -2)));
    assert_eq!(btf.enumerator("BIG").map(|(_, value)| value), Some((1 << 32) + 1));
    assert_eq!(btf.enumerator("REASON"), None);
}

#[test]
fn tracepoints() {
    let btf = small_kernel().btf();
    let wake = tracepoint(&btf, "wake").unwrap();
    assert_eq!(btf.name(wake.typedef_id), "btf_trace_wake");
    let arguments: Vec<(&str, String)> =
        wake.arguments.iter().map(|(name, ty)| (name.as_str(), btf.describe(*ty))).collect();
    let expected = [("task", "struct task_struct *"), ("text", "const char *")];
    assert_eq!(arguments, expected.map(|(name, ty)| (name, ty.to_owned())));
    let nameless = tracepoint(&btf, "nameless").unwrap();
    assert_eq!(
        nameless.arguments.iter().map(|a| a.0.as_str()).collect::<Vec<_>>(),
        ["arg1", "arg2"]
    );
    assert_eq!(tracepoint(&btf, "absent"), None);
    assert_eq!(tracepoint_names(&btf).collect::<Vec<_>>(), ["wake", "nameless"]);
}

#[test]
fn bitfields_of_old_compilers() {
    let mut w = Writer::new();
    // The integer says which bits: 3 bits, 5 bits into the word.
    let bits = w.record("", Kind::Integer, false, 0, 4, &[5 << 16 | 3]);
    let plain = w.integer("int", 4, 1);
    let tail = [w.name("narrow"), bits.0, 32, w.name("whole"), plain.0, 64];
    let old = w.record("old", Kind::Struct, false, 2, 12, &tail);
    let btf = w.btf();
    let place = |name| btf.field(old, name).map(|f| (f.bit_offset, f.bit_size));
    assert_eq!(place("narrow"), Some((37, 3)));
    assert_eq!(place("whole"), Some((64, 0)));
}

#[test]
fn headers_are_checked() {
    let good = small_kernel().bytes();
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        Btf::parse(changed).unwrap_err()
    };
    assert_eq!(Btf::parse(vec![]).unwrap_err(), BtfError::Truncated);
    assert_eq!(Btf::parse(good[..23].to_vec()).unwrap_err(), BtfError::Truncated);
    assert_eq!(with(0, &[0x7f, 0x45]), BtfError::Magic(0x457f));
    assert_eq!(with(0, &[0xeb, 0x9f]), BtfError::BigEndian);
    assert_eq!(with(2, &[9]), BtfError::Version(9));
    assert_eq!(with(4, &[0xff; 4]), BtfError::Layout);
    assert_eq!(with(8, &[0xff; 4]), BtfError::Layout);
    assert_eq!(with(20, &[0xff; 4]), BtfError::Layout);
}

/// Asks every question about every type.
fn ask_everything(btf: &Btf) {
    for id in (0..btf.type_count() as u32 + 2).map(TypeId) {
        btf.describe(id);
        btf.size(id);
        btf.strip(id);
        btf.pointee(id);
        btf.array(id);
        btf.integer(id);
        btf.field(id, "no such field");
        btf.field_names(id);
        btf.members(id).count();
        btf.enum_values(id).count();
        btf.parameters(id).count();
        btf.return_type(id);
    }
    btf.enumerator("no such constant");
    btf.find("no such type", Kind::Struct);
    for name in tracepoint_names(btf) {
        tracepoint(btf, name);
    }
}

#[test]
fn cycles_end() {
    let mut w = Writer::new();
    let typedef = w.reference("a", Kind::Typedef, TypeId(2));
    w.reference("b", Kind::Typedef, typedef);
    let pointer = w.reference("", Kind::Pointer, TypeId(3));
    let array = w.array(TypeId(4), TypeId(4), 2);
    let nest =
        w.aggregate("nest", Kind::Struct, 8, &[("", TypeId(5), 0, 0), ("", TypeId(5), 0, 0)]);
    let prototype = w.prototype(TypeId(6), &[("", TypeId(6)), ("", TypeId(6)), ("", TypeId(6))]);
    let function = w.reference("f", Kind::Function, TypeId(7));
    let btf = w.btf();
    assert_eq!((btf.strip(typedef), btf.size(array), btf.field(nest, "x")), (typedef, None, None));
    assert_eq!((btf.pointee(pointer), btf.prototype(function)), (Some(pointer), None));
    assert_eq!(btf.return_type(prototype), Some(prototype));
    ask_everything(&btf);
}

#[test]
fn damaged_data_does_no_harm() {
    let good = small_kernel().bytes();
    // Cut anywhere, with a header that says so.
    for cut in 24..good.len() {
        let mut bytes = good[..cut].to_vec();
        let types = (cut - 24) as u32;
        for (at, word) in [(12, types), (16, 0), (20, types)] {
            bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(word));
        }
        ask_everything(&Btf::parse(bytes).unwrap());
    }
    // Any byte replaced by a few others.
    for at in 24..good.len() {
        for byte in [0, 1, 4, 13, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            ask_everything(&Btf::parse(bytes).unwrap());
        }
    }
}

#[test]
fn modules_go_behind_other_types() {
    let integer = NewInteger { bytes: 4, signed: true, ..NewInteger::default() };
    let mut kernel = Builder::new(&Btf::none());
    let int = kernel.reserve();
    kernel.integer(int, "int", integer);
    let kernel = Btf::none().with_more(&kernel.finish()).unwrap();
    // Two modules, each numbered from where the kernel ends.
    let module = |structure: &str, member: &str| {
        let mut module = Builder::new(&kernel);
        let (own, pointer, typedef) = (module.reserve(), module.reserve(), module.reserve());
        let new = |name: &str, ty, bit_offset| {
            let name = name.to_string();
            NewMember { name, ty, bit_offset, bit_size: 0 }
        };
        let members = [new("next", pointer, 0), new(member, int, 64)];
        module.aggregate(own, Kind::Struct, structure, 16, &members);
        module.derived(pointer, Kind::Pointer, "", own);
        module.derived(typedef, Kind::Typedef, &format!("btf_trace_{structure}"), pointer);
        module.finish()
    };
    let (one, other) = (module("one", "first"), module("other", "second"));
    // A program's types are already behind the kernel's.
    let mut program = Builder::new(&kernel);
    let of_program = program.reserve();
    program.aggregate(of_program, Kind::Struct, "of_program", 4, &[]);
    let so_far = kernel.with_more(&program.finish()).unwrap();

    let (all, places) = so_far.with_modules(&kernel, &[one.clone(), other]).unwrap();
    for (place, (name, member)) in places.iter().zip([("one", "first"), ("other", "second")]) {
        let structure = all.find(name, Kind::Struct).unwrap();
        assert!(place.contains(structure) && !place.contains(int) && !place.contains(of_program));
        assert_eq!(place.own_id(structure), Some(2), "the kernel calls both so");
        assert_eq!(all.field(structure, member).map(|field| field.ty), Some(int));
        let next = all.field(structure, "next").unwrap().ty;
        assert_eq!(all.pointee(next), Some(structure));
    }
    assert_eq!(all.find("of_program", Kind::Struct), Some(of_program));
    assert_eq!(module_tracepoints(&one), ["one"]);
    assert!(module_mentions(&one, "first") && !module_mentions(&one, "int"));
}
