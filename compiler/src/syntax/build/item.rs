//! Globals, functions, probes and aliases.

use pest::iterators::Pair;

use super::{Builder, parts, probe::alternatives};
use crate::{
    diagnostic::codes,
    source::Span,
    syntax::{
        ast::{
            AliasDeclaration, DeclaredType, FunctionDeclaration, GlobalDeclaration, Item,
            LiteralValue, Name, ProbeDeclaration, ProbePoint,
        },
        parser::Rule,
    },
};

/// SystemTap's bounds for the declared size of an array.
const SIZES: std::ops::RangeInclusive<i64> = 1..=1_000_000;

impl Builder<'_, '_> {
    /// Adds what an item declares.
    pub(crate) fn item(&self, pair: Pair<'_, Rule>, items: &mut Vec<Item>) {
        match pair.as_rule() {
            Rule::global_declaration => self.globals(pair, items),
            Rule::function_declaration => items.extend(self.function(pair).map(Item::Function)),
            Rule::probe_declaration => self.probe(pair, items),
            // What C code declares is for functions in C alone.
            Rule::embedded => drop(self.embedded(&pair)),
            _ => {}
        }
    }

    /// `global_declaration = { (private_word ~ global_word? | global_word) ~ global_name ~ (comma ~ global_name)* }`
    fn globals(&self, pair: Pair<'_, Rule>, items: &mut Vec<Item>) {
        let mut private = false;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::private_word => private = true,
                Rule::global_name => items.extend(self.global(part, private).map(Item::Global)),
                _ => {}
            }
        }
    }

    /// `global_name = { identifier ~ (wrap_mark ~ global_size? | global_size ~ wrap_mark?)? ~ (assign_sign ~ signed_literal)? }`
    fn global(&self, pair: Pair<'_, Rule>, private: bool) -> Option<GlobalDeclaration> {
        let span = self.span(&pair);
        let mut inner = parts(pair);
        let name = self.name(&inner.next()?);
        let (mut size, mut wrap, mut initial) = (None, None, None);
        for part in inner {
            match part.as_rule() {
                Rule::wrap_mark => wrap = wrap.or(Some(self.span(&part))),
                Rule::global_size => {
                    size = parts(part).next().map(|literal| self.size(literal));
                }
                _ => initial = Some(self.signed_literal(part)),
            }
        }
        if let (Some((_, size)), Some(initial)) = (size, &initial) {
            let message = "only scalars can be initialised";
            self.error(codes::INITIAL_VALUE, initial.span, message, |error| {
                error.label("a value for an array").also(size, "the size makes it an array");
            });
        }
        Some(GlobalDeclaration { private, name, size, wrap, initial, span })
    }

    /// The size of an array, with its place.
    fn size(&self, pair: Pair<'_, Rule>) -> (u32, Span) {
        let size = self.signed_literal(pair);
        let (message, label) = match size.value {
            LiteralValue::Number(number) if SIZES.contains(&number) => {
                return (number as u32, size.span);
            }
            LiteralValue::Number(_) => ("array size out of range", "must be from 1 to 1000000"),
            LiteralValue::String(_) => ("the size of an array is a number", "found a string"),
        };
        self.error(codes::ARRAY_SIZE, size.span, message, |error| {
            error.label(label);
        });
        (1, size.span)
    }

    /// `function_declaration = { private_word? ~ function_word ~ identifier ~ type_mark? ~ "(" ~ parameters ~ ")" ~ priority? ~ body }`
    fn function(&self, pair: Pair<'_, Rule>) -> Option<FunctionDeclaration> {
        let span = self.span(&pair);
        let (mut private, mut name, mut result) = (false, None, None);
        let (mut parameters, mut priority, mut body) = (vec![], None, None);
        for part in parts(pair) {
            match part.as_rule() {
                Rule::private_word => private = true,
                Rule::identifier => name = Some(self.name(&part)),
                Rule::type_mark => result = declared_type(part),
                Rule::parameter => parameters.extend(self.parameter(part)),
                Rule::priority => priority = parts(part).next().map(|part| self.priority(part)),
                _ => {
                    self.in_function.set(true);
                    body = Some(self.body(part));
                    self.in_function.set(false);
                }
            }
        }
        for (at, (parameter, _)) in parameters.iter().enumerate() {
            if let Some((first, _)) = parameters[..at].iter().find(|p| p.0.text == parameter.text) {
                let message = format!("duplicate parameter `{}`", parameter.text);
                self.error(codes::SYNTAX, parameter.span, message, |error| {
                    error.also(first.span, "first named here");
                });
            }
        }
        Some(FunctionDeclaration {
            private,
            name: name?,
            result,
            parameters,
            priority,
            body: body?,
            span,
        })
    }

    fn parameter(&self, pair: Pair<'_, Rule>) -> Option<(Name, Option<DeclaredType>)> {
        let mut inner = parts(pair);
        let name = self.name(&inner.next()?);
        Some((name, inner.next().and_then(declared_type)))
    }

    fn priority(&self, pair: Pair<'_, Rule>) -> i64 {
        let literal = self.signed_literal(pair);
        match literal.value {
            LiteralValue::Number(number) => number,
            LiteralValue::String(_) => {
                let message = "the priority of a function is a number";
                self.error(codes::SYNTAX, literal.span, message, |_| {});
                0
            }
        }
    }

    /// `probe_declaration = { probe_word ~ probe_points ~ (alias_sign ~ probe_points)? ~ body ~ (comma ~ body)? }`
    fn probe(&self, pair: Pair<'_, Rule>, items: &mut Vec<Item>) {
        let span = self.span(&pair);
        let mut points = vec![];
        let mut bodies = vec![];
        let mut sign = None;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::probe_points => points.push((self.span(&part), self.probe_points(part))),
                Rule::alias_sign => sign = Some(part),
                _ => bodies.push(self.body(part)),
            }
        }
        let mut points = points.into_iter();
        let mut bodies = bodies.into_iter();
        let (Some((first_span, first)), Some(body)) = (points.next(), bodies.next()) else {
            return;
        };
        let second_body = bodies.next();
        let Some(sign) = sign else {
            if let Some(second) = second_body {
                self.error(codes::SYNTAX, second.span, "a probe has one handler", |error| {
                    error.label("only an alias has a second block, its epilogue");
                });
            }
            items.push(Item::Probe(ProbeDeclaration { points: first, body, span }));
            return;
        };
        let plain =
            |point: &ProbePoint| point.condition.is_none() && !point.optional && !point.sufficient;
        let [name] = first.as_slice() else {
            return self.error(codes::SYNTAX, first_span, "an alias has one name", |error| {
                error.label("before the `=` stands one name, such as `my.alias`");
            });
        };
        if !plain(name) {
            self.error(
                codes::SYNTAX,
                first_span,
                "the name of an alias is not optional",
                |error| {
                    error.label("before the `=` stands a name alone, such as `my.alias`");
                },
            );
        }
        let epilogue_only = sign.as_str() == "+=" && second_body.is_none();
        let (prologue, epilogue) =
            if epilogue_only { (None, Some(body)) } else { (Some(body), second_body) };
        let Some((_, points)) = points.next() else { return };
        items.extend(alternatives(name).into_iter().map(|alias| {
            Item::Alias(AliasDeclaration {
                alias,
                points: points.clone(),
                prologue: prologue.clone(),
                epilogue: epilogue.clone(),
                span,
            })
        }));
    }
}

/// `type_mark = { ":" ~ declared_type }`
fn declared_type(pair: Pair<'_, Rule>) -> Option<DeclaredType> {
    match parts(pair).next()?.as_str() {
        "long" => Some(DeclaredType::Long),
        _ => Some(DeclaredType::String),
    }
}
