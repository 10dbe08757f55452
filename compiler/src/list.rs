//! Listings: which probe points a pattern stands for, and what their handlers can use.

use crate::btf::TypeId;
use crate::c_integer::sized;
use crate::diagnostic::Diagnostics;
use crate::facts::Facts;
use crate::hir::ContextVariable;
use crate::library::Wanted;
use crate::pipeline::{self, Options};
use crate::resolve::{self, LISTED_VARIABLE};
use crate::source::SourceMap;
use crate::types::{self, Type};

/// A probe point in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, as `pp()` or, for aliases, `pn()` gives it.
    pub name: String,
    /// The variables a handler can use, in the order they are shown.
    pub variables: Vec<Variable>,
    /// Of a tracepoint: the fields of its record, which a handler can have that uses none of the variables.
    pub fields: Vec<Variable>,
}

/// A variable of a probe point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name; that of a `$variable` has its `$`.
    pub name: String,
    /// Its type: `long` or `string`, or the C type of the kernel.
    pub ty: String,
}

/// Lists the probe points of a pattern, sorted by name. With `with_variables` each has its variables.
/// Empty when nothing matches; why is in `diagnostics`.
pub fn list(
    pattern: &str,
    with_variables: bool,
    options: &Options<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<Listed> {
    let mut sources = SourceMap::default();
    sources.add("<pattern>".to_string(), script_of(pattern));
    let wanted = if with_variables { Wanted::All } else { Wanted::Mentioned };
    let parsed = pipeline::parse_with(&mut sources, options, wanted, diagnostics);
    let Some(parsed) = parsed else { return vec![] };
    let (script, points) = resolve::list(
        &parsed.scripts,
        parsed.user_files,
        options.library,
        options.facts,
        with_variables,
        diagnostics,
    );
    // What is wrong with the handler of one point must not hide the variables of others.
    let types = with_variables
        .then(|| types::infer(&script, types::MAX_STRING, &mut Diagnostics::default()));
    let mut listed: Vec<Listed> = points
        .into_iter()
        .map(|point| {
            let mut variables = vec![];
            let of_context = |variable: &ContextVariable| Variable {
                name: format!("${}", variable.name),
                ty: c_type(variable, options.facts),
            };
            if let (Some(types), Some(probe)) = (&types, point.variables) {
                let body = &script.probes[probe].body;
                variables.extend(body.locals.iter().filter_map(|(id, local)| {
                    let name = local.name.strip_prefix(LISTED_VARIABLE)?.to_string();
                    let is_text = matches!(types.locals[body.id][id], Type::Text(_));
                    let ty = if is_text { "string" } else { "long" };
                    Some(Variable { name, ty: ty.to_string() })
                }));
            }
            if with_variables {
                variables.extend(point.context.iter().map(of_context));
            }
            let fields = point.fields.iter().map(of_context).collect();
            Listed { name: point.name, variables, fields }
        })
        .collect();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    // A name that stands for several points has the variables that all of them have.
    listed.dedup_by(|later, earlier| {
        let is_same = later.name == earlier.name;
        if is_same {
            earlier.variables.retain(|variable| later.variables.contains(variable));
        }
        is_same
    });
    listed
}

/// The script whose probe has the points of a pattern: messages show it.
pub fn script_of(pattern: &str) -> String {
    format!("probe {pattern} {{ }}")
}

/// The C type of a context variable, as stap writes it: `struct sk_buff*`.
fn c_type(variable: &ContextVariable, facts: &dyn Facts) -> String {
    let described = facts.all_types().ok().filter(|_| variable.ty != 0);
    match (described, variable.value.signed) {
        // What a variable points to may be `const`; that the function does not change the variable itself says
        // nothing about its value.
        (Some(btf), _) => btf.describe(btf.unqualified(TypeId(variable.ty))).replace(" *", "*"),
        (None, signed) => sized(variable.value.bytes, signed).to_string(),
    }
}
