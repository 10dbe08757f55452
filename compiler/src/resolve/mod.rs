//! Names and probe points.
//!
//! In: syntax trees and the facts of a machine. Out: a [`hir::Script`] in which every name is an id,
//! every probe point is one the machine has, and every `$variable` a place in the probe's context.
//! Parts that a constant condition rules out (`@defined`, numbers) are not resolved at all, so that
//! one script can name what only some kernels have. Reports what it cannot resolve and goes on.

mod addition;
mod aggregate;
mod alias;
mod braces;
mod c_expression;
mod cast;
mod context;
mod counter;
mod effectless;
mod entry;
mod exchange;
mod expression;
mod function;
mod given;
mod global;
mod inline;
mod iteration;
mod list;
mod load;
mod loop_variable;
mod memory_print;
mod module_type;
mod once;
mod operators;
mod pointer;
mod pretty;
mod print;
mod program_variable;
mod record;
mod shared;
mod statement;
mod unused;

use std::collections::{HashMap, HashSet};

use cranelift_codegen::entity::SecondaryMap;

use alias::Expanded;
use entry::EntryState;
use function::Functions;
use given::Given;
use global::Globals;
pub(crate) use list::{LISTED_VARIABLE, list};
use pointer::{Owner, Pointees};
use shared::{ContextUse, Shared};

use crate::btf::TypeId;
use crate::diagnostic::{Diagnostics, codes};
use crate::facts::Facts;
use crate::families;
use crate::hir::{
    Attach, Body, Constant, ContextVariable, Expr, ExprId, ExprKind, GlobalId, Local, LocalId,
    Place, PlaceKind, Point, Probe, Script, Shape, Stmt, StmtKind,
};
use crate::library::Library;
use crate::source::{FileId, Span};
use crate::syntax::ast;

/// Resolves the declarations of all files, of which the first `user_files` are the user's and the
/// others parts of the library. With `bad_variables_are_zero` context variables that cannot be found, or be read in
/// the kernel's memory, are 0 and no errors.
pub fn resolve<'a>(
    scripts: &'a [ast::Script],
    user_files: usize,
    library: &'a Library,
    facts: &'a dyn Facts,
    bad_variables_are_zero: bool,
    diagnostics: &mut Diagnostics,
) -> Script {
    let mut pointees = Pointees::default();
    let reported = diagnostics.len();
    for _ in 0..MOST_ROUNDS {
        let known = std::mem::take(&mut pointees);
        let mut resolver = Resolver::new(facts, library, user_files, &mut *diagnostics, known);
        resolver.bad_variables_are_zero = bad_variables_are_zero;
        resolver.declarations(scripts);
        let Resolver { mut script, pointees: learned, functions, .. } = resolver;
        let called = functions.called();
        pointees = learned;
        for global in script.globals.values_mut() {
            global.pointer = pointees.knows(&pointer::Holder::Global(global.span));
        }
        if !pointees.next_round() {
            if !diagnostics.has_errors() {
                unused::check(scripts, user_files, library, facts, &called, diagnostics);
                effectless::warn(scripts, user_files, diagnostics);
            }
            return script;
        }
        diagnostics.truncate(reported);
    }
    Script::default()
}

/// Sets the initial values of globals given on the command line.
pub fn set_globals(
    script: &mut Script,
    values: &[(String, String)],
    diagnostics: &mut Diagnostics,
) {
    for (name, value) in values {
        let Some((id, _)) = script.globals.iter().find(|(_, g)| g.name == *name) else {
            let names: Vec<&str> = script.globals.values().map(|g| g.name.as_str()).collect();
            let nowhere = Span::new(FileId(0), 0, 0);
            diagnostics
                .error(codes::UNKNOWN_NAME, nowhere, format!("-G {name}: there is no such global"))
                .suggest(name, names);
            continue;
        };
        let global = &mut script.globals[id];
        if let Shape::Array(_, span) = global.shape {
            diagnostics
                .error(codes::SHAPE, span, format!("-G {name}: an array has no initial value"))
                .also(global.span, "declared here");
            continue;
        }
        global.initial = Some(match whole_number(value) {
            Some(number) => Constant::Number(number),
            None => Constant::Text(value.clone()),
        });
    }
}

