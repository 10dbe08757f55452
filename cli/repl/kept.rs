//! What lives on between lines: declarations, probes that were added, and the values of globals.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ntap_compiler::source::SourceMap;
use ntap_compiler::syntax::edit::{self, Class, Declared, Keyword};
use ntap_runtime::session::SavedGlobal;

/// So many assignments stand in one block, which may not run more statements than there is a limit for.
const ASSIGNMENTS: usize = 1000;

/// A declaration that was typed, or a probe that was added.
pub(super) struct Item {
    pub(super) text: String,
    pub(super) keyword: Keyword,
    pub(super) names: Vec<String>,
}

impl Item {
    pub(super) fn new(declared: Declared, text: &str) -> Item {
        let text = text[declared.range].trim().to_string();
        Item { text, keyword: declared.keyword, names: declared.names }
    }

    /// Whether it is a probe that runs, and no alias.
    pub(super) fn is_probe(&self) -> bool {
        self.keyword == Keyword::Probe && self.names.is_empty()
    }
}

/// A line, with what stands around it to make a script of it.
#[derive(Default)]
pub(super) struct Wrapped<'t> {
    pub(super) before: &'t str,
    pub(super) text: &'t str,
    pub(super) behind: &'t str,
}

/// A script made of a line and what it needs of what is kept.
pub(super) struct Composed {
    pub(super) sources: SourceMap,
    /// How many bytes of the first source stand before what the user wrote.
    pub(super) before: usize,
}

/// The name of lines in messages.
const INPUT: &str = "<input>";

/// What is kept.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) items: Vec<Item>,
    /// What globals held when the last session that knew them ended.
    pub(super) values: BTreeMap<String, SavedGlobal>,
}

impl Kept {
    /// Keeps an item. What has the same name is replaced, and the value of a global forgotten.
    pub(super) fn add(&mut self, item: Item) {
        if !item.is_probe() {
            for name in &item.names {
                self.values.remove(name);
            }
            self.items.retain_mut(|old| replace(old, &item));
        }
        self.items.push(item);
    }

    /// Removes the item of a number, counted from 1.
    pub(super) fn delete(&mut self, number: usize) -> Option<Item> {
        let at = number.checked_sub(1).filter(|&at| at < self.items.len())?;
        let item = self.items.remove(at);
        for name in &item.names {
            self.values.remove(name);
        }
        Some(item)
    }

    /// The names of the globals.
    pub(super) fn globals(&self) -> impl Iterator<Item = &str> {
        let items = self.items.iter().filter(|item| item.keyword == Keyword::Global);
        items.flat_map(|item| item.names.iter().map(String::as_str))
    }

    /// All items as a script.
    pub(super) fn text(&self) -> String {
        self.items.iter().map(|item| format!("{}\n", item.text)).collect()
    }

    /// A line with the items that it mentions, and those that they mention; `without` these, which it
    /// declares itself.
    pub(super) fn compose(&self, line: &Wrapped<'_>, without: &[Item]) -> Composed {
        let own: HashSet<&str> =
            without.iter().flat_map(|item| item.names.iter().map(String::as_str)).collect();
        let mut needed = BTreeSet::new();
        let mut texts = vec![line.text];
        while let Some(text) = texts.pop() {
            let words: HashSet<&str> = words(text).collect();
            for (at, item) in self.items.iter().enumerate() {
                let names = &item.names;
                let is_declared = names.iter().any(|name| own.contains(name.as_str()));
                let mentions = |name: &String| match item.keyword {
                    Keyword::Define => words.contains(format!("@{name}").as_str()),
                    _ => words.contains(name.as_str()),
                };
                if !is_declared && names.iter().any(mentions) && needed.insert(at) {
                    texts.push(&item.text);
                }
            }
        }
        let needed: Vec<&Item> = needed.into_iter().map(|at| &self.items[at]).collect();
        // A macro is known in its file only.
        let macros: String = needed
            .iter()
            .filter(|item| item.keyword == Keyword::Define)
            .map(|item| format!("{}\n", item.text))
            .collect();
        let mut sources = SourceMap::default();
        let before = format!("{macros}{}", line.before);
        let typed = sources.add(INPUT, format!("{before}{}{}", line.text, line.behind));
        sources.set_lines_before(typed, before.matches('\n').count() as u32);
        let items: String = needed.iter().map(|item| format!("{}\n", item.text)).collect();
        if !items.is_empty() {
            sources.add("<session>", items);
        }
        let values = self.assignments(&needed);
        if !values.is_empty() {
            sources.add("<values>", values);
        }
        Composed { sources, before: before.len() }
    }

