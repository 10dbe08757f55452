//! Which words of the command line a script asks for.

use super::{
    lexer,
    token::{Junk, TokenKind},
};
use crate::source::FileId;

/// The numbers of those of `count` arguments that none of the texts asks for: `$2` and `@2` ask for one, `$#` and `@#`,
/// and the globals `argc` and `argv`, for all of them.
pub fn unused_arguments<'t>(texts: impl IntoIterator<Item = &'t str>, count: usize) -> Vec<usize> {
    let mut unused: Vec<usize> = (1..=count).collect();
    for text in texts {
        if unused.is_empty() {
            break;
        }
        // Without arguments each use of one is left over.
        for token in lexer::lex(FileId(0), text, 0, &[]).tokens {
            let span = token.span.start as usize..token.span.end as usize;
            let written = text.get(span).unwrap_or_default();
            match token.kind {
                TokenKind::Junk(Junk::Argument) => {
                    let number = token.text[1..].parse().unwrap_or(0);
                    unused.retain(|&other| other != number);
                }
                _ if matches!(written, "$#" | "@#" | "argc" | "argv") => return vec![],
                _ => {}
            }
        }
    }
    unused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for() {
        let unused = |text| unused_arguments([text], 3);
        assert_eq!(unused("probe begin { println(1) }"), [1, 2, 3]);
        assert_eq!(unused("probe $2 { println(@1) } // $3"), [3]);
        assert_eq!(unused("%( 1 == 2 %? $1 %) probe begin { x$3 = \"$2\" }"), [2, 3]);
        assert_eq!(unused("probe begin { println($#) }"), [0; 0]);
        assert_eq!(unused("probe begin { println(argv[1]) }"), [0; 0]);
    }
}
