//! What runs where.
//!
//! In: a typed script. Out: the script with its kernel handlers reduced to what kernel code can do,
//! and a [`Layout`]: where each global lives, and the records through which a kernel handler's
//! statements that only userspace can do (printing, symbol names, dates) are continued there. Such a
//! statement becomes [`StmtKind::Emit`]: the values it needs are computed in the kernel, in its
//! place, and sent; the statement itself runs on the received copy.
//!
//! A global used by kernel code lives in a map or in `.bss`; any other lives in ntap's memory.

mod arming;
mod capture;
mod defer;
mod effects;
mod inline;
mod last;
mod obstacle;
mod order;
mod place;
mod print;
mod pure;
mod race;
mod registers;
mod tail;

pub use print::print;

use std::collections::{BTreeMap, BTreeSet};

use cranelift_codegen::entity::PrimaryMap;

use self::defer::Userspace;
use crate::diagnostic::{Diagnostics, codes};
use crate::hir::{
    Body, BodyId, ExprKind, FunctionId, Global, GlobalId, ProbeId, Script, Stmt, each_expression,
};
use crate::layout::Layout;
use crate::limits::Limits;
use crate::regex::Automaton;
use crate::syscalls;
use crate::types::Types;

/// Splits a script; reports what kernel code cannot do. Arrays that state no capacity get that of the limits. Of the
/// handlers in `deferred` the kernel does no more than to decide whether they run: they are too much for it.
pub fn partition(
    script: &mut Script,
    types: &mut Types,
    limits: &Limits,
    deferred: &BTreeSet<ProbeId>,
    diagnostics: &mut Diagnostics,
) -> Layout {
    // Kernel maps drop the element that was not used for longest: not the oldest.
    let mut globals = script.globals.iter().filter(|(_, g)| g.wrap).map(|(id, _)| id).collect();
    let mut best = Split::new(script, types, &globals, deferred);
    // What cannot be had in userspace stays as it is.
    let mut stays = BTreeMap::new();
    while !best.diagnostics.has_errors() {
        let lossy = place::lossy_deletes(&best.script, &best.types, &best.layout);
        let late = order::conflicts(&best.script, &best.layout);
        let late = late.into_iter().map(|id| (id, Conflict::LateChange));
        let mut conflicts = late.chain(lossy.into_iter().map(|id| (id, Conflict::LossyDelete)));
        let is_open =
            |(id, _): &(GlobalId, Conflict)| !globals.contains(id) && !stays.contains_key(id);
        let Some((id, conflict)) = conflicts.find(is_open) else { break };
        globals.insert(id);
        let next = Split::new(script, types, &globals, deferred);
        if next.diagnostics.has_errors() {
            globals.remove(&id);
            stays.insert(id, conflict);
        } else {
            best = next;
        }
    }
    diagnostics.append(best.diagnostics);
    *script = best.script;
    *types = best.types;
    let mut layout = best.layout;
    warn_of_conflicts(&stays, script, diagnostics);
    arming::plan(script, types, &mut layout);
    race::warn(script, &layout, diagnostics);
    place::place(script, types, limits, &mut layout);
    layout
}

/// Why a global should be in userspace only.
#[derive(Clone, Copy)]
enum Conflict {
    /// Kernel code may see it before userspace has changed it.
    LateChange,
    /// What kernel code adds while blocks delete is lost.
    LossyDelete,
}

/// Says which globals have to stay in the kernel although they should not.
fn warn_of_conflicts(
    globals: &BTreeMap<GlobalId, Conflict>,
    script: &Script,
    diagnostics: &mut Diagnostics,
) {
    for (&id, conflict) in globals {
        let Global { name, span, .. } = &script.globals[id];
        let (code, message, label, help) = match conflict {
            Conflict::LateChange => (
                codes::LATE_CHANGE,
                format!(
                    "`{name}` is changed in userspace, and used by kernel handlers before that"
                ),
                "changed behind what only userspace can do",
                format!("change `{name}` at the beginning of the handler"),
            ),
            Conflict::LossyDelete => (
                codes::LOSSY_DELETE,
                format!("what kernel handlers add to `{name}` while it is deleted can be lost"),
                "they add to it and ask for its elements, and blocks delete it in between",
                format!(
                    "delete `{name}` whole and each time, or only add to it in kernel handlers"
                ),
            ),
        };
        diagnostics.warning(code, *span, message).label(label).help(help);
    }
}

/// A script that is split.
struct Split {
    script: Script,
    types: Types,
    layout: Layout,
    diagnostics: Diagnostics,
}

impl Split {
    /// Splits a script of which these globals are in userspace only.
    fn new(
        script: &Script,
        types: &Types,
        globals: &BTreeSet<GlobalId>,
        deferred: &BTreeSet<ProbeId>,
    ) -> Split {
        let (script, types) = (script.clone(), types.clone());
        let (layout, diagnostics) = (Layout::default(), Diagnostics::default());
        let mut split = Split { script, types, layout, diagnostics };
        split.divide(globals.clone(), deferred);
        split
    }

