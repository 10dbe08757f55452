//! How far lines are indented: by what is open, and by what they continue.

use super::pieces::Piece;
use super::roles::Role;
use crate::syntax::edit::Class;

/// Something open, or the text itself.
#[derive(Clone, Default)]
struct Level {
    /// How far the line was indented where it was opened.
    line: usize,
    /// How far lines in it are indented.
    inside: usize,
    /// How far the lines of those `if` are indented that may have an `else` yet.
    conditions: Vec<usize>,
    closes_with: Option<Role>,
}

/// What is known at the end of a piece.
#[derive(Default)]
pub(super) struct Indentation {
    outermost: Level,
    open: Vec<Level>,
    /// How far the lines of open `%(` are indented, and what was open there.
    ways: Vec<(usize, Vec<Level>)>,
    /// How far the current line is indented.
    line: usize,
    /// How far the line is indented that the current statement began in.
    statement: usize,
    /// Behind `if (…)` or `else`: how far what follows is indented.
    dependent: Option<usize>,
    /// The last token.
    before: Option<Role>,
    /// Whether something has to follow the last token.
    waits: bool,
}

impl Indentation {
    /// How far a line is indented that begins with a piece.
    pub(super) fn of_line(&mut self, pieces: &[Piece<'_>], roles: &[Role], at: usize) -> usize {
        self.line = self.begin(pieces, roles, at);
        self.line
    }

    fn begin(&mut self, pieces: &[Piece<'_>], roles: &[Role], at: usize) -> usize {
        let (piece, role) = (&pieces[at], roles[at]);
        let level = self.open.last().unwrap_or(&self.outermost);
        let base = level.inside;
        let closes = |role: &Role| {
            matches!(role, Role::Close | Role::ConditionClose | Role::BodyEnd | Role::MacroEnd)
        };
        if closes(&role) {
            // All that the line closes at its beginning; the end of a body begins a line.
            let behind = pieces[at + 1..].iter().zip(&roles[at + 1..]);
            let more = behind.take_while(|(piece, role)| {
                piece.breaks == 0 && closes(role) && **role != Role::BodyEnd
            });
            let closed = 1 + more.count();
            let closed = self.open.len().saturating_sub(closed);
            let line = self.open.get(closed).map_or(0, |level| level.line);
            self.statement = line;
            return line;
        }
        if matches!(&*piece.text, "%?" | "%:" | "%)")
            && let Some(&(line, _)) = self.ways.last()
        {
            return line;
        }
        if piece.text == "else"
            && let Some(&line) = level.conditions.last()
        {
            self.statement = line;
            return line;
        }
        if let Some(dependent) = self.dependent {
            if role == Role::Body {
                return dependent.saturating_sub(1);
            }
            if role != Role::Comment {
                self.statement = dependent;
            }
            return dependent;
        }
        if role == Role::Body {
            return match self.before {
                Some(Role::Body | Role::BodyEnd | Role::Separator) | None => base,
                Some(_) => self.statement,
            };
        }
        let leads = match role {
            Role::Apart => piece.class == Class::Punctuation,
            Role::Tight => true,
            _ => false,
        };
        let is_in_brackets =
            !matches!(level.closes_with, None | Some(Role::BodyEnd | Role::MacroEnd));
        if (self.waits || leads) && !is_in_brackets && self.before.is_some() {
            return self.statement + 1;
        }
        self.statement = base;
        base
    }

    /// Takes a piece into account.
    pub(super) fn follow(&mut self, piece: &Piece<'_>, role: Role) {
        if role == Role::Comment {
            return;
        }
        self.dependent = None;
        let line = self.line;
        match role {
            Role::Open => self.push(line, Role::Close),
            Role::ConditionOpen => self.push(line, Role::ConditionClose),
            // The line may continue what began further left.
            Role::Body => self.push(self.statement, Role::BodyEnd),
            Role::Macro => self.push(self.statement, Role::MacroEnd),
            Role::Close | Role::BodyEnd | Role::MacroEnd => {
                self.pop(role);
            }
            Role::ConditionClose => {
                let level = self.pop(role);
                self.dependent = Some(level.map_or(line, |level| level.line) + 1);
            }
            Role::Operand
            | Role::Apart
            | Role::Prefix
            | Role::Postfix
            | Role::Tight
            | Role::Separator
            | Role::Kept
            | Role::Comment => {}
        }
        let level = self.open.last_mut().unwrap_or(&mut self.outermost);
        match &*piece.text {
            "if" => level.conditions.push(line),
            "else" => {
                level.conditions.pop();
                self.dependent = Some(line + 1);
            }
            "%(" if role != Role::Macro => self.ways.push((line, self.open.clone())),
            "%:" => {
                if let Some((_, open)) = self.ways.last() {
                    self.open = open.clone();
                }
            }
            "%)" if role != Role::MacroEnd => {
                self.ways.pop();
            }
            _ => {}
        }
        self.waits = match role {
            Role::Apart => piece.class == Class::Punctuation,
            Role::Prefix | Role::Tight => true,
            Role::Separator => piece.text == ",",
            _ => false,
        };
        self.before = Some(role);
    }

    fn push(&mut self, line: usize, closes_with: Role) {
        let inside = line + 1;
        let closes_with = Some(closes_with);
        self.open.push(Level { line, inside, conditions: vec![], closes_with });
    }

    fn pop(&mut self, role: Role) -> Option<Level> {
        let at = self.open.iter().rposition(|level| level.closes_with == Some(role))?;
        self.open.drain(at..).next()
    }
}