/// A number as `strtoll` with base 0 reads all of it: decimal, `0x` or octal, with a sign.
fn whole_number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(hex) => i128::from_str_radix(hex, 16),
        None if digits.starts_with('0') => i128::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    let value = value.ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()))?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// The state of the pass.
struct Resolver<'a> {
    facts: &'a dyn Facts,
    library: &'a Library,
    /// The files with lower ids are the user's, the others the library's.
    user_files: usize,
    diagnostics: &'a mut Diagnostics,
    script: Script,
    globals: Globals<'a>,
    functions: Functions<'a>,
    aliases: Vec<&'a ast::AliasDeclaration>,
    /// What the names of the aliases begin with.
    alias_starts: HashSet<&'a str>,
    pointees: Pointees,
    /// What the values of expressions point to.
    pointees_of: SecondaryMap<ExprId, Option<TypeId>>,
    /// The `$variables` that the handler being resolved has asked for.
    uses: ContextUse,
    /// The arrays that keep values from the entry of system calls, by name and place.
    arrays_of_entries: HashMap<(String, Span), GlobalId>,
    /// Context variables that the handler being resolved needs besides those of its point.
    more_context: Vec<ContextVariable>,
    /// How many uses of aliases there were so far.
    lists: usize,
    /// How many points braces and aliases have made of the one that is being expanded.
    expansions: u32,
    /// How many functions are being resolved, each called by the one before.
    calls: usize,
    /// Whether the handler being resolved asks for fields of a tracepoint's record.
    wants_record: record::Wanted,
    counters: counter::Counters,
    /// Whether only names of points are asked for.
    names_only: bool,
    /// Whether context variables that cannot be had are 0.
    bad_variables_are_zero: bool,
}

/// How often everything is resolved to learn the types of pointers: once more than a pointer is passed
/// on against the order of the script.
const MOST_ROUNDS: usize = 32;

/// A resolved handler.
struct Handler {
    body: Body,
    /// What has to hold for it to be attached at all.
    arming: Vec<Expr>,
    /// The hidden one that keeps values for it at the entry of the function at whose return it runs.
    at_entry: Option<Probe>,
}

/// What names mean inside one body.
struct Scope<'p> {
    /// The probe point of a handler; none in functions.
    point: Option<&'p Point>,
    body: Body,
    /// Whose locals they are, in every round.
    owner: Owner,
    locals: HashMap<String, LocalId>,
    /// The function it is in: the place of the name of its first overload.
    function: Option<Span>,
    /// What the names of parameters stand for, where a call is replaced by what it returns.
    substitution: inline::Substitution,
    /// How many loops surround the statement.
    loops: usize,
    /// The arrays the surrounding `foreach` loops run over.
    iterated: Vec<GlobalId>,
    /// What names stand for that are no variables.
    given: Given<'p>,
    /// What a handler of a return wants from the entry.
    entry: Option<EntryState>,
    /// Whether it is the handler itself, which can have more context variables than its point has.
    takes_more: bool,
}

impl<'p> Scope<'p> {
    fn new(point: Option<&'p Point>, body: Body, place: Span) -> Scope<'p> {
        let point_name = point.map_or(String::new(), |point| point.name.clone());
        let owner = Owner { place, point: point_name };
        Scope {
            point,
            body,
            owner,
            locals: HashMap::new(),
            function: None,
            substitution: inline::Substitution::default(),
            loops: 0,
            iterated: vec![],
            given: Given::default(),
            entry: None,
            takes_more: false,
        }
    }

    fn local(&mut self, name: &str, span: Span) -> LocalId {
        if let Some(&id) = self.locals.get(name) {
            return id;
        }
        let id = self.body.locals.push(Local { name: name.to_string(), span });
        self.locals.insert(name.to_string(), id);
        id
    }
}

impl<'a> Resolver<'a> {
    fn new(
        facts: &'a dyn Facts,
        library: &'a Library,
        user_files: usize,
        diagnostics: &'a mut Diagnostics,
        pointees: Pointees,
    ) -> Resolver<'a> {
        Resolver {
            facts,
            library,
            user_files,
            diagnostics,
            script: Script::default(),
            globals: Globals::default(),
            functions: Functions::default(),
            aliases: vec![],
            alias_starts: HashSet::new(),
            pointees,
            pointees_of: SecondaryMap::new(),
            uses: ContextUse::default(),
            arrays_of_entries: HashMap::new(),
            more_context: vec![],
            lists: 0,
            expansions: 0,
            calls: 0,
            wants_record: record::Wanted::default(),
            counters: counter::Counters::default(),
            names_only: false,
            bad_variables_are_zero: false,
        }
    }

