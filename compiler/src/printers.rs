//! The catalogue of printing functions: their names, and what they take.

/// A member of the `print` family.
pub(crate) struct Printer {
    /// Its name.
    pub(crate) name: &'static str,
    /// The first argument is a format.
    pub(crate) formatted: bool,
    /// The first argument stands between the others.
    pub(crate) delimited: bool,
    /// A newline follows.
    pub(crate) newline: bool,
    /// Gives a string instead of printing.
    pub(crate) to_text: bool,
}

const fn printer(
    name: &'static str,
    formatted: bool,
    delimited: bool,
    newline: bool,
    to_text: bool,
) -> Printer {
    Printer { name, formatted, delimited, newline, to_text }
}

/// The printing function of a name.
pub(crate) fn printer_of(name: &str) -> Option<&'static Printer> {
    PRINTERS.iter().find(|printer| printer.name == name)
}

/// All of them.
pub(crate) const PRINTERS: &[Printer] = &[
    printer("print", false, false, false, false),
    printer("println", false, false, true, false),
    printer("printf", true, false, false, false),
    printer("printd", false, true, false, false),
    printer("printdln", false, true, true, false),
    printer("sprint", false, false, false, true),
    printer("sprintln", false, false, true, true),
    printer("sprintf", true, false, false, true),
    printer("sprintd", false, true, false, true),
    printer("sprintdln", false, true, true, true),
];
