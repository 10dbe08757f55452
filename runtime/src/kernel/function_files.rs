//! Which source file a kernel function is in, without debug information: derived, not known.
//!
//! Two facts together tell it. A table made from other kernels (`examples/function_files.rs`) says in which
//! file a function of some name was there; and the linker puts the functions of a file one after another. So
//! names that the table has in one file only are taken to be there; of several files with a function of the
//! name, the one is taken that a neighbour is in; and functions that the table does not know are in the file
//! in which both neighbours are.
//!
//! From a table of 6.1 alone, 142 of 142 functions of net/socket.c are found in 6.12, and 90 of 100 functions
//! in all; 2 of 100 are put into a wrong file.

use std::collections::HashMap;

use ntap_compiler::glob;

use super::Kallsyms;

/// A line for each file: path, functions; deflated.
static TABLE: &[u8] = include_bytes!("function_files.bin");

/// A function as the kernel's symbol table has it.
struct Function<'a> {
    address: u64,
    name: &'a str,
    /// The file it is taken to be in.
    file: Option<u16>,
}

/// The addresses of the functions of the files whose path, or end of their path, matches; ascending.
/// `None` when no file does.
pub(super) fn functions_of(kallsyms: &Kallsyms, pattern: &str) -> Option<Vec<u64>> {
    let text = table()?;
    let lines = lines(&text);
    let paths = lines.iter().map(|&(path, _)| is_meant(pattern, path)).collect::<Vec<bool>>();
    if !paths.contains(&true) {
        return None;
    }
    let functions = located(kallsyms, &lines);
    let is_there = |f: &&Function<'_>| f.file.is_some_and(|file| paths[usize::from(file)]);
    Some(functions.iter().filter(is_there).map(|f| f.address).collect())
}

/// The path of the file that each function is in which begins at one of the addresses.
pub(super) fn files_of(kallsyms: &Kallsyms, addresses: &[u64]) -> Vec<Option<String>> {
    let Some(text) = table() else { return vec![None; addresses.len()] };
    let lines = lines(&text);
    let functions = located(kallsyms, &lines);
    let file = |address: &u64| {
        let at = functions.iter().position(|function| function.address == *address)?;
        lines.get(usize::from(functions[at].file?)).map(|(path, _)| path.to_string())
    };
    addresses.iter().map(file).collect()
}

fn table() -> Option<String> {
    String::from_utf8(miniz_oxide::inflate::decompress_to_vec(TABLE).ok()?).ok()
}

/// Path and functions of each file.
fn lines(table: &str) -> Vec<(&str, &str)> {
    table.lines().filter_map(|line| line.split_once(' ')).collect()
}

/// The functions of the kernel proper, with their files.
fn located<'a>(kallsyms: &'a Kallsyms, lines: &[(&str, &str)]) -> Vec<Function<'a>> {
    let mut files: HashMap<&str, Vec<u16>> = HashMap::new();
    for (file, (_, names)) in (0u16..).zip(lines) {
        for name in names.split(' ') {
            files.entry(name).or_default().push(file);
        }
    }
    let mut functions: Vec<Function<'_>> = kallsyms
        .functions()
        .filter(|symbol| symbol.module.is_none() && is_whole(symbol.name))
        .map(|symbol| Function { address: symbol.start, name: plain(symbol.name), file: None })
        .collect();
    locate(&mut functions, &files);
    functions
}

/// Whether a path is meant by a pattern, which may leave out its beginning.
pub(super) fn is_meant(pattern: &str, path: &str) -> bool {
    glob::matches(pattern, path) || glob::matches(&format!("*/{pattern}"), path)
}

/// Whether a symbol is a function, not the padding in front of one or a part that was split off.
fn is_whole(symbol: &str) -> bool {
    !symbol.starts_with("__pfx_") && !symbol.contains(".cold") && !symbol.contains(".part.")
}

/// The name without what the compiler adds to functions it has changed.
fn plain(symbol: &str) -> &str {
    symbol.split('.').next().unwrap_or(symbol)
}

/// Finds the file of each function; they are in the order of their addresses.
fn locate(functions: &mut [Function<'_>], files: &HashMap<&str, Vec<u16>>) {
    for function in functions.iter_mut() {
        if let Some([file]) = files.get(function.name).map(Vec::as_slice) {
            function.file = Some(*file);
        }
    }
    let neighbours = |functions: &[Function<'_>], at: usize| {
        let before = functions[..at].iter().rev().find_map(|f| f.file);
        let after = functions[at + 1..].iter().find_map(|f| f.file);
        (before, after)
    };
    for at in 0..functions.len() {
        if functions[at].file.is_some() {
            continue;
        }
        let (before, after) = neighbours(functions, at);
        let candidates = files.get(functions[at].name).map_or(&[][..], Vec::as_slice);
        functions[at].file = match candidates {
            [] => before.filter(|_| before == after),
            some => before.into_iter().chain(after).find(|file| some.contains(file)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_tell_what_names_do_not() {
        let files: HashMap<&str, Vec<u16>> =
            [("a", vec![1]), ("b", vec![1]), ("c", vec![2]), ("init", vec![0, 2])].into();
        let names = ["init", "a", "new", "b", "between", "c", "init", "last"];
        let mut functions: Vec<Function<'_>> = (0..)
            .zip(names)
            .map(|(address, name)| Function { address, name, file: None })
            .collect();
        locate(&mut functions, &files);
        let found: Vec<Option<u16>> = functions.iter().map(|f| f.file).collect();
        let expected = [None, Some(1), Some(1), Some(1), None, Some(2), Some(2), None];
        assert_eq!(found, expected);
    }

    #[test]
    fn sockets_are_in_their_file() {
        let table = "\
ffffffff81000000 T netdev_devres_match
ffffffff81000100 t sock_show_fdinfo
ffffffff81000200 t __pfx_unheard_of
ffffffff81000210 t unheard_of
ffffffff81000300 T kernel_listen
ffffffff81000400 t sock_poll.cold
ffffffff81000500 T sk_ns_capable
";
        let kallsyms = Kallsyms::parse(table.as_bytes());
        let expected = [0xffffffff81000100, 0xffffffff81000210, 0xffffffff81000300];
        for pattern in ["net/socket.c", "socket.c", "net/sock*.c"] {
            assert_eq!(
                functions_of(&kallsyms, pattern).as_deref(),
                Some(&expected[..]),
                "{pattern}"
            );
        }
        assert_eq!(functions_of(&kallsyms, "net/no.c"), None);
        let files = files_of(&kallsyms, &[0xffffffff81000210, 0xffffffff81000400]);
        assert_eq!(files, [Some("net/socket.c".to_string()), None]);
    }
}
