//! What a token does to the spaces around it.
//!
//! The same sign may be a sign of a number, an operator, or a mark of sorting; a dot joins the components of
//! a probe point, or two strings. What stands before, and what is open, tell.

use super::pieces::Piece;
use crate::syntax::edit::Class;

/// What a token is to its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A name, number or string.
    Operand,
    /// A reserved word, or an operator between two operands.
    Apart,
    /// An operator before its operand.
    Prefix,
    /// An operator behind its operand.
    Postfix,
    /// What joins both neighbours: `->`.
    Tight,
    /// `(`, `[`.
    Open,
    /// `)`, `]`.
    Close,
    /// `(` and `)` of `if` and the like.
    ConditionOpen,
    ConditionClose,
    /// `,`, `;`.
    Separator,
    /// `{` and `}` around statements.
    Body,
    BodyEnd,
    /// `%(` and `%)` around the text of a macro.
    Macro,
    MacroEnd,
    /// White space stays as it was written.
    Kept,
    Comment,
}

/// What is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Parenthesis,
    Condition {
        is_foreach: bool,
    },
    Bracket,
    Body,
    /// `{open,close}` in a probe point.
    Choice,
    Macro,
    Conditional,
}

/// Which declaration a token outside of bodies belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    Probe,
    /// `global` and `function`.
    Names,
    Define,
    None,
}

