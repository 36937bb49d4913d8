//! The services of a project (D22, D23): what its compose files say as a whole, and the override that isolates an instance's.
//!
//! Pure: compose itself reads the files (`backend::compose`), and says in JSON what they come to.

mod binds;
mod call;
mod image;
mod isolate;
mod isolation;
mod layout;
mod model;
mod names;
mod networks;
mod port;
mod refused;
mod share;
mod starts;
mod volume;
mod word;

pub use binds::{Binds, Inside, Kind, Outside, is_shared, is_shared_device, kept};
pub use call::{Call, stop_line};
pub use isolate::Override;
pub use isolation::Isolation;
pub use layout::{Layout, numbered};
pub use model::{Model, Mount, Network, Service, Unreadable, Volume};
pub use names::{Names, Naming, name_of};
pub use port::Port;
pub use refused::Refused;
pub use share::Shared;
pub use starts::Starts;
pub use volume::OwnVolume;
pub use word::Word;

#[cfg(test)]
mod tests;
