//! Types as C declarations, for messages.

use super::{Btf, DEPTH_LIMIT, Kind, TypeId};

impl Btf {
    /// A type as C would write it: `struct sk_buff *`, `const char *`, `int (*)(struct sock *)`.
    pub fn describe(&self, id: TypeId) -> String {
        self.declare(id, String::new(), DEPTH_LIMIT)
    }

    /// `inner` is what has been written so far and stands where a variable's name would.
    fn declare(&self, id: TypeId, inner: String, depth: u32) -> String {
        let Some(depth) = depth.checked_sub(1) else { return with_inner("...", &inner) };
        if id == TypeId::VOID {
            return with_inner("void", &inner);
        }
        let Some(record) = self.record(id) else {
            return with_inner(&format!("type {}", id.0), &inner);
        };
        let target = TypeId(record.word);
        let name = self.string(record.name_offset);
        match record.kind {
            Kind::Void => with_inner("void", &inner),
            Kind::Integer | Kind::Float | Kind::Typedef => with_inner(name, &inner),
            Kind::Struct => with_inner(&tagged("struct", name), &inner),
            Kind::Union => with_inner(&tagged("union", name), &inner),
            Kind::Enum | Kind::Enum64 => with_inner(&tagged("enum", name), &inner),
            Kind::Forward if record.flag => with_inner(&tagged("union", name), &inner),
            Kind::Forward => with_inner(&tagged("struct", name), &inner),
            Kind::Pointer => self.declare(target, format!("*{inner}"), depth),
            Kind::Const => self.qualify("const", target, inner, depth),
            Kind::Volatile => self.qualify("volatile", target, inner, depth),
            Kind::Restrict => self.qualify("restrict", target, inner, depth),
            Kind::TypeTag => self.declare(target, inner, depth),
            Kind::Variable | Kind::DeclarationTag => self.declare(target, inner, depth),
            Kind::DataSection => with_inner(&format!("section {name}"), &inner),
            Kind::Array => match self.array(id) {
                Some(array) => {
                    let inner = format!("{}[{}]", parenthesised(inner), array.len);
                    self.declare(array.element, inner, depth)
                }
                None => with_inner("...", &inner),
            },
            Kind::Function => self.declare(target, format!("{name}{inner}"), depth),
            Kind::FunctionPrototype => {
                // Prototypes nest; a few levels say enough, and a malformed nest must stay small.
                let depth = depth.min(4).saturating_sub(1);
                let parameters: Vec<String> = self
                    .parameters(id)
                    .take(16)
                    .map(|parameter| match parameter.ty {
                        TypeId::VOID => "...".to_owned(),
                        ty if depth == 0 => self.name(ty).to_owned(),
                        ty => self.declare(ty, String::new(), depth),
                    })
                    .collect();
                let list =
                    if parameters.is_empty() { "void".into() } else { parameters.join(", ") };
                self.declare(target, format!("{}({list})", parenthesised(inner)), depth)
            }
        }
    }

    /// A qualifier stands after a `*` it qualifies and before anything else.
    fn qualify(&self, word: &str, target: TypeId, inner: String, depth: u32) -> String {
        if self.kind(target) == Some(Kind::Pointer) {
            let inner = if inner.is_empty() { word.to_owned() } else { format!("{word} {inner}") };
            self.declare(target, inner, depth)
        } else {
            format!("{word} {}", self.declare(target, inner, depth))
        }
    }
}

fn tagged(tag: &str, name: &str) -> String {
    if name.is_empty() { format!("{tag} {{...}}") } else { format!("{tag} {name}") }
}

fn with_inner(base: &str, inner: &str) -> String {
    match inner.chars().next() {
        None => base.to_owned(),
        Some('[') => format!("{base}{inner}"),
        Some(_) => format!("{base} {inner}"),
    }
}

/// `*` binds weaker than `[]` and `()`.
fn parenthesised(inner: String) -> String {
    if inner.starts_with('*') { format!("({inner})") } else { inner }
}
