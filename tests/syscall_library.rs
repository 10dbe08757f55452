//! Makes `scripts/tapset/syscalls.nt`, the aliases of system calls, of `tests/syscalls.table`.
//!
//! `NTAP_BLESS=1 cargo test --test syscall_library` writes it; without, a difference is a failure.

use std::fmt::Write;
use std::{env, fs, path::Path};

use ntap_compiler::facts::Architecture;
use ntap_compiler::syscalls::{self, Parameter, SystemCall};

/// Other names of calls, that wildcards leave out.
const SECOND_NAMES: &[(&str, &str)] = &[
    ("mmap2", "mmap"),
    ("newfstat", "fstat"),
    ("newfstatat", "fstatat"),
    ("newlstat", "lstat"),
    ("newstat", "stat"),
    ("newuname", "uname"),
    ("pread64", "pread"),
    ("pwrite64", "pwrite"),
    ("sendfile64", "sendfile"),
    ("umount2", "umount"),
];

/// How many arguments of a program are shown.
const ARGUMENTS_SHOWN: usize = 6;

#[test]
fn library_is_what_the_table_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (tests, folder) = (root.join("tests"), root.join("scripts/tapset"));
    let table = fs::read_to_string(tests.join("syscalls.table")).expect("the table");
    let made = library(&table);
    let path = folder.join("syscalls.nt");
    if env::var_os("NTAP_BLESS").is_some() {
        fs::write(&path, made).expect("write the library");
        return;
    }
    let is = fs::read_to_string(&path).expect("the library");
    assert!(is == made, "not what the table says: NTAP_BLESS=1 writes it");
}

fn library(table: &str) -> String {
    let mut out = String::from(
        "// System calls. Made of tests/syscalls.table by tests/syscall_library.rs.\n",
    );
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        row(line, &mut out).unwrap_or_else(|| panic!("bad row: {line}"));
    }
    names(&mut out);
    for (second, first) in SECOND_NAMES {
        for family in ["syscall", "nd_syscall"] {
            let _ = writeln!(out, "// As `{family}.{first}`.");
            let _ = writeln!(out, "probe {family}.{second} = {family}.{first} {{ }}");
            let _ = writeln!(out, "// As `{family}.{first}.return`.");
            let _ = writeln!(out, "probe {family}.{second}.return = {family}.{first}.return {{ }}");
        }
    }
    out
}

/// The function that gives the names of numbers.
fn names(out: &mut String) {
    out.push_str(
        "// The name of the system call of a number.\n// Example:\n// probe begin { \
         println(syscall_name(0)); exit() }\nfunction syscall_name:string(nr:long)\n{\n  return \
         __system_call(nr)\n}\n",
    );
}

