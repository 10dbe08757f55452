//! Handlers of different system calls that are one program in the kernel.
//!
//! A probe with wildcards stands for hundreds of calls. What its handler does in the kernel is mostly the same for
//! many of them, but for literal texts, such as the name of the call, and for the records it sends, which are
//! continued in another way for each call. Such handlers are compiled once, that of the first one; a table
//! of the object has what is different, in a row for each call:
//!
//! ```text
//! index:  row of each number, u16, NUMBERS of them
//! row:    u64 probe << 32
//!         u64 event | probe << 32     for each record the handler sends
//!         text, padded with zeros     for each text that is not the same for all
//! ```

use std::collections::{BTreeMap, HashMap};

use super::{After, NUMBERS};
use crate::bytes;
use crate::hir::{
    Annotations, Attach, Body, Direction, EventId, ExprId, ExprKind, Probe, ProbeId, Script,
    StmtKind, each_expression, each_statement, print_body,
};
use crate::layout::Layout;
use crate::types::Types;

/// Handlers that are one program.
#[derive(Clone, Debug)]
pub struct Together {
    /// The probes, with the numbers of their calls. The program is that of the first one.
    pub members: Vec<(u32, ProbeId)>,
    /// Where the index begins in the table.
    pub index: u32,
    /// Where the rows begin in the table.
    pub rows: u32,
    /// Bytes of a row.
    pub row_bytes: u32,
    /// Where in a row the words of records are, by the events of the first member.
    pub events: BTreeMap<EventId, u32>,
    /// Where in a row texts are and how many bytes they have, by the literals of the first member.
    pub texts: BTreeMap<ExprId, (u32, u32)>,
}

/// All handlers of a script that are not programs of their own.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// The programs.
    pub programs: Vec<Together>,
    /// Which of the programs runs the handler of a probe.
    pub of_probes: BTreeMap<ProbeId, usize>,
    /// The table.
    pub table: Vec<u8>,
}

impl Shared {
    /// What the program of a probe runs besides its own handler.
    pub fn program_of(&self, probe: ProbeId) -> Option<&Together> {
        Some(&self.programs[*self.of_probes.get(&probe)?])
    }

    /// Whether the handler of a probe is in the program of another one.
    pub fn is_elsewhere(&self, probe: ProbeId) -> bool {
        self.program_of(probe).is_some_and(|together| together.members[0].1 != probe)
    }

    /// The probe whose program runs the handler of a probe.
    pub fn program(&self, probe: ProbeId) -> ProbeId {
        self.program_of(probe).map_or(probe, |together| together.members[0].1)
    }
}

/// What handlers have to have in common, besides what they do.
#[derive(PartialEq, Eq, Hash)]
struct Likeness {
    root: ProbeId,
    after: After,
    direction: Direction,
    ends_twice: bool,
    /// The code, without what may be different.
    code: String,
}

/// What may be different.
struct Differences {
    number: u32,
    probe: ProbeId,
    texts: Vec<(ExprId, String)>,
    events: Vec<EventId>,
}

/// Finds the handlers of a split script that can be one program.
pub fn together(script: &Script, types: &Types, layout: &Layout) -> Shared {
    let mut known: HashMap<Likeness, usize> = HashMap::new();
    let mut groups: Vec<Vec<Differences>> = vec![];
    let bodies = || script.functions.values().flat_map(|f| &f.overloads).map(|o| &o.body);
    let functions_ask = bodies().any(|body| asks_for_the_point(body, false));
    let functions_loop = bodies().any(has_loop);
    for (id, probe) in script.probes.iter() {
        let Attach::Syscall(point) = &probe.point.attach else { continue };
        let (Some(number), Some(route)) = (point.number, layout.routes.probes.get(&id)) else {
            continue;
        };
        let is_own = number >= NUMBERS
            || route.is_root
            || !probe.arming.is_empty()
            || has_loop(&probe.body)
            || functions_loop && calls(&probe.body)
            || asks_for_the_point(&probe.body, functions_ask);
        if is_own {
            continue;
        }
        let likeness = Likeness {
            root: route.root,
            after: route.after,
            direction: point.direction,
            ends_twice: point.ends_twice,
            code: code(script, types, probe),
        };
        let differences = Differences {
            number,
            probe: id,
            texts: texts(&probe.body, types.string_bytes - 1),
            events: events(&probe.body),
        };
        let group = *known.entry(likeness).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(members) => members.push(differences),
            None => groups.push(vec![differences]),
        }
    }
    let mut shared = Shared::default();
    for members in groups.iter().filter(|members| members.len() > 1) {
        shared.add(members);
    }
    shared
}

