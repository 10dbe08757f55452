//! Where each global lives, and the layout of those that live in maps.

use std::collections::{BTreeMap, BTreeSet};

use cranelift_codegen::entity::SecondaryMap;

use crate::hir::*;
use crate::layout::{
    Array, ArrayValue, Displayed, KernelMap, Layout, Removal, SecondBank, StatsLayout, Storage,
    initial_number,
};
use crate::layout::{DEFAULT_CAPACITY, DEFAULT_CAPACITY_WITH_PERCENTILES, ENDED_CELLS};
use crate::limits::Limits;
use crate::types::{GlobalType, Type, Types};

/// How the code of a script uses a global.
#[derive(Clone, Default)]
struct Uses {
    /// The kernel probes that write it.
    kernel_writers: BTreeSet<ProbeId>,
    /// Whether kernel code uses it at all.
    kernel: bool,
    /// Whether kernel code asks for its value, or for that of an element.
    kernel_reads: bool,
    /// Whether kernel code does anything but add to it.
    kernel_sets: bool,
    /// Whether kernel code adds to it.
    kernel_adds: bool,
    /// Whether kernel code takes something from it.
    kernel_subtracts: bool,
    /// The user blocks that set or delete it, or elements of it.
    user_setters: BTreeSet<ProbeId>,
    /// Whether a function that user blocks may call does so.
    function_sets: bool,
    /// The user blocks that delete single elements.
    element_deleters: BTreeSet<ProbeId>,
    /// The user blocks that delete it whole.
    whole_deleters: BTreeSet<ProbeId>,
    /// Whether a function that user blocks may call deletes it, or an element.
    function_deletes: bool,
    /// Whether user blocks, or functions they may call, add to it.
    user_adds: bool,
    /// Whether a loop runs over it in order of insertion.
    ordered: bool,
    /// Whether anything depends on its value.
    read: bool,
    /// Whether anything changes it.
    written: bool,
}

impl Uses {
    /// Whether it is shown at the end: it was filled and never looked at.
    fn displayed(&self) -> bool {
        self.written && !self.read
    }

    /// Whether kernel code adds to it and sets it, and else takes nothing away, while user blocks set it, too.
    fn is_raised(&self) -> bool {
        let user_sets = self.function_sets || !self.user_setters.is_empty();
        user_sets && self.kernel_adds && self.kernel_sets && !self.kernel_subtracts
    }

    /// Whether kernel code adds to it, and does not set or delete anything.
    fn counts(&self) -> bool {
        !self.kernel_writers.is_empty() && !self.kernel_sets
    }
}

/// What is done with a global.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Add,
    Set,
}

/// Whose code uses a global.
#[derive(Clone, Copy)]
enum User {
    /// A handler in the kernel.
    Kernel(ProbeId),
    /// A block in userspace.
    Block(ProbeId),
    /// A function that blocks may call.
    Function,
}

/// What is shown of an aggregate that nothing reads.
const DISPLAYED: [Aggregate; 5] =
    [Aggregate::Count, Aggregate::Min, Aggregate::Max, Aggregate::Sum, Aggregate::Avg];

/// How the code of a script that is split uses its globals.
fn all_uses_of(script: &Script, layout: &Layout) -> AllUses {
    let mut uses: AllUses = SecondaryMap::new();
    for (id, probe) in script.probes.iter() {
        let user = if probe.point.attach.in_kernel() { User::Kernel(id) } else { User::Block(id) };
        each_statement(&probe.body.statements, &mut |s| statement_uses(s, user, &mut uses));
    }
    for event in layout.events.values() {
        let user = User::Block(event.probe);
        each_statement(&event.body.statements, &mut |s| statement_uses(s, user, &mut uses));
    }
    // Functions count as the code of every probe that may call them; which of them does is not worth
    // telling: more than one writer only makes additions atomic.
    for bodies in layout.kernel_functions.values() {
        for id in script.probes.iter().filter(|(_, p)| p.point.attach.in_kernel()).map(|(id, _)| id)
        {
            for body in bodies {
                let user = User::Kernel(id);
                each_statement(&body.statements, &mut |s| statement_uses(s, user, &mut uses));
            }
        }
    }
    for overload in script.functions.values().flat_map(|f| &f.overloads) {
        let statements = &overload.body.statements;
        each_statement(statements, &mut |s| statement_uses(s, User::Function, &mut uses));
    }
    uses
}