/// The aliases of one call.
fn row(line: &str, out: &mut String) -> Option<()> {
    let (head, items) = line.split_once(':')?;
    let (names, result) = head.split_once(' ')?;
    let (name, call) = names.split_once('=').unwrap_or((names, names));
    let call = syscalls::table(Architecture::X86_64)?.find(call)?;
    let mut body = Body::default();
    for item in items.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        body.item(item, call)?;
    }
    let format = match result {
        "d" | "n" => 1,
        "x" => 2,
        "o" => 3,
        _ => return None,
    };
    let (shown, text) = (call.name, body.text());
    let variables: String =
        body.definitions.iter().map(|(name, value)| format!("  {name} = {value}\n")).collect();
    let listed: Vec<String> = body.definitions.iter().map(|(n, _)| format!("`{n}`")).collect();
    let listed = if listed.is_empty() { String::new() } else { format!(": {}", listed.join(", ")) };
    let _ = write!(
        out,
        "// A call of `{name}`{listed}.
probe syscall.{name} = kernel.syscall(\"{shown}\")
{{
  name = \"{name}\"
{variables}  argstr = {text}
}}
// As `syscall.{name}`.
probe nd_syscall.{name} = syscall.{name} {{ }}
"
    );
    if result == "n" {
        return Some(());
    }
    // The program's memory is gone when these return.
    let (variables, text) = match name {
        "execve" | "execveat" => {
            let filename = "  filename = string_quoted(@entry(user_string2($filename, \"\")))\n";
            (filename.to_string(), "filename".to_string())
        }
        _ => (variables, text),
    };
    let _ = write!(
        out,
        "// The end of a call of `{name}`: `retval`, `retstr`, and the variables of `syscall.{name}`.
probe syscall.{name}.return = kernel.syscall(\"{shown}\").return
{{
  name = \"{name}\"
{variables}  argstr = {text}
  retval = $return
  retstr = return_str({format}, $return)
}}
// As `syscall.{name}.return`.
probe nd_syscall.{name}.return = syscall.{name}.return {{ }}
"
    );
    Some(())
}

/// What an alias defines.
#[derive(Default)]
struct Body {
    definitions: Vec<(String, String)>,
    /// Conversions of `argstr`, with what they print.
    parts: Vec<(String, String)>,
}

impl Body {
    fn text(&self) -> String {
        let formats: Vec<&str> = self.parts.iter().map(|(format, _)| format.as_str()).collect();
        if formats.is_empty() {
            return "\"\"".to_string();
        }
        let values: Vec<&str> = self.parts.iter().map(|(_, value)| value.as_str()).collect();
        // `creat` parts bring their own comma.
        let format = formats.join(", ").replace(", \u{0}", "");
        format!("sprintf(\"{format}\", {})", values.join(", "))
    }

    fn define(&mut self, name: &str, value: impl Into<String>) {
        self.definitions.push((name.to_string(), value.into()));
    }

    fn part(&mut self, format: &str, value: impl Into<String>) {
        self.parts.push((format.to_string(), value.into()));
    }

    /// A variable that is shown as it is.
    fn shown(&mut self, name: &str, value: String, format: &str) {
        self.define(name, value);
        self.part(format, name);
    }

    /// An argument: `KIND VARIABLE[=PARAMETER]`.
    fn item(&mut self, item: &str, call: &SystemCall) -> Option<()> {
        let (kind, names) = item.split_once(' ')?;
        let (name, parameter) = names.split_once('=').unwrap_or((names, names));
        let parameter = call.parameters.iter().find(|p| p.name == parameter)?;
        let value = format!("${}", parameter.name);
        let mut kind = kind.split('.');
        let (kind, first, second) = (kind.next()?, kind.next(), kind.next());
        match kind {
            // Numbers: signed, unsigned, hexadecimal, octal; addresses.
            "int" | "sint" => {
                self.shown(name, signed(parameter, kind == "sint"), "%d");
            }
            "uint" => self.shown(name, unsigned(parameter), "%u"),
            "hex" => self.shown(name, unsigned(parameter), "%#x"),
            "oct" => self.shown(name, value, "%#o"),
            "ptr" => self.shown(name, value, "%#x"),
            // A mode that counts only when a file is made.
            "creat" => {
                self.define(name, value);
                self.part("\u{0}%s", format!("__creation_mode($flags, ${})", parameter.name));
            }
            // Strings.
            "path" => {
                self.shown(name, format!("user_string_quoted({value})"), "%s");
                self.define(&format!("{name}_unquoted"), format!("user_string2({value}, \"\")"));
            }
            "dfd" => {
                self.define(name, value.clone());
                self.shown(&format!("{name}_str"), format!("__directories({value})"), "%s");
            }
            // Numbers with names: `name.TABLE`, `flags.TABLE`.
            "name" => {
                self.define(name, signed(parameter, false));
                let text = format!("__{}({})", first?, signed(parameter, false));
                self.shown(&format!("{name}_str"), text, "%s");
            }
            // The option of a protocol, which another argument names.
            "option" => {
                self.define(name, signed(parameter, false));
                let text = format!("__socket_option(${}, {value})", first?);
                self.shown(&format!("{name}_str"), text, "%s");
            }
            "flags" => {
                self.define(name, value);
                let text = format!("__{}({})", first?, unsigned(parameter));
                self.shown(&format!("{name}_str"), text, "%s");
            }
            "futex" => {
                self.define(name, value);
                self.part("%s", format!("__futex_operations({})", unsigned(parameter)));
            }
            "sig" => {
                self.define(name, value.clone());
                self.shown(first?, format!("signal_str({value})"), "%s");
            }
            // Structures: `KIND.VARIABLE OF THE TEXT`.
            "timespec" | "timeval" | "itimerval" | "itimerspec" | "rlimit" | "timespec2"
            | "timeval2" | "sigset" | "sigaction" => {
                self.define(name, value.clone());
                self.shown(first?, format!("__{kind}_text({value})"), "%s");
            }
            "sockaddr" => {
                self.define(name, value.clone());
                self.part("%s", format!("__sockaddr_text({value})"));
                match first {
                    Some(text) => self.define(text, format!("__sockaddr_text({value})")),
                    None => {
                        for what in ["af", "ip", "ip_port", "ipv6_flowinfo", "ipv6_scope_id"] {
                            self.define(
                                &format!("uaddr_{what}"),
                                format!("__sockaddr_{what}({value})"),
                            );
                        }
                    }
                }
            }
            "buf" => {
                self.define(name, value.clone());
                let length = format!("${}", second?);
                self.shown(first?, format!("user_buffer_quoted({value}, {length}, 45)"), "%s");
            }
            "pipe" => {
                self.define(name, value.clone());
                self.define("pipe0", format!("__user_s32({value})"));
                self.define("pipe1", format!("__user_s32({value} + 4)"));
                self.part("[%d, %d]", "pipe0, pipe1");
            }
            "argv" => self.shown(name, arguments(&value, 0), "%s"),
            _ => return None,
        }
        Some(())
    }
}

/// A number that C code would print with `%d`: the kernel declares some that are signed otherwise.
fn signed(parameter: &Parameter, narrow: bool) -> String {
    let scalar = parameter.scalar();
    if scalar.bytes == 4 && !scalar.signed || narrow {
        format!("__signed(${})", parameter.name)
    } else {
        format!("${}", parameter.name)
    }
}

fn unsigned(parameter: &Parameter) -> String {
    let scalar = parameter.scalar();
    if scalar.bytes == 4 && scalar.signed {
        format!("(${} & 0xffffffff)", parameter.name)
    } else {
        format!("${}", parameter.name)
    }
}

/// The arguments of a program from one on, as `["a", "b"]`.
fn arguments(list: &str, from: usize) -> String {
    let mut text = format!("(__user_s64({list} + {}) ? \", ...\" : \"\")", 8 * ARGUMENTS_SHOWN);
    for at in (from..ARGUMENTS_SHOWN).rev() {
        let address = format!("__user_s64({list} + {})", 8 * at);
        let comma = if at == 0 { "" } else { "\", \" . " };
        text = format!("({address} ? {comma}user_string_quoted({address}) . {text} : \"\")");
    }
    format!("\"[\" . {text} . \"]\"")
}
