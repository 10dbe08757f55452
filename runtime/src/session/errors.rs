//! Why a session could not run.

use std::fmt;
use std::io;

use crate::attach::AttachError;
use crate::load::LoadError;
use crate::sys::{self, SysError};
use crate::target_process::TargetError;

/// Why a session could not run.
#[derive(Debug)]
pub enum SessionError {
    /// The user blocks could not be compiled: a bug.
    Native(String),
    /// The object could not be written: a bug.
    Object(String),
    /// The kernel did not take the object.
    Load(LoadError),
    /// A probe could not be attached.
    Attach(AttachError),
    /// The process to trace.
    Target(TargetError),
    /// A system call.
    System(SysError),
    /// The output file, whose name is in the message.
    Output(io::Error),
    /// Going on in the background.
    Background(io::Error),
    /// The screen of `--monitor`.
    Monitor(io::Error),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Native(why) => write!(f, "compiling the user blocks: {why}"),
            SessionError::Object(why) => write!(f, "writing the object: {why}"),
            SessionError::Load(error) => error.fmt(f),
            SessionError::Attach(error) => error.fmt(f),
            SessionError::Target(error) => error.fmt(f),
            SessionError::System(error) => error.fmt(f),
            SessionError::Output(error) => {
                write!(f, "cannot open the output file {}", sys::error_text(error))
            }
            SessionError::Monitor(error) => {
                write!(f, "`--monitor` needs a terminal: {}", sys::error_text(error))
            }
            SessionError::Background(error) => {
                write!(f, "cannot go on in the background: {}", sys::error_text(error))
            }
        }
    }
}

impl std::error::Error for SessionError {}

impl From<LoadError> for SessionError {
    fn from(error: LoadError) -> SessionError {
        SessionError::Load(error)
    }
}

impl From<AttachError> for SessionError {
    fn from(error: AttachError) -> SessionError {
        SessionError::Attach(error)
    }
}

impl From<TargetError> for SessionError {
    fn from(error: TargetError) -> SessionError {
        SessionError::Target(error)
    }
}

impl From<SysError> for SessionError {
    fn from(error: SysError) -> SessionError {
        SessionError::System(error)
    }
}