    /// Notes what the items of scripts are called.
    fn declare(&mut self, scripts: &'a [ast::Script]) {
        for item in scripts.iter().flat_map(|s| &s.items) {
            match item {
                ast::Item::Global(global) => self.declare_global(global),
                ast::Item::Function(function) => self.functions.declare(function),
                ast::Item::Alias(alias) => {
                    self.aliases.push(alias);
                    let first = alias.alias.components.first();
                    self.alias_starts.extend(first.map(|component| component.name.text.as_str()));
                }
                ast::Item::Probe(_) => {}
            }
        }
    }

    fn declarations(&mut self, scripts: &'a [ast::Script]) {
        self.declare(scripts);
        for item in scripts.iter().flat_map(|s| &s.items) {
            if let ast::Item::Probe(probe) = item {
                self.probe(probe);
            }
        }
        self.number_counters();
        self.refuse_changes_in_functions();
        self.refuse_nothing_to_do(&scripts[..self.user_files.min(scripts.len())]);
    }

    /// Reports what was found wrong with what a user's probe point stands for.
    fn report(&mut self, found: Diagnostics, user: Span) {
        let reported = self.diagnostics.len();
        for diagnostic in found.iter() {
            self.diagnostics.push(diagnostic.clone());
        }
        self.cite(reported, user, "for this probe point");
    }

    /// Adds the user's place to what was reported in the library since `reported`.
    fn cite(&mut self, reported: usize, user: Span, text: &str) {
        let user_files = self.user_files;
        let is_library = |span: Span| span.file.0 as usize >= user_files;
        for diagnostic in self.diagnostics.since(reported) {
            let has_user = diagnostic.labels.iter().any(|label| !is_library(label.span));
            if is_library(diagnostic.primary.span) && !is_library(user) && !has_user {
                diagnostic.also(user, text);
            }
        }
    }

    /// Whether a place is in the library.
    fn is_library(&self, span: Span) -> bool {
        span.file.0 as usize >= self.user_files
    }

    fn probe(&mut self, declaration: &'a ast::ProbeDeclaration) {
        for (at, point) in declaration.points.iter().enumerate() {
            let later = if point.sufficient { &declaration.points[at + 1..] } else { &[] };
            if self.probe_point(declaration, point, later) && point.sufficient {
                break;
            }
        }
    }

    /// Makes the probes of one point of a declaration; tells whether there are any. The `later` ones take its
    /// place where it can have none.
    fn probe_point(
        &mut self,
        declaration: &ast::ProbeDeclaration,
        point: &ast::ProbePoint,
        later: &[ast::ProbePoint],
    ) -> bool {
        let mut matched = false;
        // Braces give several points with the same handler; aliases add code of their own to theirs.
        let mut plain = Shared::default();
        let alternatives = self.expand_names(point);
        let mut used: Vec<&alias::Expanded<'_>> = vec![];
        for (at, expanded) in alternatives.iter().enumerate() {
            if used.iter().any(|other| expanded.is_instead_of(other)) {
                continue;
            }
            let mut tried = Diagnostics::default();
            let found = self.points(&expanded.point, &mut tried);
            if !point.sufficient && !expanded.is_optional() {
                self.report(tried, point.span);
            }
            if self.gives_way(&found, &alternatives[at..], later) {
                continue;
            }
            if !found.is_empty() {
                matched = true;
                used.push(expanded);
            }
            let mut of_alias = Shared::default();
            let shared = if expanded.written.is_none() { &mut plain } else { &mut of_alias };
            let once = self.once(&found, point.span);
            for mut resolved in found {
                resolved.optional = expanded.point.optional;
                if shared.take(&mut self.script, &resolved) {
                    continue;
                }
                let conditions = [&point.condition, &expanded.point.condition];
                self.uses = ContextUse::default();
                let written = expanded.written.clone().unwrap_or_else(|| families::spell(point));
                let reported = self.diagnostics.len();
                let mut handler =
                    self.handler(&resolved, expanded, &conditions, &declaration.body, point.span);
                if let Some(record) = self.record_instead(&resolved) {
                    self.diagnostics.truncate(reported);
                    resolved = record;
                    handler = self.handler(
                        &resolved,
                        expanded,
                        &conditions,
                        &declaration.body,
                        point.span,
                    );
                }
                let Handler { mut body, arming, at_entry } = handler;
                let first = once.and_then(|o| self.note_once(o, &resolved.attach, point.span));
                body.statements.splice(0..0, first);
                let hidden = at_entry.map(|probe| self.script.probes.push(probe));
                resolved.context.append(&mut self.more_context);
                let probe = Probe { point: resolved, written, span: point.span, arming, body };
                let mut probes = vec![self.script.probes.push(probe)];
                probes.extend(hidden);
                shared.note(probes, std::mem::take(&mut self.uses));
                if self.diagnostics.has_errors() {
                    // The other functions of a pattern would repeat them.
                    break;
                }
            }
        }
        matched
    }