/// The aggregates of a script that is split of which user blocks would lose what comes while they delete: they run
/// beside kernel handlers that ask for elements, so that these cannot be taken away all at once.
pub(super) fn lossy_deletes(script: &Script, types: &Types, layout: &Layout) -> BTreeSet<GlobalId> {
    if types.globals.values().all(|ty| ty.value != Type::Stats) {
        return BTreeSet::new();
    }
    let uses = all_uses_of(script, layout);
    let taken = taken(script, types, &uses);
    let is_lossy = |id: &GlobalId| {
        let (ty, uses) = (&types.globals[*id], &uses[*id]);
        ty.value == Type::Stats && deletes_beside_handlers(script, &taken, *id, ty, uses)
    };
    script.globals.keys().filter(is_lossy).collect()
}

/// Fills the layout's storage and arrays.
pub(super) fn place(script: &Script, types: &Types, limits: &Limits, layout: &mut Layout) {
    let uses = all_uses_of(script, layout);
    // Map 0 is the ring buffer, whether or not it is used: indices do not depend on the script.
    let mut next_map = 1;
    let taken = taken(script, types, &uses);
    for (id, global) in script.globals.iter() {
        let ty = &types.globals[id];
        let uses = &uses[id];
        let is_array = !ty.keys.is_empty();
        let storage = if ty.value == Type::Long && !is_array {
            let initial = initial_number(global.initial.as_ref());
            let cells = if uses.kernel { &mut layout.shared } else { &mut layout.cells };
            cells.push(initial);
            let at = cells.len() as u32 - 1;
            if uses.counts() {
                layout.counters.insert(at);
            }
            if uses.is_raised() {
                layout.counters.insert(at);
                layout.reset_counters.insert(at);
            }
            if uses.kernel { Storage::Shared(at) } else { Storage::Cell(at) }
        } else {
            // In a process a handler may be interrupted by itself: another thread comes to the CPU.
            let in_process = |id: &&ProbeId| script.probes[**id].point.attach.in_process();
            let writers =
                uses.kernel_writers.len() + uses.kernel_writers.iter().filter(in_process).count();
            let mut array = array(global, ty, uses, limits);
            if let ArrayValue::Stats(stats) = &mut array.value
                && writers > 1
            {
                stats.split_variance();
            }
            if uses.kernel {
                let mut map = kernel_map(&array, next_map, writers as u32);
                map.added_only = added_only(ty, uses);
                map.counted = uses.counts();
                if ty.value == Type::Long
                    && is_array
                    && deletes_beside_handlers(script, &taken, id, ty, uses)
                {
                    map.remove_by_program(uses.kernel_adds);
                }
                map.raised = uses.is_raised() && ty.value == Type::Long && is_array;
                map.adder = map.removal.is_some() || map.raised || needs_adder(ty, uses);
                next_map += 1;
                let is_taken = taken.values().any(|globals| globals.contains(&id));
                if is_taken || map.removal.is_some() {
                    let cell = layout.shared.len() as u32;
                    layout.shared.push(0);
                    map.bank = Some(SecondBank { index: next_map, cell });
                    next_map += 1;
                }
                array.map = Some(map);
            }
            Storage::Array(layout.arrays.push(array))
        };
        if uses.displayed() && !global.library {
            let (name, pointer) = (global.name.clone(), global.pointer);
            layout.displayed.push(Displayed { name, storage, pointer });
        }
        layout.storage.push(storage);
    }
    layout.exchange = add_exchange(layout);
    for (id, probe) in script.probes.iter() {
        let Attach::Lifetime(lifetime) = &probe.point.attach else { continue };
        if lifetime.moment == Moment::ProcessEnd && !lifetime.tells_last {
            layout.ended.insert(id, layout.shared.len() as u32);
            layout.shared.extend([0; ENDED_CELLS as usize]);
        }
    }
    layout.routes_map = next_map;
    layout.scratch_map = next_map + layout.routes.groups.len() as u32;
    if script.counters().next().is_some() {
        layout.counters_map = Some(layout.scratch_map);
        layout.scratch_map += 1;
    }
    for (probe, globals) in taken {
        let arrays = globals.into_iter().filter_map(|id| match layout.storage[id] {
            Storage::Array(array) if layout.arrays[array].map.is_some() => Some(array),
            Storage::Array(_) | Storage::Cell(_) | Storage::Shared(_) => None,
        });
        let arrays: Vec<_> = arrays.collect();
        if !arrays.is_empty() {
            layout.taken.insert(probe, arrays);
        }
    }
}

