//! `kernel.function("f")` and its relatives: where functions of the kernel and its modules are entered and
//! left. Names and addresses are those of the symbol table, parameters and results those of BTF.

mod address;
mod arguments;
mod callees;
mod copies;
mod forms;
mod inside;
mod lines;
mod missing;

use std::collections::{BTreeSet, HashMap, HashSet};

pub(super) use forms::FAMILIES;

use super::Request;
use crate::btf::{Btf, Kind, TypeId};
use crate::diagnostic::{Diagnostics, codes};
use crate::facts::Architecture;
use crate::glob;
use crate::hir::{Attach, ContextVariable, FunctionPoints, FunctionTarget, Identity, Point};
use crate::source::Span;

/// Endings the compiler gives to the code of functions it has changed; it is still that function's code.
const CLONES: [&str; 2] = [".isra.", ".constprop."];
/// Endings of code that is no function: padding in front of functions, and parts split off.
const PADDING: [&str; 2] = ["__pfx_", "__cfi_"];

/// What a point asks for, read from its components.
struct Wanted<'a> {
    /// The name or pattern, without file and line.
    pattern: &'a str,
    span: Span,
    /// What follows `@`.
    file: Option<&'a str>,
    /// The module; `None` for the kernel proper.
    module: Option<&'a str>,
    returns: bool,
    exported: bool,
    /// Whether the places where they were inlined are meant, too.
    takes_copies: bool,
}

impl<'a> Wanted<'a> {
    /// Anything of the kernel proper, asked for at this place of the script.
    fn default_at(span: Span) -> Wanted<'a> {
        Wanted {
            pattern: "",
            span,
            file: None,
            module: None,
            returns: false,
            exported: false,
            takes_copies: false,
        }
    }
}

/// A function that was found.
struct Found {
    /// The name without the compiler's endings.
    name: String,
    address: u64,
    module: Option<String>,
}

/// Finds the functions of a point.
fn resolve(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some(wanted) = wanted(request) else { return vec![] };
    let mut found = match search(request, &wanted) {
        Ok(found) => found,
        Err(missing) => {
            diagnostics
                .error(
                    codes::UNKNOWN_FUNCTION_POINT,
                    wanted.span,
                    format!("cannot look for functions: {}", missing.reason),
                )
                .label("needs the kernel's symbols");
            return vec![];
        }
    };
    if let Some(file) = wanted.file {
        match only_of_file(request, &wanted, file, &mut found) {
            FileTest::Passed => {}
            FileTest::Unknown => {
                missing::report_file(file, wanted.span, diagnostics);
                return vec![];
            }
            FileTest::Elsewhere(files) => {
                missing::report_elsewhere(&wanted, file, &files, diagnostics);
                return vec![];
            }
        }
    }
    // One that was asked for by name is tried.
    if glob::is_pattern(wanted.pattern) {
        found.retain(|function| request.facts.is_traceable(function.address) != Some(false));
    }
    if wanted.exported && !found.is_empty() {
        if found.iter().all(|f| request.facts.is_exported(&f.name).is_none()) {
            missing::report_exports(wanted.span, diagnostics);
            return vec![];
        }
        found.retain(|f| request.facts.is_exported(&f.name) == Some(true));
    }
    // One that was inlined has code there, too.
    let copies = match request.facts.kernel_source() {
        Some(source) if wanted.takes_copies => {
            let file = wanted.file;
            copies::inlined(request, source, wanted.pattern, file, "", &mut Diagnostics::default())
        }
        _ => vec![],
    };
    if found.is_empty() && copies.is_empty() {
        missing::report(request, &wanted, diagnostics);
        return vec![];
    }
    let mut points = points(request, &wanted, found);
    points.extend(copies);
    points
}

/// What became of functions that were to be in a file.
enum FileTest {
    /// Those that are left can be in it.
    Passed,
    /// There is no such file.
    Unknown,
    /// They are in these.
    Elsewhere(Vec<String>),
}

/// Keeps the functions of a source file. One that was asked for by its name is kept, too, where it cannot be told
/// which file it is in.
fn only_of_file(
    request: &Request<'_>,
    wanted: &Wanted<'_>,
    file: &str,
    found: &mut Vec<Found>,
) -> FileTest {
    let listed = request.facts.functions_of_file(file);
    let is_there = |function: &Found| {
        listed.as_ref().is_some_and(|there| there.binary_search(&function.address).is_ok())
    };
    if glob::is_pattern(wanted.pattern) {
        if let Some(modules) = files_of_module(wanted, file) {
            found.retain(|function| function.module.as_deref().is_some_and(&modules));
            return FileTest::Passed;
        }
        found.retain(is_there);
        return if listed.is_some() { FileTest::Passed } else { FileTest::Unknown };
    }
    if found.iter().any(is_there) {
        found.retain(is_there);
        return FileTest::Passed;
    }
    if wanted.module.is_some() {
        return FileTest::Passed;
    }
    let addresses: Vec<u64> = found.iter().map(|function| function.address).collect();
    let files: Option<Vec<String>> =
        request.facts.files_of_functions(&addresses).into_iter().collect();
    match files {
        Some(files) if !files.is_empty() => FileTest::Elsewhere(files),
        _ => FileTest::Passed,
    }
}

/// Which modules are made of nothing but the files meant, as far as their name or a pattern for all files tells.
fn files_of_module<'a>(wanted: &Wanted<'a>, file: &'a str) -> Option<impl Fn(&str) -> bool + 'a> {
    wanted.module?;
    let base = file.rsplit('/').next().unwrap_or(file);
    let stem = base.strip_suffix(".c").unwrap_or(base).replace('-', "_");
    Some(move |module: &str| matches!(base, "*" | "*.c") || stem == module)
}

