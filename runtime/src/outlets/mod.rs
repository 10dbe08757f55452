//! What blocks in userspace exchange with other programs: the files of a session, and the standard input.

mod directory;
mod files;
mod http;
mod input;
mod pipe;

pub use directory::Directory;
pub use files::{Asked, Conversation, FileOutlet, Files};
pub use http::{Http, HttpRequest};
pub use input::Input;
