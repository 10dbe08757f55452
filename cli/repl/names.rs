//! The names that scripts may use, for completion, hints and help. They are collected when first asked for.

use std::cell::OnceCell;
use std::rc::Rc;

use ntap_compiler::btf::tracepoint_names;
use ntap_compiler::builtins;
use ntap_compiler::facts::Facts;
use ntap_compiler::families::{self, form_text};
use ntap_compiler::glob;
use ntap_compiler::library::{self, EntryKind, Library};
use ntap_compiler::syntax::edit;
use ntap_runtime::kernel::LiveKernel;

use super::members::Members;
use crate::library::signature;

/// Something with a name.
pub(super) struct Named {
    pub(super) name: String,
    /// How it is written: a function with its parameters, a probe point with its arguments.
    pub(super) head: String,
    pub(super) summary: String,
    pub(super) example: String,
}

/// The catalogues, the library, and the kernel's tracepoints.
pub(super) struct Names {
    library: &'static Library,
    kernel: Rc<LiveKernel>,
    functions: OnceCell<Vec<Named>>,
    points: OnceCell<Vec<Named>>,
    tracepoints: OnceCell<Vec<String>>,
}

impl Names {
    pub(super) fn new(library: &'static Library, kernel: Rc<LiveKernel>) -> Names {
        Names {
            library,
            kernel,
            functions: OnceCell::new(),
            points: OnceCell::new(),
            tracepoints: OnceCell::new(),
        }
    }

    /// What knows the variables of probe points.
    pub(super) fn members(&self) -> Members {
        Members::new(self.library, self.kernel.clone())
    }

    /// Functions, the program's and the library's, and macros of the library.
    pub(super) fn functions(&self) -> &[Named] {
        self.functions.get_or_init(|| {
            let builtins = builtins::all().filter(|row| !row.is_internal()).map(|row| Named {
                name: row.name.to_string(),
                head: signature(row),
                summary: row.summary.to_string(),
                example: row.example.to_string(),
            });
            let of_library = self.of_library(|kind| kind != EntryKind::Alias);
            let mut all: Vec<Named> = builtins.chain(of_library).collect();
            all.sort_by(|a, b| a.name.cmp(&b.name));
            all
        })
    }

    /// Probe points: the forms of all families, and the aliases of the library.
    pub(super) fn points(&self) -> &[Named] {
        self.points.get_or_init(|| {
            let forms = families::all().map(|family| Named {
                name: form_text(family),
                head: form_text(family),
                summary: family.summary.to_string(),
                example: family.example.to_string(),
            });
            forms.chain(self.of_library(|kind| kind == EntryKind::Alias)).collect()
        })
    }

    fn of_library(&self, wanted: impl Fn(EntryKind) -> bool) -> impl Iterator<Item = Named> {
        let entries = library::documentation(self.library).into_iter();
        entries.filter(move |entry| wanted(entry.kind)).map(|entry| Named {
            name: entry.name,
            head: entry.head,
            summary: entry.summary,
            example: entry.example,
        })
    }

    /// The names of the kernel's tracepoints, with those of their systems: `sched:sched_switch`.
    pub(super) fn tracepoints(&self) -> &[String] {
        self.tracepoints.get_or_init(|| {
            let systems = self.kernel.tracepoint_systems();
            let Ok(btf) = self.kernel.btf() else { return vec![] };
            let name = |name: &str| match systems.get(name) {
                Some(system) => format!("{system}:{name}"),
                None => name.to_string(),
            };
            let mut all: Vec<String> = tracepoint_names(btf).map(name).collect();
            all.sort();
            all
        })
    }