/// Whether all that kernel code does with the elements of an array is to add to them.
fn added_only(ty: &GlobalType, uses: &Uses) -> bool {
    uses.counts() && !uses.kernel_reads && !matches!(ty.value, Type::Text(_))
}

/// Whether user blocks have to add to elements of an array in the kernel: handlers do, and read them, or set others.
fn needs_adder(ty: &GlobalType, uses: &Uses) -> bool {
    let user_sets = uses.function_sets || !uses.user_setters.is_empty();
    let is_array_of_numbers = ty.value == Type::Long && !ty.keys.is_empty();
    is_array_of_numbers
        && !uses.kernel_writers.is_empty()
        && !added_only(ty, uses)
        && (uses.user_adds || uses.counts() && user_sets)
}

/// Whether user blocks that run beside kernel handlers delete a global, or elements of it, that these change and ask
/// for.
fn deletes_beside_handlers(
    script: &Script,
    taken: &BTreeMap<ProbeId, Vec<GlobalId>>,
    id: GlobalId,
    ty: &GlobalType,
    uses: &Uses,
) -> bool {
    let beside = |probe: &ProbeId| {
        !matches!(
            script.probes[*probe].point.attach,
            Attach::Begin(_)
                | Attach::End(_)
                | Attach::Error(_)
                | Attach::Never
                | Attach::Counter(_)
        )
    };
    let is_taken = |probe: &ProbeId| taken.get(probe).is_some_and(|ids| ids.contains(&id));
    !uses.kernel_writers.is_empty()
        && !added_only(ty, uses)
        && (uses.function_deletes
            || uses.element_deleters.iter().any(beside)
            || uses.whole_deleters.iter().any(|probe| beside(probe) && !is_taken(probe)))
}

/// Adds the cells of the exchange with programs that add to elements, where there are any.
fn add_exchange(layout: &mut Layout) -> Option<u32> {
    let maps = layout.arrays.values().filter_map(|array| array.map);
    let longest = maps.filter(|map| map.adder).map(|map| map.key_bytes).max()?;
    let at = layout.shared.len() as u32;
    layout.shared.extend((0..1 + longest.div_ceil(8)).map(|_| 0));
    Some(at)
}

/// The globals of which the user blocks that run beside kernel handlers take what was counted, each time they
/// run: those that they delete whole each time; and those that kernel code only adds to, when they delete or set
/// any element.
fn taken(script: &Script, types: &Types, uses: &AllUses) -> BTreeMap<ProbeId, Vec<GlobalId>> {
    let mut taken = BTreeMap::new();
    for (id, probe) in script.probes.iter() {
        if !matches!(probe.point.attach, Attach::Timer { .. } | Attach::File(_) | Attach::Input(_))
        {
            continue;
        }
        let mut globals = vec![];
        for statement in &probe.body.statements {
            if let StmtKind::Delete(Place { kind: PlaceKind::Global(id), .. }) = &statement.kind {
                globals.push(*id);
            }
            if may_leave(statement) {
                break;
            }
        }
        let mut calls = false;
        each_expression(&probe.body.statements, &mut |e| {
            calls |= matches!(e.kind, ExprKind::Invoke { .. });
        });
        for (global, _) in script.globals.iter() {
            let (ty, uses) = (&types.globals[global], &uses[global]);
            let sets = uses.user_setters.contains(&id) || calls && uses.function_sets;
            if sets && added_only(ty, uses) && !globals.contains(&global) {
                globals.push(global);
            }
        }
        taken.insert(id, globals);
    }
    taken
}

/// Whether a statement may leave the handler, so that what follows is not run.
fn may_leave(statement: &Stmt) -> bool {
    let mut found = false;
    each_statement(std::slice::from_ref(statement), &mut |s| {
        found |= matches!(s.kind, StmtKind::Next | StmtKind::Return(_) | StmtKind::Fail(_));
    });
    found
}

