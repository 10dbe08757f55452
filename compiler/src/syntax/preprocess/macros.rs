//! Macros: `@define name(a, b) %( ... @a ... %)` and their use.
//!
//! In: tokens with definitions and uses. Out: tokens without either. Expanded before conditionals are
//! chosen, so both branches are. The tokens of a macro's body take the place of its use; arguments
//! keep their own.

use std::{collections::HashMap, rc::Rc};

use super::{
    lexer,
    token::{Token, TokenKind},
};
use crate::{
    diagnostic::{Diagnostics, codes},
    library::Library,
    source::{FileId, Span},
    syntax::words,
};

/// Expansion stops after this many tokens: macros that use each other twice grow without bound.
const MOST_TOKENS: usize = 1_000_000;
/// How deep the use of macros may be nested.
const DEEPEST: usize = 100;

#[derive(Clone)]
struct Macro<'a> {
    /// Its parameters; `None` when it is used without parentheses.
    parameters: Option<Vec<String>>,
    body: Rc<[Token<'a>]>,
    /// Where a script defines it; `None` in the library.
    defined: Option<Span>,
}

type Arguments<'a> = HashMap<String, Rc<[Token<'a>]>>;

struct Expander<'a, 'd> {
    macros: HashMap<String, Macro<'a>>,
    library: &'a Library,
    /// The macros being expanded.
    active: Vec<String>,
    depth: usize,
    /// How many more tokens may be made.
    budget: usize,
    diagnostics: &'d mut Diagnostics,
}

/// Expands all macros; those that are not defined are looked for in the library.
pub(super) fn expand<'a>(
    tokens: Vec<Token<'a>>,
    library: &'a Library,
    diagnostics: &mut Diagnostics,
) -> Vec<Token<'a>> {
    if !tokens.iter().any(|token| token.kind == TokenKind::Word && token.text.starts_with('@')) {
        return tokens;
    }
    let budget = MOST_TOKENS.max(tokens.len() * 2);
    let mut expander =
        Expander { macros: HashMap::new(), library, active: vec![], depth: 0, budget, diagnostics };
    let mut out = Vec::with_capacity(tokens.len());
    expander.run(&tokens, &Arguments::new(), None, &mut out);
    out
}