/// The roles of all pieces.
pub(super) fn roles(pieces: &[Piece<'_>]) -> Vec<Role> {
    let mut walk = Walk { open: vec![], head: Head::None, before: None };
    let mut roles = Vec::with_capacity(pieces.len());
    for (at, piece) in pieces.iter().enumerate() {
        if piece.class == Class::Comment {
            roles.push(Role::Comment);
            continue;
        }
        let next = pieces[at + 1..].iter().find(|p| p.class != Class::Comment);
        let role = walk.role(piece, next.map_or("", |piece| &piece.text));
        walk.before = Some((role, piece.text.to_string()));
        roles.push(role);
    }
    roles
}

struct Walk {
    open: Vec<Open>,
    head: Head,
    /// The token before.
    before: Option<(Role, String)>,
}

impl Walk {
    fn role(&mut self, piece: &Piece<'_>, next: &str) -> Role {
        let text = &*piece.text;
        match piece.class {
            Class::Keyword => self.keyword(text),
            Class::Directive => self.directive(text),
            Class::Operator if text == "@define" => {
                self.head = Head::Define;
                Role::Apart
            }
            // `$` and `$$` by themselves print what stands before them.
            Class::Variable if text.bytes().all(|byte| byte == b'$') => Role::Postfix,
            Class::Name
            | Class::Variable
            | Class::Operator
            | Class::Number
            | Class::Text
            | Class::Broken
            | Class::Comment => Role::Operand,
            Class::Punctuation => self.punctuation(text, next),
        }
    }

    fn keyword(&mut self, text: &str) -> Role {
        let is_outside = !self.open.contains(&Open::Body);
        // A component of a probe point may be any word: `process.function("f").return`.
        if self.head == Head::Probe && self.is_in_point() && self.written_before(".") {
            return Role::Operand;
        }
        match text {
            "probe" if is_outside => self.head = Head::Probe,
            "global" | "private" | "function" if is_outside => self.head = Head::Names,
            "long" | "string" if self.head == Head::Names => return Role::Operand,
            _ => {}
        }
        Role::Apart
    }

    fn directive(&mut self, text: &str) -> Role {
        match text {
            "%(" if self.head == Head::Define => {
                self.head = Head::None;
                self.open.push(Open::Macro);
                Role::Macro
            }
            "%(" => {
                self.open.push(Open::Conditional);
                Role::Apart
            }
            "%)" => {
                let is_directive = |open: &Open| matches!(open, Open::Macro | Open::Conditional);
                // The braces of the ways of a conditional need not match.
                let at = self.open.iter().rposition(is_directive);
                match at.map(|at| self.open.remove(at)) {
                    Some(Open::Macro) => Role::MacroEnd,
                    _ => Role::Apart,
                }
            }
            _ => Role::Apart,
        }
    }

    fn punctuation(&mut self, text: &str, next: &str) -> Role {
        if self.open.last() == Some(&Open::Choice) {
            if text == "}" {
                self.open.pop();
            }
            return Role::Kept;
        }
        match text {
            "(" => return self.parenthesis(),
            "[" => {
                self.open.push(Open::Bracket);
                return Role::Open;
            }
            "{" => return self.brace(),
            ")" | "]" | "}" => return self.close(text),
            "," | ";" => return Role::Separator,
            "->" => return Role::Tight,
            _ => {}
        }
        if self.is_in_point() {
            return match text {
                "." => Role::Tight,
                "=" | "+=" => Role::Apart,
                "-" | "+" => Role::Prefix,
                _ => Role::Kept,
            };
        }
        if self.head == Head::Names && !self.open.contains(&Open::Body) {
            return match text {
                ":" => Role::Tight,
                "%" => Role::Postfix,
                "-" | "+" => Role::Prefix,
                _ => Role::Apart,
            };
        }
        let is_behind_operand = self.is_behind_operand();
        match text {
            "+" | "-" if self.is_sort_mark(next) => Role::Postfix,
            "++" | "--" if is_behind_operand => Role::Postfix,
            "!" | "~" | "++" | "--" => Role::Prefix,
            "+" | "-" | "&" if !is_behind_operand => Role::Prefix,
            "*" if !is_behind_operand => Role::Operand,
            _ => Role::Apart,
        }
    }

    fn parenthesis(&mut self) -> Role {
        let word = self.before.as_ref().filter(|(role, _)| *role == Role::Apart);
        let word = word.map_or("", |(_, text)| text);
        if matches!(word, "if" | "while" | "for" | "foreach") {
            self.open.push(Open::Condition { is_foreach: word == "foreach" });
            return Role::ConditionOpen;
        }
        self.open.push(Open::Parenthesis);
        Role::Open
    }

    fn brace(&mut self) -> Role {
        let is_choice = self.is_in_point()
            && self.before.as_ref().is_some_and(|(role, text)| {
                matches!(&**text, "." | "probe" | "=" | "+=") || *role == Role::Separator
            });
        if is_choice {
            self.open.push(Open::Choice);
            return Role::Kept;
        }
        if self.open.iter().all(|open| matches!(open, Open::Conditional | Open::Macro)) {
            self.head = Head::None;
        }
        self.open.push(Open::Body);
        Role::Body
    }

    fn close(&mut self, text: &str) -> Role {
        let at = self.open.iter().rposition(|open| match open {
            Open::Parenthesis | Open::Condition { .. } => text == ")",
            Open::Bracket => text == "]",
            Open::Body => text == "}",
            Open::Choice | Open::Macro | Open::Conditional => false,
        });
        let closed = at.map(|at| self.open.remove(at));
        match (text, closed) {
            ("}", _) => Role::BodyEnd,
            (_, Some(Open::Condition { .. })) => Role::ConditionClose,
            _ => Role::Close,
        }
    }

    /// Whether a token belongs to a probe point, not to a condition behind one.
    fn is_in_point(&self) -> bool {
        self.head == Head::Probe
            && !self.open.iter().any(|open| matches!(open, Open::Condition { .. }))
    }

    fn written_before(&self, text: &str) -> bool {
        self.before.as_ref().is_some_and(|(_, before)| before == text)
    }

    fn is_behind_operand(&self) -> bool {
        let role = self.before.as_ref().map(|(role, _)| *role);
        matches!(role, Some(Role::Operand | Role::Close | Role::Postfix | Role::Kept))
    }

    /// `foreach (a+ in b- limit 5)`.
    fn is_sort_mark(&self, next: &str) -> bool {
        let mut open = self.open.iter().rev();
        let is_foreach =
            |open: Option<&Open>| matches!(open, Some(Open::Condition { is_foreach: true }));
        let is_inside = match open.next() {
            Some(Open::Bracket) => is_foreach(open.next()),
            innermost => is_foreach(innermost),
        };
        is_inside && matches!(next, "," | "]" | ")" | "in" | "limit")
    }
}

/// Whether there is a space between a piece and the one before it in its line.
pub(super) fn are_apart(pieces: &[Piece<'_>], roles: &[Role], at: usize) -> bool {
    let (before, piece) = (&pieces[at - 1], &pieces[at]);
    let is_word = |class| !matches!(class, Class::Punctuation | Class::Directive | Class::Comment);
    let is_argument = |piece: &Piece<'_>| {
        let behind = piece.text.strip_prefix(['$', '@']);
        behind.is_some_and(|rest| rest.starts_with(|c: char| c == '#' || c.is_ascii_digit()))
    };
    // What is pasted may join its neighbours.
    if is_argument(before) && is_word(piece.class) || is_argument(piece) && is_word(before.class) {
        return piece.is_apart;
    }
    let is_bracket = piece.text == "[";
    match (roles[at - 1], roles[at]) {
        (Role::Comment, _) | (_, Role::Comment) => true,
        (Role::Open | Role::ConditionOpen | Role::Prefix | Role::Tight, _) => false,
        (_, Role::Close | Role::ConditionClose | Role::Postfix | Role::Tight | Role::Separator) => {
            false
        }
        (Role::Body, Role::BodyEnd) => false,
        (Role::Kept, Role::Body) => true,
        (Role::Separator, Role::Kept) => !before.text.is_empty() && piece.is_apart,
        (Role::Kept, _) | (_, Role::Kept) => piece.is_apart,
        (Role::Operand, Role::Open) => false,
        (Role::Close | Role::Postfix, Role::Open) => !is_bracket,
        _ => true,
    }
}
