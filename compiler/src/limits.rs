//! The limits a script runs under, and the names under which `-D` sets them.
//!
//! SystemTap has more names than there are limits here: those of its memory management, locks and
//! overload protection have no meaning for eBPF programs and are only recognised.

use crate::layout::DEFAULT_CAPACITY;

/// Elements of an array of a script whose stacks are folded: most stacks are there once.
const STACKS: u32 = 16 << 10;

/// The same of an array that only userspace has.
const USER_STACKS: u32 = 128 << 10;

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// MAXMAPENTRIES: elements of an array that states no size.
    pub array_entries: u32,
    /// The same of an array that only userspace has, whose room is taken as it is needed.
    pub user_array_entries: u32,
    /// MAXACTION: statements one hit of a kernel probe may run.
    pub actions: u64,
    /// MAXACTION_INTERRUPTIBLE: statements a block may run that starts in userspace.
    pub actions_interruptible: u64,
    /// MAXERRORS: handler errors that do not end the session.
    pub errors: u64,
    /// MAXSKIPPED: hits that came to nothing before their handler ran and do not end the session; without it any
    /// number of them.
    pub skipped: Option<u64>,
    /// MAXSTRINGLEN: bytes of a string in user blocks, terminator included.
    pub string_bytes: u32,
    /// MAXNESTING: how deep functions of user blocks may call each other; without it the script's own calls
    /// decide ([`crate::hir::max_nesting`]).
    pub nesting: Option<u32>,
    /// MAXBACKTRACE: frames of a backtrace.
    pub backtrace: u32,
    /// HIST_ELISION: empty histogram rows shown next to others.
    pub histogram_elision: u32,
    /// HIST_WIDTH: the length of the longest bar of a histogram.
    pub histogram_width: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            array_entries: DEFAULT_CAPACITY,
            user_array_entries: DEFAULT_CAPACITY,
            actions: 1000,
            actions_interruptible: 10_000,
            errors: 0,
            skipped: None,
            string_bytes: crate::types::MAX_STRING,
            nesting: None,
            backtrace: 20,
            histogram_elision: 2,
            histogram_width: 50,
        }
    }
}

/// What became of a `-D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The limit is set.
    Set,
    /// A name of SystemTap that means nothing here.
    Meaningless,
    /// Nobody knows the name.
    Unknown,
}

/// Names of SystemTap without a meaning here.
const MEANINGLESS: &[&str] = &[
    "DEBUG_MEM",
    "DEBUG_TRANS",
    "DEBUG_UNWIND",
    "INTERRUPTIBLE",
    "KRETACTIVE",
    "MAXMEMORY",
    "MAXTRYLOCK",
    "MAXUPROBES",
    "MINSTACKSPACE",
    "RELAY_HOST",
    "STAP_SUPPRESS_HANDLER_ERRORS",
    "STAP_SUPPRESS_TIME_LIMITS_ENABLE",
    "STP_BUFFER_SIZE",
    "STP_ALIBI",
    "STP_MAX_BUCKETS",
    "STP_MAXMEMORY",
    "STP_NO_BUILDID_CHECK",
    "STP_NO_OVERLOAD",
    "STP_NO_VERREL_CHECK",
    "STP_OVERLOAD_INTERVAL",
    "STP_OVERLOAD_THRESHOLD",
    "STP_PROCFS_BUFSIZE",
    "STP_TIMING",
    "TASK_FINDER_VMA_ENTRY_ITEMS",
    "TRYLOCKDELAY",
    "UTRACE_TASK_WORKPOOL",
];

impl Limits {
    /// The limits of a session whose stacks are folded, unless the user sets others.
    pub fn for_stacks() -> Limits {
        Limits { array_entries: STACKS, user_array_entries: USER_STACKS, ..Limits::default() }
    }

    /// Sets a limit by its name; a name without a value counts as 1.
    ///
    /// # Errors
    ///
    /// What the value must be.
    pub fn set(&mut self, name: &str, value: &str) -> Result<Setting, String> {
        let number = |least: u64, most: u64| match value.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(format!("{name} must be a number from {least} to {most}")),
        };
        match name {
            "MAXMAPENTRIES" => {
                self.array_entries = number(1, 1 << 24)? as u32;
                self.user_array_entries = self.array_entries;
            }
            "MAXACTION" => {
                // Ten times as many, unless MAXACTION_INTERRUPTIBLE was set before.
                let follows = self.actions_interruptible == self.actions.saturating_mul(10);
                self.actions = number(1, i64::MAX as u64)?;
                if follows {
                    self.actions_interruptible = self.actions.saturating_mul(10);
                }
            }
            "MAXACTION_INTERRUPTIBLE" => self.actions_interruptible = number(1, i64::MAX as u64)?,
            "MAXERRORS" => self.errors = number(0, u64::MAX)?,
            "MAXSKIPPED" => self.skipped = Some(number(0, u64::MAX)?),
            "MAXSTRINGLEN" => self.string_bytes = number(8, 1 << 16)? as u32,
            "MAXNESTING" => self.nesting = Some(number(1, 10_000)? as u32),
            "MAXBACKTRACE" => self.backtrace = number(1, 127)? as u32,
            "HIST_ELISION" => self.histogram_elision = number(0, 128)? as u32,
            "HIST_WIDTH" => self.histogram_width = number(1, 1000)? as u32,
            _ if MEANINGLESS.contains(&name) => return Ok(Setting::Meaningless),
            _ => return Ok(Setting::Unknown),
        }
        Ok(Setting::Set)
    }

    /// `--suppress-time-limits`: handlers may run as many statements as they like.
    pub fn suppress_actions(&mut self) {
        self.actions = i64::MAX as u64;
        self.actions_interruptible = i64::MAX as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_by_name() {
        let mut limits = Limits::default();
        assert_eq!(limits.set("MAXACTION", "50"), Ok(Setting::Set));
        assert_eq!((limits.actions, limits.actions_interruptible), (50, 500));
        assert_eq!(limits.set("MAXACTION_INTERRUPTIBLE", "7"), Ok(Setting::Set));
        assert_eq!((limits.actions, limits.actions_interruptible), (50, 7));
        assert_eq!(limits.set("MAXACTION", "60"), Ok(Setting::Set));
        assert_eq!((limits.actions, limits.actions_interruptible), (60, 7));
        assert_eq!(limits.set("STP_NO_OVERLOAD", "1"), Ok(Setting::Meaningless));
        assert_eq!(limits.set("MAXIMUM", "1"), Ok(Setting::Unknown));
        assert!(limits.set("MAXMAPENTRIES", "0").is_err());
        assert!(limits.set("MAXERRORS", "many").is_err());
    }
}