impl<'a> Expander<'a, '_> {
    /// Expands `tokens`, the body of a macro used at `site` with `arguments`, or the script itself.
    fn run(
        &mut self,
        tokens: &[Token<'a>],
        arguments: &Arguments<'a>,
        site: Option<Span>,
        out: &mut Vec<Token<'a>>,
    ) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if self.budget == 0 {
                return;
            }
            let is_macro = token.kind == TokenKind::Word && token.text.starts_with('@');
            if is_macro && token.text == "@define" {
                at = self.define(tokens, at, site);
            } else if is_macro && let Some(argument) = arguments.get(&token.text[1..]) {
                self.spend(argument.len(), token.span);
                out.extend(argument.iter().cloned());
                at += 1;
            } else if is_macro && let Some(found) = self.find(&token.text) {
                at = self.apply(&found, tokens, at, arguments, site, out);
            } else {
                self.spend(1, token.span);
                out.push(Token { span: site.unwrap_or(token.span), ..token.clone() });
                at += 1;
            }
        }
    }

    fn spend(&mut self, tokens: usize, span: Span) {
        if self.budget > 0 && tokens >= self.budget {
            let message = format!("macros expand to more than {MOST_TOKENS} tokens");
            self.diagnostics.error(codes::MACRO, span, message);
        }
        self.budget = self.budget.saturating_sub(tokens);
    }

    fn find(&mut self, name: &str) -> Option<Macro<'a>> {
        if let Some(found) = self.macros.get(name) {
            return Some(found.clone());
        }
        let plain = name.strip_prefix('@')?;
        if words::OPERATORS.binary_search(&name).is_ok() {
            return None;
        }
        let text = self.library.macro_definition(plain)?;
        // What its tokens are said to stand for is where the macro is used.
        self.define(&lexer::lex(FileId(0), text, 0, &[]).tokens, 0, None);
        let found = self.macros.get_mut(name)?;
        found.defined = None;
        Some(found.clone())
    }

    /// Reads the definition at `tokens[at]`; returns the index behind it.
    fn define(&mut self, tokens: &[Token<'a>], at: usize, site: Option<Span>) -> usize {
        let start = tokens[at].span;
        let span = |at: usize| site.or(tokens.get(at).map(|t| t.span)).unwrap_or(start);
        let Some(name) = tokens.get(at + 1).filter(|token| is_name(token)) else {
            self.malformed(span(at), "`@define` needs a name");
            return behind_body(tokens, at + 1);
        };
        let mut next = at + 2;
        let mut parameters = None;
        if tokens.get(next).is_some_and(|token| token.is("(")) {
            let mut names = vec![];
            next += 1;
            while let Some(parameter) = tokens.get(next).filter(|token| is_name(token)) {
                if names.iter().any(|name| *name == parameter.text) {
                    let message = format!("duplicate macro parameter `{}`", parameter.text);
                    self.diagnostics.error(codes::MACRO, span(next), message);
                }
                names.push(parameter.text.to_string());
                next += 1;
                if !tokens.get(next).is_some_and(|token| token.is(",")) {
                    break;
                }
                next += 1;
            }
            if !tokens.get(next).is_some_and(|token| token.is(")")) {
                self.malformed(span(next), "the parameters of a macro are names with `,` between");
                return behind_body(tokens, next);
            }
            next += 1;
            parameters = Some(names);
        }
        if !tokens.get(next).is_some_and(|token| token.is("%(")) {
            self.malformed(span(next), "the body of a macro begins with `%(`");
            return behind_body(tokens, next);
        }
        let body = next + 1;
        let mut depth = 1;
        next = body;
        while depth > 0 {
            match tokens.get(next) {
                Some(token) if token.is("%(") => depth += 1,
                Some(token) if token.is("%)") => depth -= 1,
                Some(_) => {}
                None => {
                    self.diagnostics
                        .error(codes::UNTERMINATED, span(body - 1), "this `%(` is never closed")
                        .label("the body of a macro begins here")
                        .help("end it with `%)`");
                    return next;
                }
            }
            next += 1;
        }
        let key = format!("@{}", name.text);
        let defined = span(at + 1);
        if let Some(first) = self.macros.get(&key).and_then(|found| found.defined) {
            self.diagnostics
                .error(codes::MACRO, defined, format!("macro `{key}` is defined twice"))
                .also(first, "first defined here")
                .note("macros are expanded before conditionals, so both branches of one count");
        } else {
            let body = tokens[body..next - 1].into();
            self.macros.insert(key, Macro { parameters, body, defined: Some(defined) });
        }
        next
    }

    fn malformed(&mut self, span: Span, message: &str) {
        self.diagnostics
            .error(codes::MACRO, span, message)
            .help("a macro is defined by `@define name(a, b) %( tokens with @a and @b %)`");
    }

    /// Replaces the use at `tokens[at]`; returns the index behind it.
    fn apply(
        &mut self,
        found: &Macro<'a>,
        tokens: &[Token<'a>],
        at: usize,
        outer: &Arguments<'a>,
        site: Option<Span>,
        out: &mut Vec<Token<'a>>,
    ) -> usize {
        let name = &tokens[at];
        let mut behind = at + 1;
        let mut given = vec![];
        if found.parameters.is_some() && tokens.get(behind).is_some_and(|token| token.is("(")) {
            let Some(close) = split_arguments(tokens, behind, &mut given) else {
                self.diagnostics
                    .error(codes::MACRO, site.unwrap_or(tokens[behind].span), "unclosed `(`")
                    .label(format!("the arguments of macro `{}` begin here", name.text));
                return tokens.len();
            };
            behind = close + 1;
        }
        let span = site.unwrap_or(name.span.to(tokens[behind - 1].span));
        let parameters = found.parameters.as_deref().unwrap_or(&[]);
        if parameters.is_empty() && given.len() == 1 && given[0].is_empty() {
            given.clear();
        }
        if given.len() != parameters.len() {
            self.report_count(found, &name.text, given.len(), span);
            out.push(placeholder(span));
            return behind;
        }
        if self.active.iter().any(|active| *active == name.text) {
            self.diagnostics
                .error(codes::MACRO, span, format!("macro `{}` uses itself", name.text))
                .label("would never end");
            out.push(placeholder(span));
            return behind;
        }
        if self.depth >= DEEPEST {
            self.diagnostics.error(
                codes::MACRO,
                span,
                format!("macros nested more than {DEEPEST} deep"),
            );
            self.budget = 0;
            return behind;
        }
        self.depth += 1;
        let mut arguments = Arguments::new();
        for (parameter, argument) in parameters.iter().zip(given) {
            let mut expanded = vec![];
            self.run(argument, outer, site, &mut expanded);
            arguments.insert(parameter.clone(), expanded.into());
        }
        self.active.push(name.text.to_string());
        self.run(&found.body, &arguments, Some(span), out);
        self.active.pop();
        self.depth -= 1;
        behind
    }

    fn report_count(&mut self, found: &Macro<'a>, name: &str, given: usize, span: Span) {
        let wanted = found.parameters.as_ref().map_or(0, Vec::len);
        let plural = if wanted == 1 { "" } else { "s" };
        let message = format!("macro `{name}` takes {wanted} argument{plural}, {given} given");
        let error = self.diagnostics.error(codes::MACRO, span, message);
        if let Some(defined) = found.defined {
            error.also(defined, "defined here");
        }
    }
}

fn is_name(token: &Token<'_>) -> bool {
    token.kind == TokenKind::Word && !token.text.starts_with(['@', '$'])
}

/// What stands for a macro that cannot be expanded, so that the code around it is still code.
fn placeholder(span: Span) -> Token<'static> {
    Token { kind: TokenKind::Number, text: "0".into(), span, glued: false }
}

/// Goes on behind the body of a malformed definition, or at the next line that is none.
fn behind_body(tokens: &[Token<'_>], from: usize) -> usize {
    let stops = |token: &Token<'_>| {
        token.is("%(")
            || token.is("@define")
            || token.kind == TokenKind::Word && words::starts_item(&token.text)
    };
    let Some(at) = tokens.iter().skip(from).position(stops).map(|offset| from + offset) else {
        return tokens.len();
    };
    let mut depth = 0;
    for (next, token) in tokens.iter().enumerate().skip(at) {
        if token.is("%(") {
            depth += 1;
        } else if token.is("%)") {
            depth -= 1;
        }
        if depth <= 0 {
            return if next == at { at } else { next + 1 };
        }
    }
    tokens.len()
}

/// Cuts the tokens behind the parenthesis at `open` at commas; returns the index of the closing one.
fn split_arguments<'t, 'a>(
    tokens: &'t [Token<'a>],
    open: usize,
    arguments: &mut Vec<&'t [Token<'a>]>,
) -> Option<usize> {
    let mut depth = 0;
    let mut start = open + 1;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth -= 1;
            if depth == 0 {
                arguments.push(&tokens[start..at]);
                return Some(at);
            }
        } else if depth == 1 && token.is(",") {
            arguments.push(&tokens[start..at]);
            start = at + 1;
        }
    }
    None
}
