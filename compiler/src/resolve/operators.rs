//! Operators on what the kernel has by name or number: `@var`, `@enum` and `@enumname`, `@kderef` and
//! `@uderef`, `@kregister` and `@uregister`.

use super::c_expression::{self, Constants};
use super::context::{Reached, Ty};
use super::{Resolver, Scope};
use crate::btf::{Btf, Kind, TypeId};
use crate::builtins::{self, Builtin};
use crate::diagnostic::codes;
use crate::facts::Architecture;
use crate::hir::{Arithmetic, Expr, ExprKind, Load, MarkArgument, Scalar};
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, Literal, LiteralValue};
use crate::syntax::constant;

/// The symbol of the array that holds where each CPU's variables begin.
const CPU_OFFSETS: &str = "__per_cpu_offset";

/// Variables of the kernel's that its type information leaves out, with the names of their types there.
const KNOWN_TYPES: &[(&str, &str)] = &[
    ("init_task", "task_struct"),
    ("init_mm", "mm_struct"),
    ("init_net", "net"),
    ("init_cred", "cred"),
    ("init_nsproxy", "nsproxy"),
    ("init_pid_ns", "pid_namespace"),
    ("init_user_ns", "user_namespace"),
    ("init_uts_ns", "uts_namespace"),
    ("init_css_set", "css_set"),
    ("root_task_group", "task_group"),
    ("tcp_prot", "proto"),
    ("tcpv6_prot", "proto"),
    ("udp_prot", "proto"),
    ("contig_page_data", "pglist_data"),
    ("super_blocks", "list_head"),
    ("modules", "list_head"),
    ("net_namespace_list", "list_head"),
    ("jiffies", "u64"),
    ("jiffies_64", "u64"),
    ("total_forks", "u64"),
    ("loops_per_jiffy", "u64"),
    ("max_pfn", "u64"),
    ("min_low_pfn", "u64"),
    ("max_low_pfn", "u64"),
    ("nr_threads", "int"),
    ("max_threads", "int"),
    ("panic_timeout", "int"),
    ("pid_max", "int"),
    ("nr_cpu_ids", "u32"),
    ("tsc_khz", "u32"),
    ("cpu_khz", "u32"),
    ("sysctl_tcp_mem", "u64"),
];

/// DWARF's numbers of registers on x86-64.
const X86_64_REGISTERS: [&str; 17] = [
    "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15", "rip",
];