fn array(global: &Global, ty: &GlobalType, uses: &Uses, limits: &Limits) -> Array {
    let shown: &[Aggregate] = if uses.displayed() && !global.library { &DISPLAYED } else { &[] };
    let value = match ty.value {
        Type::Long => ArrayValue::Long,
        Type::Text(width) => ArrayValue::Text(width),
        Type::Stats => ArrayValue::Stats(StatsLayout::new(
            ty.aggregates.iter().chain(shown),
            global.variance_shift.map(|(shift, _)| shift),
            global.histogram.map(|(histogram, _)| histogram),
        )),
    };
    let scalar = ty.keys.is_empty();
    let has_quantiles = matches!(value, ArrayValue::Stats(StatsLayout { quantiles: Some(_), .. }));
    let capacity = match uses.kernel {
        true => limits.array_entries,
        false => limits.user_array_entries,
    };
    let capacity = match capacity {
        DEFAULT_CAPACITY if has_quantiles => DEFAULT_CAPACITY_WITH_PERCENTILES,
        other => other,
    };
    Array {
        name: global.name.clone(),
        span: global.span,
        keys: ty.keys.clone(),
        value,
        capacity: if scalar { 1 } else { global.size.unwrap_or(capacity) },
        sized: global.size.is_some(),
        wrap: global.wrap,
        initial: match &global.initial {
            Some(Constant::Text(text)) => Some(text.clone()),
            Some(Constant::Number(_)) | None => None,
        },
        // Equal values are shown in order of insertion.
        ordered: (uses.ordered || uses.displayed() && !global.library) && !scalar,
        map: None,
    }
}

fn kernel_map(array: &Array, index: u32, writers: u32) -> KernelMap {
    let value_bytes = match array.value {
        ArrayValue::Long => 8,
        ArrayValue::Text(width) => width,
        ArrayValue::Stats(stats) => stats.bytes,
    };
    let stamp = array.ordered.then_some(value_bytes);
    KernelMap {
        index,
        key_bytes: array.keys.iter().map(|k| k.bytes()).sum::<u32>().max(4),
        value_bytes: value_bytes + if array.ordered { 8 } else { 0 },
        stamp,
        per_cpu: matches!(array.value, ArrayValue::Stats(_)),
        writers,
        bank: None,
        added_only: false,
        counted: false,
        adder: false,
        removal: None,
        raised: false,
    }
}

impl KernelMap {
    /// Has elements deleted by a program, for which they say whether they are gone.
    fn remove_by_program(&mut self, kernel_adds: bool) {
        let gone = self.stamp.unwrap_or(self.value_bytes);
        self.removal = Some(Removal { gone, kernel_adds });
        self.stamp = self.stamp.map(|stamp| stamp + 8);
        self.value_bytes += 8;
    }
}

type AllUses = SecondaryMap<GlobalId, Uses>;

fn note(uses: &mut AllUses, id: GlobalId, user: User, access: Access) {
    let uses = &mut uses[id];
    match access {
        Access::Read => uses.read = true,
        Access::Add | Access::Set => uses.written = true,
    }
    match user {
        User::Kernel(probe) => {
            uses.kernel = true;
            match access {
                Access::Read => uses.kernel_reads = true,
                Access::Add => {
                    uses.kernel_writers.insert(probe);
                    uses.kernel_adds = true;
                }
                Access::Set => {
                    uses.kernel_writers.insert(probe);
                    uses.kernel_sets = true;
                }
            }
        }
        User::Block(probe) if access == Access::Set => {
            uses.user_setters.insert(probe);
        }
        User::Function if access == Access::Set => uses.function_sets = true,
        User::Block(_) | User::Function => uses.user_adds |= access == Access::Add,
    }
}

fn statement_uses(statement: &Stmt, user: User, uses: &mut AllUses) {
    match &statement.kind {
        StmtKind::Expr(e) => effect_uses(e, user, uses),
        StmtKind::Record { target, value } => {
            place_uses(target, user, Access::Add, uses);
            expression_uses(value, user, uses);
        }
        StmtKind::Print(print) => all_uses(&print.arguments, user, uses),
        StmtKind::If { condition, .. } => expression_uses(condition, user, uses),
        StmtKind::Loop { condition, step, .. } => {
            if let Some(condition) = condition {
                expression_uses(condition, user, uses);
            }
            if let Some(step) = step {
                effect_uses(step, user, uses);
            }
        }
        StmtKind::Foreach(foreach) => {
            note(uses, foreach.array, user, Access::Read);
            // Equal elements of a sorted loop keep their order, so the order matters there, too;
            // a sort by a unique single key leaves nothing to it.
            uses[foreach.array].ordered |= foreach
                .sort
                .is_none_or(|s| !(matches!(s.by, SortBy::Key(_)) && foreach.keys.len() == 1));
            for e in foreach.limit.iter().chain(&foreach.slice) {
                expression_uses(e, user, uses);
            }
        }
        StmtKind::Delete(place) => {
            place_uses(place, user, Access::Set, uses);
            note_delete(place, user, uses);
        }
        StmtKind::Emit { captures, .. } => all_uses(captures, user, uses),
        StmtKind::Return(value) => {
            if let Some(value) = value {
                expression_uses(value, user, uses);
            }
        }
        StmtKind::Break
        | StmtKind::Continue
        | StmtKind::Next
        | StmtKind::Try { .. }
        | StmtKind::Fail(_)
        | StmtKind::Halt => {}
    }
}