    /// Whether the functions that the first of some alternatives stands for give way to a later one: this kernel
    /// has no probes of functions, and the later one is another event.
    fn gives_way(
        &mut self,
        found: &[Point],
        alternatives: &[Expanded<'_>],
        later: &[ast::ProbePoint],
    ) -> bool {
        let is_function = |point: &Point| matches!(point.attach, Attach::Function(_));
        if !found.iter().any(is_function) || self.facts.has_function_probes() {
            return false;
        }
        let others = alternatives[1..].iter().filter(|o| o.is_instead_of(&alternatives[0]));
        let mut others: Vec<ast::ProbePoint> = others.map(|other| other.point.clone()).collect();
        for point in later {
            others.extend(self.expand(point, 0).into_iter().map(|expanded| expanded.point));
        }
        others.iter().any(|other| {
            let points = self.points(other, &mut Diagnostics::default());
            !points.is_empty() && !points.iter().any(is_function)
        })
    }

    /// Resolves a handler, with the hidden one that keeps values for it at the entry of the function at
    /// whose return it runs.
    fn handler(
        &mut self,
        point: &Point,
        expanded: &Expanded<'_>,
        conditions: &[&Option<Box<ast::Expression>>],
        handler: &ast::Statement,
        span: Span,
    ) -> Handler {
        let mut scope = Scope::new(Some(point), self.script.new_body(), span);
        scope.takes_more = true;
        self.more_context.clear();
        self.wants_record = record::Wanted::default();
        let mut statements = vec![];
        let mut arming = vec![];
        let mut armed: Vec<&ast::Expression> = vec![];
        for condition in conditions.iter().filter_map(|c| c.as_deref()) {
            if !armed.contains(&condition) {
                armed.push(condition);
                arming.extend(self.arming_condition(&mut scope, condition, &mut statements));
            }
        }
        let before = expanded.prologues.iter().copied();
        let after = expanded.epilogues.iter().copied();
        let statements_after: Vec<&ast::Statement> =
            [handler].into_iter().chain(after.clone()).collect();
        let mut bodies = vec![];
        for prologue in before {
            if self.is_library(prologue.span) {
                bodies.extend(scope.given.define(prologue, &statements_after));
            } else {
                bodies.push(prologue);
            }
        }
        for statement in bodies.into_iter().chain(statements_after) {
            let reported = self.diagnostics.len();
            self.statement(&mut scope, statement, &mut statements);
            self.cite(reported, span, "for this probe point");
        }
        scope.body.statements = statements;
        let Scope { mut body, entry, .. } = scope;
        let at_entry = entry.map(|state| self.finish_entry(state, span, &mut body));
        Handler { body, arming, at_entry }
    }

    /// `if (condition)` behind a probe point: while it is false the handler does nothing. Gives the condition.
    fn arming_condition(
        &mut self,
        scope: &mut Scope<'_>,
        condition: &ast::Expression,
        out: &mut Vec<Stmt>,
    ) -> Option<Expr> {
        let span = condition.span;
        let condition = self.expression(scope, condition)?;
        let read = Stmt { kind: StmtKind::Expr(condition.clone()), span };
        let mut changed = false;
        iteration::changed(std::slice::from_ref(&read), &mut |_| changed = true);
        if changed {
            self.diagnostics
                .error(codes::WRONG_PLACE, span, "an arming condition must not modify variables")
                .help("change them inside the handler");
        } else if !scope.locals.is_empty() {
            self.diagnostics
                .error(codes::WRONG_PLACE, span, "an arming condition can use only globals")
                .help("declare it `global`, or test it inside the handler");
        }
        let next = Stmt { kind: StmtKind::Next, span };
        let kind =
            StmtKind::If { condition: condition.clone(), then: vec![], otherwise: vec![next] };
        out.push(Stmt { kind, span });
        Some(condition)
    }

    /// Reports a script of which nothing would ever run.
    fn refuse_nothing_to_do(&mut self, scripts: &[ast::Script]) {
        let has_probe = self.script.probes.values().any(|probe| !self.is_library(probe.span));
        if has_probe || self.diagnostics.has_errors() {
            return;
        }
        let span = scripts.iter().flat_map(|s| &s.items).find_map(|item| match item {
            ast::Item::Probe(probe) => probe.points.first().map(|point| (point.span, true)),
            ast::Item::Global(global) => Some((global.name.span, false)),
            ast::Item::Function(_) | ast::Item::Alias(_) => None,
        });
        let (span, is_probe) = span.unwrap_or((Span::new(FileId(0), 0, 0), false));
        let diagnostic = self.diagnostics.error(codes::NO_PROBES, span, "no probes found");
        if is_probe {
            diagnostic.label("this machine has none of the optional probe points");
        } else {
            diagnostic
                .label("the script has no probe")
                .help("say when something is to happen: `probe begin { ... }`");
        }
    }

    fn new_id(&mut self, span: Span) -> ExprId {
        self.script.expressions.push(span)
    }

    fn expr(&mut self, span: Span, kind: ExprKind) -> Expr {
        Expr { kind, span, id: self.new_id(span) }
    }

    fn place(&mut self, span: Span, kind: PlaceKind) -> Place {
        Place { kind, span, id: self.new_id(span) }
    }

    /// Notes that a global is used as a scalar or an array; reports a use that differs from the first.
    fn use_as(&mut self, id: GlobalId, shape: Shape) {
        let global = &mut self.script.globals[id];
        let (Shape::Scalar(span) | Shape::Array(_, span)) = shape else { return };
        let name = &global.name;
        match (global.shape, shape) {
            (Shape::Unknown, _) => {
                global.shape = shape;
                if global.wrap && matches!(shape, Shape::Scalar(_)) {
                    self.diagnostics
                        .error(codes::SHAPE, span, "wrapping is not supported for scalars")
                        .also(global.span, "declared with `%` here");
                } else if global.size.is_some() && matches!(shape, Shape::Scalar(_)) {
                    self.diagnostics
                        .error(codes::SHAPE, span, format!("array `{name}` used as a scalar"))
                        .label("an element needs keys: `name[key]`")
                        .also(global.span, "declared with a size here");
                }
            }
            (Shape::Scalar(first), Shape::Array(..)) => {
                self.diagnostics
                    .error(codes::SHAPE, span, format!("scalar `{name}` used as an array"))
                    .label("used with keys")
                    .also(first, "used as a scalar here");
            }
            (Shape::Array(_, first), Shape::Scalar(_)) => {
                self.diagnostics
                    .error(codes::SHAPE, span, format!("array `{name}` used as a scalar"))
                    .label("an element needs keys: `name[key]`")
                    .also(first, "used as an array here");
            }
            (Shape::Array(n, first), Shape::Array(m, _)) if n != m => {
                self.diagnostics
                    .error(
                        codes::SHAPE,
                        span,
                        format!("inconsistent arity of `{name}` ({n} vs {m})"),
                    )
                    .label(counted(m, "key"))
                    .also(first, format!("{} here", counted(n, "key")));
            }
            _ => {}
        }
    }
}

/// A number with its noun: `1 key`, `2 keys`.
fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
