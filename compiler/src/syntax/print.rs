//! The tree as canonical script text.
//!
//! Every operator is in parentheses, every statement has a line of its own. Parsing the text again
//! gives the same tree (apart from places), and printing that the same text.

mod expression;
mod statement;

use self::{expression::literal, statement::statement};
use super::ast::{
    AliasDeclaration, DeclaredType, Expression, FunctionDeclaration, GlobalDeclaration, Item,
    ProbeDeclaration, ProbePoint, Script,
};
use crate::source::SourceMap;

/// The text of a script.
pub fn print(script: &Script, _sources: &SourceMap) -> String {
    let mut out = String::new();
    for item in &script.items {
        match item {
            Item::Global(declaration) => global(&mut out, declaration),
            Item::Function(declaration) => function(&mut out, declaration),
            Item::Probe(declaration) => probe(&mut out, declaration),
            Item::Alias(declaration) => alias(&mut out, declaration),
        }
        out.push('\n');
    }
    out
}

/// The text of an expression.
pub(crate) fn print_expression(shown: &Expression) -> String {
    let mut out = String::new();
    expression::top(&mut out, shown);
    out
}

fn global(out: &mut String, declaration: &GlobalDeclaration) {
    if declaration.private {
        out.push_str("private ");
    }
    out.push_str("global ");
    out.push_str(&declaration.name.text);
    if declaration.wrap.is_some() {
        out.push('%');
    }
    if let Some((size, _)) = declaration.size {
        out.push_str(&format!("[{size}]"));
    }
    if let Some(initial) = &declaration.initial {
        out.push_str(" = ");
        expression::literal(out, &initial.value);
    }
}

fn type_mark(declared: Option<DeclaredType>) -> &'static str {
    match declared {
        None => "",
        Some(DeclaredType::Long) => ":long",
        Some(DeclaredType::String) => ":string",
    }
}

fn function(out: &mut String, declaration: &FunctionDeclaration) {
    if declaration.private {
        out.push_str("private ");
    }
    out.push_str("function ");
    out.push_str(&declaration.name.text);
    out.push_str(type_mark(declaration.result));
    out.push('(');
    for (at, (name, declared)) in declaration.parameters.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        out.push_str(&name.text);
        out.push_str(type_mark(*declared));
    }
    out.push(')');
    if let Some(priority) = declaration.priority {
        out.push_str(&format!(":{priority}"));
    }
    out.push(' ');
    statement(out, &declaration.body, 0);
}

fn probe(out: &mut String, declaration: &ProbeDeclaration) {
    out.push_str("probe ");
    points(out, &declaration.points);
    out.push(' ');
    statement(out, &declaration.body, 0);
}

fn alias(out: &mut String, declaration: &AliasDeclaration) {
    out.push_str("probe ");
    point(out, &declaration.alias);
    out.push_str(if declaration.prologue.is_some() { " = " } else { " += " });
    points(out, &declaration.points);
    let blocks = declaration.prologue.iter().chain(&declaration.epilogue);
    for (at, block) in blocks.enumerate() {
        out.push_str(if at > 0 { ", " } else { " " });
        statement(out, block, 0);
    }
}

fn points(out: &mut String, points: &[ProbePoint]) {
    for (at, one) in points.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        point(out, one);
    }
}

fn point(out: &mut String, point: &ProbePoint) {
    for (at, component) in point.components.iter().enumerate() {
        out.push_str(if at > 0 { "." } else { "" });
        out.push_str(&component.name.text);
        if let Some(argument) = &component.argument {
            out.push('(');
            literal(out, &argument.value);
            out.push(')');
        }
    }
    if point.optional {
        out.push_str(" ?");
    }
    if point.sufficient {
        out.push_str(" !");
    }
    if let Some(condition) = &point.condition {
        out.push_str(" if (");
        expression::top(out, condition);
        out.push(')');
    }
}