impl Resolver<'_> {
    /// `@var("name@file", "module")`: a variable of the kernel's.
    pub(super) fn kernel_variable(
        &mut self,
        literal: &Literal,
        module: Option<&Literal>,
        span: Span,
    ) -> Option<Reached> {
        if let Some(Literal { value: LiteralValue::String(module), span }) = module
            && (module.contains('/') || module.contains('<'))
        {
            self.diagnostics
                .error(codes::UNSUPPORTED, *span, format!("no variables of `{module}`"))
                .label("only the kernel's own variables are known")
                .note("variables of programs are described by debug information");
            return None;
        }
        let LiteralValue::String(text) = &literal.value else { return None };
        let (name, file) = match text.split_once('@') {
            Some((name, file)) => (name, Some(file)),
            None => (text.as_str(), None),
        };
        let facts = self.facts;
        let of_module = matches!(module, Some(Literal { value: LiteralValue::String(module), .. })
            if !matches!(module.as_str(), "" | "kernel" | "vmlinux"));
        if let Some(Literal { value: LiteralValue::String(module), .. }) = module {
            facts.module_types(&[module]);
        }
        let btf = match facts.all_types() {
            Ok(btf) => btf,
            Err(missing) => {
                let message = format!("no kernel types: {missing}");
                self.diagnostics.error(codes::NO_BTF, literal.span, message);
                return None;
            }
        };
        let variable = btf.variable(name);
        let per_cpu = variable.is_some_and(|v| v.per_cpu);
        let offsets = if per_cpu { facts.symbol_address(CPU_OFFSETS) } else { None };
        let address = facts.symbol_address(name);
        // Those of one file, and those without a type here, the debug information tells.
        let is_told = address.is_some() && variable.is_some() || known_type(btf, name).is_some();
        if !of_module
            && !per_cpu
            && (file.is_some() || !is_told)
            && let Some(source) = facts.kernel_source()
            && let Some(found) = source.variable(name, file).or_else(|| source.variable(name, None))
            && let Some(MarkArgument::Constant(address)) = found.place
        {
            let address = self.expr(span, ExprKind::Number(address));
            return Some(Reached::memory(address, Ty::Kernel(TypeId(found.ty)), span));
        }
        let (Some(address), true) = (address, offsets.is_some() || !per_cpu) else {
            self.diagnostics
                .error(codes::UNKNOWN_VARIABLE, literal.span, format!("unknown variable `{name}`"))
                .label("this kernel lists no variable of this name")
                .note("kernels built without CONFIG_KALLSYMS_ALL list functions only");
            return None;
        };
        let mut place = self.expr(span, ExprKind::Number(address as i64));
        if let Some(offsets) = offsets {
            let cpu = builtins::find("cpu")?;
            let cpu = self.expr(span, ExprKind::Call { builtin: cpu, arguments: vec![] });
            let eight = self.expr(span, ExprKind::Number(8));
            let index = self.arithmetic(span, Arithmetic::Multiply, cpu, eight);
            let offsets = self.expr(span, ExprKind::Number(offsets as i64));
            let slot = self.arithmetic(span, Arithmetic::Add, offsets, index);
            let offset = self.unsigned_load(slot, 8, span);
            place = self.arithmetic(span, Arithmetic::Add, place, offset);
        }
        let ty = variable.map(|v| v.ty).or_else(|| known_type(btf, name)).unwrap_or(TypeId::VOID);
        Some(Reached::memory(place, Ty::Kernel(ty), span))
    }

    fn unsigned_load(&mut self, address: Expr, bytes: u8, span: Span) -> Expr {
        let value = Scalar { bytes, signed: false };
        let load = Load { address, offset: 0, value, bits: None, trusted: false, or_zero: false };
        self.expr(span, ExprKind::Load(Box::new(load)))
    }

    /// `@kderef(bytes, address)`, `@uderef(bytes, address)`: an unsigned number in memory.
    /// `@kregister(n)`, `@uregister(n)`: a register by its number in debug information.
    pub(super) fn raw(
        &mut self,
        scope: &mut Scope<'_>,
        word: &str,
        arguments: &[Expression],
        span: Span,
    ) -> Option<Expr> {
        if word.ends_with("register") {
            return self.numbered_register(word, arguments, span);
        }
        let (size, address) = match arguments {
            [size, address] => (constant::number(size), address),
            _ => (None, arguments.first()?),
        };
        let Some(bytes @ (1 | 2 | 4 | 8)) = size else {
            self.diagnostics
                .error(codes::ARITY, span, format!("`{word}` takes a size and an address"))
                .label("the size is 1, 2, 4 or 8");
            return None;
        };
        let address = self.expression(scope, address)?;
        if word == "@kderef" {
            return Some(self.unsigned_load(address, bytes as u8, span));
        }
        let name = match bytes {
            1 => "user_uint8_error",
            2 => "user_uint16_error",
            4 => "user_uint32_error",
            _ => "user_uint64_error",
        };
        Some(self.call_of(builtins::find(name)?, vec![address], span))
    }

    fn numbered_register(
        &mut self,
        word: &str,
        arguments: &[Expression],
        span: Span,
    ) -> Option<Expr> {
        let number = constant::number(arguments.first()?);
        let name = match self.facts.architecture() {
            Architecture::X86_64 => number
                .and_then(|n| usize::try_from(n).ok())
                .and_then(|n| X86_64_REGISTERS.get(n))
                .map(|name| name.to_string()),
            Architecture::Aarch64 => match number {
                Some(n @ 0..=30) => Some(format!("x{n}")),
                Some(31) => Some("sp".to_string()),
                _ => None,
            },
        };
        let Some(name) = name else {
            self.diagnostics
                .error(codes::ARITY, span, format!("`{word}` takes the number of a register"))
                .label("a literal number as debug information has it")
                .help("`register(\"name\")` is a register by its name");
            return None;
        };
        let name = self.expr(span, ExprKind::Text(name));
        Some(self.call_of(builtins::find("register")?, vec![name], span))
    }

    fn call_of(&mut self, builtin: &'static Builtin, arguments: Vec<Expr>, span: Span) -> Expr {
        self.expr(span, ExprKind::Call { builtin, arguments })
    }

    /// `@enum("NAME")` and `@const("EXPRESSION")`: constants of the kernel's enums, and those that C code has
    /// as macros.
    pub(super) fn enumerator(&mut self, literal: &Literal, span: Span) -> Option<Expr> {
        let LiteralValue::String(text) = &literal.value else { return None };
        let btf = self.facts.all_types();
        let constants =
            Constants { btf: btf.as_ref().ok().copied(), library: self.library, facts: self.facts };
        let unknown = match c_expression::evaluate(text, &constants) {
            Ok(value) => return Some(self.expr(span, ExprKind::Number(value))),
            Err(unknown) => unknown.trim(),
        };
        let unknown = if unknown.is_empty() { text } else { unknown };
        let diagnostic = self
            .diagnostics
            .error(codes::UNKNOWN_TYPE, literal.span, format!("unknown constant `{unknown}`"))
            .label("in no enum of this kernel, and not well known");
        match btf {
            Ok(_) => diagnostic
                .note("constants that C code defines as macros are not in the kernel's types"),
            Err(missing) => diagnostic.note(format!("no kernel types: {missing}")),
        };
        None
    }

    /// `@enumname(value)`: the name of a value whose type is one of the kernel's enums;
    /// `@enumname("enum", value)`: of a number. A number without a name is shown in decimal.
    pub(super) fn enumeration_name(
        &mut self,
        scope: &mut Scope<'_>,
        arguments: &[Expression],
        span: Span,
    ) -> Option<Expr> {
        let facts = self.facts;
        let btf = match facts.all_types() {
            Ok(btf) => btf,
            Err(missing) => {
                let message = format!("no kernel types: {missing}");
                self.diagnostics.error(codes::NO_BTF, span, message);
                return None;
            }
        };
        let (value, ty) = match arguments {
            [value] => {
                let has_type = matches!(
                    value.kind,
                    ExpressionKind::Context(_)
                        | ExpressionKind::Member { .. }
                        | ExpressionKind::Var { .. }
                );
                if !has_type {
                    return self.no_enumeration(value.span);
                }
                let reached = self.reach(scope, value)?;
                let Ty::Kernel(ty) = reached.ty else { return self.no_enumeration(value.span) };
                (self.value_of(reached)?, Some(ty))
            }
            [name, value] => {
                let (name, value) = if is_text(value) { (value, name) } else { (name, value) };
                let ExpressionKind::Literal(LiteralValue::String(text)) = &name.kind else {
                    return self.no_enumeration(name.span);
                };
                let plain = text.trim().trim_start_matches("enum ").trim();
                let ty = [Kind::Enum, Kind::Enum64, Kind::Typedef]
                    .into_iter()
                    .find_map(|kind| btf.find(plain, kind));
                (self.expression(scope, value)?, ty)
            }
            _ => {
                self.diagnostics
                    .error(codes::ARITY, span, "`@enumname` takes a value of an enum")
                    .help("of a number: `@enumname(\"enum name\", number)`");
                return None;
            }
        };
        let names: Vec<String> = ty
            .into_iter()
            .flat_map(|ty| btf.enum_values(ty))
            .map(|constant| format!("{}={}", constant.name, constant.value))
            .collect();
        if names.is_empty() {
            return self.no_enumeration(arguments[0].span);
        }
        let names = self.expr(span, ExprKind::Text(names.join(" ")));
        let otherwise = self.expr(span, ExprKind::Text(String::new()));
        Some(self.call_of(builtins::find("__name_of")?, vec![value, names, otherwise], span))
    }

    fn no_enumeration(&mut self, span: Span) -> Option<Expr> {
        self.diagnostics
            .error(codes::UNKNOWN_TYPE, span, "this is of no enum of the kernel's")
            .help("say which: `@enumname(\"enum name\", number)`");
        None
    }
}

fn is_text(expression: &Expression) -> bool {
    matches!(expression.kind, ExpressionKind::Literal(LiteralValue::String(_)))
}

fn known_type(btf: &Btf, name: &str) -> Option<TypeId> {
    let (_, ty) = KNOWN_TYPES.iter().find(|(variable, _)| *variable == name)?;
    [Kind::Struct, Kind::Typedef, Kind::Integer].into_iter().find_map(|kind| btf.find(ty, kind))
}