    /// Every word that can stand in a statement.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        let functions = self.functions().iter().map(|named| named.name.as_str());
        // For the shorter of two lifetimes.
        let reserved = edit::reserved_words().map(|word| -> &str { word });
        functions.chain(reserved)
    }

    /// What can follow the words of a probe point, the last of them being written: `timer.m`.
    pub(super) fn components(&self, written: &str) -> Vec<String> {
        let (before, last) = written.rsplit_once('.').unwrap_or(("", written));
        let before: Vec<&str> =
            before.split('.').filter(|c| !c.is_empty()).map(without_argument).collect();
        let mut found: Vec<String> = self
            .points()
            .iter()
            .flat_map(|point| spellings(point.name.as_str()))
            .filter_map(|components| {
                let names: Vec<&str> = components.iter().map(|c| without_argument(c)).collect();
                let rest = names.strip_prefix(&before[..])?;
                rest.first().filter(|name| name.starts_with(last)).map(ToString::to_string)
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// What is known under a name: functions, probe points that have it in them, aliases.
    pub(super) fn about(&self, topic: &str) -> Vec<&Named> {
        let functions = self.functions().iter().filter(|named| named.name == topic);
        let mut found: Vec<&Named> = functions.collect();
        let head = without_argument(topic);
        for point in self.points() {
            let is_meant = point.name == topic
                || spellings(&point.name).iter().any(|components| {
                    let spelled: Vec<&str> =
                        components.iter().map(|c| without_argument(c)).collect();
                    spelled.join(".") == topic || spelled.first() == Some(&head)
                });
            if is_meant {
                found.push(point);
            }
        }
        found
    }

    /// Probe points and tracepoints whose name matches a pattern, or has the text in it.
    pub(super) fn matching(&self, pattern: &str) -> Vec<String> {
        let matches = |name: &str| match glob::is_pattern(pattern) {
            true => glob::matches(pattern, name),
            false => name.contains(pattern),
        };
        let points = self.points().iter().filter(|point| matches(&point.name));
        let tracepoints = self.tracepoints().iter().filter_map(|name| {
            let point = format!("kernel.trace(\"{name}\")");
            let short = name.split(':').next_back().unwrap_or(name);
            (matches(&point) || matches(name) || matches(short)).then_some(point)
        });
        points.map(|point| point.head.clone()).chain(tracepoints).collect()
    }

    /// Examples that have all the words in them.
    pub(super) fn examples(&self, words: &str) -> Vec<&str> {
        let all = self.functions().iter().chain(self.points());
        let mut found: Vec<&str> = all
            .filter(|named| {
                let has = |word: &str| {
                    [&named.example, &named.summary, &named.name].iter().any(|t| t.contains(word))
                };
                !named.example.is_empty() && words.split_whitespace().all(has)
            })
            .map(|named| named.example.as_str())
            .collect();
        found.dedup();
        found
    }
}

fn without_argument(component: &str) -> &str {
    component.split('(').next().unwrap_or(component)
}

/// The ways to spell a form, `{sec,s}` and `[.maxactive(N)]` spelled out, as components.
fn spellings(form: &str) -> Vec<Vec<String>> {
    let form = form.replace(['[', ']'], "");
    let mut all = vec![vec![]];
    for component in form.split('.').filter(|c| !c.is_empty()) {
        let choices: Vec<String> = match component.split_once('{').and_then(|(before, rest)| {
            let (choices, behind) = rest.split_once('}')?;
            Some((before, choices, behind))
        }) {
            None => vec![component.to_string()],
            Some((before, choices, behind)) => {
                choices.split(',').map(|choice| format!("{before}{choice}{behind}")).collect()
            }
        };
        all = all
            .into_iter()
            .flat_map(|start: Vec<String>| {
                choices.iter().map(move |choice| {
                    let mut longer = start.clone();
                    longer.push(choice.clone());
                    longer
                })
            })
            .collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_spelled_out() {
        let spelled: Vec<String> =
            spellings("timer.{s,sec}(N)").iter().map(|c| c.join(".")).collect();
        assert_eq!(spelled, ["timer.s(N)", "timer.sec(N)"]);
    }

    #[test]
    fn components_and_functions() {
        let names = Names::new(Library::embedded(), Rc::new(LiveKernel::new()));
        assert!(names.components("ti").contains(&"timer".to_string()));
        assert!(names.components("timer.m").contains(&"ms".to_string()));
        assert!(names.components("kernel.function(\"x\").").contains(&"return".to_string()));
        assert!(names.components("nothing.").is_empty());
        assert!(names.about("execname").iter().any(|named| named.head.contains("string")));
        assert!(names.about("timer").len() > 2);
    }
}
