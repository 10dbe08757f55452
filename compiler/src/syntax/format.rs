//! Formatting: a script with its lines indented and its words set apart in one way.
//!
//! In: a text. Out: the same tokens and comments in the same order. Line breaks stay where they are, as they
//! show what belongs together, but a body written on several lines has its braces at the ends of lines, and
//! several empty lines become one. What is between the tokens of a line is decided by their roles
//! ([`roles`]), how far a line is indented by what is open where it begins ([`Indentation`]). Nothing is
//! parsed: macros and conditionals stay as they are written.

mod indentation;
mod pieces;
mod roles;

use indentation::Indentation;
use pieces::{Piece, pieces};
use roles::Role;

use super::edit::{self, Class};

/// Formats a script; `None` for a text that is none, because a string or comment has no end, or a character
/// begins nothing.
pub fn format(text: &str) -> Option<String> {
    let pieces = pieces(text);
    if pieces.iter().any(|piece| piece.class == Class::Broken) {
        return None;
    }
    let roles = roles::roles(&pieces);
    let spans_lines = bodies_of_several_lines(&pieces, &roles);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut indentation = Indentation::default();
    for (at, piece) in pieces.iter().enumerate() {
        let breaks = match at.checked_sub(1) {
            None => 0,
            Some(before) => breaks(&pieces, &roles, &spans_lines, before),
        };
        if at == 0 || breaks > 0 {
            out.extend(std::iter::repeat_n('\n', breaks));
            let indent = indentation.of_line(&pieces, &roles, at);
            out.extend(std::iter::repeat_n("  ", indent));
        } else if roles::are_apart(&pieces, &roles, at) {
            out.push(' ');
        }
        out.push_str(&piece.text);
        indentation.follow(piece, roles[at]);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    // A rule that changes what a script says is worse than a script that is not formatted.
    (same_tokens(text, &out)).then_some(out)
}

/// How many line breaks stand behind a piece.
fn breaks(pieces: &[Piece<'_>], roles: &[Role], spans_lines: &[bool], before: usize) -> usize {
    let next = &pieces[before + 1];
    let written = next.breaks.min(2);
    let is_behind_comment = next.class == Class::Comment && next.breaks == 0;
    match (roles[before], roles[before + 1]) {
        (_, Role::BodyEnd) if spans_lines[before + 1] => 1,
        (Role::Body, _) if spans_lines[before] && !is_behind_comment => 1,
        (Role::Body, _) => written.min(1),
        _ if pieces[before].is_line_comment() => written.max(1),
        _ => written,
    }
}

/// For each brace of a body whether there is a line break in the body.
fn bodies_of_several_lines(pieces: &[Piece<'_>], roles: &[Role]) -> Vec<bool> {
    let mut spans_lines = vec![false; pieces.len()];
    let mut open = vec![];
    for (at, role) in roles.iter().enumerate() {
        match role {
            Role::Body => open.push(at),
            Role::BodyEnd => {
                let Some(start) = open.pop() else { continue };
                let several = pieces[start + 1..=at].iter().any(|piece| piece.breaks > 0);
                (spans_lines[start], spans_lines[at]) = (several, several);
            }
            _ => {}
        }
    }
    spans_lines
}

fn same_tokens(one: &str, other: &str) -> bool {
    let tokens = |text: &str| -> Vec<String> {
        let parts = edit::parts(text).into_iter().filter(|part| part.class != Class::Comment);
        parts.map(|part| text[part.range].to_string()).collect()
    };
    tokens(one) == tokens(other)
}

#[cfg(test)]
mod tests {
    use super::format;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let formatted = format(text).expect("a script");
        assert_eq!(formatted, expected);
        assert_eq!(format(&formatted).as_deref(), Some(expected), "a second time");
    }

    #[test]
    fn spaces() {
        let rows = [
            ("global a,b[5] ,c% =3", "global a, b[5], c% = 3\n"),
            ("probe begin{x=-1 y = a -1}", "probe begin { x = -1 y = a - 1 }\n"),
            (
                "probe kernel . function ( \"f\" ) . return ?,timer.s( 1 ){ }",
                "probe kernel.function(\"f\").return ?, timer.s(1) {}\n",
            ),
            ("probe syscall.{open,close}.return{}", "probe syscall.{open,close}.return {}\n"),
            ("probe a.* = b.sys_*,c {x++;--y}", "probe a.* = b.sys_*, c { x++; --y }\n"),
            (
                "function f:long(a:string,b){return a[b,1]?-b:!c}",
                "function f:long(a:string, b) { return a[b, 1] ? -b : !c }\n",
            ),
            (
                "probe end{foreach([a-,b]in c+limit 5)if(a)++n}",
                "probe end { foreach ([a-, b] in c+ limit 5) if (a) ++n }\n",
            ),
            ("probe end{for(;;)f(x)->y  .z}", "probe end { for (;;) f(x)->y . z }\n"),
            (
                "probe end{println(&$a->b[1],@cast(p,\"t\")->x$, @cast(p, \"t\") $$)}",
                "probe end { println(&$a->b[1], @cast(p, \"t\")->x$, @cast(p, \"t\")$$) }\n",
            ),
            (
                "probe end{if([a,*]in b&&c=~\"x\"\"y\")s<<<1}",
                "probe end { if ([a, *] in b && c =~ \"x\" \"y\") s <<< 1 }\n",
            ),
            ("@define m(x)%(@x+$1%)", "@define m(x) %( @x + $1 %)\n"),
            (
                "probe begin(-5){try{f()}catch(e){g(e)}}",
                "probe begin(-5) { try { f() } catch (e) { g(e) } }\n",
            ),
        ];
        for (text, expected) in rows {
            check(text, expected);
        }
    }

    #[test]
    fn lines() {
        check(
            "#! /usr/bin/env ntap\n\n\n\n  # first\nprobe begin,\nend {  # here\n\n/* long\n   comment */ if (a ||\nb)\nif (c)\nd = 1\n\
             else\ne = f(1,\n2)\nelse {\ng = 1 +\n2 }\n\n}\r\nprobe end\n{\nx }",
            "#! /usr/bin/env ntap\n\n# first\nprobe begin,\n  end { # here\n\n  /* long\n   comment */ if (a ||\n    b)\n    if (c)\n      d = 1\n    \
             else\n      e = f(1,\n        2)\n  else {\n    g = 1 +\n      2\n  }\n}\nprobe end\n{\n  x\n}\n",
        );
        check("probe begin {\na = 1 }", "probe begin {\n  a = 1\n}\n");
        check("\n\n", "");
        assert_eq!(format("probe begin { \"no end }"), None);
    }

    #[test]
    fn conditionals() {
        check(
            "%( kernel_v>=\"5\" %?\nprobe begin {\n%:\nprobe end {\n%)\nx = $1$2\n}",
            "%( kernel_v >= \"5\" %?\nprobe begin {\n%:\nprobe end {\n%)\n  x = $1$2\n}\n",
        );
        check("@define m %(\nx\n%)", "@define m %(\n  x\n%)\n");
    }
}
