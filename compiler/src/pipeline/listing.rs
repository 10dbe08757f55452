//! The code of a script to read: eBPF with the script's lines, and CLIF.

use super::adder_name;
use crate::backend::bpf::{self, BpfCode, RelocationKind};
use crate::backend::names;
use crate::lower::{self, Lowered};
use crate::object::ObjectInput;
use crate::runtime_functions::RuntimeFunction;

/// The code of every program, disassembled, with the script's lines.
pub fn disassemble(object: &ObjectInput) -> String {
    let mut out = String::new();
    let names = |kind: RelocationKind| match kind {
        RelocationKind::Map(at) => object.maps[at as usize].name.clone(),
        RelocationKind::Data(at) => object.variables[at as usize].name.clone(),
        RelocationKind::SubprogramCall(at) | RelocationKind::SubprogramAddress(at) => {
            object.subprograms[at as usize].name.clone()
        }
        RelocationKind::CoreField(at) => object.core_fields[at as usize].access.clone(),
    };
    let source = |bits: u32| {
        let location = object.locations.get(bits as usize).filter(|_| bits != 0)?;
        Some(format!("{}:{}: {}", location.file, location.line, location.text))
    };
    for program in &object.programs {
        let title = format!("{} ({})", program.name, program.section);
        out.push_str(&listing(&title, &program.code));
        out.push_str(&bpf::disassemble(&program.code, &names, &source));
        out.push('\n');
    }
    for subprogram in &object.subprograms {
        out.push_str(&listing(&subprogram.name, &subprogram.code));
        out.push_str(&bpf::disassemble(&subprogram.code, &names, &source));
        out.push('\n');
    }
    out
}

/// The first line of the listing of some code.
fn listing(title: &str, code: &BpfCode) -> String {
    let (instructions, stack) = (code.instructions.len(), code.frame_bytes);
    format!("{title}, {instructions} instructions, {stack} bytes of stack\n")
}

/// Every function of both halves as CLIF, the runtime functions by their names.
pub fn clif(lowered: &Lowered) -> String {
    let kernel =
        lowered.kernel.iter().map(|k| format!("; kernel {}\n{}", k.probe, k.function.display()));
    let routines = lowered.routines.iter().zip(&lowered.tables.routines);
    let routines = routines.map(|(f, r)| format!("; {}\n{}", r.name(), f.display()));
    let kernel = kernel.chain(routines);
    let adders = lowered.adders.iter();
    let adders = adders.map(|(id, f)| format!("; {}\n{}", adder_name(*id), f.display()));
    let user = lowered.user.iter().map(|u| {
        let what = match u.role {
            lower::Role::Probe(id) => id.to_string(),
            lower::Role::Event(id) => id.to_string(),
            lower::Role::Function(id) => id.to_string(),
        };
        let mut text = format!("; user {what}\n{}", u.function.display());
        for &function in RuntimeFunction::ALL {
            let number = format!(" = u{}:{} ", names::RUNTIME, function as u32);
            text = text.replace(&number, &format!(" = %{} ", function.name()));
        }
        text
    });
    kernel.chain(adders).chain(user).collect::<Vec<_>>().join("\n")
}