fn wanted<'a>(request: &'a Request<'_>) -> Option<Wanted<'a>> {
    let components = &request.point.components;
    let argument = |name: &str| {
        let at = components.iter().position(|c| c.name.text == name)?;
        request.text(at)
    };
    let (text, span) = argument("function")?;
    let (pattern, file) = match text.split_once('@') {
        // Without the line: in functions there is one place, the entry.
        Some((name, file)) => (name, file.split(':').next()),
        None => (text, None),
    };
    let has = |name: &str| components.iter().any(|c| c.name.text == name);
    Some(Wanted {
        pattern,
        span,
        file,
        module: argument("module").map(|(name, _)| name),
        returns: has("return"),
        exported: has("exported"),
        takes_copies: components.len() == 2
            && components[0].name.text == "kernel"
            && !request.of_library,
    })
}

fn search(
    request: &Request<'_>,
    wanted: &Wanted<'_>,
) -> Result<Vec<Found>, crate::facts::NoFunctions> {
    let patterns = glob::without_braces(wanted.pattern);
    let mut found = vec![];
    request.facts.each_function(&mut |function| {
        let is_there = match (wanted.module, function.module) {
            (None, None) => true,
            (Some(pattern), Some(module)) => glob::matches(pattern, module),
            _ => false,
        };
        if !is_there {
            return;
        }
        let Some(name) = plain_name(function.name) else { return };
        if patterns.iter().any(|pattern| glob::matches(pattern, name)) {
            found.push(Found {
                name: name.to_string(),
                address: function.address,
                module: function.module.map(str::to_string),
            });
        }
    })?;
    // Several names of one function are one place.
    found.dedup_by(|later, earlier| later.address == earlier.address);
    Ok(found)
}

/// The name a script calls a function by; `None` for code that is none.
fn plain_name(symbol: &str) -> Option<&str> {
    if PADDING.iter().any(|padding| symbol.starts_with(padding)) {
        return None;
    }
    match symbol.find('.') {
        None => Some(symbol),
        Some(at) if CLONES.iter().any(|clone| symbol[at..].starts_with(clone)) => {
            (!symbol.contains(".cold")).then_some(&symbol[..at])
        }
        Some(_) => None,
    }
}

/// One point for each function.
fn points(request: &Request<'_>, wanted: &Wanted<'_>, found: Vec<Found>) -> Vec<Point> {
    let typed = if request.names_only { None } else { Typed::new(request, &found) };
    let architecture = request.facts.architecture();
    found
        .into_iter()
        .map(|function| {
            let (parameters, result) = match &typed {
                Some(typed) => typed.context(&function, architecture),
                None => (vec![], vec![]),
            };
            let (context, entry) =
                if wanted.returns { (result, parameters) } else { (parameters, vec![]) };
            let name = spelling(request, &function.name, function.module.as_deref());
            let identity = Identity { function: function.name.clone(), ..Identity::default() };
            let target = FunctionTarget {
                name: function.name,
                point: name.clone(),
                address: function.address,
                module: function.module,
            };
            let functions = FunctionPoints {
                targets: vec![target],
                returns: wanted.returns,
                entry,
                inside: false,
                called_from: vec![],
            };
            Point { context, identity, ..Point::new(name, Attach::Function(functions)) }
        })
        .collect()
}

/// Types with the functions that are asked for.
struct Typed<'a> {
    types: &'a Btf,
    /// By module and name.
    prototypes: HashMap<(Option<String>, &'a str), TypeId>,
}

impl<'a> Typed<'a> {
    fn new(request: &Request<'a>, found: &[Found]) -> Option<Typed<'a>> {
        let modules: BTreeSet<&str> = found.iter().filter_map(|f| f.module.as_deref()).collect();
        let modules: Vec<&str> = modules.into_iter().collect();
        let places = request.facts.module_types(&modules);
        let places: Vec<_> =
            modules.iter().zip(places).filter_map(|(m, p)| Some((*m, p?))).collect();
        let types = request.facts.all_types().ok()?;
        let names: HashSet<(Option<&str>, &str)> =
            found.iter().map(|f| (f.module.as_deref(), f.name.as_str())).collect();
        // One scan: there are tens of thousands.
        let mut prototypes = HashMap::new();
        for id in types.ids(Kind::Function) {
            let module = places.iter().find(|(_, place)| place.contains(id)).map(|(m, _)| *m);
            let name = types.name(id);
            if names.contains(&(module, name)) {
                prototypes.insert((module.map(str::to_string), name), id);
            }
        }
        Some(Typed { types, prototypes })
    }

    /// The parameters of a function, and its result.
    fn context(
        &self,
        function: &Found,
        architecture: Architecture,
    ) -> (Vec<ContextVariable>, Vec<ContextVariable>) {
        let key = (function.module.clone(), function.name.as_str());
        let Some(&id) = self.prototypes.get(&key) else { return (vec![], vec![]) };
        let parameters = arguments::parameters(self.types, id, architecture);
        let result = arguments::result(self.types, id, architecture);
        (parameters, result.into_iter().collect())
    }
}

/// The point of one function: the request with its name in place of the pattern.
fn spelling(request: &Request<'_>, function: &str, module: Option<&str>) -> String {
    let mut point = request.point.clone();
    for component in &mut point.components {
        let text = match component.name.text.as_str() {
            "function" => function,
            "module" => match module {
                Some(module) => module,
                None => continue,
            },
            _ => continue,
        };
        if let Some(argument) = &mut component.argument {
            argument.value = crate::syntax::ast::LiteralValue::String(text.to_string());
        }
    }
    super::spell(&point)
}
