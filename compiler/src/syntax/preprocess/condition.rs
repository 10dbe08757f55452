//! The conditions of conditionals: comparisons joined by `&&` and `||`, without parentheses.

use std::cmp::Ordering;

use super::{
    strings::unescape,
    token::{Token, TokenKind},
    version,
};
use crate::{
    diagnostic::{Diagnostics, codes},
    source::Span,
    syntax::{ParseOptions, build},
};

/// Names of the privilege a script has: all of them.
const PRIVILEGES: &[&str] = &["root", "stapdev"];

/// Why a condition cannot be evaluated.
struct Problem {
    span: Span,
    message: String,
    help: &'static str,
}

/// Evaluates a condition; false, with an error reported, when it is malformed.
pub(super) fn holds(
    tokens: &[Token<'_>],
    place: Span,
    options: &ParseOptions<'_>,
    diagnostics: &mut Diagnostics,
) -> bool {
    if let Some(junk) = tokens.iter().find(|token| matches!(token.kind, TokenKind::Junk(_))) {
        super::report_junk(std::slice::from_ref(junk), options, diagnostics);
        return false;
    }
    match disjunction(tokens, place, options) {
        Ok(result) => result,
        Err(Problem { span, message, help }) => {
            diagnostics.error(codes::CONDITIONAL, span, message).help(help);
            false
        }
    }
}

/// `a && b || c`: the parts of `||`, each a row of `&&`. All comparisons must be well formed.
fn disjunction(
    tokens: &[Token<'_>],
    place: Span,
    options: &ParseOptions<'_>,
) -> Result<bool, Problem> {
    let mut any = false;
    for alternative in tokens.split(|token| token.is("||")) {
        let mut all = true;
        for comparison in alternative.split(|token| token.is("&&")) {
            all &= compare(comparison, place, options)?;
        }
        any |= all;
    }
    Ok(any)
}

/// A value in a comparison.
enum Value<'a> {
    /// A kernel release or the like, compared with `strverscmp` and wildcards.
    Version(String),
    /// A name out of a few, such as the architecture, compared with wildcards.
    Name(Vec<&'a str>),
    /// A kernel configuration value; `None` when not set.
    Config(Option<String>),
    String(String),
    Number(i64),
}

/// `left operator right`.
fn compare(tokens: &[Token<'_>], place: Span, options: &ParseOptions<'_>) -> Result<bool, Problem> {
    let [left, operator, right] = tokens else {
        let span = match tokens {
            [first, .., last] => first.span.to(last.span),
            [one] => one.span,
            [] => place,
        };
        let unquoted = matches!(tokens, [left, _, right, ..]
            if matches!(&*left.text, "kernel_v" | "kernel_vr" | "systemtap_v")
                && right.kind == TokenKind::Number);
        if unquoted {
            return Err(Problem {
                span,
                message: "a version is compared with a string".to_string(),
                help: "write it in double quotes, such as \"6.1\"",
            });
        }
        return Err(Problem {
            span,
            message: "expected a comparison such as `kernel_v >= \"6.1\"`".to_string(),
            help: "comparisons are joined by `&&` and `||`; parentheses are not supported here",
        });
    };
    let test: fn(Ordering) -> bool = match &*operator.text {
        "==" => Ordering::is_eq,
        "!=" => Ordering::is_ne,
        "<" => Ordering::is_lt,
        "<=" => Ordering::is_le,
        ">" => Ordering::is_gt,
        ">=" => Ordering::is_ge,
        other => {
            return Err(Problem {
                span: operator.span,
                message: format!("`{other}` is not a comparison operator"),
                help: "use one of `==`, `!=`, `<`, `<=`, `>`, `>=`",
            });
        }
    };
    let negated = operator.text == "!=";
    let equality = negated || operator.text == "==";
    let mismatch = |wanted: &str| Problem {
        span: right.span,
        message: format!("`{}` is compared with {wanted}, found `{}`", left.text, right.text),
        help: "write strings in double quotes, numbers without",
    };
    Ok(match (value(left, options)?, value(right, options)?) {
        (Value::Version(left), Value::String(pattern))
            if equality && version::is_pattern(&pattern) =>
        {
            version::matches(&pattern, &left) != negated
        }
        (Value::Version(left), Value::String(right)) => test(version::compare(&left, &right)),
        (Value::Version(_), _) => return Err(mismatch("a string such as \"6.1\"")),
        (Value::Name(names), Value::String(pattern)) if equality => {
            names.iter().any(|name| version::matches(&pattern, name)) != negated
        }
        (Value::Name(_), Value::String(_)) => {
            return Err(Problem {
                span: operator.span,
                message: format!("`{}` can only be tested for equality", left.text),
                help: "use `==` or `!=`",
            });
        }
        (Value::Name(_), _) => return Err(mismatch("a string")),
        (Value::Config(left), Value::String(pattern)) if equality => {
            version::matches(&pattern, &left.unwrap_or_default()) != negated
        }
        (Value::Config(left), Value::String(right)) => {
            test(left.unwrap_or_default().as_str().cmp(&right))
        }
        (Value::Config(setting), Value::Number(right)) => {
            let Some(number) = config_number(setting.as_deref()) else {
                return Err(Problem {
                    span: left.span,
                    message: format!("`{}` is not a number in this kernel", left.text),
                    help: "compare it with a string, such as \"y\"",
                });
            };
            test(number.cmp(&right))
        }
        (Value::Config(left), Value::Config(right)) => {
            let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
            match (config_number(Some(&left)), config_number(Some(&right))) {
                (Some(left), Some(right)) => test(left.cmp(&right)),
                _ => test(left.cmp(&right)),
            }
        }
        (Value::Config(_), _) => return Err(mismatch("a string, a number or another option")),
        (Value::String(left), Value::String(right)) => test(left.cmp(&right)),
        (Value::String(_), _) => return Err(mismatch("a string")),
        (Value::Number(left), Value::Number(right)) => test(left.cmp(&right)),
        (Value::Number(_), _) => return Err(mismatch("a number")),
    })
}

/// The number a configuration option is set to; an option that is not set counts as 0.
fn config_number(value: Option<&str>) -> Option<i64> {
    match value.unwrap_or("") {
        "" => Some(0),
        text => build::number(text.strip_prefix('-').unwrap_or(text))
            .ok()
            .map(|number| if text.starts_with('-') { number.wrapping_neg() } else { number }),
    }
}

fn value<'a>(token: &Token<'_>, options: &ParseOptions<'a>) -> Result<Value<'a>, Problem> {
    const HELP: &str = "known are kernel_v, kernel_vr, arch, runtime, systemtap_v, systemtap_privilege, guru_mode, CONFIG_ names, strings and numbers";
    let problem = |message: String| Problem { span: token.span, message, help: HELP };
    Ok(match (token.kind, &*token.text) {
        (TokenKind::Word, "kernel_v") => {
            let release = options.facts.kernel_release();
            Value::Version(release.split('-').next().unwrap_or("").to_string())
        }
        (TokenKind::Word, "kernel_vr") => Value::Version(options.facts.kernel_release()),
        (TokenKind::Word, "arch") => Value::Name(vec![options.facts.architecture().name()]),
        (TokenKind::Word, "runtime") => Value::Name(vec![options.dialect.runtime]),
        (TokenKind::Word, "systemtap_v") => Value::Version(options.dialect.version.to_string()),
        (TokenKind::Word, "systemtap_privilege") => Value::Name(PRIVILEGES.to_vec()),
        (TokenKind::Word, "guru_mode") => Value::Number(i64::from(options.dialect.guru)),
        (TokenKind::Word, name) if name.starts_with("CONFIG_") => {
            Value::Config(options.facts.kernel_config(name))
        }
        (TokenKind::String, literal) => Value::String(unescape(literal)),
        (TokenKind::Number, digits) => Value::Number(
            build::number(digits)
                .map_err(|_| problem(format!("`{digits}` is not a 64-bit number")))?,
        ),
        (_, other) => return Err(problem(format!("`{other}` cannot be tested in a condition"))),
    })
}