impl Shared {
    fn add(&mut self, members: &[Differences]) {
        let first = &members[0];
        let mut row_bytes = 8;
        let mut events = BTreeMap::new();
        for &event in &first.events {
            events.insert(event, row_bytes);
            row_bytes += 8;
        }
        let mut texts = BTreeMap::new();
        for (at, (literal, text)) in first.texts.iter().enumerate() {
            if members.iter().all(|member| member.texts[at].1 == *text) {
                continue;
            }
            let lengths = members.iter().map(|member| bytes::length(&member.texts[at].1));
            let width = (lengths.max().unwrap_or(0) + 1).next_multiple_of(8);
            texts.insert(*literal, (row_bytes, width));
            row_bytes += width;
        }
        let index = self.table.len() as u32;
        let mut rows = vec![u16::MAX; NUMBERS as usize];
        for (row, member) in (0..).zip(members) {
            rows[member.number as usize] = row;
        }
        self.table.extend(rows.into_iter().flat_map(u16::to_le_bytes));
        let start = self.table.len() as u32;
        for member in members {
            let end = self.table.len() + row_bytes as usize;
            let probe = u64::from(member.probe.as_u32()) << 32;
            self.table.extend(probe.to_le_bytes());
            for event in &member.events {
                self.table.extend((u64::from(event.as_u32()) | probe).to_le_bytes());
            }
            for ((literal, _), (_, text)) in first.texts.iter().zip(&member.texts) {
                if let Some((_, width)) = texts.get(literal) {
                    let end = self.table.len() + *width as usize;
                    self.table.extend_from_slice(&bytes::of(text));
                    self.table.resize(end, 0);
                }
            }
            self.table.resize(end, 0);
        }
        for member in members {
            self.of_probes.insert(member.probe, self.programs.len());
        }
        let members = members.iter().map(|member| (member.number, member.probe)).collect();
        self.programs.push(Together { members, index, rows: start, row_bytes, events, texts });
    }
}

/// The code of a handler in the kernel, without what may be different.
fn code(script: &Script, types: &Types, probe: &Probe) -> String {
    let point = Some(&probe.point);
    let mut code = String::new();
    for id in probe.body.locals.keys() {
        code += &format!("{:?} ", types.locals[probe.body.id][id]);
    }
    code + &print_body(&probe.body, &Annotations { script, types, point, pattern: true }, 0)
}

/// The literal texts, in order, of at most so many bytes.
fn texts(body: &Body, most: u32) -> Vec<(ExprId, String)> {
    let mut texts = vec![];
    each_expression(&body.statements, &mut |e| {
        if let ExprKind::Text(text) = &e.kind {
            texts.push((e.id, bytes::cut(text, most)));
        }
    });
    texts
}

/// The records, in order.
fn events(body: &Body) -> Vec<EventId> {
    let mut events = vec![];
    each_statement(&body.statements, &mut |s| {
        if let StmtKind::Emit { event, .. } = s.kind {
            events.push(event);
        }
    });
    events
}

/// Whether there are loops: their bodies may become functions, which have no row.
fn has_loop(body: &Body) -> bool {
    let mut has = false;
    each_statement(&body.statements, &mut |s| {
        has |= matches!(s.kind, StmtKind::Loop { .. } | StmtKind::Foreach(_));
    });
    has
}

/// Whether there are calls of functions.
fn calls(body: &Body) -> bool {
    let mut calls = false;
    each_expression(&body.statements, &mut |e| calls |= matches!(e.kind, ExprKind::Invoke { .. }));
    calls
}

/// Whether code asks which probe point was hit.
fn asks_for_the_point(body: &Body, functions_ask: bool) -> bool {
    let mut asks = false;
    each_expression(&body.statements, &mut |e| match &e.kind {
        ExprKind::Call { builtin, .. } => asks |= builtin.asks_for_the_point(),
        ExprKind::Invoke { .. } => asks |= functions_ask,
        _ => {}
    });
    asks
}