    fn divide(&mut self, globals: BTreeSet<GlobalId>, deferred: &BTreeSet<ProbeId>) {
        let Split { script, types, layout, diagnostics } = self;
        layout.probes = script.probes.len() as u32;
        layout.routes = syscalls::routes(script);
        let kernel = kernel_code(script);
        layout.automata = automata(script, &kernel);
        let userspace = userspace(script, types, layout, diagnostics, &kernel, globals);
        for (probe, function) in kernel {
            if function.is_some_and(|id| userspace.functions.contains(&id)) {
                continue;
            }
            let mut bodies = match function {
                // User blocks may call the function as well: kernel code has a copy of its own.
                Some(id) => {
                    let overloads = script.functions[id].overloads.clone();
                    overloads.into_iter().map(|o| o.body).collect()
                }
                None => vec![script.probes[probe].body.clone()],
            };
            for body in &mut bodies {
                let statements = std::mem::take(&mut body.statements);
                let mut pass = defer::Deferring {
                    userspace: &userspace,
                    script,
                    types,
                    layout,
                    diagnostics,
                    probe,
                    body: body.id,
                    locals: body.locals.clone(),
                    // A function returns to code that cannot be continued in userspace.
                    uncut: usize::from(function.is_some()),
                };
                body.statements = match function {
                    None if deferred.contains(&probe) => pass.deferred_handler(statements),
                    _ => pass.handler(statements),
                };
                body.locals = pass.locals;
            }
            if function.is_none() {
                last::end_with_records(&bodies[0].statements, layout);
            }
            match function {
                Some(id) => {
                    layout.kernel_functions.insert(id, bodies);
                }
                None => script.probes[probe].body = bodies.swap_remove(0),
            }
        }
    }
}

/// What kernel handlers use that is in userspace only.
fn userspace(
    script: &mut Script,
    types: &mut Types,
    layout: &mut Layout,
    diagnostics: &mut Diagnostics,
    kernel: &[(ProbeId, Option<FunctionId>)],
    globals: BTreeSet<GlobalId>,
) -> Userspace {
    let mut userspace = Userspace { functions: BTreeSet::new(), globals };
    // What calls such a function is one.
    loop {
        let mut found = vec![];
        for &(probe, function) in kernel {
            let Some(id) = function.filter(|id| !userspace.functions.contains(id)) else {
                continue;
            };
            let pass = defer::Deferring {
                userspace: &userspace,
                script,
                types,
                layout,
                diagnostics,
                probe,
                body: BodyId::from_u32(0),
                locals: PrimaryMap::new(),
                uncut: 1,
            };
            found.extend(pass.needs_userspace(id).then_some(id));
        }
        if found.is_empty() {
            return userspace;
        }
        userspace.functions.extend(found);
    }
}

/// The kernel's handlers, and each function they call with one of the probes that does.
fn kernel_code(script: &Script) -> Vec<(ProbeId, Option<FunctionId>)> {
    let mut code = vec![];
    let mut seen = BTreeSet::new();
    for (id, probe) in script.probes.iter().filter(|(_, p)| p.point.attach.in_kernel()) {
        code.push((id, None));
        let mut called = called(&probe.body.statements);
        while let Some(function) = called.pop() {
            if seen.insert(function) {
                code.push((id, Some(function)));
                for overload in &script.functions[function].overloads {
                    called.extend(self::called(&overload.body.statements));
                }
            }
        }
    }
    code
}

/// The regular expressions that kernel code can match by tables. It leaves all to userspace when anything asks
/// what was matched.
fn automata(script: &Script, kernel: &[(ProbeId, Option<FunctionId>)]) -> Vec<(String, Automaton)> {
    let (mut texts, mut asks) = (BTreeSet::new(), false);
    for (probe, function) in kernel {
        let bodies: Vec<&Body> = match function {
            Some(id) => script.functions[*id].overloads.iter().map(|o| &o.body).collect(),
            None => vec![&script.probes[*probe].body],
        };
        for body in bodies {
            each_expression(&body.statements, &mut |e| match &e.kind {
                ExprKind::Match { regex, .. } => {
                    texts.insert(regex.clone());
                }
                ExprKind::Call { builtin, .. } => asks |= builtin.tells_about_match(),
                _ => {}
            });
        }
    }
    if asks {
        return vec![];
    }
    texts.into_iter().filter_map(|text| Automaton::new(&text).map(|a| (text, a))).collect()
}

/// The functions that are called in the statements.
fn called(statements: &[Stmt]) -> Vec<FunctionId> {
    let mut called = vec![];
    each_expression(statements, &mut |e| {
        if let ExprKind::Invoke { function, .. } = e.kind {
            called.push(function);
        }
    });
    called
}
