//! Tests of the symbol table as text, and of the kernel this runs on.

use ntap_compiler::btf;

use super::*;

const TABLE: &str = "\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t local
ffffffff81000180 T tcp_v4_rcv
ffffffff81000a50 t local
not a line
ffffffff81000b00 D _end
ffffffffc0201000 t trampoline\t[one]
ffffffffc0201040 t last_of_one\t[one]
ffffffffc0301000 t only\t[two]
";

#[test]
fn symbols_by_address() {
    let table = Kallsyms::parse(TABLE.as_bytes());
    assert_eq!((table.len(), table.hidden()), (10, None));
    let rows = [
        (0xffffffff81000000, Some(("_stext", 0x100, None))),
        (0xffffffff8100022a, Some(("tcp_v4_rcv", 0x8d0, None))),
        (0xffffffffc0201010, Some(("trampoline", 0x40, Some("one")))),
        // The last symbol of a module ends with its page.
        (0xffffffffc0201fff, Some(("last_of_one", 0xfc0, Some("one")))),
        (0xffffffffc0202000, None),
        (0xffffffffc0301001, Some(("only", 0x1000, Some("two")))),
        // Behind the end of the kernel.
        (0xffffffff81000b00, None),
        (u64::MAX, None),
        // No place in memory.
        (0, None),
    ];
    for (address, expected) in rows {
        let found = table.lookup(address).map(|s| (s.name, s.size, s.module));
        assert_eq!(found, expected, "{address:#x}");
    }
}

#[test]
fn symbols_by_name() {
    let table = Kallsyms::parse(TABLE.as_bytes());
    assert_eq!(table.address("tcp_v4_rcv"), Some(0xffffffff81000180));
    assert_eq!(table.address("local"), Some(0xffffffff81000100));
    assert!(table.names(0xffffffff81000000).eq(["_stext", "_text"]));
    assert_eq!(table.addresses("local"), [0xffffffff81000100, 0xffffffff81000a50]);
    assert_eq!(table.address("tcp_v4_rc"), None);
    assert_eq!(table.functions().filter(|symbol| symbol.module.is_none()).count(), 5);
}

#[test]
fn hidden_addresses_are_said_to_be() {
    let table = Kallsyms::parse("0000000000000000 T a\n0000000000000000 T b\n".as_bytes());
    assert!(table.is_empty());
    assert!(table.hidden().is_some_and(|reason| reason.contains("kptr_restrict")));
    assert_eq!(table.lookup(0), None);
}

#[test]
fn lines_may_be_cut_anywhere() {
    /// Hands out one byte at a time.
    struct Drip<'a>(&'a [u8]);
    impl std::io::Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }
    let table = Kallsyms::parse(Drip(TABLE.as_bytes()));
    assert_eq!(table.len(), 10);
    assert_eq!(table.name(0xffffffff81000181), Some("tcp_v4_rcv"));
}

#[test]
fn this_kernel_has_types() {
    let kernel = LiveKernel::new();
    let types = match kernel.btf() {
        Ok(types) => types,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let kfree_skb = btf::tracepoint(types, "kfree_skb").unwrap();
    let arguments: Vec<(&str, String)> =
        kfree_skb.arguments.iter().map(|(name, ty)| (name.as_str(), types.describe(*ty))).collect();
    let expected =
        [("skb", "struct sk_buff *"), ("location", "void *"), ("reason", "enum skb_drop_reason")];
    for (name, ty) in expected {
        assert!(arguments.contains(&(name, ty.to_owned())), "{name} in {arguments:?}");
    }
    assert!(btf::tracepoint_names(types).any(|name| name == "sched_switch"));
    let task = types.find("task_struct", btf::Kind::Struct).unwrap();
    let pid = types.field(task, "pid").unwrap();
    assert_eq!(types.describe(pid.ty), "pid_t");
    assert_eq!(types.integer(pid.ty).map(|i| (i.bytes, i.signed)), Some((4, true)));
    let page = types.find("page", btf::Kind::Struct).unwrap();
    assert!(types.field(page, "_refcount").is_some(), "behind anonymous members");
    assert_eq!(types.enumerator("IPPROTO_TCP").map(|(_, value)| value), Some(6));
}

#[test]
fn this_kernel_has_symbols() {
    let kernel = LiveKernel::new();
    if let Some(reason) = kernel.kallsyms().hidden() {
        return eprintln!("skipped: {reason}");
    }
    let address = kernel.symbol_address("vfs_read").unwrap();
    let symbol = kernel.kallsyms().lookup(address + 4).unwrap();
    assert_eq!((symbol.name, symbol.start, symbol.module), ("vfs_read", address, None));
    assert!(symbol.size > 4);
    assert_eq!(kernel.kallsyms().name(0x1000), None);
}

#[test]
fn this_kernel_answers() {
    let kernel = LiveKernel::new();
    assert!(kernel.kernel_release().starts_with(|c: char| c.is_ascii_digit()));
    assert!(kernel.possible_cpus() >= kernel.online_cpus().len());
    match kernel.kernel_config("CONFIG_BPF") {
        Some(value) => assert_eq!(value, "y"),
        None => eprintln!("skipped: no kernel configuration"),
    }
    assert_eq!(kernel.kernel_config("CONFIG_NO_SUCH_OPTION"), None);
}