    /// Blocks that give globals the values they had.
    fn assignments(&self, items: &[&Item]) -> String {
        let mut statements = vec![];
        let mut types = String::new();
        for name in items.iter().filter(|i| i.keyword == Keyword::Global).flat_map(|i| &i.names) {
            let elements = self.values.get(name).into_iter().flat_map(|saved| &saved.elements);
            if let Some(keys) = self.values.get(name).and_then(SavedGlobal::keys_of_aggregate) {
                // The session puts its values there; this says of which types its keys are.
                let place = match &keys[..] {
                    [] => name.clone(),
                    keys => format!("{name}[{}]", keys.join(", ")),
                };
                types.push_str(&format!("probe never {{ {place} <<< 0 }}\n"));
            }
            for (keys, value) in elements {
                statements.push(match &keys[..] {
                    [] => format!("{name} = {value}"),
                    keys => format!("{name}[{}] = {value}", keys.join(", ")),
                });
            }
        }
        let blocks = statements.chunks(ASSIGNMENTS).map(|statements| {
            format!("probe begin(-9223372036854775807) {{ {} }}\n", statements.join("\n"))
        });
        blocks.chain([types]).collect()
    }
}

/// Takes the names of `new` from an older item; whether anything is left of it.
fn replace(old: &mut Item, new: &Item) -> bool {
    let same_kind = old.keyword == new.keyword && !old.is_probe();
    if !same_kind || !old.names.iter().any(|name| new.names.contains(name)) {
        return true;
    }
    if old.keyword != Keyword::Global {
        return old.names != new.names;
    }
    old.names.retain(|name| !new.names.contains(name));
    old.text = format!("global {}", old.names.join(", "));
    !old.names.is_empty()
}

/// The names and operators of a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = edit::parts(text).into_iter();
    let parts = parts.filter(|part| matches!(part.class, Class::Name | Class::Operator));
    parts.map(|part| &text[part.range])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(texts: &[&str]) -> Kept {
        let mut kept = Kept::default();
        for text in texts {
            for declared in edit::declared(text).expect("declarations") {
                kept.add(Item::new(declared, text));
            }
        }
        kept
    }

    #[test]
    fn only_what_is_mentioned_comes_along() {
        let mut kept = kept(&[
            "global a, b function f() { return g() } function g() { return a + @two }",
            "@define two %( 2 %) global unused",
        ]);
        kept.values.insert("a".to_string(), SavedGlobal::scalar("7"));
        let line = Wrapped { before: "probe begin { ", text: "f()", behind: " }" };
        let composed = kept.compose(&line, &[]);
        let texts: Vec<&str> = composed.sources.files().map(|(_, f)| f.text.as_str()).collect();
        assert_eq!(texts[0], "@define two %( 2 %)\nprobe begin { f() }");
        assert!(texts[1].contains("function g") && !texts[1].contains("unused"), "{}", texts[1]);
        assert!(texts[2].contains("{ a = 7 }"), "{}", texts[2]);
        assert_eq!(composed.before, "@define two %( 2 %)\nprobe begin { ".len());
    }

    #[test]
    fn a_name_declared_again_is_the_new_one() {
        let kept =
            kept(&["global a, b", "function f() { return 1 }", "global a = 5", "function f() { }"]);
        assert_eq!(kept.text(), "global b\nglobal a = 5\nfunction f() { }\n");
        assert_eq!(kept.globals().collect::<Vec<_>>(), ["b", "a"]);
    }
}