fn note_subtraction(place: &Place, user: User, uses: &mut AllUses) {
    if let (PlaceKind::Global(id) | PlaceKind::Element(id, _), User::Kernel(_)) =
        (&place.kind, user)
    {
        uses[*id].kernel_subtracts = true;
    }
}

fn note_delete(place: &Place, user: User, uses: &mut AllUses) {
    match (&place.kind, user) {
        (PlaceKind::Element(id, _), User::Block(probe)) => {
            uses[*id].element_deleters.insert(probe);
        }
        (PlaceKind::Global(id), User::Block(probe)) => {
            uses[*id].whole_deleters.insert(probe);
        }
        (PlaceKind::Element(id, _) | PlaceKind::Global(id), User::Function) => {
            uses[*id].function_deletes = true;
        }
        (_, User::Kernel(_)) | (PlaceKind::Local(_), _) => {}
    }
}

/// The uses of an expression whose value is dropped: what it changes is not read.
fn effect_uses(e: &Expr, user: User, uses: &mut AllUses) {
    match &e.kind {
        ExprKind::Assign { target, operator, value, .. } => {
            let access = match operator {
                AssignOperator::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => Access::Add,
                AssignOperator::Set
                | AssignOperator::Arithmetic(_)
                | AssignOperator::Concatenate => Access::Set,
            };
            place_uses(target, user, access, uses);
            expression_uses(value, user, uses);
            if matches!(operator, AssignOperator::Arithmetic(Arithmetic::Subtract)) {
                note_subtraction(target, user, uses);
            }
        }
        ExprKind::Increment { target, by, .. } => {
            place_uses(target, user, Access::Add, uses);
            if *by < 0 {
                note_subtraction(target, user, uses);
            }
        }
        _ => expression_uses(e, user, uses),
    }
}

fn all_uses(list: &[Expr], user: User, uses: &mut AllUses) {
    for e in list {
        expression_uses(e, user, uses);
    }
}

fn place_uses(place: &Place, user: User, access: Access, uses: &mut AllUses) {
    match &place.kind {
        PlaceKind::Local(_) => {}
        PlaceKind::Global(id) => note(uses, *id, user, access),
        PlaceKind::Element(id, keys) => {
            note(uses, *id, user, access);
            all_uses(keys, user, uses);
        }
    }
}

fn expression_uses(e: &Expr, user: User, uses: &mut AllUses) {
    match &e.kind {
        ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Wildcard
        | ExprKind::Context(_)
        | ExprKind::Captured { .. } => {}
        ExprKind::Read(place) => place_uses(place, user, Access::Read, uses),
        ExprKind::Extract { of, .. } | ExprKind::Histogram(of) => {
            place_uses(of, user, Access::Read, uses);
        }
        ExprKind::Bucket { of, index } => {
            place_uses(of, user, Access::Read, uses);
            expression_uses(index, user, uses);
        }
        ExprKind::Match { text, .. } => expression_uses(text, user, uses),
        ExprKind::Load(load) => expression_uses(&load.address, user, uses),
        ExprKind::Call { arguments, .. } | ExprKind::Invoke { arguments, .. } => {
            all_uses(arguments, user, uses);
        }
        ExprKind::Sprint(print) => all_uses(&print.arguments, user, uses),
        ExprKind::Unary { operand, .. } => expression_uses(operand, user, uses),
        ExprKind::Arithmetic { left, right, .. }
        | ExprKind::Compare { left, right, .. }
        | ExprKind::Logical { left, right, .. }
        | ExprKind::Concatenate { left, right } => {
            expression_uses(left, user, uses);
            expression_uses(right, user, uses);
        }
        ExprKind::Conditional { condition, then, otherwise } => {
            for e in [condition, then, otherwise] {
                expression_uses(e, user, uses);
            }
        }
        ExprKind::In { array, keys } => {
            note(uses, *array, user, Access::Read);
            all_uses(keys, user, uses);
        }
        ExprKind::Assign { target, operator, .. } => {
            if *operator != AssignOperator::Set {
                place_uses(target, user, Access::Read, uses);
            }
            effect_uses(e, user, uses);
        }
        ExprKind::Increment { target, .. } => {
            place_uses(target, user, Access::Read, uses);
            effect_uses(e, user, uses);
        }
    }
}
